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
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, InPlainSight))?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

struct InPlainSight;

impl Formatter for InPlainSight {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Every byte of a piece is looked at, so that the processor looks at many at a time.
        if fragment.as_bytes().chunks(64).all(|piece| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte))) {
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

/// Printable ASCII without a bracket: nearly all there is, and looked at byte by byte.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & !matches!(byte, b'<' | b'>' | b'[' | b']')
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
            let plain = u8::try_from(c).is_ok_and(is_plain);
            assert_eq!(plain, !is_hidden(c) && !looks_like_a_bracket(c), "{c:?}");
        }
        assert!(!(0x80..=0xff).any(is_plain));
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
