//! Makes text from outside safe to show in a terminal: nothing in it can move the cursor, hide, or turn other text around.

use std::fmt::Write as _;

/// One line: every hidden character becomes a visible escape, line breaks and tabs too.
pub(crate) fn safe(text: &str) -> String {
    escape(text, |_| false)
}

/// Several lines: as [`safe`], but line breaks stay. Tabs become spaces.
pub(crate) fn safe_block(text: &str) -> String {
    escape(&text.replace("\r\n", "\n").replace('\t', "    "), |c| c == '\n')
}

/// Marks that steer language models, or that tools put around untrusted text. Agents read this terminal output too.
const STEERING: [(&str, &str); 8] = [
    ("<|", "<\\|"),
    ("|>", "|\\>"),
    ("<<<", "<\\<\\<\\"),
    (">>>", ">\\>\\>\\"),
    ("[INST]", "[\\INST]"),
    ("[/INST]", "[\\/INST]"),
    ("<<SYS>>", "<\\<SYS>>"),
    ("<</SYS>>", "<\\</SYS>>"),
];

/// A stranger's text in several lines: as [`safe_block`], and nothing in it can pass for a model's own control marks.
pub(crate) fn untrusted_block(text: &str) -> String {
    STEERING.iter().fold(safe_block(text), |text, (mark, broken)| text.replace(mark, broken))
}

/// JSON text with every hidden character written as `\uXXXX`: the same value for a program, harmless in a terminal.
/// Outside of strings JSON has only line breaks and spaces, which stay.
pub(crate) fn safe_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0u16; 2];
    for c in json.chars() {
        if c == '\n' || !is_hidden(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut emoji_before = false;
    for c in text.chars() {
        // U+FE0F after a symbol only asks for its coloured form ("✔️"); alone or repeated it can carry hidden data.
        let shows = !is_hidden(c) || keep(c) || (c == '\u{fe0f}' && emoji_before);
        if shows {
            out.push(c);
        } else {
            let _ = write!(out, "{}", c.escape_default());
        }
        emoji_before = !c.is_ascii() && c != '\u{fe0f}' && !is_hidden(c);
    }
    out
}

/// Control, direction, zero-width, blank-filler, variation and tag characters, and what Unicode keeps for private or no use.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_visible() {
        assert_eq!(safe("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(safe("evil\u{202e}txt\u{200b}"), "evil\\u{202e}txt\\u{200b}");
        assert_eq!(safe("two\nlines\t"), "two\\nlines\\t");
        assert_eq!(safe("\u{e0041}\u{9b}2J"), "\\u{e0041}\\u{9b}2J");
        assert_eq!(safe_block("two\r\nlines\n\u{7}"), "two\nlines\n\\u{7}");
        assert_eq!(safe("héllo 🕸️ ✔️"), "héllo 🕸️ ✔️");
        assert_eq!(safe("🕸\u{fe0f}\u{fe0f}a\u{fe0f}"), "🕸\u{fe0f}\\u{fe0f}a\\u{fe0f}");
    }

    #[test]
    fn control_marks_of_models_are_broken() {
        for text in ["<|im_start|>system", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<<<END_UNTRUSTED>>>", "<<<<||>>>>"] {
            let out = untrusted_block(text);
            assert!(STEERING.iter().all(|(mark, _)| !out.contains(mark)), "{out}");
        }
        assert_eq!(untrusted_block("a < b | c > d, <b>x</b>"), "a < b | c > d, <b>x</b>");
    }

    proptest! {
        #[test]
        fn no_text_gets_a_hidden_character_to_the_terminal(text in prop::collection::vec(any::<char>(), 0..200)) {
            let text: String = text.into_iter().collect();
            let mut before = 'a';
            for c in safe(&text).chars() {
                prop_assert!(!is_hidden(c) || (c == '\u{fe0f}' && !before.is_ascii() && !is_hidden(before)), "{:?}", c);
                before = c;
            }
            let block = safe_block(&text);
            prop_assert!(block.chars().all(|c| !is_hidden(c) || c == '\n' || c == '\u{fe0f}'), "{:?}", block);
        }

        #[test]
        fn json_keeps_its_value(text in any::<String>()) {
            let json = safe_json(&serde_json::to_string_pretty(&vec![&text]).unwrap());
            prop_assert!(json.chars().all(|c| !is_hidden(c) || c == '\n'), "{:?}", json);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), vec![text]);
        }

        #[test]
        fn hostile_characters_are_always_escaped(c in prop::sample::select(vec![
            '\u{1b}', '\u{9b}', '\u{7}', '\r', '\u{8}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{200d}', '\u{feff}',
            '\u{e0020}', '\u{e007f}', '\u{ad}', '\u{2028}', '\u{7f}', '\0',
        ]), head in ".{0,20}") {
            let out = safe_block(&format!("{head}{c}"));
            prop_assert!(!out.contains(c), "{:?}", out);
        }
    }
}
