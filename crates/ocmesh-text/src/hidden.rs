//! The one list of characters that a reader does not see, or that change what a reader sees.

/// Control (C0, DEL, C1, so also ESC, CSI and OSC), direction, zero-width, blank-filler, variation and tag characters, notes between the
/// lines, what steers the layout of hieroglyphs, shorthand and music, and what Unicode keeps for private or no use.
/// Line breaks and tabs are control characters too; who shows several lines lets those pass.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
        // The last two places of every plane are no characters.
        || (c as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_hide_is_on_the_list() {
        for (what, range) in [
            ("control", 0..=0x1f),
            ("DEL and C1", 0x7f..=0x9f),
            ("soft hyphen", 0xad..=0xad),
            ("grapheme joiner", 0x34f..=0x34f),
            ("arabic letter mark", 0x61c..=0x61c),
            ("hangul fillers", 0x115f..=0x1160),
            ("khmer inherent vowels", 0x17b4..=0x17b5),
            ("mongolian variations", 0x180b..=0x180f),
            ("zero width and marks", 0x200b..=0x200f),
            ("line and paragraph ends, embeddings and overrides", 0x2028..=0x202e),
            ("invisible operators, isolates", 0x2060..=0x206f),
            ("braille blank", 0x2800..=0x2800),
            ("hangul filler", 0x3164..=0x3164),
            ("private use", 0xe000..=0xf8ff),
            ("variations", 0xfe00..=0xfe0f),
            ("byte order mark", 0xfeff..=0xfeff),
            ("half-width filler", 0xffa0..=0xffa0),
            ("annotations", 0xfff9..=0xfffb),
            ("tags", 0xe0000..=0xe007f),
            ("more variations", 0xe0100..=0xe01ef),
            ("private planes", 0xf0000..=0x10ffff),
            ("no character", 0x1fffe..=0x1ffff),
        ] {
            assert!(range.into_iter().filter_map(char::from_u32).all(is_hidden), "{what}");
        }
        assert!(
            (0..=0x0010_ffff).filter_map(char::from_u32).filter(|c| c.is_control()).all(is_hidden),
            "what the standard library calls control"
        );
    }

    #[test]
    fn what_people_write_is_not() {
        assert_eq!(
            "Zoë, Ωмега, 日本語, हिन्दी, עברית, العربية, 🕸👋🏽, ½ × ∑ — “…” \u{a0}\u{3000}\u{301}\u{fffd}".chars().find(|c| is_hidden(*c)),
            None
        );
    }
}
