//! The wake queue: what wakes whom and when, that nothing is woken twice for the same, and that nothing is forgotten.
//!
//! What is unread is in the store alone. A target is looked at when something may have changed; then the store is asked, and what it says
//! decides. So a crash at any point loses no wake: the next start looks at every target.

use std::sync::Arc;

use super::{UnreadFacts, Wake, WakeClass, WakeError, WakeHold, WakeOutcome, WakeRecord, WakeStanding, WakeState, WakeTarget, gate};
use crate::{
    Answer, At, Change, Effect, Mesh, MessageId, Refusal,
    agenda::Timer,
    limit::{WAKE_LIFE_MS, WAKE_RETRY_AFTER_MS_MAX, WAKE_TRIES_MAX},
    random::Random,
    time::{HOUR, MINUTE, SECOND},
};

/// A target that took a wake is woken again after this long while something is unread and nothing was acknowledged.
const REWAKE_MS: u64 = 15 * MINUTE;
/// After an acknowledgement the agent has this long for the next one before what is left is worth another wake. A model that reads one
/// message after another takes seconds for each.
const READING_MS: u64 = 15 * SECOND;
/// A new message makes a target that fails be tried sooner, but not more often than this.
const IMPULSE_MS: u64 = MINUTE;
/// A target that was given up is not woken for new messages before this is over; its owner may wake it at once.
const DEAD_REST_MS: u64 = HOUR;
/// Pauses after the first, second, … failure; full jitter takes each as an upper bound. The first are for a gateway that restarts.
const RETRY_DELAYS_MS: [u64; 9] =
    [2 * SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE];

/// Every target.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    seats: Vec<Seat>,
    /// Records of targets that are not configured any more.
    gone: Vec<WakeRecord>,
    /// How far the owner's clock is ahead of UTC.
    ahead_ms: i64,
}

/// One target: its owner's wish, what is kept of it, and what only this run knows.
#[derive(Debug)]
struct Seat {
    wish: WakeTarget,
    record: WakeRecord,
    /// When the store is asked whether it is to be woken; never for one that is in flight.
    look_at: Option<At>,
    hold: Option<WakeHold>,
    /// The owner asked: neither quiet hours nor budget count.
    by_hand: bool,
    air: Air,
}

/// What happened while a wake was in the air.
#[derive(Debug, Clone, Copy, Default)]
struct Air {
    /// The agent acknowledged something.
    acknowledged_at: Option<At>,
    /// And something came after that.
    more: bool,
}

impl Wakes {
    /// What was in the air when we stopped is tried again under its own number.
    pub(crate) fn load(wishes: &[WakeTarget], mut records: Vec<WakeRecord>) -> Self {
        let mut seats = Vec::new();
        for wish in wishes {
            let known = records.iter().position(|record| record.target == wish.id).map(|index| records.swap_remove(index));
            let mut record = known.unwrap_or_else(|| WakeRecord::new(Arc::clone(&wish.id)));
            if let WakeState::InFlight { wake, since } = record.state {
                record.state = WakeState::Waiting { wake, tried_at: since, next_at: At(0), asked: false };
            }
            seats.push(Seat { wish: wish.clone(), record, look_at: None, hold: None, by_hand: false, air: Air::default() });
        }
        Self { seats, gone: records, ahead_ms: 0 }
    }

    fn next_look(&self) -> Option<At> {
        self.seats.iter().filter_map(|seat| seat.look_at).min()
    }
}

impl Seat {
    const fn is_in_flight(&self) -> bool {
        matches!(self.record.state, WakeState::InFlight { .. })
    }

    fn is_due(&self, now: At) -> bool {
        !self.is_in_flight() && self.look_at.is_some_and(|at| at <= now)
    }

