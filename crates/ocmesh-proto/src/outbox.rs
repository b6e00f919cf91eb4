//! The outbox: which parcel goes to which relay, when, and what its answer means. A parcel leaves when nothing more can come of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    At, Change, Direction, Draft, Effect, EventId, FailReason, Form, HistoryEntry, Hop, HopState, Lane, Mesh, MessageId, Notice, Parcel,
    ParcelClass, PubKey, RelayUrl, RouteReason, SealRefused, Sealed, SignedEvent, Status, StoredFacts, Verdict,
    agenda::Timer,
    limit::{IN_FLIGHT_PER_RELAY_MAX, ROUTE_RELAYS_MAX},
    mesh::Job,
    relay_set::RelaySet,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// Pauses after the first, second, … failure at one relay; full jitter takes each as an upper bound.
const RETRY_DELAYS_MS: [u64; 10] =
    [SECOND, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR];
/// A gift wrap older than this is wrapped again: recipients look back only a few days (NIP-59 back-dates up to two).
const WRAP_AGE_MS_MAX: u64 = DAY;

type Key = (MessageId, ParcelClass);

/// The parcels, with the indexes that make each question cheap.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    parcels: BTreeMap<Key, Parcel>,
    by_event: BTreeMap<EventId, Key>,
    /// Hops that wait, by relay and due time.
    waiting: BTreeMap<RelayUrl, BTreeSet<(At, Key)>>,
    /// Parcels with at least one hop that is neither accepted nor refused, by relay.
    needed: BTreeMap<RelayUrl, BTreeSet<Key>>,
    expiries: BTreeSet<(At, Key)>,
    by_peer: BTreeMap<PubKey, BTreeSet<Key>>,
    queued: usize,
    relayed: usize,
}

impl Outbox {
    pub(crate) fn load(&mut self, mut parcel: Parcel, now: At) {
        for hop in &mut parcel.hops {
            if let HopState::InFlight { tries, .. } = hop.state {
                hop.state = HopState::Waiting { tries, next_at: now, last_error: None };
            }
        }
        self.insert(parcel);
    }

    fn insert(&mut self, parcel: Parcel) {
        let key = (parcel.message, parcel.class);
        self.remove(&key);
        self.by_event.insert(parcel.event, key);
        self.expiries.insert((parcel.expires_at, key));
        self.by_peer.entry(parcel.to).or_default().insert(key);
        for hop in &parcel.hops {
            match &hop.state {
                HopState::Waiting { next_at, .. } => {
                    self.waiting.entry(hop.relay.clone()).or_default().insert((*next_at, key));
                    self.needed.entry(hop.relay.clone()).or_default().insert(key);
                }
                HopState::InFlight { .. } => {
                    self.needed.entry(hop.relay.clone()).or_default().insert(key);
                }
                HopState::Reserve | HopState::Accepted { .. } | HopState::Refused { .. } => {}
            }
        }
        if parcel.class == ParcelClass::Message {
            if accepted(&parcel) > 0 { self.relayed += 1 } else { self.queued += 1 }
        }
        self.parcels.insert(key, parcel);
    }

    fn remove(&mut self, key: &Key) -> Option<Parcel> {
        let parcel = self.parcels.remove(key)?;
        self.by_event.remove(&parcel.event);
        self.expiries.remove(&(parcel.expires_at, *key));
        if let Some(keys) = self.by_peer.get_mut(&parcel.to) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_peer.remove(&parcel.to);
            }
        }
        for hop in &parcel.hops {
            if let HopState::Waiting { next_at, .. } = &hop.state
                && let Some(due) = self.waiting.get_mut(&hop.relay)
            {
                due.remove(&(*next_at, *key));
                if due.is_empty() {
                    self.waiting.remove(&hop.relay);
                }
            }
            if let Some(keys) = self.needed.get_mut(&hop.relay) {
                keys.remove(key);
                if keys.is_empty() {
                    self.needed.remove(&hop.relay);
                }
            }
        }
        if parcel.class == ParcelClass::Message {
            let count = if accepted(&parcel) > 0 { &mut self.relayed } else { &mut self.queued };
            *count = count.saturating_sub(1);
        }
        Some(parcel)
    }

    pub(crate) fn len(&self) -> usize {
        self.parcels.len()
    }

    pub(crate) const fn counts(&self) -> (usize, usize) {
        (self.queued, self.relayed)
    }

    pub(crate) fn next_expiry(&self) -> Option<At> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Something in the outbox still wants this relay.
    pub(crate) fn needs(&self, relay: &RelayUrl) -> bool {
        self.needed.contains_key(relay)
    }

    /// Relays that something waits for and that are not in use.
    pub(crate) fn unconnected(&self, relays: &RelaySet) -> Vec<RelayUrl> {
        self.needed.keys().filter(|url| relays.get(url).is_none()).cloned().collect()
    }

    fn keys_of(&self, peer: &PubKey) -> Vec<Key> {
        self.by_peer.get(peer).map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn get(&self, message: MessageId, class: ParcelClass) -> Option<&Parcel> {
        self.parcels.get(&(message, class))
    }
}

