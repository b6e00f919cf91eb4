//! An agent's connections: what the relay engine does of it, with its promises kept. Every publish is answered once, every subscription is
//! opened again after a CLOSED and after a reconnect, and "caught up" comes after everything stored.

use std::{collections::BTreeMap, sync::Arc};

use ocmesh_proto::{At, EventId, Filter, Input, Lane, Link, RelayInfo, RelayUrl, Sub, Verdict, time::SECOND};

use super::world::{Happening, World};

/// A dead socket is found within this time: a ping each 25 s, 20 s for an answer.
const DEAD_FOUND_MS: u64 = 45 * SECOND;
/// For the OK of an event.
const PUBLISH_WAIT_MS: u64 = 10 * SECOND;
/// Longest pause before dialling, or opening a subscription, again.
const PAUSE_MS_MAX: u64 = 60 * SECOND;

/// A subscription as the engine holds it.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) filters: Arc<[Filter]>,
    live: bool,
    /// Tells its REQs apart.
    pub(super) serial: u64,
    /// The relay has it.
    pub(super) registered: bool,
}

/// A connection to one relay.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Changes with every dial and every loss; what belongs to another epoch is dropped.
    pub(super) epoch: u64,
    pub(super) open: bool,
    /// Nothing comes or goes any more, and the agent does not know it yet.
    pub(super) dead: bool,
    pub(super) subs: BTreeMap<Sub, Subscription>,
    flights: BTreeMap<EventId, u32>,
    /// What the relay sends of its store arrives in order.
    arrived: At,
    known_to_relay: bool,
    described: bool,
}

/// A frame on its way to a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Up {
    Req(Sub, u64),
    Publish(EventId),
}

/// Something on its way from a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Down {
    Event(EventId),
    CaughtUp(Sub, u64),
    Closed(Sub, u64),
    Answer(EventId, Verdict, &'static str),
    Authenticated,
    Described,
    /// The relay's time less the world's.
    Time(i64),
}

impl World {
    fn relay_index(&self, url: &RelayUrl) -> Option<usize> {
        self.relays.iter().position(|relay| relay.url == *url)
    }

    /// How long a frame takes.
    pub(super) fn latency(&mut self, r: usize) -> u64 {
        let slow = self.relays[r].habits.slow_ms;
        let most = if self.trouble && slow > 0 { slow } else { 150 };
        1 + self.dice.below(most)
    }

    fn fresh_epoch(&mut self) -> u64 {
        self.epochs += 1;
        self.epochs
    }

    pub(super) fn connect(&mut self, a: usize, url: &RelayUrl) {
        let Some(r) = self.relay_index(url) else { return };
        if self.agents[a].connections.contains_key(&r) {
            return;
        }
        let epoch = self.fresh_epoch();
        self.agents[a].connections.insert(r, Connection { epoch, ..Connection::default() });
        let at = self.now.plus(self.latency(r));
        self.queue.push(at, Happening::Dialled { a, r, epoch });
    }

    pub(super) fn disconnect(&mut self, a: usize, url: &RelayUrl) {
        let Some(r) = self.relay_index(url) else { return };
        let Some(connection) = self.agents[a].connections.remove(&r) else { return };
        // Its task says goodbye: what was in flight is answered, and nothing else comes of it.
        self.answer_flights(a, r, connection.flights);
    }

    fn answer_flights(&mut self, a: usize, r: usize, flights: BTreeMap<EventId, u32>) {
        for (event, copies) in flights {
            for _ in 0..copies {
                self.answer(a, r, event, Verdict::Failed, "connection lost");
            }
        }
    }

    fn answer(&mut self, a: usize, r: usize, event: EventId, verdict: Verdict, said: &str) {
        let (relay, said) = (self.relays[r].url.clone(), said.to_owned());
        self.push(a, Input::PublishAnswered { relay, event, verdict, said });
    }

