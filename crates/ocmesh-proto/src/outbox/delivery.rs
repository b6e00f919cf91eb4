//! A parcel's way: posted, handed to relays, answered, tried again.

use super::{Key, Posting, accepted, hops, is_pending};
use crate::{
    At, Change, Draft, Effect, EventId, FailReason, Form, HistoryEntry, HopState, Lane, Mesh, MessageId, Parcel, ParcelClass, RelayUrl,
    SealRefused, Sealed, SignedEvent, Status, Verdict,
    agenda::Timer,
    limit::IN_FLIGHT_PER_RELAY_MAX,
    mesh::Job,
    time::{HOUR, MINUTE, SECOND},
};

/// Pauses after the first, second, … failure at one relay; full jitter takes each as an upper bound.
const RETRY_DELAYS_MS: [u64; 10] =
    [SECOND, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR];
/// A gift wrap older than this is wrapped again: recipients look back three days, of which back-dating (NIP-59) may take two, and four hours
/// are left for clocks that differ.
const WRAP_AGE_MS_MAX: u64 = 20 * HOUR;

impl Mesh {
    /// Puts a sealed event into the outbox and starts it on its way.
    pub(crate) fn post(&mut self, posting: Posting, event: SignedEvent) {
        let Posting { message, class, to, form, ttl_ms, route: (relays, why) } = posting;
        let now = self.now;
        let parcel = Parcel {
            message,
            class,
            to,
            form,
            event: event.id,
            kind: event.kind,
            wrapped_at: now,
            queued_at: now,
            expires_at: now.plus(ttl_ms),
            why,
            hops: hops(relays, now),
            resend: None,
            work: 0,
        };
        self.change(Change::PutSealed { message, event });
        self.keep(parcel);
    }

    /// Writes a parcel, connects what it needs, and pumps.
    pub(crate) fn keep(&mut self, parcel: Parcel) {
        let urls: Vec<RelayUrl> = parcel.hops.iter().filter(|hop| is_pending(hop)).map(|hop| hop.relay.clone()).collect();
        self.change(Change::PutParcel(Box::new(parcel.clone())));
        self.outbox.insert(parcel);
        self.plan_resend();
        for url in urls {
            self.want_route(&url);
            self.pump(&url);
        }
    }

    /// Hands due parcels to a relay, oldest due first, within its pace and its in-flight bound.
    pub(crate) fn pump(&mut self, url: &RelayUrl) {
        loop {
            let Some(relay) = self.relays.get(url) else { return };
            if !relay.open || relay.in_flight >= IN_FLIGHT_PER_RELAY_MAX {
                return; // The next answer, or the next connection, pumps again.
            }
            let paced_until = relay.paced_until;
            let Some((due_at, key)) = self.outbox.waiting.get(url).and_then(|due| due.first().copied()) else { return };
            let due_at = due_at.max(paced_until);
            if due_at > self.now {
                self.agenda.set_earlier(Timer::Pump(url.clone()), due_at);
                return;
            }
            self.hand_over(url, key);
        }
    }

    fn hand_over(&mut self, url: &RelayUrl, key: Key) {
        let now = self.now;
        let Some(mut parcel) = self.outbox.remove(&key) else { return };
        let bits = self.parcel_work_due(&parcel);
        if bits > 0 {
            return self.work_first(parcel, bits);
        }
        if parcel.form == Form::Nip17 && now.since(parcel.wrapped_at) > WRAP_AGE_MS_MAX {
            // Wrap again first; the hops wait a moment so that this relay is not asked twice with the old wrap.
            let to = if parcel.class == ParcelClass::OwnCopy { self.me } else { parcel.to };
            for hop in &mut parcel.hops {
                if let HopState::Waiting { next_at, .. } = &mut hop.state {
                    *next_at = (*next_at).max(now.plus(MINUTE));
                }
            }
            self.outbox.insert(parcel);
            self.seal(Job::Rewrap { message: key.0, class: key.1 }, Draft::Rewrap { id: key.0, to, at: now });
            return;
        }
        let (event, class) = (parcel.event, parcel.class);
        for hop in parcel.hops.iter_mut().filter(|hop| hop.relay == *url) {
            if let HopState::Waiting { tries, .. } = hop.state {
                hop.state = HopState::InFlight { tries, since: now };
            }
        }
        self.outbox.insert(parcel);
        if let Some(relay) = self.relays.get_mut(url) {
            relay.in_flight += 1;
        }
        if class.has_history() {
            self.change(Change::AddHistory { id: key.0, at: now, entry: HistoryEntry::Sent { relay: url.clone() } });
        }
        self.out.effects.push(Effect::Publish { relay: url.clone(), event, json: None, lane: Lane::Direct });
    }

