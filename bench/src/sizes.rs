//! How much of everything: for a whole run, and for a quick one.

use std::time::Duration;

/// Sizes of all workloads. Where a reference would take minutes, it gets less, and the table says so.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Stored messages and peers, the largest last.
    pub(crate) stores: Vec<(u64, u64)>,
    /// Starts of each kind in a round.
    pub(crate) starts: u32,
    /// Messages sent one at a time.
    pub(crate) idle_messages: u32,
    /// Messages sent at a hundred a second.
    pub(crate) paced_messages: u32,
    /// How long durable sends are counted in a round.
    pub(crate) sending: Duration,
    /// Inbound messages of one form in a round: of who is fast, slow, in between.
    pub(crate) inbound: [u64; 3],
    /// Presences: of who is fast, slow, in between.
    pub(crate) presences: [u64; 3],
    /// Forged messages: of who is fast, slow, in between.
    pub(crate) forged: [u64; 3],
    /// Requests of each page in a turn.
    pub(crate) pages: u32,
    /// Messages missed while the relay was away.
    pub(crate) missed: u64,
    /// How long contestants idle.
    pub(crate) idle: Duration,
}

impl Sizes {
    pub(crate) fn full() -> Self {
        Self {
            stores: vec![(0, 0), (10_000, 1_000), (100_000, 10_000), (1_000_000, 100_000)],
            starts: 7,
            idle_messages: 100,
            paced_messages: 200,
            sending: Duration::from_secs(4),
            inbound: [10_000, 300, 600],
            presences: [100_000, 10_000, 100_000],
            forged: [20_000, 2_000, 20_000],
            pages: 100,
            missed: 1_000,
            // Two announcements and five searches of the default intervals, also where each announcement comes a tenth earlier or later.
            idle: Duration::from_secs(645),
        }
    }

    pub(crate) fn quick() -> Self {
        Self {
            stores: vec![(0, 0), (1_000, 1_000), (5_000, 3_000), (20_000, 10_000)],
            starts: 3,
            idle_messages: 40,
            paced_messages: 100,
            sending: Duration::from_secs(2),
            inbound: [2_000, 100, 200],
            presences: [10_000, 500, 10_000],
            forged: [2_000, 200, 2_000],
            pages: 20,
            missed: 200,
            idle: Duration::from_secs(20),
        }
    }

    /// The largest store.
    pub(crate) fn largest(&self) -> (u64, u64) {
        self.stores.last().copied().unwrap_or_default()
    }
}
