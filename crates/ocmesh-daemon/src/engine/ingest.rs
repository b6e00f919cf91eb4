//! From the relay pool to the mesh: every event is verified and opened here, before anything else looks at it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ocmesh_proto::{At, Body, Door, EventId, Input, Link, Opened, PubKey, RelayInfo, RelayUrl, Sub, Verdict};
use ocmesh_relay::{PoolEvent, PublishOutcome};
use ocmesh_wire::{Gate, Keys, OpenError};
use tokio::sync::mpsc;

use super::{
    forgeries::Forgeries,
    recent::{Generations, Recent, at_relay},
};
use crate::{clock::Clock, limit::TAKEN_MAX};

/// What the mesh task is to hear of: an input, and where it came in an event, which one.
pub(crate) struct Heard {
    pub(crate) input: Option<Input>,
    pub(crate) handled: Option<Handled>,
}

/// An event whose id and signature are good, by what relays know of it.
pub(crate) struct Handled {
    pub(crate) kind: u16,
    pub(crate) dated: At,
    pub(crate) id: EventId,
}

impl From<Input> for Heard {
    fn from(input: Input) -> Self {
        Self { input: Some(input), handled: None }
    }
}

/// Turns pool events into inputs, on a thread of its own: verification is the daemon's main use of the processor.
pub(crate) struct Ingest {
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Clock,
    pub(crate) recent: Arc<Mutex<Recent>>,
    /// What strangers' messages need to be looked at.
    pub(crate) door: Door,
    /// From whom the door asks nothing; the mesh task replaces it whole.
    pub(crate) accepted: Arc<Mutex<Arc<BTreeSet<PubKey>>>>,
    pub(crate) forgeries: Forgeries,
    /// Ids that bore a signature that is not their author's, with that signature: a copy of a forgery costs no second verification.
    pub(crate) forged: Generations<()>,
    /// Bounded: when the mesh is slow, this thread waits, then the pool, then the sockets.
    pub(crate) inputs: mpsc::Sender<Heard>,
}

impl Ingest {
    /// Runs until the pool or the mesh is gone.
    pub(crate) fn run(mut self, mut events: mpsc::Receiver<PoolEvent>) {
        let mut taken = Vec::with_capacity(TAKEN_MAX);
        while events.blocking_recv_many(&mut taken, TAKEN_MAX) > 0 {
            for event in taken.drain(..) {
                if let Some(heard) = self.hear(event)
                    && self.inputs.blocking_send(heard).is_err()
                {
                    return;
                }
            }
        }
    }

    pub(super) fn hear(&mut self, event: PoolEvent) -> Option<Heard> {
        match event {
            PoolEvent::Event { relay, json, id, kind, created_at, .. } => {
                let handled = Handled { kind, dated: At::from_secs(created_at), id: id.parse().ok()? };
                self.open(&relay, &json, handled)
            }
            other => self.read(other).map(Heard::from),
        }
    }

    fn read(&self, event: PoolEvent) -> Option<Input> {
        match event {
            PoolEvent::Event { .. } => None,
            PoolEvent::Connecting { relay } => link(&relay, Link::Connecting),
            PoolEvent::Open { relay } => {
                tracing::info!(%relay, "relay connected");
                link(&relay, Link::Open)
            }
            PoolEvent::Down { relay, why } => {
                tracing::info!(%relay, why, "relay not connected");
                link(&relay, Link::Down { why })
            }
            PoolEvent::Described { relay, info } => Some(Input::RelayDescribed { relay: url(&relay)?, info: describe(&info) }),
            PoolEvent::TimeTold { relay, time, read_at } => {
                let base_ms = self.clock.base_of(time, read_at)?;
                Some(Input::TimeTold { relay: url(&relay)?, base_ms })
            }
            PoolEvent::CaughtUp { relay, sub, cut } => {
                tracing::debug!(%relay, %sub, ?cut, "caught up");
                Some(Input::CaughtUp { relay: url(&relay)?, sub: sub.parse().ok()?, cut: cut.map(At::from_secs) })
            }
            PoolEvent::Closed { relay, sub, said } => {
                tracing::info!(%relay, %sub, said, "relay closed a subscription");
                let sub: Sub = sub.parse().ok()?;
                Some(Input::SubscriptionClosed { relay: url(&relay)?, sub, said })
            }
            PoolEvent::Answered { relay, event_id, outcome, said } => {
                let verdict = match outcome {
                    PublishOutcome::Ok { accepted } => ocmesh_wire::classify(accepted, &said),
                    PublishOutcome::TimedOut | PublishOutcome::ConnectionLost | PublishOutcome::NotConnected => Verdict::Failed,
                };
                if verdict != Verdict::Accepted {
                    tracing::info!(%relay, event = short(&event_id), ?verdict, said, "relay did not take an event");
                }
                Some(Input::PublishAnswered { relay: url(&relay)?, event: event_id.parse().ok()?, verdict, said })
            }
            PoolEvent::Authenticated { relay } => {
                tracing::info!(%relay, "relay knows us now");
                Some(Input::Authenticated { relay: url(&relay)? })
            }
            PoolEvent::AuthRefused { relay, said } => {
                tracing::info!(%relay, said, "relay refused our authentication");
                None
            }
            PoolEvent::Notice { relay, said } => {
                tracing::info!(%relay, said, "relay notice");
                None
            }
        }
    }

