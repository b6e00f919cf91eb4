//! Makes a relay's words safe to show and log.

/// Longest text kept of a relay, in characters: a sentence, not a page.
const CHARS_MAX: usize = 200;

/// Drops control, direction and invisible characters, turns line breaks into spaces, and cuts to 200 characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).filter(|c| is_plain(*c)).take(CHARS_MAX).collect()
}

/// Not a control, direction, invisible or tag character.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{FEFF}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

/// What stands before the first colon of a machine-readable text ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)), lowercase.
/// strfry writes `ERROR: ` before the real prefix; that is skipped.
pub(crate) fn prefix(said: &str) -> String {
    let mut rest = said.trim_start();
    if let Some((head, tail)) = rest.split_once(':')
        && head.trim().eq_ignore_ascii_case("error")
        && tail.trim_start().split_once(':').is_some_and(|(next, _)| is_prefix(next))
    {
        rest = tail.trim_start();
    }
    match rest.split_once(':') {
        Some((head, _)) if is_prefix(head) => head.trim().to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// One short word of letters and dashes.
fn is_prefix(word: &str) -> bool {
    let word = word.trim();
    !word.is_empty() && word.len() <= 32 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::{clean, prefix};

    #[test]
    fn a_relays_words_are_cleaned_and_cut() {
        assert_eq!(clean("a\u{202e}b\u{1b}[31mc\nd\u{200b}"), "ab[31mc d");
        assert_eq!(clean(&"x".repeat(64 << 10)).len(), 200);
        assert_eq!(clean(&"é".repeat(300)).chars().count(), 200);
    }

    #[test]
    fn the_prefix_is_found_behind_strfrys_error() {
        assert_eq!(prefix("ERROR: auth-required: who are you"), "auth-required");
        assert_eq!(prefix("auth-required: who are you"), "auth-required");
        assert_eq!(prefix("error: shutting down idle subscription"), "error");
        assert_eq!(prefix("ERROR: bad req: not one word"), "error");
        assert_eq!(prefix("no prefix here"), "");
        assert_eq!(prefix("two words: x"), "");
        assert_eq!(prefix(""), "");
    }
}
