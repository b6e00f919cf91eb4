//! `GET /events`: server-sent events. The id of an event is its number in the store; `Last-Event-ID` resumes after it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Health, Invite, Message, json};

/// Something that happened. In the stream the variant is the event's name and its fields are the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
#[schema(example = json!(Event::example()))]
pub enum Event {
    /// A message arrived.
    Message(Box<Message>),
    /// A peer changed.
    Peer(PeerEvent),
    /// A message stands elsewhere now.
    Receipt(ReceiptEvent),
    /// A relay changed.
    Relay(RelayEvent),
    /// Messages of a peer are missing.
    Gap(GapEvent),
    /// Missing messages came.
    GapHealed(GapEvent),
    /// Missing messages will not come any more.
    GapLost(GapEvent),
    /// A message names another one before it than the one we have, or uses a number twice. It was delivered all the same.
    ChainBroken(GapEvent),
    /// An invite stands elsewhere now.
    Invite(Box<Invite>),
    /// Agents answer each other without end and were stopped, or are free again.
    Loop(LoopEvent),
    /// Our own profile or health changed.
    Status(StatusEvent),
    /// Events were missed and cannot be told any more: read the lists anew. What follows is whole again.
    Resync(ResyncEvent),
}

impl Event {
    /// The event's name: `message peer receipt relay gap gap_healed gap_lost chain_broken invite loop status resync`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Peer(_) => "peer",
            Self::Receipt(_) => "receipt",
            Self::Relay(_) => "relay",
            Self::Gap(_) => "gap",
            Self::GapHealed(_) => "gap_healed",
            Self::GapLost(_) => "gap_lost",
            Self::ChainBroken(_) => "chain_broken",
            Self::Invite(_) => "invite",
            Self::Loop(_) => "loop",
            Self::Status(_) => "status",
            Self::Resync(_) => "resync",
        }
    }

    /// The data as JSON, on one line, in plain sight.
    ///
    /// # Errors
    /// None in practice: every field is a plain value.
    pub fn data(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Message(data) => json::to_string(data),
            Self::Peer(data) => json::to_string(data),
            Self::Receipt(data) => json::to_string(data),
            Self::Relay(data) => json::to_string(data),
            Self::Gap(data) | Self::GapHealed(data) | Self::GapLost(data) | Self::ChainBroken(data) => json::to_string(data),
            Self::Invite(data) => json::to_string(data),
            Self::Loop(data) => json::to_string(data),
            Self::Status(data) => json::to_string(data),
            Self::Resync(data) => json::to_string(data),
        }
    }

    /// The reverse of [`Self::name`] and [`Self::data`]; `None` for a name from a newer version.
    ///
    /// # Errors
    /// The data does not fit the name.
    pub fn parse(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match name {
            "message" => Self::Message(serde_json::from_str(data)?),
            "peer" => Self::Peer(serde_json::from_str(data)?),
            "receipt" => Self::Receipt(serde_json::from_str(data)?),
            "relay" => Self::Relay(serde_json::from_str(data)?),
            "gap" => Self::Gap(serde_json::from_str(data)?),
            "gap_healed" => Self::GapHealed(serde_json::from_str(data)?),
            "gap_lost" => Self::GapLost(serde_json::from_str(data)?),
            "chain_broken" => Self::ChainBroken(serde_json::from_str(data)?),
            "invite" => Self::Invite(serde_json::from_str(data)?),
            "loop" => Self::Loop(serde_json::from_str(data)?),
            "status" => Self::Status(serde_json::from_str(data)?),
            "resync" => Self::Resync(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }

    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self::Receipt(ReceiptEvent {
            id: crate::Sent::example().id,
            direction: "out".to_owned(),
            status: "delivered".to_owned(),
            at: "2026-11-23T12:57:01.250Z".to_owned(),
            reason: None,
        })
    }
}

/// A peer changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerEvent {
    /// Which, hex.
    pub pubkey: String,
    /// What about it: `discovered handshaked online offline trust refused described forgotten`.
    pub change: String,
    /// When.
    pub at: String,
}

/// A message stands elsewhere now: a relay's OK, a receipt, a failure; or, `in`, our agent acknowledged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptEvent {
    /// Which message.
    pub id: String,
    /// `out` for our messages, `in` for one our agent acknowledged.
    pub direction: String,
    /// `queued relayed delivered read failed`.
    pub status: String,
    /// When.
    pub at: String,
    /// Why it failed.
    pub reason: Option<String>,
}

/// A relay changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RelayEvent {
    /// Which.
    pub url: String,
    /// How it stands now; `gone` when it is no longer used.
    pub state: String,
    /// When it changed.
    pub at: String,
}

/// How many messages of a peer are missing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapEvent {
    /// Whose, hex.
    pub pubkey: String,
    /// How many of its messages are missing and asked for.
    pub missing: u64,
    /// How many will not come any more.
    pub lost: u64,
    /// When it changed.
    pub at: String,
}

/// Agents answer each other without end and were stopped, or are free again. See `loops` in `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoopEvent {
    /// Whom our agent last wrote to, hex.
    pub pubkey: String,
    /// `tripped` or `closed`.
    pub change: String,
    /// Until when agents do not go on.
    pub until: String,
    /// When it changed.
    pub at: String,
}

/// Our own profile or health changed. See `GET /status` and `GET /identity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusEvent {
    /// How we are doing now.
    pub state: Health,
    /// Our name.
    pub name: String,
    /// What we say we are doing: `online busy quiet offline`.
    pub status: String,
    /// When it changed.
    pub at: String,
}

/// A listener was away, or slow, for longer than events are kept, or went on from a number that is not of this store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResyncEvent {
    /// `pruned`: they were older than what is kept. `unknown_id`: no event has that number yet, so it is of another store.
    pub reason: String,
    /// How many were missed, where that is known.
    pub missed: Option<u64>,
    /// When this was found.
    pub at: String,
}