    /// When it is looked at if nothing happens. At a start everything that rests is looked at: something may be unread of which no wake was begun.
    fn look_at_start(&self, now: At) -> At {
        match self.record.state {
            WakeState::Idle | WakeState::Dead { .. } | WakeState::InFlight { .. } => now,
            WakeState::Waiting { next_at, .. } => next_at.max(now),
            WakeState::Woken { at, .. } => at.plus(REWAKE_MS).max(now),
        }
    }

    /// Something that is worth a wake was stored.
    fn message_came(&mut self, is_urgent: bool, now: At) {
        let held = self.hold.is_some_and(|hold| hold.until() > now && !(is_urgent && matches!(hold, WakeHold::Quiet { .. })));
        match &mut self.record.state {
            _ if held => {}
            WakeState::Idle => self.look_at = Some(now),
            WakeState::InFlight { .. } => self.air.more = self.air.acknowledged_at.is_some(),
            WakeState::Woken { wake, .. } if is_urgent && wake.class == WakeClass::Normal => self.look_at = Some(now),
            WakeState::Woken { .. } | WakeState::Waiting { asked: true, .. } => {}
            WakeState::Waiting { tried_at, next_at, .. } => {
                *next_at = (*next_at).min(tried_at.plus(IMPULSE_MS).max(now));
                self.look_at = Some(*next_at);
            }
            WakeState::Dead { at, .. } => self.look_at = Some(at.plus(DEAD_REST_MS).max(now)),
        }
    }

    /// The agent acknowledged something. Whether the record changed.
    fn cursor_moved(&mut self, now: At) -> bool {
        match self.record.state {
            WakeState::Woken { .. } => {
                self.acknowledged(now);
                self.look_at = Some(now.plus(READING_MS));
                return true;
            }
            WakeState::InFlight { .. } => self.air = Air { acknowledged_at: Some(now), more: false },
            WakeState::Idle if self.hold.is_none() => self.look_at = self.look_at.map(|_| now.plus(READING_MS)),
            WakeState::Idle | WakeState::Waiting { .. } | WakeState::Dead { .. } => {}
        }
        false
    }

    fn acknowledged(&mut self, at: At) {
        self.record.acknowledged_at = Some(at);
        self.record.state = WakeState::Idle;
    }

    /// Nothing is left to wake for. Whether the record changed.
    fn rest(&mut self, now: At) -> bool {
        (self.look_at, self.hold, self.by_hand) = (None, None, false);
        match self.record.state {
            WakeState::Idle => return false,
            WakeState::Woken { .. } => self.acknowledged(now),
            _ => self.record.state = WakeState::Idle,
        }
        true
    }

    /// Why it is not woken now, if it is not. A try of a wake that was begun is in the budget already.
    fn hold(&self, class: WakeClass, now: At, ahead_ms: i64) -> Option<WakeHold> {
        if self.by_hand {
            return None;
        }
        let is_new = !matches!(self.record.state, WakeState::Waiting { .. });
        gate::quiet(&self.wish, class, now, ahead_ms).or_else(|| gate::budget(&self.wish, &self.record.begun, now).filter(|_| is_new))
    }

    /// Begins a wake, or tries the one that waits once more.
    fn begin(&mut self, class: WakeClass, unread: u32, newest: MessageId, now: At) -> Wake {
        let wake = if let WakeState::Waiting { wake, .. } = self.record.state {
            Wake { tries: wake.tries.saturating_add(1), ..wake }
        } else {
            let record = &mut self.record;
            record.number = record.number.saturating_add(1);
            record.begun.retain(|at| now.since(*at) < HOUR);
            record.begun.push(now);
            Wake { number: record.number, class, unread, newest, raised_at: now, tries: 1 }
        };
        self.record.state = WakeState::InFlight { wake, since: now };
        (self.look_at, self.hold, self.by_hand, self.air) = (None, None, false, Air::default());
        wake
    }