    pub(super) fn dialled(&mut self, a: usize, r: usize, epoch: u64) {
        if !self.agents[a].is_running() {
            return;
        }
        let reaches = self.relays[r].reaches(a);
        let url = self.relays[r].url.clone();
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.epoch == epoch && !c.open) else { return };
        if !reaches {
            // The engine dials again within a minute; the world says when that can succeed.
            self.push(a, Input::RelayChanged { relay: url, link: Link::Down { why: "refused".to_owned() } });
            return;
        }
        connection.open = true;
        let (described, subs) = (std::mem::replace(&mut connection.described, true), connection.subs.keys().copied().collect::<Vec<_>>());
        self.push(a, Input::RelayChanged { relay: url, link: Link::Open });
        if let Some(off_ms) = self.relays[r].habits.tells {
            self.down(a, r, 0, Down::Time(off_ms));
        }
        if !described {
            self.down(a, r, 0, Down::Described);
        }
        for sub in subs {
            self.request(a, r, sub);
        }
    }

    /// Dials again whoever waits for a relay that can be reached again.
    pub(super) fn redial(&mut self, r: usize) {
        for a in 0..self.agents.len() {
            let Some(epoch) = self.agents[a].connections.get(&r).filter(|c| !c.open).map(|c| c.epoch) else { continue };
            let at = self.now.plus(self.dice.below(PAUSE_MS_MAX));
            self.queue.push(at, Happening::Dialled { a, r, epoch });
        }
    }

    /// The connection is gone, and the agent knows.
    pub(super) fn lose(&mut self, a: usize, r: usize) {
        let epoch = self.fresh_epoch();
        if !self.agents[a].is_running() {
            return; // It finds out when it wakes up.
        }
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) else { return };
        let flights = std::mem::take(&mut connection.flights);
        (connection.open, connection.dead, connection.epoch, connection.known_to_relay) = (false, false, epoch, false);
        connection.subs.values_mut().for_each(|sub| sub.registered = false);
        let down = Input::RelayChanged { relay: self.relays[r].url.clone(), link: Link::Down { why: "lost".to_owned() } };
        if self.dice.chance(500) {
            self.answer_flights(a, r, flights);
            self.push(a, down);
        } else {
            self.push(a, down);
            self.answer_flights(a, r, flights);
        }
        let at = self.now.plus(1 + self.dice.below(5 * SECOND));
        self.queue.push(at, Happening::Dialled { a, r, epoch });
    }

    /// The connection is dead without a word; a ping finds out.
    pub(super) fn lose_silently(&mut self, a: usize, r: usize) {
        if let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) {
            connection.dead = true;
            let epoch = connection.epoch;
            let at = self.now.plus(self.dice.below(DEAD_FOUND_MS));
            self.queue.push(at, Happening::Lost { a, r, epoch });
        }
    }

    pub(super) fn subscribe(&mut self, a: usize, url: &RelayUrl, sub: Sub, filters: Vec<Filter>, live: bool) {
        let Some(r) = self.relay_index(url) else { return };
        let Some(connection) = self.agents[a].connections.get_mut(&r) else { return };
        connection.subs.insert(sub, Subscription { filters: filters.into(), live, serial: 0, registered: false });
        if connection.open {
            self.request(a, r, sub);
        }
    }

    pub(super) fn unsubscribe(&mut self, a: usize, url: &RelayUrl, sub: Sub) {
        if let Some(connection) = self.relay_index(url).and_then(|r| self.agents[a].connections.get_mut(&r)) {
            connection.subs.remove(&sub);
        }
    }

    pub(super) fn request(&mut self, a: usize, r: usize, sub: Sub) {
        let serial = self.fresh_epoch();
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) else { return };
        let epoch = connection.epoch;
        let Some(wanted) = connection.subs.get_mut(&sub) else { return };
        (wanted.serial, wanted.registered) = (serial, false);
        let at = self.now.plus(self.latency(r));
        self.queue.push(at, Happening::AtRelay { a, r, epoch, up: Up::Req(sub, serial) });
    }

    pub(super) fn publish(&mut self, a: usize, url: &RelayUrl, event: EventId, inline: bool, lane: Lane) {
        let Some(r) = self.relay_index(url) else { return };
        if lane == Lane::Direct {
            self.stats.publishes += 1;
        }
        if !inline && !self.agents[a].disk.sealed.contains_key(&event) {
            if self.agents[a].disk.parcels.values().any(|parcel| parcel.event == event) {
                self.violation(format!("agent {a}: a parcel's event is not on disk"));
            }
            self.answer(a, r, event, Verdict::Failed, "the event is not in the store");
            return;
        }
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) else {
            self.answer(a, r, event, Verdict::Failed, "not connected");
            return;
        };
        let copies = connection.flights.entry(event).or_insert(0);
        *copies += 1;
        if *copies == 1 {
            let epoch = connection.epoch;
            let at = self.now.plus(self.latency(r));
            self.queue.push(at, Happening::AtRelay { a, r, epoch, up: Up::Publish(event) });
        }
    }

    /// An event that gets no answer.
    pub(super) fn time_out(&mut self, a: usize, r: usize, epoch: u64, event: EventId) {
        self.queue.push(self.now.plus(PUBLISH_WAIT_MS), Happening::TimedOut { a, r, epoch, event });
    }

    pub(super) fn timed_out(&mut self, a: usize, r: usize, epoch: u64, event: EventId) {
        if !self.agents[a].is_running() {
            return;
        }
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.epoch == epoch) else { return };
        if let Some(copies) = connection.flights.remove(&event) {
            self.answer_flights(a, r, BTreeMap::from([(event, copies)]));
        }
    }

    /// Sends something to an agent over its open connection, in order when it belongs to the store's answer.
    pub(super) fn down(&mut self, a: usize, r: usize, delay_ms: u64, down: Down) {
        let in_order = !matches!(down, Down::Answer(..));
        let at = self.now.plus(delay_ms + self.latency(r));
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) else { return };
        let at = if in_order { at.max(connection.arrived) } else { at };
        if in_order {
            connection.arrived = at;
        }
        let epoch = connection.epoch;
        self.queue.push(at, Happening::AtAgent { a, r, epoch, down });
    }

    /// Sends an event outside of the order of the store's answers: late, early, twice.
    pub(super) fn down_loose(&mut self, a: usize, r: usize, delay_ms: u64, event: EventId) {
        let at = self.now.plus(delay_ms + self.latency(r));
        if let Some(epoch) = self.agents[a].connections.get(&r).filter(|c| c.open).map(|c| c.epoch) {
            self.queue.push(at, Happening::AtAgent { a, r, epoch, down: Down::Event(event) });
        }
    }

    /// Something reached the agent's engine.
    pub(super) fn at_agent(&mut self, a: usize, r: usize, epoch: u64, down: Down) {
        if !self.agents[a].is_running() {
            return;
        }
        let relay = self.relays[r].url.clone();
        let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open && !c.dead && c.epoch == epoch) else { return };
        match down {
            Down::Event(event) if self.wire.withheld.contains(&event) => {}
            Down::Event(event) => {
                let Some(wired) = self.wire.event(event).map(Arc::clone) else { return };
                let agent = &mut self.agents[a];
                let in_time = wired.expires_at.is_none_or(|at| at.secs() >= agent.clock(self.now).secs());
                // A canary counts from the one relay it went through, and another may pass it on first.
                let is_new = if wired.is_canary() { agent.recent_canaries.insert((r, event)) } else { agent.recent.insert(event) };
                if in_time && is_new {
                    let opened = wired.opened.clone();
                    self.push(a, Input::EventOpened { relay, opened, facts: ocmesh_proto::Facts::default() });
                }
            }
            Down::CaughtUp(sub, serial) => {
                let Some(wanted) = connection.subs.get(&sub).filter(|wanted| wanted.serial == serial) else { return };
                if !wanted.live {
                    connection.subs.remove(&sub);
                }
                self.push(a, Input::CaughtUp { relay, sub, cut: None });
            }
            Down::Closed(sub, serial) => {
                if connection.subs.get(&sub).is_none_or(|wanted| wanted.serial != serial) {
                    return;
                }
                self.push(a, Input::SubscriptionClosed { relay, sub, said: "error: closed".to_owned() });
                let at = self.now.plus(SECOND + self.dice.below(PAUSE_MS_MAX));
                self.queue.push(at, Happening::Reopen { a, r, epoch, sub, serial });
            }
            Down::Answer(event, verdict, said) => {
                let copies = connection.flights.remove(&event).unwrap_or(0);
                for _ in 0..copies {
                    self.answer(a, r, event, verdict, said);
                }
            }
            Down::Authenticated => {
                connection.known_to_relay = true;
                self.push(a, Input::Authenticated { relay });
            }
            Down::Time(base_ms) => self.push(a, Input::TimeTold { relay, base_ms }),
            Down::Described => {
                let info = RelayInfo { expires_events: self.relays[r].habits.expires, ..RelayInfo::default() };
                self.push(a, Input::RelayDescribed { relay, info });
            }
        }
    }

    pub(super) fn reopen(&mut self, a: usize, r: usize, epoch: u64, sub: Sub, serial: u64) {
        let connection = self.agents[a].connections.get(&r).filter(|c| c.open && c.epoch == epoch);
        if connection.and_then(|c| c.subs.get(&sub)).is_some_and(|wanted| wanted.serial == serial) {
            self.request(a, r, sub);
        }
    }

    pub(super) fn is_known(&self, a: usize, r: usize) -> bool {
        self.agents[a].connections.get(&r).is_some_and(|connection| connection.known_to_relay)
    }

    /// The REQ a frame belongs to, when it is still the current one.
    pub(super) fn wanted(&mut self, a: usize, r: usize, epoch: u64, sub: Sub, serial: u64) -> Option<&mut Subscription> {
        let connection = self.agents[a].connections.get_mut(&r).filter(|c| c.open && c.epoch == epoch)?;
        connection.subs.get_mut(&sub).filter(|wanted| wanted.serial == serial)
    }
}
