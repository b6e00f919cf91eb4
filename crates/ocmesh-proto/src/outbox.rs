//! The outbox: which parcel goes to which relay, when, and what its answer means. A parcel leaves when nothing more can come of it.

mod delivery;
mod ending;
mod resend;

pub(crate) use resend::confirms;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    At, Direction, EventId, Form, Hop, HopState, MessageId, Parcel, ParcelClass, PubKey, RelayUrl, RouteReason,
    limit::{FRAMES_MAX, FRAMES_PER_PEER_MAX, ROUTE_RELAYS_MAX},
    relay_set::RelaySet,
};

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
    /// Messages to be sent again at a time.
    resends: BTreeSet<(At, Key)>,
    /// Messages to be sent again once their peer is seen.
    unseen: BTreeMap<PubKey, BTreeSet<Key>>,
    /// Frames, all and by peer.
    frames: usize,
    frames_to: BTreeMap<PubKey, usize>,
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
        match parcel.resend {
            Some(resend) if resend.seen => {
                self.resends.insert((resend.at, key));
            }
            Some(_) => {
                self.unseen.entry(parcel.to).or_default().insert(key);
            }
            None => {}
        }
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
            if is_relayed(&parcel) { self.relayed += 1 } else { self.queued += 1 }
        }
        if parcel.class == ParcelClass::Frame {
            self.frames += 1;
            *self.frames_to.entry(parcel.to).or_default() += 1;
        }
        self.parcels.insert(key, parcel);
    }

    /// A parcel that was taken out to be looked at.
    pub(crate) fn put_back(&mut self, parcel: Parcel) {
        self.insert(parcel);
    }

    fn remove(&mut self, key: &Key) -> Option<Parcel> {
        let parcel = self.parcels.remove(key)?;
        self.by_event.remove(&parcel.event);
        self.expiries.remove(&(parcel.expires_at, *key));
        leave(&mut self.by_peer, &parcel.to, key);
        if let Some(resend) = parcel.resend {
            self.resends.remove(&(resend.at, *key));
            leave(&mut self.unseen, &parcel.to, key);
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
            let count = if is_relayed(&parcel) { &mut self.relayed } else { &mut self.queued };
            *count = count.saturating_sub(1);
        }
        if parcel.class == ParcelClass::Frame {
            self.frames = self.frames.saturating_sub(1);
            if let Some(count) = self.frames_to.get_mut(&parcel.to) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.frames_to.remove(&parcel.to);
                }
            }
        }
        Some(parcel)
    }

    pub(crate) fn len(&self) -> usize {
        self.parcels.len()
    }

    /// Frames, and the most of them for one peer.
    pub(crate) fn frames(&self) -> (usize, usize) {
        (self.frames, self.frames_to.values().copied().max().unwrap_or(0))
    }

    /// One more frame to this peer has room.
    pub(crate) fn has_room_for_frame(&self, to: &PubKey) -> bool {
        self.frames < FRAMES_MAX && self.frames_to.get(to).is_none_or(|count| *count < FRAMES_PER_PEER_MAX)
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

    pub(crate) fn parcels(&self) -> impl Iterator<Item = &Parcel> {
        self.parcels.values()
    }

    pub(crate) fn get(&self, message: MessageId, class: ParcelClass) -> Option<&Parcel> {
        self.parcels.get(&(message, class))
    }

    /// Some relay took it.
    pub(crate) fn was_taken(&self, message: MessageId, class: ParcelClass) -> bool {
        self.get(message, class).is_some_and(is_relayed)
    }
}

fn accepted(parcel: &Parcel) -> usize {
    parcel.hops.iter().filter(|hop| matches!(hop.state, HopState::Accepted { .. })).count()
}

/// Some relay has, or had, the message.
fn is_relayed(parcel: &Parcel) -> bool {
    parcel.resend.is_some() || accepted(parcel) > 0
}

fn leave(index: &mut BTreeMap<PubKey, BTreeSet<Key>>, peer: &PubKey, key: &Key) {
    if let Some(keys) = index.get_mut(peer) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(peer);
        }
    }
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

/// Which side wrote a message, as its author tells.
pub(crate) fn direction(author: &PubKey, me: &PubKey) -> Direction {
    if author == me { Direction::Out } else { Direction::In }
}
