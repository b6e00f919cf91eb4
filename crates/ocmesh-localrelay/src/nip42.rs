//! Checks a client's answer to a challenge ([NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md)).

use nostr::event::Event;

use crate::kind;

/// How far an answer's time may be off, in seconds: "about 10 minutes", says NIP-42.
const TIME_OFF_SECONDS_MAX: u64 = 600;

/// Why an answer is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not kind 22242.
    #[error("not an authentication event")]
    Kind,
    /// Id or signature is wrong.
    #[error("bad id or signature")]
    Signature,
    /// More than 10 minutes off.
    #[error("the time is too far off")]
    Time,
    /// Not this connection's challenge.
    #[error("not the challenge of this connection")]
    Challenge,
    /// Meant for another relay.
    #[error("the relay tag names another relay")]
    Relay,
}

/// Checks kind, signature, time, challenge and relay of an AUTH event; `ours` are the addresses of this relay, `now` is in Unix seconds.
///
/// # Errors
/// The first thing that is wrong. The client may try again on the same connection.
pub fn check(event: &Event, challenge: &str, ours: &[String], now: u64) -> Result<(), AuthError> {
    let tag = |name: &str| event.tags.iter().find(|tag| tag.kind() == name).and_then(|tag| tag.content());
    if event.kind.as_u16() != kind::AUTH {
        return Err(AuthError::Kind);
    }
    if event.created_at.as_secs().abs_diff(now) > TIME_OFF_SECONDS_MAX {
        return Err(AuthError::Time);
    }
    if tag("challenge") != Some(challenge) {
        return Err(AuthError::Challenge);
    }
    if !tag("relay").is_some_and(|url| ours.iter().any(|own| plain(own) == plain(url))) {
        return Err(AuthError::Relay);
    }
    // Last, because it costs most.
    event.verify().map_err(|_| AuthError::Signature)
}

/// A fresh challenge: 16 random bytes, hexadecimal.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn challenge() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn plain(url: &str) -> String {
    url.trim_end_matches('/').to_ascii_lowercase()
}
