//! What a relay does with the frames that reach it: answers, stores, sends on, and misbehaves as its habits are while there is trouble.

use std::sync::Arc;

use ocmesh_proto::{
    EventId, Sub, Verdict,
    time::{MINUTE, SECOND},
};

use super::{
    connection::{Down, Up},
    relay::{Kept, Relay},
    wire::WireEvent,
    world::{Happening, World},
};

impl World {
    pub(super) fn at_relay(&mut self, a: usize, r: usize, epoch: u64, up: Up) {
        if !self.relays[r].reaches(a) || self.agents[a].connections.get(&r).is_some_and(|c| c.dead && c.epoch == epoch) {
            if let Up::Publish(event) = up {
                self.time_out(a, r, epoch, event);
            }
            return;
        }
        if self.agents[a].connections.get(&r).is_none_or(|c| !c.open || c.epoch != epoch) {
            // The agent left; what it wrote before may be read all the same.
            if let Up::Publish(event) = up {
                self.store(r, event);
            }
            return;
        }
        match up {
            Up::Req(sub, serial) => self.serve(a, r, epoch, sub, serial),
            Up::Publish(event) => self.take(a, r, epoch, event),
        }
    }

    fn habit(&mut self, r: usize, habit: impl Fn(&Relay) -> u64) -> bool {
        let chance = habit(&self.relays[r]);
        self.trouble && chance > 0 && self.dice.chance(chance)
    }

    /// Answers a REQ: what is stored in pages, then the end of it; the subscription is live from the first moment.
    fn serve(&mut self, a: usize, r: usize, epoch: u64, sub: Sub, serial: u64) {
        if self.relays[r].shuns.contains(&a) || self.habit(r, |relay| relay.habits.closes) {
            self.down(a, r, 0, Down::Closed(sub, serial));
            return;
        }
        let Some(wanted) = self.wanted(a, r, epoch, sub, serial) else { return };
        wanted.registered = true;
        let filters = Arc::clone(&wanted.filters);
        let mut stored = self.relays[r].stored(&filters, &self.wire, self.now);
        if self.dice.chance(300) {
            self.dice.shuffle(&mut stored);
        } else {
            stored.reverse();
        }
        let page = self.relays[r].habits.page.max(1);
        for (index, event) in stored.into_iter().enumerate() {
            // Each page costs another turn.
            let delay = if index > 0 && index % page == 0 { 50 } else { 0 };
            self.down(a, r, delay, Down::Event(event));
        }
        if self.habit(r, |relay| relay.habits.mute) {
            // The engine gives up on silence and asks for everything again.
            let at = self.now.plus(self.dice.between(75 * SECOND, 30 * MINUTE));
            self.queue.push(at, Happening::Reopen { a, r, epoch, sub, serial });
        } else {
            self.down(a, r, 0, Down::CaughtUp(sub, serial));
        }
    }

    /// Answers an EVENT.
    fn take(&mut self, a: usize, r: usize, epoch: u64, id: EventId) {
        let Some(event) = self.wire.event(id).map(Arc::clone) else { return };
        if self.habit(r, |relay| relay.habits.silent) {
            if self.dice.chance(500) {
                self.store(r, id);
            }
            self.time_out(a, r, epoch, id);
            return;
        }
        if let Some((verdict, said)) = self.refusal(a, r, &event) {
            self.down(a, r, 0, Down::Answer(id, verdict, said));
            if verdict == Verdict::AuthRequired {
                self.down(a, r, 50, Down::Authenticated);
            }
            return;
        }
        let lies = self.relays[r].habits.lies;
        let lie = event.is_direct() && lies > 0 && self.dice.chance(lies);
        if lie {
            self.stats.lies += 1;
            self.trace.line(self.now, || format!("relay {r}  lies about {}", super::trace::short(id)));
        } else {
            self.store(r, id);
        }
        if let Some(message) = event.message() {
            self.ledger.oks.insert((message, r));
        }
        self.down(a, r, 0, Down::Answer(id, Verdict::Accepted, ""));
    }

    fn refusal(&mut self, a: usize, r: usize, event: &WireEvent) -> Option<(Verdict, &'static str)> {
        if !event.is_direct() {
            let picky = self.trouble && !self.relays[r].habits.honest && Relay::is_announcement(event.kind) && self.dice.chance(100);
            return picky.then_some((Verdict::RateLimited, "rate-limited: noted"));
        }
        if self.relays[r].habits.wants_auth && !self.is_known(a, r) {
            return Some((Verdict::AuthRequired, "auth-required: who are you"));
        }
        if self.trouble && !self.relays[r].admits(a, self.now) {
            return Some((Verdict::RateLimited, "rate-limited: slow down"));
        }
        if self.habit(r, |relay| relay.habits.refuses) {
            return Some((Verdict::Refused, "blocked: not here"));
        }
        None
    }

    /// Keeps an event and sends it to everybody who listens.
    pub(super) fn store(&mut self, r: usize, id: EventId) {
        let Some(event) = self.wire.event(id).map(Arc::clone) else { return };
        if self.relays[r].keep(&event, &self.wire) == Kept::Known {
            return;
        }
        if let (Some(message), Some((to, _))) = (event.message(), &event.to)
            && self.wire.rumor(message).is_some_and(|rumor| rumor.draft.to == *to)
            && !self.wire.withheld.contains(&id)
        {
            self.ledger.kept.insert((r, message));
        }
        if self.relays[r].deaf && event.is_direct() {
            return;
        }
        for a in 0..self.agents.len() {
            if !self.relays[r].reaches(a) {
                continue;
            }
            let listens = self.agents[a].connections.get(&r).is_some_and(|connection| {
                let mut open = connection.subs.values().filter(|sub| sub.registered);
                connection.open && !connection.dead && open.any(|sub| sub.filters.iter().any(|filter| event.matches(filter)))
            });
            if !listens {
                continue;
            }
            let late = if self.trouble && self.dice.chance(50) { self.dice.below(MINUTE) } else { 0 };
            self.down_loose(a, r, late, id);
            if self.habit(r, |relay| relay.habits.twice) {
                let late = self.dice.below(10 * SECOND);
                self.down_loose(a, r, late, id);
            }
            let throw = self.dice.next();
            if self.habit(r, |relay| relay.habits.replays)
                && let Some(old) = self.relays[r].old_one(&event, throw)
            {
                self.down_loose(a, r, 0, old);
            }
        }
    }
}
