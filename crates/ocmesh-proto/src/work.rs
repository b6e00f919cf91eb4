//! Proof of work (NIP-13). Coming in: who asks strangers for it looks at what lacks it slowly, and keeps no message of theirs without it.
//! Going out: a message to a peer that asks, and that may not know us, is worked for before it leaves, within a budget. Why so:
//! docs/adr/0016-proof-of-work.md.

use std::collections::BTreeMap;

use crate::{
    At, Change, Effect, Form, HistoryEntry, HopState, JobId, Mesh, MessageId, Parcel, ParcelClass, PubKey, SealRefused, Sealed,
    limit::{UNWORKED_BURST, UNWORKED_INTERVAL_MS, WORK_BITS_MAX, WORK_HOURLY_BITS, WORKS_MAX},
    mesh::Job,
    time::{HOUR, MINUTE},
};

type Key = (MessageId, ParcelClass);

/// The door before signatures are checked and anything is decrypted, for direct messages only. Whoever opens events asks it, and tells it
/// whether the author that an event claims is one of [`Mesh::accepted_peers`].
#[derive(Debug, Clone)]
pub struct Door {
    asked: u32,
    /// Up to here the places of those without work are used up.
    used_until: At,
    kept_out: u64,
    told_at: At,
}

impl Door {
    /// A door that asks strangers for so many zero bits; none leaves it open.
    #[must_use]
    pub const fn new(asked: u32) -> Self {
        Self { asked, used_until: At(0), kept_out: 0, told_at: At(0) }
    }

    /// Nothing more is asked of whoever shows this much work.
    #[must_use]
    pub const fn is_open_to(&self, work: u32) -> bool {
        work >= self.asked
    }

    /// Whether to look at an event. Frames such as hellos and joins carry no work, so those of strangers are looked at too, a few at once
    /// and then one by one: what is not now may come again.
    pub fn lets_in(&mut self, is_accepted: bool, work: u32, now: At) -> bool {
        if self.is_open_to(work) || is_accepted {
            return true;
        }
        // The time may have been set back.
        self.used_until = self.used_until.min(now);
        let next = self.used_until.max(now.minus(UNWORKED_BURST * UNWORKED_INTERVAL_MS)).plus(UNWORKED_INTERVAL_MS);
        if next <= now {
            self.used_until = next;
            return true;
        }
        self.kept_out = self.kept_out.saturating_add(1);
        false
    }

    /// How many were kept out since this was last told; once a minute.
    pub fn kept_out(&mut self, now: At) -> Option<u64> {
        let is_time = now < self.told_at || now.since(self.told_at) >= MINUTE;
        if self.kept_out == 0 || !is_time {
            return None;
        }
        self.told_at = now;
        Some(std::mem::take(&mut self.kept_out))
    }
}

/// What is being worked for, and what may still be spent.
#[derive(Debug, Default)]
pub(crate) struct Works {
    running: BTreeMap<Key, JobId>,
    /// Up to here the budget is spent.
    spent_until: At,
}

impl Works {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Takes what so many bits cost, where there is as much.
    fn spend(&mut self, bits: u32, now: At) -> bool {
        let cost = (HOUR >> WORK_HOURLY_BITS.saturating_sub(bits)).max(1);
        let next = self.spent_until.max(now.minus(HOUR)).plus(cost);
        let is_there = next <= now;
        if is_there {
            self.spent_until = next;
        }
        is_there
    }
}

impl Mesh {
    /// The zero bits that a message to this peer needs and that nobody has given it: the peer asks strangers for them, and may not know us.
    pub(crate) fn work_due(&self, to: &PubKey, form: Form, sent_again: bool) -> u32 {
        let asked = self.directory.work_asked(to);
        // A peer that asks reads NIP-17. An event of kind 4 is the message itself: it cannot be worked for after its id was told.
        if asked == 0 || form != Form::Nip17 {
            return 0;
        }
        let has_heard = self.directory.get(to).is_some_and(|peer| peer.last_form.is_some());
        if has_heard && !sent_again { 0 } else { asked.min(WORK_BITS_MAX) }
    }

    /// The same of a parcel that is about to leave.
    pub(crate) fn parcel_work_due(&self, parcel: &Parcel) -> u32 {
        let sent_again = parcel.resend.is_some_and(|resend| resend.count > 0);
        let due = if parcel.class.has_history() { self.work_due(&parcel.to, parcel.form, sent_again) } else { 0 };
        if parcel.work >= due { 0 } else { due }
    }

