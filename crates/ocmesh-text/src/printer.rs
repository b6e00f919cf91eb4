//! The printer: every hidden character becomes a visible escape, so that text can neither move a cursor, nor end a line, nor hide.

use crate::is_hidden;

/// Whether a character may stand as it is behind `before`. U+FE0F after a symbol only asks for its coloured form ("✔️"); alone or repeated it
/// can carry hidden data.
#[must_use]
pub const fn is_shown(c: char, before: Option<char>) -> bool {
    let after_symbol = match before {
        Some(before) => !before.is_ascii() && !is_hidden(before),
        None => false,
    };
    !is_hidden(c) || (c == '\u{fe0f}' && after_symbol)
}

/// One line: every hidden character is written as `\u{…}`, line breaks and tabs too.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(&mut out, text);
    out
}

/// Appends a text as [`visible`] shows it.
pub fn push_visible(out: &mut String, text: &str) {
    push(out, text, |_| false);
}

/// Several lines: as [`visible`], but line breaks stay. Tabs become spaces.
#[must_use]
pub fn visible_block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push(&mut out, &text.replace("\r\n", "\n").replace('\t', "    "), |c| c == '\n');
    out
}

fn push(out: &mut String, text: &str, keep: impl Fn(char) -> bool) {
    let mut before = None;
    for c in text.chars() {
        if is_shown(c, before) || keep(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
        before = Some(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_visible() {
        assert_eq!(visible("a\u{1b}[31mb"), r"a\u{1b}[31mb");
        assert_eq!(visible("evil\u{202e}txt\u{200b}"), r"evil\u{202e}txt\u{200b}");
        assert_eq!(visible("two\nlines\t"), r"two\u{a}lines\u{9}");
        assert_eq!(visible("\u{e0041}\u{9b}2J"), r"\u{e0041}\u{9b}2J");
        assert_eq!(visible_block("two\r\nlines\n\u{7}\tx"), "two\nlines\n\\u{7}    x");
        assert_eq!(visible("héllo 🕸️ ✔️"), "héllo 🕸️ ✔️");
        assert_eq!(visible("🕸\u{fe0f}\u{fe0f}a\u{fe0f}"), "🕸\u{fe0f}\\u{fe0f}a\\u{fe0f}");
    }

    /// Any text, with far more of the characters that matter than chance would bring.
    fn hostile() -> impl Strategy<Value = String> {
        let hidden = prop::sample::select(vec![
            '\u{1b}',
            '\u{9b}',
            '\u{9d}',
            '\u{7}',
            '\r',
            '\n',
            '\u{8}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{e0020}',
            '\u{e007f}',
            '\u{ad}',
            '\u{2028}',
            '\u{7f}',
            '\0',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{2800}',
        ]);
        prop::collection::vec(prop_oneof![any::<char>(), hidden], 0..100).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_text_gets_a_hidden_character_through(text in hostile()) {
            let mut before = None;
            for c in visible(&text).chars() {
                prop_assert!(is_shown(c, before), "{:?}", c);
                before = Some(c);
            }
            let stays = |c: char| !is_hidden(c) || c == '\n' || c == '\u{fe0f}';
            prop_assert!(visible_block(&text).chars().all(stays));
            let ends = ['\n', '\r', '\u{1b}', '\u{9b}', '\u{2028}', '\u{85}'];
            prop_assert!(!visible(&text).contains(ends), "one line stays one line");
        }

        #[test]
        fn what_is_shown_is_shown_the_same_again(text in hostile()) {
            let once = visible(&text);
            prop_assert_eq!(visible(&once), once);
        }
    }
}
