//! Spans of time as an owner writes them: `30s`, `5m`, `2h`, `7d`.

use std::time::Duration;

/// Reads a whole number and a unit. `None` for anything else, and for more than fits.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds_per_unit: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?.trim_end();
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds_per_unit)?))
}

/// The shortest spelling of whole seconds.
pub(super) fn spell(span: Duration) -> String {
    let secs = span.as_secs();
    for (unit, size) in [('d', 86_400), ('h', 3_600), ('m', 60)] {
        if secs > 0 && secs.is_multiple_of(size) {
            return format!("{}{unit}", secs / size);
        }
    }
    format!("{secs}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_spelled() {
        for (text, secs) in [("30s", 30), ("5m", 300), ("2h", 7_200), ("7d", 604_800), ("90m", 5_400), ("0s", 0), ("5 m", 300)] {
            assert_eq!(parse(text), Some(Duration::from_secs(secs)), "{text}");
        }
        assert_eq!(spell(Duration::from_secs(5_400)), "90m");
        assert_eq!(spell(Duration::from_secs(604_800)), "7d");
        assert_eq!(spell(Duration::from_secs(0)), "0s");
    }

    #[test]
    fn anything_else_is_no_span() {
        for text in ["", "5", "m", "-5m", "5.5m", "5min", "99999999999999999999s", "18446744073709551615d", "５m", "5é", "+5m"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
