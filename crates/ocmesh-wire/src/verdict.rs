//! What a relay's words after an EVENT mean ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md) prefixes, and what relays
//! really say).

use ocmesh_proto::{Verdict, label, limit::RELAY_TEXT_CHARS_MAX};

/// strfry writes this before the prefix of NIP-01.
const SHOUT: &str = "error: ";
/// In an `invalid:`, these speak of the event's date.
const DATE_WORDS: [&str; 5] = ["created_at", "created at", "timestamp", "future", "too old"];

/// Reads the answer `["OK", id, accepted, said]`; `said` may be any text.
#[must_use]
pub fn classify(accepted: bool, said: &str) -> Verdict {
    if accepted {
        return Verdict::Accepted;
    }
    let said = without_shout(said);
    let prefix = said.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    match prefix.as_str() {
        // "replaced: have newer event": the relay has something newer of ours, which is what we wanted it to have.
        "duplicate" | "replaced" => Verdict::Accepted,
        "rate-limited" => Verdict::RateLimited,
        "auth-required" => Verdict::AuthRequired,
        "invalid" if speaks_of_date(said) => Verdict::WrongDate,
        "blocked" | "restricted" | "invalid" | "pow" | "mute" => Verdict::Refused,
        _ => Verdict::Failed,
    }
}

fn speaks_of_date(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    DATE_WORDS.iter().any(|word| said.contains(word))
}

/// The relay's words made safe to store and show: one line, bounded, no hidden characters, without a leading `ERROR: `.
#[must_use]
pub fn clean_said(said: &str) -> String {
    label::clean(without_shout(said), RELAY_TEXT_CHARS_MAX).unwrap_or_default()
}

/// A plain `error: reason` has nothing before a second prefix; taking the word away leaves an unknown one, which means the same.
fn without_shout(said: &str) -> &str {
    let said = said.trim_start();
    match said.split_at_checked(SHOUT.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(SHOUT) => rest.trim_start(),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_relay_has_one_meaning() {
        let table = [
            ("duplicate: already have this event", Verdict::Accepted),
            ("replaced: have newer event", Verdict::Accepted),
            ("rate-limited: slow down", Verdict::RateLimited),
            ("auth-required: we only serve members", Verdict::AuthRequired),
            ("blocked: not on the list", Verdict::Refused),
            ("restricted: paid relay", Verdict::Refused),
            ("invalid: bad signature", Verdict::Refused),
            ("invalid: created_at too old", Verdict::WrongDate),
            ("invalid: event is in the Future", Verdict::WrongDate),
            ("blocked: created_at", Verdict::Refused),
            ("pow: 28 bits needed", Verdict::Refused),
            ("mute: no one was listening", Verdict::Refused),
            ("error: could not connect to the database", Verdict::Failed),
            ("something: else", Verdict::Failed),
            ("blockedbutnot: a prefix", Verdict::Failed),
            ("é: not ascii", Verdict::Failed),
            ("", Verdict::Failed),
            (":", Verdict::Failed),
        ];
        for (said, verdict) in table {
            assert_eq!(classify(false, said), verdict, "{said}");
            assert_eq!(classify(false, &format!("ERROR: {said}")), verdict, "ERROR: {said}");
            assert_eq!(classify(false, &format!("error: {said}")), verdict, "error: {said}");
            assert_eq!(classify(true, said), Verdict::Accepted, "OK true {said}");
        }
        assert_eq!(classify(false, "Rate-Limited: you there"), Verdict::RateLimited);
        assert_eq!(classify(false, "blocked"), Verdict::Refused);
    }

    #[test]
    fn what_a_relay_said_is_one_short_visible_line() {
        assert_eq!(clean_said("ERROR: auth-required:\u{1b}[31m \u{202e}x\ny"), "auth-required:[31m x y");
        assert_eq!(clean_said(&"a".repeat(9_999)).len(), RELAY_TEXT_CHARS_MAX);
        assert_eq!(clean_said("error"), "error");
        assert_eq!(clean_said("\u{200b}"), "");
    }
}
