//! `GET /status` and `GET /health`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{RelayStatus, WakeBrief};

/// How the daemon is doing. Comes with 200, or with 503 when degraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(StatusReport::example()))]
pub struct StatusReport {
    /// Whether messages can come and go.
    pub state: Health,
    /// Version of the daemon.
    pub daemon_version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Its process id.
    pub pid: u32,
    /// Our public key, hex.
    pub pubkey: String,
    /// Our public key, as `npub`.
    pub npub: String,
    /// Our name.
    pub name: String,
    /// Peers known.
    pub peer_count: u64,
    /// Peers online.
    pub online_peer_count: u64,
    /// Received messages not yet acknowledged.
    pub unread_count: u64,
    /// Messages of strangers that wait for consent (`inbox.policy = "ask"`).
    pub request_count: u64,
    /// Zero bits of work (NIP-13) that a stranger's message needs (`inbox.pow`); 0 where none is asked for.
    #[serde(default)]
    pub work_asked: u32,
    /// Messages of peers that are missing and asked for again.
    #[serde(default)]
    pub missing_count: u64,
    /// Messages of peers that will not come any more.
    #[serde(default)]
    pub lost_count: u64,
    /// What is under way.
    pub outbox: OutboxCounts,
    /// Every relay in use.
    pub relay_status: Vec<RelayStatus>,
    /// Agents that answer each other without end and were stopped, newest first.
    #[serde(default)]
    pub loops: Vec<LoopStatus>,
    /// The targets that are woken when messages come.
    #[serde(default)]
    pub wakes: Vec<WakeBrief>,
    /// What the owner should know, in plain words.
    pub warnings: Vec<String>,
}

/// A run of messages between agents that was stopped. What the owner sends goes all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoopStatus {
    /// Whom our agent last wrote to, hex.
    pub pubkey: String,
    /// `open` (agents do not go on) or `half_open` (one turn may go, and shows whether it is over).
    pub state: String,
    /// Turns that our agent took.
    pub own_turns: u64,
    /// Turns of everybody, as far as known.
    pub turns: u64,
    /// How often it was stopped; each time takes twice as long.
    pub trips: u64,
    /// When it was stopped last.
    pub since: String,
    /// Until when agents do not go on.
    pub until: String,
}

impl LoopStatus {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            pubkey: crate::Peer::example().pubkey,
            state: "open".to_owned(),
            own_turns: 5,
            turns: 10,
            trips: 1,
            since: "2026-11-23T12:57:00.000Z".to_owned(),
            until: "2026-11-23T13:02:00.000Z".to_owned(),
        }
    }
}

/// Whether messages can come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All is well.
    Ok,
    /// No relay is usable, or the store cannot write.
    Degraded,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct OutboxCounts {
    /// Messages no relay has yet.
    pub queued: u64,
    /// Messages a relay has, without a receipt yet.
    pub relayed: u64,
    /// Messages given up since the start.
    pub failed: u64,
}

/// The call was done; there is nothing else to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(Done::example()))]
pub struct Done {
    /// Always true.
    pub ok: bool,
}

impl Done {
    /// A sample for the documentation.
    #[must_use]
    pub const fn example() -> Self {
        Self { ok: true }
    }
}

impl StatusReport {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            state: Health::Ok,
            daemon_version: "0.3.0".to_owned(),
            uptime_seconds: 3_600,
            pid: 4_242,
            pubkey: "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d".to_owned(),
            npub: "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6".to_owned(),
            name: "quiet-heron".to_owned(),
            peer_count: 214,
            online_peer_count: 37,
            unread_count: 2,
            request_count: 0,
            work_asked: 0,
            missing_count: 0,
            lost_count: 0,
            outbox: OutboxCounts { queued: 0, relayed: 1, failed: 0 },
            relay_status: vec![RelayStatus::example()],
            loops: vec![LoopStatus::example()],
            wakes: vec![WakeBrief { id: "openclaw".to_owned(), state: "idle".to_owned() }],
            warnings: Vec::new(),
        }
    }
}
