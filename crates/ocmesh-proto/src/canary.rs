//! The canary: a gift wrap to ourselves through one of our relays. It must come back live from that very relay; a relay that takes it and
//! does not bring it is subscribed to again, signed in to again, connected to again, and then called deaf. Never stored, never shown.

use std::collections::BTreeSet;

use crate::{
    At, Change, Draft, Effect, EventId, Lane, Mesh, Notice, RelayRole, RelayUrl, SealRefused, Sealed, SignedEvent, Sub, Verdict,
    agenda::Timer,
    limit::CANARIES_PER_RELAY_MAX,
    mesh::Job,
    time::{HOUR, MINUTE, SECOND},
};

/// For a canary to come back. Slow relays take a few seconds; ten of these thirty may pass before the relay said OK.
const BACK_MS: u64 = 30 * SECOND;
/// For everything stored to be brought again after a step, before the next step is taken.
const STEP_MS: u64 = 90 * SECOND;
/// A relay that was just caught up with is checked after this long, and up to three times as long.
const FIRST_MS: u64 = 2 * SECOND;
/// A relay whose connection comes and goes is not checked more often than this, while all is well.
const AGAIN_MS: u64 = 5 * MINUTE;
/// Relays may forget a canary after this long: longer than all steps take, and room for clocks that differ.
const CANARY_TTL_MS: u64 = HOUR;

/// Whether a relay brings what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hearing {
    /// Not checked since the start.
    #[default]
    Untried,
    /// It brought our last canary.
    Good {
        /// When.
        at: At,
    },
    /// It does not take our canaries, which says nothing about what it would bring.
    Unchecked {
        /// What it said.
        said: String,
    },
    /// It took a canary and did not bring it; it gets further chances.
    Doubtful,
    /// It took canary after canary and brought none.
    Deaf {
        /// Since when we know.
        since: At,
    },
}

impl Hearing {
    /// What it seems to have brought is no proof of anything.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Doubtful | Self::Deaf { .. })
    }

    pub(crate) const fn is_deaf(&self) -> bool {
        matches!(self, Self::Deaf { .. })
    }
}

/// What was done last about a relay that did not bring a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    #[default]
    None,
    SubscribedAgain,
    SignedInAgain,
    ConnectedAgain,
}

/// A canary on its way.
#[derive(Debug)]
struct Flight {
    event: EventId,
    answer: Option<(Verdict, String)>,
}

/// What we know of one relay's hearing.
#[derive(Debug, Default)]
pub(crate) struct Canary {
    pub(crate) hearing: Hearing,
    flight: Option<Flight>,
    step: Step,
    /// The proven-good time when the relay was last found good, or could not be checked: what came after it is proven no more when it turns
    /// out not to bring everything.
    pub(crate) proven_good_at: Option<At>,
}

impl Canary {
    /// A canary that is on its way may now come back as something stored, which proves nothing. Returns whether there was one.
    pub(crate) fn abandon(&mut self) -> bool {
        self.flight.take().is_some()
    }
}

/// Canaries that no relay answered yet, whether they still count or not: their answers are nobody else's. So many for each relay of ours.
pub(crate) type CanariesOut = BTreeSet<(RelayUrl, EventId)>;

impl Mesh {
    /// Everything stored was brought: from now on a canary can only come back live.
    pub(crate) fn plan_first_canary(&mut self, url: &RelayUrl) {
        let (now, again_ms) = (self.now, AGAIN_MS.min(self.policy.inbox_check_interval_ms / 2));
        let Some(relay) = self.relays.get_mut(url) else { return };
        let abandoned = relay.canary.abandon();
        let lately = matches!(relay.canary.hearing, Hearing::Good { at } if now.since(at) < again_ms);
        if lately && !abandoned && self.agenda.has(&Timer::Canary(url.clone())) {
            return;
        }
        let at = now.plus(FIRST_MS).plus(self.random.up_to(2 * FIRST_MS));
        self.agenda.set(Timer::Canary(url.clone()), at);
    }

    /// Half of the interval to twice of it: 15 to 60 minutes.
    fn plan_next_canary(&mut self, url: &RelayUrl) {
        let interval = self.policy.inbox_check_interval_ms;
        let at = self.now.plus(interval / 2).plus(self.random.up_to(interval.saturating_mul(3) / 2));
        self.agenda.set(Timer::Canary(url.clone()), at);
    }

    /// Something happened after which a canary on its way proves nothing: another one follows.
    pub(crate) fn abandon_canary(&mut self, url: &RelayUrl) {
        if self.relays.get_mut(url).is_some_and(|relay| relay.canary.abandon()) {
            let at = self.now.plus(STEP_MS);
            self.agenda.set(Timer::Canary(url.clone()), at);
        }
    }

    /// A canary is due to leave, to be back, or to be given up.
    pub(crate) fn canary_due(&mut self, url: &RelayUrl) {
        let is_inbox = self.relays.dm_relays().contains(url);
        let stopping = self.stopping.is_some();
        let Some(relay) = self.relays.get_mut(url).filter(|relay| relay.is_own() && relay.open) else { return };
        if stopping {
            return;
        }
        let canary = &mut relay.canary;
        if let Some(flight) = canary.flight.take() {
            return self.judge(url, flight);
        }
        if !relay.caught_up.contains(&Sub::Wraps) {
            // Not being brought what is stored is the matter of the relay engine, unless we asked for it because of a canary.
            if canary.step != Step::None {
                self.next_step(url);
            }
            return;
        }
        if canary.hearing.is_deaf() && canary.step == Step::None {
            return self.connect_again(url);
        }
        if !is_inbox && !canary.hearing.is_in_doubt() {
            return self.plan_next_canary(url);
        }
        if self.relays.canaries_out.iter().filter(|(relay, _)| relay == url).count() >= CANARIES_PER_RELAY_MAX {
            return self.plan_next_canary(url);
        }
        let now = self.now;
        self.seal(Job::Canary(url.clone()), Draft::Canary { at: now, expires_at: now.plus(CANARY_TTL_MS) });
    }