    /// Has a parcel worked for; until then it stays where it is.
    pub(crate) fn work_first(&mut self, mut parcel: Parcel, bits: u32) {
        let (key, to, now) = ((parcel.message, parcel.class), parcel.to, self.now);
        for hop in &mut parcel.hops {
            if let HopState::Waiting { next_at, last_error, .. } = &mut hop.state {
                *next_at = (*next_at).max(now.plus(MINUTE));
                *last_error = Some(format!("the peer asks strangers for {bits} bits of work (NIP-13), which is being done"));
            }
        }
        self.change(Change::PutParcel(Box::new(parcel.clone())));
        self.outbox.put_back(parcel);
        let has_room = !self.works.running.contains_key(&key) && self.works.running.len() < WORKS_MAX;
        if has_room && self.works.spend(bits, now) {
            let job = self.new_job(Job::Work { message: key.0, class: key.1, bits });
            self.works.running.insert(key, job);
            self.out.effects.push(Effect::Work { job, message: key.0, to, bits });
        }
    }

    /// The work is done, or could not be.
    pub(crate) fn worked(&mut self, message: MessageId, class: ParcelClass, bits: u32, sealed: Result<Sealed, SealRefused>) {
        self.works.running.remove(&(message, class));
        // What could not be done now is tried again when the parcel is next due.
        if sealed.is_err() || self.outbox.get(message, class).is_none() {
            return;
        }
        let at = self.now;
        self.change(Change::AddHistory { id: message, at, entry: HistoryEntry::Worked { bits } });
        self.rewrapped(message, class, bits, sealed);
    }

    /// Nothing needs this work any more.
    pub(crate) fn stop_work(&mut self, message: MessageId, class: ParcelClass) {
        if let Some(job) = self.works.running.remove(&(message, class)) {
            self.forget_job(job);
            self.out.effects.push(Effect::StopWork { job });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At::from_secs(1_800_000_000);

    #[test]
    fn an_open_door_lets_everybody_in() {
        let mut door = Door::new(0);
        assert!((0..10_000).all(|_| door.lets_in(false, 0, NOW)));
        assert_eq!(door.kept_out(NOW), None);
    }

    #[test]
    fn work_and_acquaintance_open_the_door_and_the_rest_is_looked_at_slowly() {
        let mut door = Door::new(16);
        let looked_at = |door: &mut Door, work, now| (0..1_000).filter(|_| door.lets_in(false, work, now)).count() as u64;
        assert_eq!(looked_at(&mut door, 15, NOW), UNWORKED_BURST);
        assert_eq!(looked_at(&mut door, 16, NOW), 1_000);
        assert!((0..1_000).all(|_| door.lets_in(true, 0, NOW)));
        assert_eq!(looked_at(&mut door, 0, NOW.plus(3 * UNWORKED_INTERVAL_MS)), 3);
        assert_eq!(looked_at(&mut door, 0, NOW.plus(24 * HOUR)), UNWORKED_BURST, "no more than a burst is saved up");
        assert!(looked_at(&mut door, 0, NOW.minus(HOUR)) <= UNWORKED_BURST, "a clock that was set back shuts nobody out for long");
        assert!(door.lets_in(false, 0, NOW.minus(HOUR).plus(UNWORKED_INTERVAL_MS)));
    }

    #[test]
    fn who_was_kept_out_is_told_once_a_minute() {
        let mut door = Door::new(8);
        for _ in 0..UNWORKED_BURST + 5 {
            door.lets_in(false, 0, NOW);
        }
        assert_eq!(door.kept_out(NOW), Some(5));
        assert_eq!(door.kept_out(NOW), None);
        door.lets_in(false, 0, NOW);
        assert_eq!(door.kept_out(NOW.plus(MINUTE - 1)), None);
        assert_eq!(door.kept_out(NOW.plus(MINUTE)), Some(1));
    }

    #[test]
    fn an_hour_has_its_budget() {
        let mut works = Works::default();
        let mut afford = |bits, now| (0..10_000).filter(|_| works.spend(bits, now)).count();
        assert_eq!(afford(WORK_BITS_MAX, NOW), 1 << (WORK_HOURLY_BITS - WORK_BITS_MAX));
        assert_eq!(afford(1, NOW), 0, "spent");
        assert_eq!(afford(16, NOW.plus(HOUR)), 2_048);
        assert_eq!(afford(WORK_BITS_MAX, NOW.plus(24 * HOUR)), 8, "nothing is saved up beyond an hour's");
    }
}
