//! Forged events are worth one line a minute of each relay: a relay that forges everything must not fill the log.

use std::{collections::BTreeMap, sync::Arc};

use ocmesh_proto::{At, time::MINUTE};

use crate::limit::FORGING_RELAYS_MAX;

/// What was said of each relay, and what was kept quiet since.
#[derive(Debug, Default)]
pub(crate) struct Forgeries(BTreeMap<Arc<str>, (At, u64)>);

impl Forgeries {
    /// Counts one; gives how many came since the last line when it is time for another.
    pub(crate) fn count(&mut self, relay: &Arc<str>, now: At) -> Option<u64> {
        if !self.0.contains_key(relay) && self.0.len() >= FORGING_RELAYS_MAX {
            self.0.pop_first();
        }
        let (said_at, quiet) = self.0.entry(Arc::clone(relay)).or_insert((At(0), 0));
        *quiet = quiet.saturating_add(1);
        // The time may have been set back.
        if now.since(*said_at) < MINUTE && now >= *said_at {
            return None;
        }
        *said_at = now;
        Some(std::mem::take(quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_of_each_relay_says_how_many_there_were() {
        let (mut forgeries, a, b) = (Forgeries::default(), Arc::from("wss://a"), Arc::from("wss://b"));
        let start = At(1_000_000_000);
        assert_eq!(forgeries.count(&a, start), Some(1));
        for ms in 1..=41 {
            assert_eq!(forgeries.count(&a, start.plus(ms)), None);
        }
        assert_eq!(forgeries.count(&b, start), Some(1), "each relay has its own");
        assert_eq!(forgeries.count(&a, start.plus(MINUTE)), Some(42));
        assert_eq!(forgeries.count(&a, At(5)), Some(1), "a clock that was set back silences nobody");
    }

    #[test]
    fn no_more_relays_are_remembered_than_that() {
        let mut forgeries = Forgeries::default();
        for n in 0..FORGING_RELAYS_MAX * 2 {
            forgeries.count(&Arc::from(format!("wss://{n}")), At(1_000_000_000));
        }
        assert_eq!(forgeries.0.len(), FORGING_RELAYS_MAX);
    }
}
