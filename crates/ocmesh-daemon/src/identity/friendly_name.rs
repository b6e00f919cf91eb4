//! A friendly name for an agent that was given none. Always the same for one key; a label, never an identity.

use ocmesh_proto::PubKey;

/// 64 each, so that six bits of the key choose one.
const ADJECTIVES: [&str; 64] = [
    "amber", "autumn", "bold", "brave", "breezy", "bright", "calm", "candid", "cheery", "clever", "cosy", "crisp", "curious", "daring",
    "dear", "dewy", "eager", "early", "easy", "fair", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy",
    "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild", "misty", "modest", "neat",
    "nimble", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "ready", "rosy", "serene", "silver", "snug", "steady",
    "sunny", "swift", "tidy", "vivid", "warm", "wise",
];

const ANIMALS: [&str; 64] = [
    "alpaca", "badger", "beaver", "bison", "bunting", "camel", "caribou", "cat", "chamois", "cod", "crane", "cricket", "curlew", "deer",
    "dolphin", "dove", "duck", "egret", "elk", "falcon", "ferret", "finch", "fox", "gecko", "goose", "grouse", "hare", "hawk", "hedgehog",
    "heron", "ibex", "jay", "kestrel", "kiwi", "koala", "lark", "lemur", "linnet", "lynx", "marmot", "marten", "mole", "moose", "newt",
    "otter", "owl", "panda", "pelican", "penguin", "pony", "puffin", "quail", "rabbit", "raven", "robin", "salmon", "seal", "sparrow",
    "squirrel", "stork", "swan", "tapir", "turtle", "wren",
];

/// Adjective, animal, and two digits of the key, such as `gentle-otter-4f`.
#[must_use]
pub fn friendly_name(own: &PubKey) -> String {
    let [first, second, third, ..] = own.as_bytes();
    let word = |words: &[&'static str; 64], byte: u8| words.get(usize::from(byte) % words.len()).copied().unwrap_or_default();
    format!("{}-{}-{third:02x}", word(&ADJECTIVES, *first), word(&ANIMALS, *second))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_key_has_one_name_and_it_is_a_good_label() {
        let name = friendly_name(&PubKey::from_bytes([0x17; 32]));
        assert_eq!(name, "gentle-gecko-17");
        assert_eq!(ocmesh_proto::label::clean(&name, 64), Some(name));
    }

    #[test]
    fn no_word_is_there_twice() {
        assert_eq!(ADJECTIVES.iter().chain(&ANIMALS).collect::<BTreeSet<_>>().len(), 128);
    }
}
