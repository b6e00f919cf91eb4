//! Strangers' labels made safe to keep: bounded, one line, no control, direction or invisible characters.

/// Trims, drops characters that can disguise or break a line, and cuts to `chars_max`. `None` when nothing is left.
#[must_use]
pub fn clean(text: &str, chars_max: usize) -> Option<String> {
    // Only look at a bounded prefix, so that a huge label costs no more than a long one.
    let kept: String = text
        .chars()
        .take(chars_max.saturating_mul(4))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .collect();
    let cut: String = kept.trim().chars().take(chars_max).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// Control, direction, zero-width, tag, variation and other characters that show nothing or change what others show.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_visible_line() {
        assert_eq!(clean("  Ada\n\u{202e}Bot\u{200b}\u{1b}[31m ", 64).as_deref(), Some("Ada Bot[31m"));
        assert_eq!(clean("\u{202e}\u{200b}\n\t", 64), None);
        assert_eq!(clean(&"é".repeat(100), 64).unwrap().chars().count(), 64);
    }
}