fn accepted(parcel: &Parcel) -> usize {
    parcel.hops.iter().filter(|hop| matches!(hop.state, HopState::Accepted { .. })).count()
}

fn is_pending(hop: &Hop) -> bool {
    matches!(hop.state, HopState::Waiting { .. } | HopState::InFlight { .. })
}

/// The first three relays at once, the rest in reserve.
fn hops(relays: Vec<RelayUrl>, now: At) -> Vec<Hop> {
    let waiting = HopState::Waiting { tries: 0, next_at: now, last_error: None };
    let state = |index: usize| if index < ROUTE_RELAYS_MAX { waiting.clone() } else { HopState::Reserve };
    relays.into_iter().enumerate().map(|(index, relay)| Hop { relay, state: state(index) }).collect()
}

/// What goes into the outbox.
pub(crate) struct Posting {
    pub(crate) message: MessageId,
    pub(crate) class: ParcelClass,
    pub(crate) to: PubKey,
    pub(crate) form: Form,
    pub(crate) ttl_ms: u64,
    pub(crate) route: (Vec<RelayUrl>, RouteReason),
}

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
        };
        self.change(Change::PutSealed { message, event });
        self.keep(parcel);
    }

    /// Writes a parcel, connects what it needs, and pumps.
    fn keep(&mut self, parcel: Parcel) {
        let urls: Vec<RelayUrl> = parcel.hops.iter().filter(|hop| is_pending(hop)).map(|hop| hop.relay.clone()).collect();
        self.change(Change::PutParcel(Box::new(parcel.clone())));
        self.outbox.insert(parcel);
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
        if class == ParcelClass::Message {
            self.change(Change::AddHistory { id: key.0, at: now, entry: HistoryEntry::Sent { relay: url.clone() } });
        }
        self.out.effects.push(Effect::Publish { relay: url.clone(), event, json: None, lane: Lane::Direct });
    }

    pub(crate) fn rewrapped(&mut self, message: MessageId, class: ParcelClass, sealed: Result<Sealed, SealRefused>) {
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
        for hop in &mut parcel.hops {
            if let HopState::Waiting { next_at, .. } = &mut hop.state {
                *next_at = now;
            }
        }
        self.change(Change::PutSealed { message, event: sealed.event });
        if class == ParcelClass::Message {
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
        if self.announcement_answered(url, event, verdict) {
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
        let now = self.now;
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
                Verdict::AuthRequired | Verdict::Failed => {
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
        if parcel.class == ParcelClass::Message {
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
    fn settle(&mut self, parcel: Parcel, verdict: Verdict) {
        let got = accepted(&parcel);
        let pending = parcel.hops.iter().any(is_pending);
        let id = parcel.message;
        if parcel.class == ParcelClass::Message && verdict == Verdict::Accepted {
            let at = parcel.hops.iter().filter_map(|hop| if let HopState::Accepted { at } = hop.state { Some(at) } else { None }).min();
            let of = parcel.hops.iter().filter(|hop| hop.state != HopState::Reserve).count();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            self.move_to(id, Status::Relayed { at: at.unwrap_or(self.now), accepted: count(got), of: count(of) });
        }
        let done = !pending || (got > 0 && parcel.class != ParcelClass::Message);
        if !done {
            self.keep(parcel);
            return;
        }
        if got == 0 && parcel.class == ParcelClass::Message {
            self.fail(id, FailReason::Refused);
        }
        self.drop_written(&parcel);
    }

    fn drop_written(&mut self, parcel: &Parcel) {
        self.change(Change::DropParcel { message: parcel.message, class: parcel.class });
        for hop in &parcel.hops {
            self.release_route(&hop.relay);
        }
    }

    pub(crate) fn move_to(&mut self, id: MessageId, status: Status) {
        self.change(Change::SetStatus { id, status: status.clone() });
        self.notice(Notice::MessageMoved { id, status });
    }

    fn fail(&mut self, id: MessageId, reason: FailReason) {
        let at = self.now;
        self.change(Change::AddHistory { id, at, entry: HistoryEntry::Failed { reason } });
        self.move_to(id, Status::Failed { at, reason });
    }

    /// Takes a message out of the outbox: cancelled, blocked, or its receipt came.
    pub(crate) fn take_out(&mut self, id: MessageId, reason: Option<FailReason>) -> bool {
        let Some(parcel) = self.outbox.remove(&(id, ParcelClass::Message)) else { return false };
        if let Some(reason) = reason {
            self.fail(id, reason);
        }
        self.drop_written(&parcel);
        true
    }

    /// Drops everything that waits for a peer (it was blocked).
    pub(crate) fn take_out_all(&mut self, peer: &PubKey, reason: FailReason) {
        for key in self.outbox.keys_of(peer) {
            if key.1 == ParcelClass::Message {
                self.take_out(key.0, Some(reason));
            } else if let Some(parcel) = self.outbox.remove(&key) {
                self.drop_written(&parcel);
            }
        }
    }

    pub(crate) fn expire_parcels(&mut self) {
        while let Some((at, key)) = self.outbox.expiries.first().copied() {
            if at > self.now {
                return;
            }
            let Some(parcel) = self.outbox.remove(&key) else { return };
            // A message that some relay has is not lost: it stays "relayed", and only the other relays are given up.
            if parcel.class == ParcelClass::Message && accepted(&parcel) == 0 {
                self.fail(key.0, FailReason::Expired);
            }
            self.drop_written(&parcel);
        }
    }

    /// A peer's receipt.
    pub(crate) fn receipt(&mut self, id: MessageId, from: PubKey, read: bool, facts: Option<&StoredFacts>) {
        let Some(facts) = facts.filter(|facts| facts.to == from) else { return };
        let at = self.now;
        let (status, entry) =
            if read { (Status::Read { at }, HistoryEntry::Read) } else { (Status::Delivered { at }, HistoryEntry::Delivered) };
        let forward = match facts.status {
            Status::Read { .. } | Status::Received => false,
            Status::Delivered { .. } => read,
            Status::Queued | Status::Relayed { .. } | Status::Failed { .. } => true,
        };
        if forward {
            self.change(Change::AddHistory { id, at, entry });
            self.move_to(id, status);
        }
        self.take_out(id, None);
    }

    /// A peer's relays changed: what no relay has yet goes to the new ones at once.
    pub(crate) fn reroute(&mut self, peer: &PubKey) {
        let now = self.now;
        let (relays, why) = self.route_to(peer);
        for key in self.outbox.keys_of(peer) {
            let same = |parcel: &Parcel| parcel.hops.iter().map(|hop| &hop.relay).eq(relays.iter());
            let fixed = self.outbox.get(key.0, key.1).is_none_or(|parcel| accepted(parcel) > 0 || same(parcel));
            if fixed || key.1 == ParcelClass::OwnCopy {
                continue;
            }
            let Some(mut parcel) = self.outbox.remove(&key) else { continue };
            let old: Vec<Hop> = std::mem::take(&mut parcel.hops);
            parcel.why = why;
            parcel.hops = hops(relays.clone(), now);
            for hop in &mut parcel.hops {
                if let Some(before) = old.iter().find(|before| before.relay == hop.relay && before.state != HopState::Reserve) {
                    hop.state = before.state.clone();
                }
            }
            if parcel.class == ParcelClass::Message {
                self.change(Change::AddHistory { id: key.0, at: now, entry: HistoryEntry::Rerouted { relays: relays.clone(), why } });
            }
            let left: Vec<RelayUrl> = old.into_iter().map(|hop| hop.relay).filter(|url| !relays.contains(url)).collect();
            self.keep(parcel);
            for url in left {
                self.release_route(&url);
            }
        }
    }

    /// Another try by hand: at once for a waiting message, from the stored event for one that left the outbox.
    pub(crate) fn retry(&mut self, id: MessageId, stored: Option<StoredFacts>) -> Result<(), crate::Refusal> {
        let now = self.now;
        if let Some(mut parcel) = self.outbox.remove(&(id, ParcelClass::Message)) {
            for hop in &mut parcel.hops {
                if let HopState::Waiting { next_at, .. } = &mut hop.state {
                    *next_at = now;
                }
            }
            self.keep(parcel);
            return Ok(());
        }
        let facts = stored.ok_or(crate::Refusal::MessageUnknown)?;
        let Some(event) = facts.event else { return Err(crate::Refusal::MessageFinal(facts.status.as_str())) };
        match facts.status {
            Status::Failed { .. } | Status::Relayed { .. } | Status::Queued => {}
            Status::Delivered { .. } | Status::Read { .. } | Status::Received => {
                return Err(crate::Refusal::MessageFinal(facts.status.as_str()));
            }
        }
        if self.directory.get(&facts.to).is_some_and(|peer| peer.trust == crate::Trust::Blocked) {
            return Err(crate::Refusal::PeerBlocked);
        }
        let (relays, why) = self.route_to(&facts.to);
        self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::Retried });
        self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::Queued { relays: relays.clone(), why } });
        if matches!(facts.status, Status::Failed { .. }) {
            self.move_to(id, Status::Queued);
        }
        self.keep(Parcel {
            message: id,
            class: ParcelClass::Message,
            to: facts.to,
            form: facts.form,
            event,
            kind: facts.kind,
            wrapped_at: facts.wrapped_at,
            queued_at: now,
            expires_at: now.plus(self.policy.message_ttl_ms),
            why,
            hops: hops(relays, now),
        });
        Ok(())
    }
}

/// Which side wrote a message, as its author tells.
pub(crate) fn direction(author: &PubKey, me: &PubKey) -> Direction {
    if author == me { Direction::Out } else { Direction::In }
}
