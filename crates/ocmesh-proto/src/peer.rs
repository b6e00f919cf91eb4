//! What we know of one remote agent.

use serde::{Deserialize, Serialize};

use crate::{At, Form, PeerStatus, PubKey, RelayUrl};

/// Everything kept of a peer. `PubKey` is its identity; every text in here is the peer's own claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRecord {
    /// The key.
    pub pubkey: PubKey,
    /// What it calls itself.
    pub name: Option<String>,
    /// What we call it.
    pub petname: Option<String>,
    /// Its own description (kind 0).
    pub about: Option<String>,
    /// Its software version.
    pub version: Option<String>,
    /// Its features.
    pub features: Vec<String>,
    /// `dm` tags of its presence.
    pub forms: Vec<Form>,
    /// The form in which it last wrote to us: the form we answer in.
    pub last_form: Option<Form>,
    /// Zero bits of work that it asks of strangers' messages.
    pub work_asked: u32,
    /// Status of its newest presence.
    pub status: PeerStatus,
    /// Relays named in its presence.
    pub presence_relays: Vec<RelayUrl>,
    /// Its kind 10050 list.
    pub dm_relays: Option<PeerRelays>,
    /// Its kind 10002 read relays.
    pub read_relays: Option<PeerRelays>,
    /// Relays on which we saw it, newest first, at most 4.
    pub seen_on: Vec<RelayUrl>,
    /// How we first heard of it.
    pub source: PeerSource,
    /// When we first heard of it.
    pub first_seen: At,
    /// When we last saw anything authentic from it.
    pub last_seen: At,
    /// `created_at` of its newest presence; zero when none was seen.
    pub presence_at: At,
    /// Until when it counts as online.
    pub lease_until: At,
    /// Whether it answers.
    pub handshake: Handshake,
    /// How far its owner, that is ours, trusts it.
    pub trust: Trust,
}

impl PeerRecord {
    /// A peer of which only the key is known.
    #[must_use]
    pub fn new(pubkey: PubKey, source: PeerSource, now: At) -> Self {
        Self {
            pubkey,
            name: None,
            petname: None,
            about: None,
            version: None,
            features: Vec::new(),
            forms: Vec::new(),
            last_form: None,
            work_asked: 0,
            status: PeerStatus::Offline,
            presence_relays: Vec::new(),
            dm_relays: None,
            read_relays: None,
            seen_on: Vec::new(),
            source,
            first_seen: now,
            last_seen: now,
            presence_at: At(0),
            lease_until: At(0),
            handshake: Handshake::None,
            trust: Trust::Unknown,
        }
    }

    /// Its newest presence holds and was not a goodbye.
    #[must_use]
    pub fn is_online(&self, now: At) -> bool {
        self.status != PeerStatus::Offline && self.lease_until > now
    }
}

/// A relay list a peer published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRelays {
    /// `created_at` of the list: the newest wins.
    pub created_at: At,
    /// The addresses we may use.
    pub relays: Vec<RelayUrl>,
}

/// How we first heard of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerSource {
    /// By its presence.
    Presence,
    /// It wrote to us.
    Message,
    /// Our owner added it.
    Added,
}

impl PeerSource {
    /// `presence`, `message` or `added`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Message => "message",
            Self::Added => "added",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Presence, Self::Message, Self::Added].into_iter().find(|source| source.as_str() == text)
    }
}

/// Whether a peer has answered us. Publishing a hello is never enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Handshake {
    /// No hello sent.
    None,
    /// A hello is out.
    Sent {
        /// When the newest one left.
        at: At,
        /// How many so far.
        tries: u32,
    },
    /// Something authentic came from it.
    Handshaked {
        /// When.
        at: At,
    },
    /// Every try went unanswered.
    Unanswered {
        /// When the last one left.
        at: At,
    },
}

impl Handshake {
    /// `none`, `sent`, `handshaked` or `unanswered`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sent { .. } => "sent",
            Self::Handshaked { .. } => "handshaked",
            Self::Unanswered { .. } => "unanswered",
        }
    }
}

/// How far we trust a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// A stranger.
    Unknown,
    /// Accepted by us, or we wrote first.
    Known,
    /// Our owner said so.
    Trusted,
    /// Nothing goes in or out.
    Blocked,
}

impl Trust {
    /// `unknown`, `known`, `trusted` or `blocked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Known => "known",
            Self::Trusted => "trusted",
            Self::Blocked => "blocked",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unknown, Self::Known, Self::Trusted, Self::Blocked].into_iter().find(|trust| trust.as_str() == text)
    }

    /// May see receipts, wake the agent, and is kept when space is short.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Known | Self::Trusted)
    }
}
