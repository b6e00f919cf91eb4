//! What the core starts from: everything in the store that it keeps in memory.

use crate::{At, Chain, Direction, Gap, InviteRecord, OwnLine, OwnRecord, Parcel, Peers, PubKey, RelayRecord, WakeRecord};

/// The core's memory, loaded from the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Ourselves.
    pub own: OwnRecord,
    /// Every peer.
    pub peers: Peers,
    /// Everything in the outbox.
    pub parcels: Vec<Parcel>,
    /// Our relays.
    pub relays: Vec<RelayRecord>,
    /// The lines in which we write.
    pub own_lines: Vec<OwnLine>,
    /// Messages that are missing.
    pub gaps: Vec<Gap>,
    /// Invites, open ones and those that are over.
    pub invites: Vec<InviteRecord>,
    /// The newest messages that belong to a chain, oldest first, at most [`crate::limit::TURNS_MAX`].
    pub turns: Vec<Turn>,
    /// Targets that were woken.
    pub wakes: Vec<WakeRecord>,
}

/// A stored message of agents, for the loop guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it was stored.
    pub at: At,
    /// The other side.
    pub peer: PubKey,
    /// Whose message.
    pub direction: Direction,
    /// Its chain.
    pub chain: Chain,
}