    pub(crate) fn rewrapped(&mut self, message: MessageId, class: ParcelClass, work: u32, sealed: Result<Sealed, SealRefused>) {
        let Some(mut parcel) = self.outbox.remove(&(message, class)) else { return };
        let now = self.now;
        let Ok(sealed) = sealed else {
            // The rumor is gone or cannot be read: keep trying with the old wrap, which is better than nothing.
            parcel.wrapped_at = now;
            self.keep(parcel);
            return;
        };
        parcel.event = sealed.event.id;
        parcel.wrapped_at = now;
        parcel.work = work;
        for hop in &mut parcel.hops {
            match &mut hop.state {
                // Those that waited for this wrap; who waits longer has its reason.
                HopState::Waiting { next_at, last_error, .. } if *next_at <= now.plus(MINUTE) => {
                    *next_at = now;
                    if work > 0 {
                        *last_error = None;
                    }
                }
                // Its answer will speak of the old wrap, which nobody knows any more: this relay gets the new one too.
                HopState::InFlight { tries, .. } => {
                    hop.state = HopState::Waiting { tries: *tries, next_at: now, last_error: None };
                }
                HopState::Waiting { .. } | HopState::Reserve | HopState::Accepted { .. } | HopState::Refused { .. } => {}
            }
        }
        self.change(Change::PutSealed { message, event: sealed.event });
        if class.has_history() {
            self.change(Change::AddHistory { id: message, at: now, entry: HistoryEntry::Rewrapped });
        }
        self.keep(parcel);
    }

    /// Everything that waits for this relay is due now: it came back, or let us in.
    pub(crate) fn pump_all_waiting(&mut self, url: &RelayUrl) {
        let now = self.now;
        let keys: Vec<Key> = self.outbox.waiting.get(url).map(|due| due.iter().map(|(_, key)| *key).collect()).unwrap_or_default();
        for key in keys {
            let Some(mut parcel) = self.outbox.remove(&key) else { continue };
            for hop in parcel.hops.iter_mut().filter(|hop| hop.relay == *url) {
                if let HopState::Waiting { next_at, .. } = &mut hop.state {
                    *next_at = (*next_at).min(now);
                }
            }
            self.outbox.insert(parcel);
        }
        self.pump(url);
    }

    pub(crate) fn publish_answered(&mut self, url: &RelayUrl, event: EventId, verdict: Verdict, said: String) {
        if self.announcement_answered(url, event, verdict) || self.canary_answered(url, event, verdict, &said) {
            return;
        }
        let now = self.now;
        if let Some(relay) = self.relays.get_mut(url) {
            relay.in_flight = relay.in_flight.saturating_sub(1);
            relay.learn_pace(verdict, now);
        }
        if let Some(key) = self.outbox.by_event.get(&event).copied() {
            self.hop_answered(url, key, verdict, said);
        }
        self.pump(url);
        self.release_route(url);
    }

