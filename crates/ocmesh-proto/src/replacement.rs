//! Stand-ins: one of our relays that stays no use for hours is replaced by one of a built-in list until it is good again. Only where the
//! owner left the relays as they come; where the owner named any, nothing else is ever dialled.

use crate::{
    At, Effect, FORGED_MAX, Hearing, Mesh, Notice, RelayOrigin, RelayRecord, RelayUrl,
    limit::{OWN_DM_RELAYS_MAX, OWN_RELAYS_MAX},
    relay_set::RelayInUse,
    time::{DAY, HOUR},
};

/// A relay that was no use for so long is replaced: longer than repairs and a bad night take, short enough that the list is whole again
/// within a day.
pub(crate) const BAD_MS: u64 = 6 * HOUR;
/// A relay is good again after so long: one that comes and goes is not.
const GOOD_MS: u64 = HOUR;
/// A stand-in that is no use for so long gives way to the next.
const TRIAL_MS: u64 = HOUR;
/// Where no relay is any use it is the network, and no stand-in would help; after so long one is tried all the same.
const ALONE_MS: u64 = DAY;

impl RelayInUse {
    /// Whether it serves us, as of the last look, and since when that is so.
    fn look(&mut self, now: At) {
        let is_honest = self.forged.lately(now) < FORGED_MAX && !matches!(self.canary.hearing, Hearing::Deaf { .. });
        let serves = self.is_good() && !self.is_refused() && is_honest;
        if self.serving.is_none_or(|(before, _)| before != serves) {
            self.serving = Some((serves, now));
        }
    }

    fn has_been(&self, serves: bool, ms: u64, now: At) -> bool {
        self.serving.is_some_and(|(is, since)| is == serves && now.since(since) >= ms)
    }

    /// Since when it is no use to us.
    pub(crate) fn bad_since(&self) -> Option<At> {
        self.serving.and_then(|(serves, since)| (!serves).then_some(since))
    }

    /// Time in which nobody could look does not count against it.
    pub(crate) fn look_anew(&mut self, now: At) {
        self.serving = self.serving.map(|(serves, _)| (serves, now));
    }

    fn is_from(&self, origin: RelayOrigin) -> bool {
        self.record.as_ref().is_some_and(|record| record.origin == origin)
    }
}

impl Mesh {
    /// Every few minutes: who serves us, and whether somebody is to stand in.
    pub(crate) fn look_after_relays(&mut self) {
        let now = self.now;
        for url in self.relays.own_urls() {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.look(now);
            }
        }
        if self.policy.substitutes.is_empty() || self.stopping.is_some() {
            return;
        }
        let of = |test: &dyn Fn(&RelayInUse) -> bool| -> Vec<RelayUrl> {
            self.relays.own_urls().into_iter().filter(|url| self.relays.get(url).is_some_and(test)).collect()
        };
        let stand_ins = of(&|relay| relay.is_from(RelayOrigin::Substitute));
        let is_untouched = self.relays.removed.is_empty() && of(&|relay| relay.is_from(RelayOrigin::Added)).is_empty();
        let some_serve = !of(&|relay| relay.has_been(true, 0, now)).is_empty();
        let alone_for_long = of(&|relay| !relay.has_been(false, ALONE_MS, now)).is_empty();
        let bad = of(&|relay| relay.is_from(RelayOrigin::Config) && relay.has_been(false, BAD_MS, now)).len();
        let not_yet_good = of(&|relay| relay.is_from(RelayOrigin::Config) && !relay.has_been(true, GOOD_MS, now)).len();
        let useless = of(&|relay| relay.is_from(RelayOrigin::Substitute) && relay.has_been(false, TRIAL_MS, now));
        if !is_untouched || stand_ins.len() > not_yet_good {
            // One at a time: the list others read changes gently.
            if let Some(last) = stand_ins.last() {
                self.dismiss(last);
            }
        } else if let Some(one) = useless.first().filter(|_| some_serve) {
            self.dismiss(one);
        } else if stand_ins.len() < bad.min(OWN_DM_RELAYS_MAX) && (some_serve || alone_for_long) {
            self.take_stand_in();
        }
    }

    fn take_stand_in(&mut self) {
        let is_free = |url: &&RelayUrl| !self.relays.is_own(url);
        let untried = self.policy.substitutes.iter().filter(is_free).find(|url| !self.relays.dismissed.contains(*url));
        let Some(url) = untried.cloned() else {
            self.relays.dismissed.clear(); // All had their turn; the next look begins again.
            return;
        };
        if self.relays.own_count() >= OWN_RELAYS_MAX {
            return;
        }
        self.own_from_now_on(RelayRecord { url, origin: RelayOrigin::Substitute, good_at: None });
    }

    /// Makes a relay one of ours, whatever it was before.
    pub(crate) fn own_from_now_on(&mut self, record: RelayRecord) {
        let url = record.url.clone();
        // A route connection to it becomes one of ours: dial anew, in that role.
        if self.relays.get(&url).is_some() {
            self.out.effects.push(Effect::Disconnect { relay: url.clone() });
            self.relays.disown(&url);
        }
        self.relays.own(record);
        self.open_own_relay(url.clone());
        self.notice(Notice::RelayChanged { relay: url });
        self.own_changed();
    }

    fn dismiss(&mut self, url: &RelayUrl) {
        // It is one of ours, so this cannot be refused.
        let _ = self.remove_relay(url);
    }
}
