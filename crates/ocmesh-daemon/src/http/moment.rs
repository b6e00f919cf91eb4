//! Moments as the Local API writes them: RFC 3339 in UTC, with milliseconds. It never asks what time it is.

use ocmesh_proto::At;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year. A peer may claim a later moment; it is shown as this one.
const LAST: At = At(253_402_300_799_999);

/// `2026-11-23T12:58:01.250Z`.
pub(crate) fn write(at: At) -> String {
    let at = at.min(LAST);
    let millis = at.0 % 1_000;
    let moment = i64::try_from(at.secs()).ok().and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    // Digit by digit into its place: a page has hundreds of moments, and `format!` takes as long for each as everything else about it.
    let mut text = b"0000-00-00T00:00:00.000Z".to_vec();
    let mut put = |last: usize, digits: usize, mut number: u32| {
        for place in text.iter_mut().take(last).rev().take(digits) {
            *place = u8::try_from(number % 10).unwrap_or_default() + b'0';
            number /= 10;
        }
    };
    put(4, 4, year.unsigned_abs());
    put(7, 2, u8::from(month).into());
    put(10, 2, day.into());
    put(13, 2, hour.into());
    put(16, 2, minute.into());
    put(19, 2, second.into());
    put(23, 3, u32::try_from(millis).unwrap_or_default());
    String::from_utf8(text).unwrap_or_default()
}

/// Reads RFC 3339 with any offset; `None` before 1970 too.
pub(super) fn read(text: &str) -> Option<At> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_round_trip() {
        for at in [At(0), At(1), At(1_764_000_000_123), LAST] {
            assert_eq!(read(&write(at)), Some(at));
        }
        assert_eq!(write(At(1_764_000_000_123)), "2025-11-24T16:00:00.123Z");
        assert_eq!(write(At(u64::MAX)), write(LAST));
    }

    #[test]
    fn other_offsets_are_read_and_nonsense_is_not() {
        assert_eq!(read("2025-11-24T17:00:00.123+01:00"), Some(At(1_764_000_000_123)));
        for text in ["", "yesterday", "2025-11-24", "1969-12-31T23:59:59Z", "1764000000"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
