//! The door for the fuzz targets (feature `fuzzing`): frames, NIP-11 documents, and a conversation in virtual time without a socket. A door
//! rather than public types, so that nothing of the engine's inside becomes a promise.

mod talk;

use crate::{RelayInfo, frame::Frame};

pub use talk::{Heard, converse};

/// What a frame says, in types of its own.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An event for a subscription.
    Event {
        /// The subscription.
        sub: String,
        /// The event as written.
        json: &'a str,
    },
    /// Any other frame of NIP-01, NIP-42 or NIP-77.
    Words {
        /// `OK`, `EOSE`, `CLOSED`, `NOTICE`, `AUTH`, `NEG-MSG` or `NEG-ERR`.
        label: &'static str,
        /// Event, subscription or challenge.
        id: String,
        /// Yes or no of an OK.
        accepted: Option<bool>,
        /// The relay's words, cleaned.
        said: String,
    },
    /// Something we did not ask for.
    Other,
}

/// Reads a frame; `None` when it is malformed.
///
/// # Panics
/// An event's claim breaks its promise.
#[must_use]
pub fn read_frame(text: &str, event_bytes_max: usize) -> Option<Seen<'_>> {
    let words = |label, id: &str, accepted, said| Seen::Words { label, id: id.to_owned(), accepted, said };
    Some(match Frame::parse(text, event_bytes_max).ok()? {
        Frame::Event { sub, claim } => {
            assert!(claim.id.len() == 64, "an id is no id: {}", claim.id);
            Seen::Event { sub: sub.into_owned(), json: claim.text }
        }
        Frame::Ok { id, accepted, said } => words("OK", &id, Some(accepted), said),
        Frame::Eose { sub, .. } => words("EOSE", &sub, None, String::new()),
        Frame::Closed { sub, said } => words("CLOSED", &sub, None, said),
        Frame::Notice(said) => words("NOTICE", "", None, said),
        Frame::Auth(challenge) => words("AUTH", &challenge, None, String::new()),
        Frame::NegMsg { sub, .. } => words("NEG-MSG", &sub, None, String::new()),
        Frame::NegErr { sub, said } => words("NEG-ERR", &sub, None, said),
        Frame::Other => Seen::Other,
    })
}

/// Reads a NIP-11 document.
#[must_use]
pub fn read_info(bytes: &[u8]) -> Option<RelayInfo> {
    RelayInfo::parse(bytes)
}