    fn hop_answered(&mut self, url: &RelayUrl, key: Key, verdict: Verdict, said: String) {
        let Some(mut parcel) = self.outbox.remove(&key) else { return };
        if !parcel.hops.iter().any(|hop| hop.relay == *url && matches!(hop.state, HopState::InFlight { .. })) {
            self.outbox.insert(parcel); // The answer to something given up meanwhile.
            return;
        }
        let now = self.now;
        // Only a gift wrap can be dated anew without becoming another message.
        let verdict = if verdict == Verdict::WrongDate && parcel.form != Form::Nip17 { Verdict::Refused } else { verdict };
        if verdict == Verdict::WrongDate {
            parcel.wrapped_at = At(0); // Wrapped again before the next try.
        }
        let jitter = |random: &mut crate::random::Random, tries: u32| {
            let index = usize::try_from(tries).unwrap_or(usize::MAX).min(RETRY_DELAYS_MS.len() - 1);
            random.up_to(RETRY_DELAYS_MS.get(index).copied().unwrap_or(6 * HOUR))
        };
        let paced_until = self.relays.get(url).map_or(now, |relay| relay.paced_until);
        let mut retry = true;
        for hop in parcel.hops.iter_mut().filter(|hop| hop.relay == *url) {
            let HopState::InFlight { tries, .. } = hop.state else { continue };
            let last_error = Some(said.clone());
            hop.state = match verdict {
                Verdict::Accepted => HopState::Accepted { at: now },
                Verdict::Refused => {
                    retry = false;
                    HopState::Refused { at: now, said: said.clone() }
                }
                Verdict::RateLimited => HopState::Waiting { tries, next_at: paced_until, last_error },
                Verdict::AuthRequired | Verdict::Failed | Verdict::WrongDate => {
                    let next_at = now.plus(jitter(&mut self.random, tries));
                    HopState::Waiting { tries: tries.saturating_add(1), next_at, last_error }
                }
            };
        }
        if verdict == Verdict::Refused
            && let Some(reserve) = parcel.hops.iter_mut().find(|hop| hop.state == HopState::Reserve)
        {
            reserve.state = HopState::Waiting { tries: 0, next_at: now, last_error: None };
        }
        if parcel.class.has_history() {
            let entry = if verdict == Verdict::Accepted {
                HistoryEntry::Accepted { relay: url.clone() }
            } else {
                HistoryEntry::Refused { relay: url.clone(), said, retry }
            };
            self.change(Change::AddHistory { id: key.0, at: now, entry });
        }
        self.settle(parcel, verdict);
    }

    /// Decides what is left to do with a parcel after an answer.
    fn settle(&mut self, mut parcel: Parcel, verdict: Verdict) {
        let got = accepted(&parcel);
        let pending = parcel.hops.iter().any(is_pending);
        let id = parcel.message;
        if parcel.class == ParcelClass::Message && verdict == Verdict::Accepted {
            self.expect_receipt(&mut parcel);
            let at = parcel.hops.iter().filter_map(|hop| if let HopState::Accepted { at } = hop.state { Some(at) } else { None }).min();
            let of = parcel.hops.iter().filter(|hop| hop.state != HopState::Reserve).count();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let taken_at = parcel.resend.map_or(at.unwrap_or(self.now), |resend| resend.taken_at);
            // Another sending starts to count from none; the status never goes down.
            if parcel.resend.is_none_or(|resend| count(got) > resend.taken_by) {
                self.move_to(id, Status::Relayed { at: taken_at, accepted: count(got), of: count(of) });
            }
            if let Some(resend) = &mut parcel.resend {
                resend.taken_by = resend.taken_by.max(count(got));
            }
        }
        let enough = got > 0 && matches!(parcel.class, ParcelClass::OwnCopy | ParcelClass::Frame);
        let done = (!pending && parcel.resend.is_none()) || enough;
        if !done {
            self.keep(parcel);
            return;
        }
        if got == 0 && parcel.class == ParcelClass::Message {
            self.fail(id, FailReason::Refused);
        }
        self.drop_written(&parcel);
    }
}
