//! Times as people say them: "3 min ago", "2 h".

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How long ago an RFC 3339 time was; the text itself, when it cannot be read.
pub(crate) fn age(timestamp: &str, now: OffsetDateTime) -> String {
    let Ok(then) = OffsetDateTime::parse(timestamp, &Rfc3339) else { return super::safe(timestamp) };
    let seconds = (now - then).whole_seconds();
    match u64::try_from(seconds) {
        Ok(0..=4) => "just now".to_owned(),
        Ok(seconds) => format!("{} ago", span(Duration::from_secs(seconds))),
        // Clocks of two machines differ by a little; more than that is said.
        Err(_) if seconds > -60 => "just now".to_owned(),
        Err(_) => format!("{} ahead", span(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

/// A span in its largest unit, or its two largest while the first is small.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1..=6, hours, _) if hours > 0 => format!("{days} d {hours} h"),
        (days, _, _) => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn ages_read_well() {
        let now = datetime!(2026-11-23 12:00:00 UTC);
        for (at, wanted) in [
            ("2026-11-23T11:59:58Z", "just now"),
            ("2026-11-23T11:59:10Z", "50 s ago"),
            ("2026-11-23T11:57:00.123Z", "2 min ago"),
            ("2026-11-23T09:30:00Z", "2 h 30 min ago"),
            ("2026-11-20T12:00:00Z", "3 d ago"),
            ("2026-10-01T12:00:00Z", "53 d ago"),
            ("2026-11-23T12:10:00Z", "10 min ahead"),
            ("\u{1b}yesterday", "\\u{1b}yesterday"),
        ] {
            assert_eq!(age(at, now), wanted, "{at}");
        }
    }
}
