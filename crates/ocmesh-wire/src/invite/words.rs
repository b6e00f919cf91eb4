//! The 256 words of phrases: English, short, no two of which differ by a single letter. Frozen: both ends must have the same ones.

/// The word for a byte.
pub(super) fn word(byte: u8) -> &'static str {
    // There are as many words as bytes.
    WORDS.get(usize::from(byte)).copied().unwrap_or_default()
}

pub(super) const WORDS: [&str; 256] = [
    "acorn", "actor", "album", "alley", "amber", "angel", "ankle", "apple", "april", "apron", "arrow", "aspen", "atlas", "attic", "autumn",
    "award", "bacon", "badge", "bagel", "bamboo", "banjo", "barrel", "basket", "beach", "beaver", "berry", "bishop", "bison", "blanket",
    "bottle", "bridge", "bucket", "cabin", "cactus", "camel", "candle", "canoe", "carbon", "carpet", "castle", "cedar", "cello", "cherry",
    "circus", "citrus", "clover", "cobra", "cotton", "dagger", "daisy", "dancer", "desert", "diesel", "dinner", "doctor", "dolphin",
    "donkey", "dragon", "drawer", "driver", "drum", "dune", "duvet", "dwarf", "eagle", "easel", "echo", "eclipse", "elbow", "elephant",
    "eleven", "emerald", "engine", "envelope", "eraser", "errand", "escape", "exit", "expert", "eyelash", "fabric", "falcon", "farmer",
    "feather", "festival", "fiddle", "flame", "flute", "forest", "fossil", "fountain", "fox", "freckle", "friday", "frog", "funnel",
    "galaxy", "gallop", "garden", "garlic", "gazelle", "giant", "ginger", "giraffe", "glacier", "glove", "goblet", "granite", "grape",
    "gravel", "guitar", "gypsum", "halo", "hammer", "harbor", "harvest", "hazel", "hedgehog", "helmet", "hermit", "hinge", "hippo",
    "honey", "hornet", "hotel", "hunter", "husky", "hydrant", "iceberg", "idol", "igloo", "impulse", "incense", "indigo", "infant", "ink",
    "inkwell", "inlet", "insect", "iron", "island", "isotope", "item", "ivory", "jacket", "jaguar", "jasmine", "jazz", "jelly", "jersey",
    "jewel", "jigsaw", "jockey", "joker", "jubilee", "judo", "july", "jumper", "jungle", "juniper", "karaoke", "karate", "kayak", "kebab",
    "kennel", "kettle", "keyboard", "kidney", "kimono", "kingdom", "kiosk", "kitchen", "kiwi", "knight", "knuckle", "koala", "ladder",
    "lagoon", "lantern", "lavender", "lemon", "leopard", "lettuce", "library", "lilac", "lizard", "lobster", "lotus", "lumber", "lunar",
    "lynx", "lyric", "magnet", "mango", "maple", "marble", "meadow", "mermaid", "mirror", "mosaic", "mosquito", "muffin", "museum",
    "mustard", "napkin", "nectar", "needle", "nephew", "nickel", "noodle", "north", "novel", "nugget", "nutmeg", "nylon", "oasis", "ocean",
    "octopus", "olive", "onion", "orange", "orchid", "otter", "oven", "owl", "oxygen", "oyster", "panda", "parrot", "pebble", "pencil",
    "penguin", "pepper", "piano", "pillow", "planet", "pumpkin", "puzzle", "python", "rabbit", "radar", "rainbow", "raven", "ribbon",
    "robot", "rooster", "sailor", "salmon", "shadow", "silver", "turtle", "violin", "walnut", "whisper", "yellow", "zebra",
];