    fn woke(&mut self, wake: Wake, now: At) {
        (self.record.woke_at, self.record.acknowledged_at, self.record.last_error) = (Some(now), None, None);
        match self.air.acknowledged_at {
            // The agent was quicker than its gateway's answer.
            Some(at) => {
                self.acknowledged(at);
                self.look_at = Some(if self.air.more { now } else { at.plus(READING_MS).max(now) });
            }
            None => {
                self.record.state = WakeState::Woken { wake, at: now };
                self.look_at = Some(now.plus(REWAKE_MS));
            }
        }
    }

    fn failed(&mut self, wake: Wake, tried_at: At, retry_after_ms: Option<u64>, random: &mut Random, now: At) {
        if wake.tries >= WAKE_TRIES_MAX || now.since(wake.raised_at) >= WAKE_LIFE_MS {
            self.give_up(wake, now);
            return;
        }
        let index = usize::try_from(wake.tries.saturating_sub(1)).unwrap_or(usize::MAX).min(RETRY_DELAYS_MS.len() - 1);
        let jitter_ms = random.up_to(RETRY_DELAYS_MS.get(index).copied().unwrap_or(HOUR));
        let asked_ms = retry_after_ms.map(|ms| ms.min(WAKE_RETRY_AFTER_MS_MAX));
        let next_at = now.plus(asked_ms.unwrap_or(0).max(jitter_ms));
        self.record.state = WakeState::Waiting { wake, tried_at, next_at, asked: asked_ms.is_some() };
        self.look_at = Some(next_at);
    }

    fn give_up(&mut self, wake: Wake, now: At) {
        self.record.given_up = self.record.given_up.saturating_add(1);
        self.record.state = WakeState::Dead { wake, at: now };
        self.look_at = None;
    }
}

impl Mesh {
    /// Every target as it stands, in the order of the configuration.
    #[must_use]
    pub fn wakes(&self) -> Vec<WakeStanding> {
        let standing = |seat: &Seat| WakeStanding {
            record: seat.record.clone(),
            budget_per_hour: seat.wish.budget_per_hour,
            hold: seat.hold,
            next_at: seat.look_at,
        };
        self.wakes.seats.iter().map(standing).collect()
    }

    pub(crate) fn start_wakes(&mut self) {
        for record in std::mem::take(&mut self.wakes.gone) {
            self.change(Change::DropWake(record.target));
        }
        let now = self.now;
        for seat in &mut self.wakes.seats {
            seat.look_at = Some(seat.look_at_start(now));
        }
        self.plan_wakes();
    }

    /// Something that is worth a wake was stored.
    pub(crate) fn wake_for_message(&mut self, is_urgent: bool) {
        let now = self.now;
        self.wakes.seats.iter_mut().for_each(|seat| seat.message_came(is_urgent, now));
        self.plan_wakes();
    }

    /// A peer was accepted: what it wrote before may be worth a wake, unless our agent is just answering it.
    pub(crate) fn wake_for_accepted(&mut self) {
        let later = self.now.plus(READING_MS);
        for seat in &mut self.wakes.seats {
            if seat.record.state == WakeState::Idle && seat.look_at.is_none() {
                seat.look_at = Some(later);
            }
        }
        self.plan_wakes();
    }

    /// The agent acknowledged something.
    pub(crate) fn wake_acknowledged(&mut self) {
        let now = self.now;
        for index in 0..self.wakes.seats.len() {
            if self.wakes.seats.get_mut(index).is_some_and(|seat| seat.cursor_moved(now)) {
                self.put_wake(index);
            }
        }
        self.plan_wakes();
    }

    /// The owner's clock is so far ahead of UTC now.
    pub(crate) fn local_time_told(&mut self, ahead_ms: i64) {
        if self.wakes.ahead_ms == ahead_ms {
            return;
        }
        self.wakes.ahead_ms = ahead_ms;
        let now = self.now;
        for seat in &mut self.wakes.seats {
            if matches!(seat.hold, Some(WakeHold::Quiet { .. })) {
                seat.look_at = Some(now);
            }
        }
        self.plan_wakes();
    }

