//! Text that a model reads: as the printer shows it, and nothing in it opens a mark that a model or the program around it would obey.

use crate::{marks, printer::is_shown};

/// How much of a text's own layout stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everything in one line.
    Line,
    /// Line breaks and tabs stay.
    Block,
}

/// A text that neither hides nor steers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neutral {
    /// The text.
    pub text: String,
    /// Some characters were written out as `\u{…}`.
    pub altered: bool,
    /// The text was too long and is cut off.
    pub cut: bool,
}

/// Writes out what hides or steers; at most `chars_max` characters come back.
#[must_use]
pub fn neutralise(text: &str, chars_max: usize, shape: Shape) -> Neutral {
    // What stands far behind the cut cannot be shown; folding it would only cost time.
    let (text, mut cut) = match text.char_indices().nth(chars_max) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    };
    let block = shape == Shape::Block;
    let text = if block { text.replace("\r\n", "\n") } else { text.to_owned() };
    let steering = marks::steering(&text);
    let (mut out, mut length, mut altered, mut before) = (String::with_capacity(text.len()), 0_usize, false, None);
    for (index, c) in text.chars().enumerate() {
        let shows = is_shown(c, before) || (block && matches!(c, '\n' | '\t'));
        let plain = shows && !steering.contains(&index);
        before = plain.then_some(c);
        let width = if plain { 1 } else { c.escape_unicode().count() };
        length = length.saturating_add(width);
        if length > chars_max {
            cut = true;
            break;
        }
        altered |= !plain;
        if plain {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Neutral { text: out, altered, cut }
}

/// One line, whole.
#[must_use]
pub fn neutral(text: &str) -> String {
    neutralise(text, usize::MAX, Shape::Line).text
}

/// Several lines, whole. Tabs become spaces.
#[must_use]
pub fn neutral_block(text: &str) -> String {
    neutralise(&text.replace('\t', "    "), usize::MAX, Shape::Block).text
}

/// One line of text from outside (a name, a feature, what a relay said), at most `chars_max` characters long and an ellipsis.
#[must_use]
pub fn label(text: &str, chars_max: usize) -> String {
    let Neutral { mut text, cut, .. } = neutralise(text.trim(), chars_max, Shape::Line);
    if cut {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_and_hidden_characters_are_written_out() {
        assert_eq!(neutral("<|im_start|>a\u{200b}\n"), r"\u{3c}|im_start|>a\u{200b}\u{a}");
        assert_eq!(neutral_block("a\r\n\t[INST]"), "a\n    \\u{5b}INST]");
        assert_eq!(neutral("a < b | c > d, <b>x</b> 🕸️"), "a < b | c > d, <b>x</b> 🕸️");
        assert_eq!(label("  abcdef ", 3), "abc…");
    }

    proptest! {
        #[test]
        fn what_is_neutral_stays_as_it_is(text in any::<String>()) {
            let once = neutralise(&text, usize::MAX, Shape::Block);
            let twice = neutralise(&once.text, usize::MAX, Shape::Block);
            prop_assert_eq!(&once.text, &twice.text);
            prop_assert!(!twice.altered);
        }

        #[test]
        fn no_bound_is_passed(text in any::<String>(), chars_max in 0_usize..50) {
            prop_assert!(neutralise(&text, chars_max, Shape::Line).text.chars().count() <= chars_max);
        }
    }
}
