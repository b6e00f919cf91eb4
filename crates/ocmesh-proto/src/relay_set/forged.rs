//! A relay that sends forged events loses its good name: it does not check what it passes on, or forges itself (NIP-01 asks relays to check).

use crate::{At, Mesh, RelayUrl, time::HOUR};

/// A relay that sent so many within an hour of each other is no use to us. One broken event that is shown at every connection is far from it.
pub const FORGED_MAX: u64 = 100;
/// It has its good name back after so long without one.
const FORGET_MS: u64 = HOUR;

/// Forged events of one relay, as long as they keep coming.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Forged {
    count: u64,
    last: At,
}

impl Forged {
    /// Some more came.
    pub(crate) fn add(&mut self, times: u64, now: At) {
        *self = Self { count: self.lately(now).saturating_add(times), last: now };
    }

    /// How many came, none of them followed by an hour without one.
    pub(crate) fn lately(self, now: At) -> u64 {
        if now.since(self.last) < FORGET_MS { self.count } else { 0 }
    }
}

impl Mesh {
    pub(crate) fn forgeries_seen(&mut self, url: &RelayUrl, times: u64) {
        let now = self.now;
        if let Some(relay) = self.relays.get_mut(url) {
            relay.forged.add(times, now);
        }
    }
}
