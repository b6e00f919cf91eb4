//! Values made safe for one line of a log or terminal: nothing in them can end the line, forge a field, or command a terminal.

use std::fmt::Write;

use ocmesh_proto::label::is_hidden;

/// Longest value in characters; the rest of a longer one is cut and marked with `…`.
const VALUE_CHARS_MAX: usize = 1_024;

/// Appends free text: hidden characters become `\u{…}`, everything else stays.
pub(super) fn push_text(line: &mut String, text: &str) {
    push_escaped(line, text, &[]);
}

/// Appends a value: as it is when that is plain, else in quotes with quotes and backslashes escaped.
pub(super) fn push_value(line: &mut String, value: &str) {
    let is_plain = |c: char| !(c.is_whitespace() || matches!(c, '"' | '\\' | '=') || is_hidden(c));
    if !value.is_empty() && value.chars().take(VALUE_CHARS_MAX).all(is_plain) {
        return push_escaped(line, value, &[]);
    }
    line.push('"');
    push_escaped(line, value, &['"', '\\']);
    line.push('"');
}

fn push_escaped(line: &mut String, text: &str, marked: &[char]) {
    for (count, c) in text.chars().enumerate() {
        if count == VALUE_CHARS_MAX {
            line.push('…');
            return;
        }
        if is_hidden(c) {
            // Writing to a String cannot fail.
            let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
        } else {
            if marked.contains(&c) {
                line.push('\\');
            }
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> String {
        let mut line = String::new();
        push_value(&mut line, text);
        line
    }

    /// The reverse of [`push_value`], for values below the cap.
    fn read(line: &str) -> Option<String> {
        let Some(inner) = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Some(line.to_owned()) };
        let (mut out, mut rest) = (String::new(), inner.chars());
        while let Some(c) = rest.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match rest.next()? {
                'u' => {
                    let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => out.push(other),
            }
        }
        Some(out)
    }

    #[test]
    fn values_are_plain_where_they_can_be() {
        assert_eq!(value("wss://nos.lol"), "wss://nos.lol");
        assert_eq!(value("größe✓"), "größe✓");
        assert_eq!(value("two words"), "\"two words\"");
        assert_eq!(value(""), "\"\"");
        assert_eq!(value("a\nb"), "\"a\\u{a}b\"");
        assert_eq!(value("\u{1b}[31m\u{202e}"), "\"\\u{1b}[31m\\u{202e}\"");
        assert_eq!(value("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\"");
        assert_eq!(value("x level=error"), "\"x level=error\"");
        assert_eq!(value(&"a".repeat(2_000)).chars().count(), 1_025);
    }

    proptest! {
        #[test]
        fn no_text_leaves_a_hidden_character_in_the_line(text in any::<String>()) {
            let mut line = value(&text);
            push_text(&mut line, &text);
            prop_assert!(!line.chars().any(is_hidden), "{line:?}");
        }

        #[test]
        fn no_control_or_direction_character_survives(c in prop_oneof![
            0u32..0x20, 0x7f..0xa0u32, 0x200b..0x2010u32, 0x2028..0x202fu32, 0x2066..0x206au32, 0xe0000..0xe0080u32, Just(0xfeffu32)
        ]) {
            let text = format!("a{}b", char::from_u32(c).unwrap());
            prop_assert!(!value(&text).contains(char::from_u32(c).unwrap()));
        }

        #[test]
        fn a_value_reads_back_and_never_looks_like_two(text in "\\PC{0,40}|[ \"\\\\=a\n\u{202e}]{0,40}") {
            let line = value(&text);
            prop_assert_eq!(read(&line), Some(text));
            prop_assert!(line.starts_with('"') || !line.contains([' ', '=']), "{}", line);
        }
    }
}