    /// The owner wants a target to be woken now, if anything is unread.
    pub(crate) fn retry_wake(&mut self, target: &str) -> Result<Answer, Refusal> {
        let now = self.now;
        let seat = self.wakes.seats.iter_mut().find(|seat| *seat.wish.id == *target);
        let seat = seat.ok_or_else(|| Refusal::WakeTargetUnknown(target.chars().take(crate::limit::NAME_CHARS_MAX).collect()))?;
        if !seat.is_in_flight() {
            (seat.look_at, seat.by_hand) = (Some(now), true);
        }
        self.plan_wakes();
        Ok(Answer::Done)
    }

    /// Some target may be to be woken: the store knows.
    pub(crate) fn wakes_due(&mut self) {
        let now = self.now;
        if self.stopping.is_none() && self.wakes.seats.iter().any(|seat| seat.is_due(now)) {
            self.out.effects.push(Effect::FindUnread);
        } else {
            self.plan_wakes();
        }
    }

    pub(crate) fn unread_found(&mut self, facts: &UnreadFacts) {
        let now = self.now;
        for index in 0..self.wakes.seats.len() {
            if self.wakes.seats.get(index).is_some_and(|seat| seat.is_due(now)) {
                self.consider(index, facts);
            }
        }
        self.plan_wakes();
    }

    fn consider(&mut self, index: usize, facts: &UnreadFacts) {
        let (now, ahead_ms) = (self.now, self.wakes.ahead_ms);
        let Some(seat) = self.wakes.seats.get_mut(index) else { return };
        let Some(newest) = facts.newest else {
            if seat.rest(now) {
                self.put_wake(index);
            }
            return;
        };
        let class = if facts.urgent > 0 { WakeClass::Urgent } else { WakeClass::Normal };
        if let WakeState::Woken { wake, at } = seat.record.state
            && now < at.plus(REWAKE_MS)
            && wake.class >= class
            && !seat.by_hand
        {
            seat.look_at = Some(at.plus(REWAKE_MS));
            return;
        }
        if let Some(hold) = seat.hold(class, now, ahead_ms) {
            (seat.look_at, seat.hold) = (Some(hold.until()), Some(hold));
            return;
        }
        let (target, wake) = (Arc::clone(&seat.wish.id), seat.begin(class, facts.unread, newest, now));
        self.put_wake(index);
        self.out.effects.push(Effect::Wake { target, wake });
    }

    pub(crate) fn wake_answered(&mut self, target: &str, number: u64, outcome: WakeOutcome) {
        let now = self.now;
        let Some(index) = self.wakes.seats.iter().position(|seat| *seat.wish.id == *target) else { return };
        let Some(seat) = self.wakes.seats.get_mut(index) else { return };
        let WakeState::InFlight { wake, since } = seat.record.state else { return };
        if wake.number != number {
            return; // The answer to something that is over.
        }
        match outcome {
            WakeOutcome::Woke => seat.woke(wake, now),
            WakeOutcome::Failed { why, retry_after_ms } => {
                seat.record.last_error = Some(WakeError { at: now, why });
                seat.failed(wake, since, retry_after_ms, &mut self.random, now);
            }
            WakeOutcome::Refused { why } => {
                seat.record.last_error = Some(WakeError { at: now, why });
                seat.give_up(wake, now);
            }
        }
        self.put_wake(index);
        self.plan_wakes();
    }

    fn put_wake(&mut self, index: usize) {
        if let Some(record) = self.wakes.seats.get(index).map(|seat| Box::new(seat.record.clone())) {
            self.change(Change::PutWake(record));
        }
    }

    fn plan_wakes(&mut self) {
        match self.wakes.next_look().filter(|_| self.stopping.is_none()) {
            Some(at) => self.agenda.set(Timer::Wakes, at),
            None => self.agenda.clear(&Timer::Wakes),
        }
    }
}
