//! What strangers may leave with us: a bounded number of unread messages, each of them and all together, and not too fast through one relay.
//! What finds no room is left where it is: nothing is written, and its author gets no receipt. Whoever our owner accepts, or we write to, is
//! no stranger.

use crate::{
    At, Body, Envelope, InboxPolicy, Mesh, PubKey, RelayUrl, Trust,
    limit::{STRANGER_HOURLY_MAX, STRANGER_UNREAD_MAX, STRANGERS_RELAY_BURST, STRANGERS_RELAY_INTERVAL_MS, STRANGERS_WAITING_MAX},
    time::HOUR,
};

/// What the store knows of a stranger that writes, and of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StrangerFacts {
    /// Its messages that wait: unread, or held.
    pub unread: usize,
    /// Its messages stored within the last hour.
    pub lately: usize,
    /// Strangers of whom something waits, itself included.
    pub waiting: usize,
}

/// Strangers' messages that one relay may still bring.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    /// Up to here its share is used up.
    used_until: At,
}

impl Flow {
    /// Takes one, where there is one.
    fn take(&mut self, now: At) -> bool {
        let next = self.used_until.max(now.minus(STRANGERS_RELAY_BURST * STRANGERS_RELAY_INTERVAL_MS)).plus(STRANGERS_RELAY_INTERVAL_MS);
        let is_free = next <= now;
        if is_free {
            self.used_until = next;
        }
        is_free
    }
}

/// What was left aside for want of room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeftAside {
    count: u64,
    last: At,
}

impl Mesh {
    /// Nobody accepted this peer, and we never wrote to it: how its messages stand with the store has to be looked up.
    #[must_use]
    pub fn is_stranger(&self, peer: &PubKey) -> bool {
        *peer != self.me && self.directory.trust(peer).is_none_or(|trust| trust == Trust::Unknown)
    }

    /// How many messages of strangers were left aside lately, none of them followed by an hour without one.
    #[must_use]
    pub fn left_aside(&self) -> u64 {
        if self.now.since(self.left_aside.last) < HOUR { self.left_aside.count } else { 0 }
    }

    /// Whether there is room for this. What is no message is bounded elsewhere.
    pub(crate) fn has_room(&mut self, relay: &RelayUrl, envelope: &Envelope, facts: &StrangerFacts) -> bool {
        let is_message = matches!(envelope.body, Body::Text(_) | Body::Structured { .. });
        if !is_message || self.policy.inbox == InboxPolicy::Closed || !self.is_stranger(&envelope.author) {
            return true;
        }
        let now = self.now;
        let unread_max = if self.policy.inbox == InboxPolicy::Ask { 1 } else { STRANGER_UNREAD_MAX };
        let StrangerFacts { unread, lately, waiting } = *facts;
        let is_one_more = usize::from(unread == 0);
        let worked = envelope.work >= self.policy.inbox_work;
        let fits = worked && unread < unread_max && lately < STRANGER_HOURLY_MAX && waiting + is_one_more <= STRANGERS_WAITING_MAX;
        if fits && self.relays.get_mut(relay).is_none_or(|relay| relay.strangers.take(now)) {
            return true;
        }
        self.leave_aside(1);
        false
    }

    pub(crate) fn leave_aside(&mut self, times: u64) {
        self.left_aside = LeftAside { count: self.left_aside().saturating_add(times), last: self.now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_brings_a_burst_and_then_one_at_a_time() {
        let mut flow = Flow::default();
        let mut now = At::from_secs(1_800_000_000);
        let mut taken = |now: At, tries: u64| (0..tries).filter(|_| flow.take(now)).count() as u64;
        assert_eq!(taken(now, 3 * STRANGERS_RELAY_BURST), STRANGERS_RELAY_BURST);
        now = now.plus(STRANGERS_RELAY_INTERVAL_MS);
        assert_eq!(taken(now, 5), 1);
        now = now.plus(10 * STRANGERS_RELAY_INTERVAL_MS + 1);
        assert_eq!(taken(now, 50), 10);
        now = now.plus(24 * HOUR);
        assert_eq!(taken(now, 3 * STRANGERS_RELAY_BURST), STRANGERS_RELAY_BURST, "what was not used is not saved up beyond a burst");
    }
}
