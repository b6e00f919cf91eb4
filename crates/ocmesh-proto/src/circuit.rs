//! The circuit breaker of one chain: when agents have answered each other for too long, when they may go on, and when all is well again.

use crate::{
    At,
    limit::{LOOP_COOL_MS, LOOP_COOL_MS_MAX, LOOP_WINDOW_MS},
    time::MINUTE,
};

/// A peer that takes so long to answer is no loop.
pub(crate) const CALM_MS: u64 = 10 * MINUTE;

/// A chain that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// How often it was, without being calm in between.
    pub(crate) trips: u32,
    /// When the last time.
    pub(crate) since: At,
    /// Until when agents do not go on.
    pub(crate) until: At,
    /// When an agent took the one turn that was allowed after that.
    probe_at: Option<At>,
}

/// What an agent may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Go on.
    Free,
    /// Go on: it was calm, the chain ends here and another begins.
    Calm,
    /// Wait until then.
    Closed(At),
    /// Wait: it bounced again.
    Bounced,
}

impl Circuit {
    /// Stops a chain for the `trips`th time. Each time takes twice as long.
    pub(crate) const fn tripped(trips: u32, now: At) -> Self {
        let doubled = if trips > 16 { LOOP_COOL_MS_MAX } else { LOOP_COOL_MS << trips.saturating_sub(1) };
        let cool_ms = if doubled < LOOP_COOL_MS_MAX { doubled } else { LOOP_COOL_MS_MAX };
        Self { trips, since: now, until: now.plus(cool_ms), probe_at: None }
    }

    /// May an agent go on now? `heard_at` is when a peer last wrote in this chain.
    pub(crate) const fn passage(&self, heard_at: At, now: At) -> Passage {
        if now.0 < self.until.0 {
            return Passage::Closed(self.until);
        }
        match self.probe_at {
            None => Passage::Free,
            // Nobody answered yet: it is the same turn.
            Some(probe_at) if heard_at.0 <= probe_at.0 => Passage::Free,
            Some(probe_at) if heard_at.since(probe_at) >= CALM_MS => Passage::Calm,
            Some(_) => Passage::Bounced,
        }
    }

    /// An agent went on.
    pub(crate) const fn passed(&mut self, now: At) {
        if self.probe_at.is_none() {
            self.probe_at = Some(now);
        }
    }

    /// Agents may take one turn, or have taken it.
    pub(crate) const fn is_half_open(&self, now: At) -> bool {
        self.until.0 <= now.0
    }

    /// From then on it is forgotten.
    pub(crate) const fn ends_at(&self) -> At {
        self.until.plus(LOOP_WINDOW_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR;

    #[test]
    fn each_trip_takes_twice_as_long_and_none_for_ever() {
        let cool = |trips| Circuit::tripped(trips, At(0)).until.0;
        assert_eq!([1, 2, 3, 4].map(cool), [5, 10, 20, 40].map(|minutes| minutes * MINUTE));
        assert_eq!([8, 63, 64, u32::MAX].map(cool), [6 * HOUR; 4]);
    }

    #[test]
    fn after_the_pause_one_turn_passes_and_what_the_peer_does_decides() {
        let mut circuit = Circuit::tripped(1, At(0));
        let open = At(5 * MINUTE);
        assert_eq!(circuit.passage(At(0), At(open.0 - 1)), Passage::Closed(open));
        assert_eq!(circuit.passage(At(0), open), Passage::Free);
        circuit.passed(open);
        assert_eq!(circuit.passage(At(0), open.plus(1)), Passage::Free, "a turn may have several messages");
        assert_eq!(circuit.passage(open.plus(1_000), open.plus(2_000)), Passage::Bounced);
        assert_eq!(circuit.passage(open.plus(CALM_MS - 1), open.plus(HOUR)), Passage::Bounced, "the peer's pace decides, not ours");
        assert_eq!(circuit.passage(open.plus(CALM_MS), open.plus(CALM_MS)), Passage::Calm);
    }
}
