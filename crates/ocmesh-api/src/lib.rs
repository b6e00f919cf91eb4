//! The Local API as types: every call, one route table, and (feature `client`) a small typed client. No server, no mesh rules.
//!
//! Keys are `snake_case`, times are RFC 3339 in UTC, ids and public keys are lower-case hexadecimal.

#[cfg(feature = "client")]
mod client;
mod endpoint;
mod error;
mod events;
mod identity;
mod invites;
pub mod json;
mod messages;
mod outbox;
mod peers;
mod relays;
mod requests;
pub mod route;
mod send;
mod status;
pub mod untrusted;
mod wake;

#[cfg(feature = "client")]
pub use client::{CarriedBody, CarriedRequest, CarriedResponse, Carry, Carrying, Client, ClientError, EventStream, Page};
pub use endpoint::Endpoint;
pub use error::{ApiError, ErrorBody, ErrorCode};
pub use events::{Event, GapEvent, LoopEvent, PeerEvent, ReceiptEvent, RelayEvent, ResyncEvent, StatusEvent};
pub use identity::{Identity, IdentityPatch};
pub use invites::{Invite, InviteRequest, JoinRequest, NewInvite};
pub use messages::{HistoryLine, Marked, Message, MessageDetail, MessagesQuery, ReadRequest};
pub use outbox::{Hop, OutboxEntry, OutboxQuery};
pub use peers::{AddPeerRequest, LooksLike, NameWarning, Peer, PeerPatch, PeersQuery};
pub use relays::{AddRelayRequest, RelayStatus};
pub use requests::Request;
pub use route::{Method, ROUTES, Route, Scope};
pub use send::{DryRun, Origin, SecretSeen, SendAnswer, SendRequest, Sent};
pub use status::{Done, Health, LoopStatus, OutboxCounts, StatusReport};
pub use wake::{WakeBrief, WakeDelivery, WakeStatus, WakeTested};

/// Entries in a list when `limit` is not given.
pub const LIMIT_DEFAULT: u32 = 100;
/// Most entries in one page: a page of full messages stays within a few MiB.
pub const LIMIT_MAX: u32 = 1_000;
/// Longest `wait` of a long poll, in seconds: below the idle timeout of common HTTP clients.
pub const WAIT_SECONDS_MAX: u32 = 60;
/// Most ids in one `POST /messages/read`: one transaction that holds the store for a few milliseconds only.
pub const READ_IDS_MAX: usize = 1_000;
/// Largest request body, in bytes. A message has at most 4,096 characters; ids for a full page take 67 KiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Tells an absent key from `null`: absent leaves as it is, `null` removes.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// What a field that an older daemon does not send means.
const fn yes() -> bool {
    true
}
