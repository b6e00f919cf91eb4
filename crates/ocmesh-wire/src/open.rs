//! The door in: a relay's text becomes a mesh value, or an error that says why not. Every event is checked every time: that one was good is never
//! remembered. Whoever keeps the gate may remember a signature that was false.

use ocmesh_proto::{At, EventId, ListPurpose, Opened, PubKey, time::MINUTE};
use serde::Deserialize;

use crate::{
    direct_message::{self, kind4, nip17},
    event::{self, Event},
    keys::Keys,
    kind, pow, presence, profile, relay_list, tag,
};

/// Longest event text looked at, in bytes. Most relays take 64 KiB to 512 KiB; what we send
/// stays below 64 KiB.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
/// How far ahead of our clock a presence, profile or list may be dated, in milliseconds: relays refuse such events at 5 to 30 minutes.
pub const FUTURE_MS_MAX: u64 = 10 * MINUTE;

/// Why an event was not opened. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Longer than [`EVENT_BYTES_MAX`].
    #[error("the event is longer than {EVENT_BYTES_MAX} bytes")]
    TooLarge,
    /// Not the JSON of an event.
    #[error("this is not the JSON of an event")]
    NotAnEvent,
    /// The id is not the hash of the event.
    #[error("the id does not fit the event")]
    BadId,
    /// The signature is not the author's.
    #[error("the signature does not fit the event")]
    BadSignature,
    /// A direct message for somebody else.
    #[error("the message is for somebody else")]
    NotForUs,
    /// A kind, or an event of a shared kind, that is no business of the mesh.
    #[error("events like this one of kind {0} are not for the mesh")]
    NotOurs(u16),
    /// A stranger's, without the work that strangers are asked for. It may be looked at when it comes again.
    #[error("the event is a stranger's and shows too little work")]
    TooLittleWork,
    /// A presence older than one of its author that was checked before. Nothing is known of its own id and signature.
    #[error("a newer presence of its author was checked already")]
    Outdated,
    /// Past its NIP-40 expiration.
    #[error("the event has expired")]
    Expired,
    /// Dated more than [`FUTURE_MS_MAX`] ahead.
    #[error("the event is dated in the future")]
    Future,
    /// Not encrypted for us, or damaged.
    #[error("the content cannot be decrypted")]
    Undecryptable,
    /// The seal inside a good wrap is not a well-signed kind 13 event.
    #[error("the seal in the gift wrap is not a signed seal")]
    BadSeal,
    /// The rumor inside a good seal is damaged, or its id is not its own.
    #[error("the rumor in the seal is damaged")]
    BadRumor,
    /// The rumor claims an author who did not seal it: an attempt to impersonate.
    #[error("the rumor names another author than its seal")]
    AuthorMismatch,
    /// The content is longer than the mesh keeps.
    #[error("the content is too long")]
    ContentTooLong,
    /// A profile that is no JSON object.
    #[error("the profile is not a JSON object")]
    BadProfile,
}

impl OpenError {
    /// Proof that the relay passes on forgeries: no honest relay stores an event whose id or signature is wrong.
    #[must_use]
    pub const fn shows_lying_relay(self) -> bool {
        matches!(self, Self::BadId | Self::BadSignature)
    }

    /// The event is what it claims to be, id and signature, and will never mean anything to us: it need not be fetched again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Undecryptable | Self::BadSeal | Self::BadRumor | Self::AuthorMismatch | Self::ContentTooLong)
    }
}

/// What can be read off an event without checking it. Good for choosing what to look at first, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// The id it claims.
    pub id: EventId,
    /// Its kind.
    pub kind: u16,
    /// The author it claims.
    pub pubkey: PubKey,
    /// The time it claims.
    #[serde(deserialize_with = "secs")]
    pub created_at: At,
}

fn secs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<At, D::Error> {
    u64::deserialize(deserializer).map(At::from_secs)
}

/// Reads the head of an event in microseconds. NOTHING is verified.
///
/// # Errors
/// Too long, or not the JSON of an event.
pub fn event_head(json: &str) -> Result<EventHead, OpenError> {
    parse(json)
}

/// Reads, checks and decrypts an event that a relay sent. `now` is our own clock.
///
/// # Errors
/// Drop the event; ask [`OpenError::shows_lying_relay`] what to think of the relay. Tell the sender nothing.
pub fn open(keys: &Keys, json: &str, now: At) -> Result<Opened, OpenError> {
    open_at(keys, json, now, &mut OpenGate)
}

/// Asked of an event before time is spent on it. What it is told are claims as yet.
pub trait Gate {
    /// Of a direct message: who it says wrote it, and how much work it shows.
    fn lets_in(&mut self, author: &PubKey, work: u32) -> bool;
    /// Of a presence: whether it may be as new as what was last checked of its author.
    fn is_news(&mut self, author: &PubKey, created_at: At) -> bool;
    /// Of an event whose id is the hash of its content: whether this signature was found not to be its author's before.
    fn is_known_forgery(&mut self, id: &EventId, signature: &[u8; 64]) -> bool;
    /// This signature is not that of the author of the event with this id.
    fn found_forgery(&mut self, id: &EventId, signature: &[u8; 64]);
}

