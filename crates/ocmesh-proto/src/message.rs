//! Messages as they are stored, with where they stand.

use serde::{Deserialize, Serialize};

use crate::{At, Chain, Form, MessageId, Place, PubKey, RelayUrl};

/// A stored message, ours or a peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its id, for ever.
    pub id: MessageId,
    /// To us or from us.
    pub direction: Direction,
    /// The other side.
    pub peer: PubKey,
    /// The text; for a structured message the JSON as it came.
    pub content: String,
    /// `text`, or the `type` of a structured message.
    pub kind: String,
    /// How it travelled.
    pub form: Form,
    /// The author's claim of when it was written.
    pub written_at: At,
    /// When we stored it.
    pub stored_at: At,
    /// When our agent acknowledged it (inbound only).
    pub read_at: Option<At>,
    /// The first message of its thread: the parent's thread, or the parent, or itself.
    pub thread: MessageId,
    /// Its parent.
    pub reply_to: Option<MessageId>,
    /// Subject of the thread.
    pub subject: Option<String>,
    /// Loop protection.
    pub chain: Option<Chain>,
    /// Its place among its author's messages to its recipient.
    pub place: Option<Place>,
    /// Its author says that it cannot wait.
    pub urgent: bool,
    /// Where it stands.
    pub status: Status,
    /// The caller's key for "the same call again" (outbound only).
    pub idempotency_key: Option<String>,
    /// Waits for its owner's consent (`inbox.policy = ask`): not shown to the agent yet.
    pub held: bool,
    /// Receipts we owe or have sent (inbound only).
    pub receipts: ReceiptsSent,
}

/// To us or from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A peer wrote it.
    In,
    /// We wrote it.
    Out,
}

impl Direction {
    /// `in` or `out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::In, Self::Out].into_iter().find(|direction| direction.as_str() == text)
    }
}

/// Which receipts have been handed to the outbox for an inbound message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReceiptsSent {
    /// `delivered`.
    pub delivered: bool,
    /// `read`.
    pub read: bool,
}

/// Where a message stands. Never goes backward, except that a failed message may be retried by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Status {
    /// Inbound: stored here.
    Received,
    /// In the outbox; no relay has it yet.
    Queued,
    /// At least one relay said OK.
    Relayed {
        /// When the first one did.
        at: At,
        /// How many have it.
        accepted: u32,
        /// Of how many on the route.
        of: u32,
    },
    /// The peer's receipt says it is stored there.
    Delivered {
        /// When the receipt came.
        at: At,
    },
    /// The peer's receipt says its agent acknowledged it.
    Read {
        /// When the receipt came.
        at: At,
    },
    /// Given up.
    Failed {
        /// When.
        at: At,
        /// Why.
        reason: FailReason,
    },
}

impl Status {
    /// `received queued relayed delivered read failed`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Relayed { .. } => "relayed",
            Self::Delivered { .. } => "delivered",
            Self::Read { .. } => "read",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Its time to live passed before a receipt or any relay's OK.
    Expired,
    /// Every relay on the route refused it for good.
    Refused,
    /// Its owner cancelled it.
    Cancelled,
    /// The peer was blocked while it waited.
    Blocked,
    /// It could not be encrypted for that key.
    Unsealable,
}

impl FailReason {
    /// `expired`, `refused`, `cancelled`, `blocked` or `unsealable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Blocked => "blocked",
            Self::Unsealable => "unsealable",
        }
    }
}

/// One line of a message's delivery history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum HistoryEntry {
    /// Stored in the outbox with this route.
    Queued {
        /// Where it will go.
        relays: Vec<RelayUrl>,
        /// Why there.
        why: RouteReason,
    },
    /// The route changed.
    Rerouted {
        /// Where it will go now.
        relays: Vec<RelayUrl>,
        /// Why there.
        why: RouteReason,
    },
    /// Handed to a relay's connection.
    Sent {
        /// Which.
        relay: RelayUrl,
    },
    /// A relay said OK.
    Accepted {
        /// Which.
        relay: RelayUrl,
    },
    /// A relay refused, or did not answer.
    Refused {
        /// Which.
        relay: RelayUrl,
        /// What it said, cleaned and bounded.
        said: String,
        /// Whether that relay is tried again.
        retry: bool,
    },
    /// Sent again, as relays took it and no receipt came.
    Resent {
        /// Where it goes now.
        relays: Vec<RelayUrl>,
        /// Why there.
        why: RouteReason,
    },
    /// Wrapped again around the same rumor.
    Rewrapped,
    /// The peer's receipt: stored.
    Delivered,
    /// The peer's receipt: acknowledged.
    Read,
    /// Given up.
    Failed {
        /// Why.
        reason: FailReason,
    },
    /// Its owner asked for another try.
    Retried,
    /// The peer misses it and asked for it.
    AskedAgain,
    /// Worked for, as the peer asks strangers.
    Worked {
        /// Zero bits of its wrap's id.
        bits: u32,
    },
}

/// Why a message goes to the relays it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteReason {
    /// The peer's kind 10050 list.
    DmRelayList,
    /// Relays named in the peer's presence.
    PresenceRelays,
    /// The peer's kind 10002 read relays.
    ReadRelayList,
    /// Relays on which the peer was seen.
    SeenOn,
    /// Nothing is known: our own relays.
    OwnRelays,
}

impl RouteReason {
    /// The reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DmRelayList => "dm_relay_list",
            Self::PresenceRelays => "presence_relays",
            Self::ReadRelayList => "read_relay_list",
            Self::SeenOn => "seen_on",
            Self::OwnRelays => "own_relays",
        }
    }
}