    fn open(&mut self, relay: &Arc<str>, json: &str, handled: Handled) -> Option<Heard> {
        let id = handled.id;
        let here = at_relay(id.as_bytes(), relay);
        {
            let recent = self.recent();
            if recent.contains(id.as_bytes()) || recent.contains(here) {
                return None;
            }
        }
        match self.open_at_the_door(json) {
            Ok(opened) => {
                // The id was recomputed from the content inside `open`, so it is the claimed one.
                // A canary counts from the one relay it went through, and another may pass it on first.
                let mut recent = self.recent();
                recent.insert(if is_canary(&opened) { here } else { *id.as_bytes() });
                if let Opened::Presence(presence) = &opened {
                    recent.presence(&presence.author, presence.created_at);
                }
                drop(recent);
                let handled = matches!(opened, Opened::Direct(_)).then_some(handled);
                let input = Input::EventOpened { relay: url(relay)?, opened, facts: ocmesh_proto::Facts::default() };
                Some(Heard { input: Some(input), handled })
            }
            Err(error) if error.is_final() => {
                tracing::debug!(%relay, event = short(&id.to_hex()), %error, "event left aside for good");
                self.recent().insert(*id.as_bytes());
                Some(Heard { input: None, handled: Some(handled) })
            }
            Err(OpenError::Outdated) => None,
            Err(OpenError::TooLittleWork) => {
                let times = self.door.kept_out(self.clock.now())?;
                tracing::info!(times, "strangers' events without the work they are asked for were left aside");
                Some(Heard::from(Input::KeptOut { times }))
            }
            Err(error) => {
                tracing::debug!(%relay, event = short(&id.to_hex()), %error, "event left aside");
                if error.shows_lying_relay() { self.forgery(relay) } else { None }
            }
        }
    }

    fn open_at_the_door(&mut self, json: &str) -> Result<Opened, OpenError> {
        let now = self.clock.now();
        let (door, accepted, recent, forged) = (&mut self.door, &*self.accepted, &*self.recent, &mut self.forged);
        let mut gate = AtTheDoor { door, accepted, recent, forged, us: self.keys.public(), now };
        ocmesh_wire::open_at(&self.keys, json, now, &mut gate)
    }

    /// One more of this relay; the mesh and the log hear of it once a minute.
    fn forgery(&mut self, relay: &Arc<str>) -> Option<Heard> {
        let times = self.forgeries.count(relay, self.clock.now())?;
        tracing::warn!(%relay, times, "relay sent forged events");
        Some(Heard::from(Input::ForgeriesSeen { relay: url(relay)?, times }))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        locked(&self.recent)
    }
}

/// A poisoned set is still a set of verified ids, or of accepted peers.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is not worth a signature check.
struct AtTheDoor<'a> {
    door: &'a mut Door,
    accepted: &'a Mutex<Arc<BTreeSet<PubKey>>>,
    recent: &'a Mutex<Recent>,
    forged: &'a mut Generations<()>,
    us: PubKey,
    now: At,
}

impl Gate for AtTheDoor<'_> {
    fn lets_in(&mut self, author: &PubKey, work: u32) -> bool {
        let is_accepted = || *author == self.us || locked(self.accepted).contains(author);
        self.door.is_open_to(work) || self.door.lets_in(is_accepted(), work, self.now)
    }

    fn is_news(&mut self, author: &PubKey, created_at: At) -> bool {
        locked(self.recent).is_news(author, created_at)
    }

    fn is_known_forgery(&mut self, id: &EventId, signature: &[u8; 64]) -> bool {
        self.forged.contains((id, signature))
    }

    fn found_forgery(&mut self, id: &EventId, signature: &[u8; 64]) {
        self.forged.insert((id, signature), ());
    }
}

fn is_canary(opened: &Opened) -> bool {
    matches!(opened, Opened::Direct(envelope) if envelope.body == Body::Canary)
}

/// The first digits of an id: enough to find it in a log.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn url(text: &str) -> Option<RelayUrl> {
    RelayUrl::parse(text).ok()
}

fn link(relay: &str, link: Link) -> Option<Input> {
    Some(Input::RelayChanged { relay: url(relay)?, link })
}

fn describe(info: &ocmesh_relay::RelayInfo) -> RelayInfo {
    let says = |flag: Option<bool>| flag == Some(true);
    RelayInfo {
        expires_events: info.supported_nips.contains(&40),
        auth_required: says(info.limitation.auth_required),
        payment_required: says(info.limitation.payment_required),
        restricted_writes: says(info.limitation.restricted_writes),
    }
}

#[cfg(test)]
mod tests;