    pub(crate) fn canary_sealed(&mut self, url: &RelayUrl, sealed: Result<Sealed, SealRefused>) {
        let Ok(Sealed { event: SignedEvent { id: event, json, .. }, .. }) = sealed else { return self.plan_next_canary(url) };
        let Some(relay) = self.relays.get_mut(url).filter(|relay| relay.is_own() && relay.open) else { return };
        relay.canary.flight = Some(Flight { event, answer: None });
        self.relays.canaries_out.insert((url.clone(), event));
        self.agenda.set(Timer::Canary(url.clone()), self.now.plus(BACK_MS));
        self.out.effects.push(Effect::Publish { relay: url.clone(), event, json: Some(json), lane: Lane::Presence });
    }

    /// Takes the answer to a canary; `false` when the event is none.
    pub(crate) fn canary_answered(&mut self, url: &RelayUrl, event: EventId, verdict: Verdict, said: &str) -> bool {
        if !self.relays.canaries_out.remove(&(url.clone(), event)) {
            return false;
        }
        let flight = self.relays.get_mut(url).and_then(|relay| relay.canary.flight.as_mut());
        if let Some(flight) = flight.filter(|flight| flight.event == event) {
            flight.answer = Some((verdict, said.to_owned()));
        }
        true
    }

    /// A canary came. Only the newest one, from the relay it was sent to, says anything.
    pub(crate) fn canary_came(&mut self, url: &RelayUrl, event: EventId) {
        let now = self.now;
        let Some(relay) = self.relays.get_mut(url) else { return };
        if relay.canary.flight.as_ref().is_none_or(|flight| flight.event != event) {
            return;
        }
        (relay.canary.flight, relay.canary.step) = (None, Step::None);
        let before = std::mem::replace(&mut relay.canary.hearing, Hearing::Good { at: now });
        if before.is_in_doubt() {
            if relay.is_good() {
                self.note_good(url);
            }
            self.inbox_set_may_have_changed();
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
        self.prove_good_time(url);
        self.plan_next_canary(url);
    }

    fn prove_good_time(&mut self, url: &RelayUrl) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.canary.proven_good_at = relay.record.as_ref().and_then(|record| record.good_at);
        }
    }

    /// The canary had its time.
    fn judge(&mut self, url: &RelayUrl, flight: Flight) {
        match flight.answer {
            Some((Verdict::Accepted, _)) => self.next_step(url),
            Some((_, said)) => self.could_not_check(url, said),
            None => self.could_not_check(url, "no answer".to_owned()),
        }
    }

    /// A relay that does not take a canary may bring everything all the same.
    fn could_not_check(&mut self, url: &RelayUrl, said: String) {
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.canary.step = Step::None;
        if !relay.canary.hearing.is_deaf() {
            let before = std::mem::replace(&mut relay.canary.hearing, Hearing::Unchecked { said });
            if before != relay.canary.hearing {
                self.notice(Notice::RelayChanged { relay: url.clone() });
            }
            self.prove_good_time(url);
        }
        self.plan_next_canary(url);
    }

    /// One more thing is tried, or the relay is called deaf.
    fn next_step(&mut self, url: &RelayUrl) {
        let now = self.now;
        let Some(relay) = self.relays.get_mut(url) else { return };
        let step = relay.canary.step;
        if !relay.canary.hearing.is_in_doubt() {
            relay.canary.hearing = Hearing::Doubtful;
            self.take_back_good_time(url);
        }
        match step {
            Step::None => self.subscribe_again(url, Step::SubscribedAgain),
            Step::SubscribedAgain => {
                self.out.effects.push(Effect::SignInAgain { relay: url.clone() });
                self.subscribe_again(url, Step::SignedInAgain);
            }
            Step::SignedInAgain => self.connect_again(url),
            Step::ConnectedAgain => {
                let Some(relay) = self.relays.get_mut(url) else { return };
                relay.canary.step = Step::None;
                if !relay.canary.hearing.is_deaf() {
                    relay.canary.hearing = Hearing::Deaf { since: now };
                    self.notice(Notice::RelayChanged { relay: url.clone() });
                    self.inbox_set_may_have_changed();
                }
                self.plan_next_canary(url);
            }
        }
    }

    /// What it brought since it was last found good may not be everything.
    fn take_back_good_time(&mut self, url: &RelayUrl) {
        let Some(relay) = self.relays.get_mut(url) else { return };
        let proven = relay.canary.proven_good_at;
        if let Some(record) = relay.record.as_mut().filter(|record| record.good_at != proven) {
            record.good_at = proven;
            let record = Box::new(record.clone());
            self.change(Change::PutRelay(record));
        }
        self.notice(Notice::RelayChanged { relay: url.clone() });
    }

    fn subscribe_again(&mut self, url: &RelayUrl, step: Step) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.canary.step = step;
            relay.caught_up.clear();
        }
        self.agenda.set(Timer::Canary(url.clone()), self.now.plus(STEP_MS));
        self.subscribe_own(url);
    }

    fn connect_again(&mut self, url: &RelayUrl) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.canary.step = Step::ConnectedAgain;
            relay.caught_up.clear();
            relay.open = false;
        }
        self.agenda.set(Timer::Canary(url.clone()), self.now.plus(STEP_MS));
        self.out.effects.push(Effect::Disconnect { relay: url.clone() });
        self.out.effects.push(Effect::Connect { relay: url.clone(), role: RelayRole::Own });
    }
}
