//! How far back direct messages are asked for, and what a relay's own limits do to the time up to which everything was seen.

use std::collections::BTreeMap;

use super::LOOK_BACK_MS;
use crate::{At, Effect, Filter, Mesh, RelayUrl, Sub, kind, time::DAY};

/// A kind 4 event cannot be dated anew without becoming another message: one that waited for a relay all its time to live (seven days) has
/// its first date, and a day is for clocks.
const LEGACY_LOOK_BACK_MS: u64 = 8 * DAY;
/// Where a relay can compare sets, everything dated so far back is compared: what came to the relay with an older date than the other look-backs
/// expect is found too. Shorter than the shell remembers handled events (30 days), so that none of them is fetched again.
const RECONCILE_LOOK_BACK_MS: u64 = 28 * DAY;
/// A second that a relay does not show whole holds its proven-good time back for as long at most: catch-up must not grow without end.
const CUT_MS_MAX: u64 = 28 * DAY;

/// Seconds of which a relay may hold more direct messages than it shows, the earliest of each subscription.
#[derive(Debug, Default)]
pub(super) struct Cuts(BTreeMap<Sub, At>);

impl Cuts {
    pub(super) fn note(&mut self, sub: Sub, cut: Option<At>) {
        match cut {
            Some(at) => self.0.insert(sub, at),
            None => self.0.remove(&sub),
        };
    }

    pub(super) fn earliest(&self) -> Option<At> {
        self.0.values().min().copied()
    }

    /// Up to when everything was seen on a relay that has just been caught up with: now, or the second that it does not show whole. Never
    /// earlier than before.
    pub(super) fn good_until(&self, before: Option<At>, now: At) -> At {
        match self.earliest() {
            None => now,
            Some(cut) => cut.max(now.minus(CUT_MS_MAX)).min(now).max(before.unwrap_or(At(0))),
        }
    }
}

impl Mesh {
    /// Direct messages to us, in REQs of their own for each kind.
    pub(super) fn subscribe_direct(&mut self, url: &RelayUrl) {
        let good_at = self.relays.get(url).and_then(|relay| relay.record.as_ref()).and_then(|record| record.good_at);
        let far = self.now.minus(RECONCILE_LOOK_BACK_MS);
        for (sub, kind, look_back_ms) in
            [(Sub::Wraps, kind::GIFT_WRAP, LOOK_BACK_MS), (Sub::Legacy, kind::LEGACY_DIRECT, LEGACY_LOOK_BACK_MS)]
        {
            let to_me = Filter { kinds: vec![kind], tags: BTreeMap::from([('p', vec![self.me.to_hex()])]), ..Filter::default() };
            let since = good_at.map(|at| at.min(self.now).minus(look_back_ms));
            let recent = Filter { since, ..to_me.clone() };
            // A filter holds for new events too: this one lets those in that are dated further back, at the price of one stored event.
            let late = Filter { limit: Some(1), ..to_me.clone() };
            let reconcile = Some(Filter { since: since.map(|since| since.min(far)), ..to_me });
            let filters = if since.is_some() { vec![recent, late] } else { vec![recent] };
            self.out.effects.push(Effect::Subscribe { relay: url.clone(), sub, filters, live: true, reconcile });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_is_not_shown_whole_holds_the_good_time_back() {
        let now = At(100 * DAY);
        let mut cuts = Cuts::default();
        assert_eq!(cuts.good_until(None, now), now);
        cuts.note(Sub::Wraps, Some(At(90 * DAY)));
        cuts.note(Sub::Legacy, Some(At(95 * DAY)));
        assert_eq!((cuts.earliest(), cuts.good_until(None, now)), (Some(At(90 * DAY)), At(90 * DAY)));
        assert_eq!(cuts.good_until(Some(At(97 * DAY)), now), At(97 * DAY), "never earlier than before");
        cuts.note(Sub::Wraps, Some(At(3 * DAY)));
        assert_eq!(cuts.good_until(Some(At(5 * DAY)), now), At(72 * DAY), "not for ever");
        cuts.note(Sub::Wraps, Some(At(400 * DAY)));
        cuts.note(Sub::Legacy, None);
        assert_eq!(cuts.good_until(None, now), now, "nor ahead of our clock");
        cuts.note(Sub::Wraps, None);
        assert_eq!((cuts.earliest(), cuts.good_until(None, now)), (None, now));
    }
}
