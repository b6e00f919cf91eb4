//! What the core asks the shell to sign or seal, and what comes back. The core knows neither keys nor ciphers.

use std::sync::Arc;

use crate::{
    At, Chain, EventId, Form, InviteId, InviteState, JoinFrame, JoinedFrame, LineId, MessageId, PeerStatus, Place, PubKey, RelayUrl,
};

/// Something to sign or to seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// Our presence, in one of its two kinds.
    Presence(PresenceDraft),
    /// Kind 0.
    Profile {
        /// Our name.
        name: String,
        /// Our description, may be empty.
        about: String,
        /// Our features, which Node agents read as capabilities.
        features: Vec<String>,
        /// The event's time.
        created_at: At,
    },
    /// Kind 10050: where we read direct messages.
    DmRelays {
        /// The list.
        relays: Vec<RelayUrl>,
        /// The event's time.
        created_at: At,
    },
    /// Kind 10002: the relays we use for everything else.
    RelayList {
        /// The list.
        relays: Vec<RelayUrl>,
        /// The event's time.
        created_at: At,
    },
    /// A direct message or protocol frame.
    Direct(DirectDraft),
    /// A gift wrap to ourselves that relays may soon forget: does this relay bring it?
    Canary {
        /// The time of wrapping.
        at: At,
        /// When relays may forget it (NIP-40).
        expires_at: At,
    },
    /// The same rumor in a new gift wrap; the shell finds the rumor in the store.
    Rewrap {
        /// The message.
        id: MessageId,
        /// Whom the wrap is for.
        to: PubKey,
        /// The time of wrapping.
        at: At,
    },
}

/// A direct message to seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectDraft {
    /// The recipient.
    pub to: PubKey,
    /// The form to use.
    pub form: Form,
    /// What to say.
    pub body: DraftBody,
    /// When it was written.
    pub written_at: At,
    /// The parent message.
    pub reply_to: Option<MessageId>,
    /// Subject of the thread.
    pub subject: Option<String>,
    /// `Some` continues a chain; `None` starts one with this message.
    pub chain: Option<Chain>,
    /// Its place among our messages to the recipient (NIP-17 only).
    pub place: Option<Place>,
    /// It cannot wait (NIP-17 only).
    pub urgent: bool,
    /// Wrap a copy to ourselves too (NIP-17 only).
    pub own_copy: bool,
}

/// The content of a message to seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftBody {
    /// Text (kind 14 rumor, or plain kind 4 content). A JSON object with a `type` goes as a structured frame.
    Text(String),
    /// Our hello.
    Intro {
        /// Our name.
        name: String,
        /// Our features.
        capabilities: Vec<String>,
    },
    /// Answer to a ping.
    Pong,
    /// We stored this message durably.
    Delivered(MessageId),
    /// Our agent acknowledged this message.
    Read(MessageId),
    /// We miss these messages of the recipient.
    Missing {
        /// In which line.
        line: LineId,
        /// Which.
        numbers: Vec<u64>,
    },
    /// We have a code of the recipient.
    Join(JoinFrame),
    /// The recipient has a code of ours, and we know each other now.
    Joined(JoinedFrame),
    /// The recipient has a code of ours that is of no use.
    JoinRefused {
        /// Which invite.
        invite: InviteId,
        /// `Expired`, `Revoked` or `Used`.
        why: InviteState,
    },
    /// These messages of ours, which the recipient asked for, will not come.
    Gone {
        /// In which line.
        line: LineId,
        /// Which.
        numbers: Vec<u64>,
    },
}

/// Our presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceDraft {
    /// Kind 1 (a note for people) or kind 31337 (what the Node agents read).
    pub vehicle: PresenceVehicle,
    /// Our name.
    pub name: String,
    /// Our features.
    pub features: Vec<String>,
    /// What we are doing.
    pub status: PeerStatus,
    /// When the next beat comes.
    pub next_at: At,
    /// When relays may forget this one (NIP-40).
    pub expires_at: At,
    /// Where we read direct messages, at most 3.
    pub relays: Vec<RelayUrl>,
    /// Zero bits of work that we ask of strangers' messages.
    pub work_asked: u32,
    /// The event's time: `max(now, last + 1 s)`.
    pub created_at: At,
}

/// The two kinds in which a presence is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceVehicle {
    /// Kind 1 with an expiration.
    Note,
    /// Kind 31337, `d=ocmesh-presence`.
    Addressable,
}

/// A signed event, ready for a relay. The core treats the text as opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvent {
    /// Its id.
    pub id: EventId,
    /// Its kind.
    pub kind: u16,
    /// The event as JSON.
    pub json: Arc<str>,
}

/// The answer to a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// For a direct message its message id; for anything else the event's id.
    pub message_id: MessageId,
    /// The event to publish.
    pub event: SignedEvent,
    /// The wrap to ourselves, when asked for.
    pub own_copy: Option<SignedEvent>,
    /// The rumor as JSON (NIP-17), kept so that it can be wrapped again.
    pub rumor: Option<Arc<str>>,
    /// The chain that the message carries.
    pub chain: Option<Chain>,
}
