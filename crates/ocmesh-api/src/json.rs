//! JSON that keeps every value and hides nothing in its text: a hidden character, and every sign that a model's marks are made of, is written
//! as `\uXXXX`. A program reads the same value; an agent that is shown the text itself is neither steered nor misled.

use std::io;

use ocmesh_text::{is_hidden, looks_like_a_bracket};
use serde::Serialize;
use serde_json::ser::Formatter;

/// Writes a value in one line.
///
/// # Errors
/// None in practice: every field of the API is a plain value.
pub fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut out = Vec::with_capacity(1_024);
    write(&mut out, value)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// Writes a list in one line, each entry made only when it is its turn: a page is large, and is held once.
///
/// # Errors
/// As [`to_string`].
pub fn list<T: Serialize>(items: impl ExactSizeIterator<Item = T>) -> Result<String, serde_json::Error> {
    let mut out = vec![b'['];
    let count = items.len();
    for (index, item) in items.enumerate() {
        if index == 1 {
            // Entries are about as long as each other; to move the page for the sake of its last few costs more than some room.
            out.reserve(out.len().saturating_mul(count) / 8 * 9);
        }
        if index > 0 {
            out.push(b',');
        }
        write(&mut out, &item)?;
    }
    out.push(b']');
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

fn write(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, InPlainSight))
}

struct InPlainSight;

impl Formatter for InPlainSight {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if is_plain(fragment.as_bytes()) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0_u16; 2];
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hidden(*c) || looks_like_a_bracket(*c)) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Bytes that are looked at together, in one register.
const LANES: usize = 8;

/// Whether a text is printable ASCII without a bracket: nearly all there is. Most texts of a page are short, so the rest of one is not looked at
/// byte by byte either: its last bytes are looked at twice, or with spaces behind them.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<LANES>();
    let odd = words.iter().fold(0, |odd, word| odd | odd_lanes(*word));
    if rest.is_empty() {
        return odd == 0;
    }
    let mut last = [b' '; LANES];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    odd | odd_lanes(*text.last_chunk().unwrap_or(&last)) == 0
}

/// Not zero where a byte is below a space, above `~`, or a bracket. Which of them it is does not show.
const fn odd_lanes(bytes: [u8; LANES]) -> u64 {
    const HIGH: u64 = each(0x80);
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; LANES])
    }
    /// Some byte is less than this one, which is at most 0x80: then taking it away borrows from the high bit, which was not set.
    const fn less(word: u64, than: u8) -> u64 {
        word.wrapping_sub(each(than)) & !word & HIGH
    }
    const fn equal(word: u64, byte: u8) -> u64 {
        less(word ^ each(byte), 1)
    }
    let word = u64::from_ne_bytes(bytes);
    // `<` and `>` are told apart by the second bit alone.
    word & HIGH | less(word, b' ') | equal(word, 0x7f) | equal(word & !each(2), b'<') | equal(word, b'[') | equal(word, b']')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signs_of_marks_and_hidden_characters_are_escapes() {
        let json = to_string(&("<|im_start|>[INST]", "\u{1b}\u{202e}\u{e0041}\"\n", "＜é🕸")).unwrap();
        assert_eq!(json, r#"["\u003c|im_start|\u003e\u005bINST\u005d","\u001b\u202e\udb40\udc41\"\n","\uff1cé🕸"]"#);
    }

    #[test]
    fn what_is_plain_needs_no_other_look() {
        for c in '\0'..='\u{7f}' {
            assert_eq!(is_plain(&[c as u8]), !is_hidden(c) && !looks_like_a_bracket(c), "{c:?}");
        }
        assert!(!(0x80..=0xff_u8).any(|byte| is_plain(&[byte])));
    }

    #[test]
    fn one_odd_byte_is_seen_wherever_it_stands_and_whatever_stands_beside_it() {
        for length in 1..40 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    for beside in [b' ', b'=', b'\\', b'~'] {
                        let mut text = vec![beside; length];
                        text[at] = byte;
                        assert_eq!(is_plain(&text), is_plain(&[byte]), "{byte:#x} at {at} of {length} beside {beside:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_is_what_it_is_as_a_whole() {
        for count in 0..5 {
            let items: Vec<(usize, &str)> = (0..count).map(|number| (number, "<é")).collect();
            assert_eq!(list(items.iter()).unwrap(), to_string(&items).unwrap());
        }
    }

    proptest! {
        #[test]
        fn every_value_stays_itself(text in any::<String>(), more in prop::collection::vec(any::<Option<char>>(), 0..5)) {
            let json = to_string(&(&text, &more)).unwrap();
            prop_assert!(!json.contains(is_hidden), "{:?}", json);
            prop_assert_eq!(serde_json::from_str::<(String, Vec<Option<char>>)>(&json).unwrap(), (text, more));
        }
    }
}