struct OpenGate;

impl Gate for OpenGate {
    fn lets_in(&mut self, _: &PubKey, _: u32) -> bool {
        true
    }

    fn is_news(&mut self, _: &PubKey, _: At) -> bool {
        true
    }

    fn is_known_forgery(&mut self, _: &EventId, _: &[u8; 64]) -> bool {
        false
    }

    fn found_forgery(&mut self, _: &EventId, _: &[u8; 64]) {}
}

/// As [`open()`], where a gate is kept: of kind 4 and presences before id and signature are checked, of a gift wrap as soon as its author shows.
///
/// # Errors
/// As [`open()`], and [`OpenError::TooLittleWork`] or [`OpenError::Outdated`] for what the gate keeps out.
pub fn open_at(keys: &Keys, json: &str, now: At, gate: &mut dyn Gate) -> Result<Opened, OpenError> {
    let event: Event = parse(json)?;
    // What does not concern us is not worth 40 µs of signature checking.
    let concern = Concern::of(&event, keys.public())?;
    match concern {
        Concern::Legacy(_) if !gate.lets_in(&event.pubkey, pow::work(&event.id, &event.tags)) => return Err(OpenError::TooLittleWork),
        Concern::Presence if !gate.is_news(&event.pubkey, At::from_secs(event.created_at)) => return Err(OpenError::Outdated),
        _ => {}
    }
    check(&event, gate)?;
    in_time(&event, concern, now)?;
    match concern {
        Concern::Presence => Ok(Opened::Presence(presence::read(&event))),
        Concern::List(purpose) => Ok(Opened::RelayList(relay_list::read(&event, purpose))),
        Concern::Profile => profile::read(&event).map(Opened::Profile).ok_or(OpenError::BadProfile),
        Concern::Legacy(recipient) => kind4::open(keys, &event, recipient).map(Opened::Direct),
        Concern::Wrap => nip17::open(keys, &event, gate).map(Opened::Direct),
    }
}

/// Id and signature. A content has one id, so that id and signature name a forgery whole: a copy of it costs the hash alone.
fn check(event: &Event, gate: &mut dyn Gate) -> Result<(), OpenError> {
    if !event.has_its_id() {
        return Err(OpenError::BadId);
    }
    let signature = event.signature();
    if gate.is_known_forgery(&event.id, signature) {
        return Err(OpenError::BadSignature);
    }
    if !event.is_signed() {
        gate.found_forgery(&event.id, signature);
        return Err(OpenError::BadSignature);
    }
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, OpenError> {
    if json.len() > EVENT_BYTES_MAX {
        return Err(OpenError::TooLarge);
    }
    event::object(json).ok_or(OpenError::NotAnEvent)
}

/// What an event is to us, as it claims.
#[derive(Clone, Copy)]
enum Concern {
    Presence,
    List(ListPurpose),
    Profile,
    Legacy(PubKey),
    Wrap,
}

impl Concern {
    fn of(event: &Event, us: PubKey) -> Result<Self, OpenError> {
        match event.kind {
            kind::NOTE | kind::PRESENCE if presence::is_presence(event) => Ok(Self::Presence),
            kind::DM_RELAYS => Ok(Self::List(ListPurpose::DirectMessages)),
            kind::RELAY_LIST => Ok(Self::List(ListPurpose::Read)),
            kind::PROFILE => Ok(Self::Profile),
            kind::LEGACY_DIRECT => direct_message::recipient(&event.tags, event.pubkey, us).map(Self::Legacy),
            kind::GIFT_WRAP if tag::people(&event.tags).any(|key| key == us) => Ok(Self::Wrap),
            kind::GIFT_WRAP => Err(OpenError::NotForUs),
            other => Err(OpenError::NotOurs(other)),
        }
    }
}

/// [NIP-40](https://github.com/nostr-protocol/nips/blob/master/40.md): "Clients SHOULD ignore events that have expired." A message may be
/// dated as its author likes, a state that replaces an older one may not.
fn in_time(event: &Event, concern: Concern, now: At) -> Result<(), OpenError> {
    let expires = tag::value(&event.tags, "expiration").and_then(|text| text.parse::<u64>().ok());
    if expires.is_some_and(|secs| secs < now.secs()) {
        return Err(OpenError::Expired);
    }
    let is_state = matches!(concern, Concern::Presence | Concern::List(_) | Concern::Profile);
    if is_state && At::from_secs(event.created_at) > now.plus(FUTURE_MS_MAX) {
        return Err(OpenError::Future);
    }
    Ok(())
}
