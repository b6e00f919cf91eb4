//! A parcel: one sealed event in the outbox, with its route and where each relay stands. Written to disk whole at every change.

use serde::{Deserialize, Serialize};

use crate::{At, EventId, Form, MessageId, PubKey, RelayUrl, RouteReason};

/// One sealed event that waits for relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The message it carries; for an own copy the same id as the message, told apart by `class`.
    pub message: MessageId,
    /// What it is.
    pub class: ParcelClass,
    /// Whom it is for.
    pub to: PubKey,
    /// The form it is sealed in.
    pub form: Form,
    /// The event to publish now (changes when it is wrapped again).
    pub event: EventId,
    /// The event's kind.
    pub kind: u16,
    /// When that event was wrapped.
    pub wrapped_at: At,
    /// When it entered the outbox.
    pub queued_at: At,
    /// When it is given up.
    pub expires_at: At,
    /// Why this route.
    pub why: RouteReason,
    /// The relays, in order of preference; those past the first three are reserves.
    pub hops: Vec<Hop>,
    /// The next sending of a message that relays took and that its peer is expected to confirm. `None` for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend: Option<Resend>,
    /// Work that its event shows (NIP-13), in zero bits.
    #[serde(default, skip_serializing_if = "is_none")]
    pub work: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_none(work: &u32) -> bool {
    *work == 0
}

/// When a message that relays took is sent again for want of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// How often it was sent again so far.
    pub count: u32,
    /// Not before this.
    pub at: At,
    /// The peer was seen since it was last sent: only then a receipt is overdue. A restart may forget that; the next presence tells anew.
    pub seen: bool,
    /// When the first relay took it.
    pub taken_at: At,
    /// The most relays that had taken one sending, as the message's status tells.
    pub taken_by: u32,
}

/// What a parcel is; decides what happens when it is accepted or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParcelClass {
    /// A message of our agent: waits for the peer's receipt after the first OK.
    Message,
    /// The copy of a message to ourselves: done at the first OK.
    OwnCopy,
    /// A hello, pong or receipt: done at the first OK.
    Frame,
    /// A message that left the outbox and that its peer asked for again: done when every relay has answered for good. It has a history; its
    /// status is not touched.
    Again,
}

impl ParcelClass {
    /// `message`, `own_copy`, `frame` or `again`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::OwnCopy => "own_copy",
            Self::Frame => "frame",
            Self::Again => "again",
        }
    }

    /// What happens to it is a line in the history of its message.
    #[must_use]
    pub const fn has_history(self) -> bool {
        matches!(self, Self::Message | Self::Again)
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Message, Self::OwnCopy, Self::Frame, Self::Again].into_iter().find(|class| class.as_str() == text)
    }
}

/// One relay on a parcel's route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The relay.
    pub relay: RelayUrl,
    /// Where it stands.
    pub state: HopState,
}

/// Where one relay stands with one parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HopState {
    /// In reserve: joins when an earlier relay refuses for good.
    Reserve,
    /// To be sent at `next_at`, or at once when the relay comes back.
    Waiting {
        /// Tries that failed so far.
        tries: u32,
        /// The next one.
        next_at: At,
        /// What the last failure said.
        last_error: Option<String>,
    },
    /// Handed to the connection; not kept over a restart (loaded as `Waiting`).
    InFlight {
        /// Tries that failed so far.
        tries: u32,
        /// When it was handed over.
        since: At,
    },
    /// The relay said OK.
    Accepted {
        /// When.
        at: At,
    },
    /// The relay refuses this event for good.
    Refused {
        /// When.
        at: At,
        /// What it said, cleaned and bounded.
        said: String,
    },
}
