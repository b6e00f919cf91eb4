//! Troubles as they come and go, and the healing that ends them all.

use ocmesh_proto::{
    Link,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use super::{
    agent::Life,
    connection::Down,
    plan::Trouble,
    world::{Happening, World},
};

impl World {
    pub(super) fn begin_trouble(&mut self, trouble: Trouble) {
        if !self.trouble {
            return;
        }
        self.trace.line(self.now, || format!("TROUBLE  {trouble:?}"));
        match trouble {
            Trouble::RelayDown { r, for_ms, forgets, silently } => {
                self.relays[r].down = true;
                if forgets {
                    self.relays[r].forget_all();
                    self.ledger.kept.retain(|(relay, _)| *relay != r);
                }
                for a in 0..self.agents.len() {
                    if silently {
                        self.lose_silently(a, r);
                    } else {
                        self.lose(a, r);
                    }
                }
                self.queue.push(self.now.plus(for_ms), Happening::Relief(trouble));
            }
            Trouble::CutOff { a, r, for_ms } => {
                self.relays[r].cut_off.insert(a);
                self.lose_silently(a, r);
                self.queue.push(self.now.plus(for_ms), Happening::Relief(trouble));
            }
            Trouble::Shunned { a, r, for_ms } => {
                self.relays[r].shuns.insert(a);
                self.close_all(r);
                self.queue.push(self.now.plus(for_ms), Happening::Relief(trouble));
            }
            Trouble::Deaf { r, for_ms } => {
                self.relays[r].deaf = true;
                self.queue.push(self.now.plus(for_ms), Happening::Relief(trouble));
            }
            Trouble::Dropped { a, r } => self.lose(a, r),
            Trouble::ClosesAll { r } => self.close_all(r),
            Trouble::Killed { a, for_ms } => {
                if self.agents[a].is_running() {
                    self.die_for(a, for_ms);
                }
            }
            Trouble::Asleep { a, for_ms } => {
                if self.agents[a].is_running() {
                    self.agents[a].life = Life::Asleep;
                    let generation = self.agents[a].generation;
                    self.queue.push(self.now.plus(for_ms), Happening::Wake { a, generation });
                }
            }
            Trouble::DiskBad { a, for_ms } => {
                self.agents[a].disk_bad_until = self.now.plus(for_ms);
            }
            Trouble::ClockSet { a, by_ms } => {
                // Ahead and back again, or from one error to another.
                let agent = &mut self.agents[a];
                agent.skew_ms = if agent.skew_ms.abs() > by_ms.abs() { 0 } else { by_ms };
                self.wake_when_due(a);
            }
        }
    }

    pub(super) fn end_trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::RelayDown { r, .. } => {
                self.relays[r].down = false;
                self.redial(r);
            }
            Trouble::CutOff { a, r, .. } => {
                self.relays[r].cut_off.remove(&a);
                self.redial(r);
            }
            Trouble::Shunned { a, r, .. } => {
                self.relays[r].shuns.remove(&a);
            }
            Trouble::Deaf { r, .. } => self.relays[r].deaf = false,
            _ => {}
        }
    }

    fn close_all(&mut self, r: usize) {
        for a in 0..self.agents.len() {
            let Some(connection) = self.agents[a].connections.get_mut(&r).filter(|c| c.open) else { continue };
            let open = connection.subs.iter_mut().filter(|(_, sub)| sub.registered);
            let closed: Vec<_> = open
                .map(|(name, sub)| {
                    sub.registered = false;
                    (*name, sub.serial)
                })
                .collect();
            for (sub, serial) in closed {
                self.down(a, r, 0, Down::Closed(sub, serial));
            }
        }
    }

    fn die_for(&mut self, a: usize, for_ms: u64) {
        self.stats.crashes += 1;
        self.trace.line(self.now, || format!("agent {a}  is killed"));
        self.end(a);
        self.agents[a].life = Life::Dead;
        self.start_later(a, for_ms);
    }

    /// How long an agent that ended stays away.
    pub(super) fn downtime(&mut self) -> u64 {
        let span = self.plan.trouble_ms;
        match self.dice.below(10) {
            0..=5 => self.dice.between(100, 10 * SECOND),
            6..=8 => self.dice.between(10 * SECOND, 10 * MINUTE),
            _ => self.dice.between(MINUTE, span / 3),
        }
    }

    /// The machine is awake again: every socket is dead, and the engine finds out at once, or only by its next ping.
    pub(super) fn wake_up(&mut self, a: usize) {
        if self.agents[a].life != Life::Asleep {
            return;
        }
        self.trace.line(self.now, || format!("agent {a}  wakes up"));
        self.agents[a].life = Life::Running;
        let known: Vec<usize> = self.agents[a].connections.keys().copied().collect();
        let at_once = self.dice.chance(500);
        for r in known {
            if at_once {
                self.lose(a, r);
            } else {
                self.lose_silently(a, r);
            }
        }
        // What was on its way to be dialled when it fell asleep is dialled now.
        for r in 0..self.relays.len() {
            self.redial(r);
        }
        self.push(a, ocmesh_proto::Input::Ticked);
        self.poke(a);
    }

    /// The agent said its goodbye and ended; somebody starts it again later.
    pub(super) fn finished(&mut self, a: usize) {
        self.trace.line(self.now, || format!("agent {a}  stopped"));
        self.end(a);
        self.agents[a].life = Life::Dead;
        let away = self.downtime();
        self.start_later(a, away);
    }

    /// Every trouble ends: relays are reachable, machines run, disks write, clocks are right. Liars stay liars.
    pub(super) fn heal(&mut self) {
        self.trace.line(self.now, || "HEALING  every trouble ends".to_owned());
        self.trouble = false;
        // What was kept back stays so; what is wrapped from now on gets through.
        self.wire.withholds = 0;
        for r in 0..self.relays.len() {
            self.relays[r].down = false;
            self.relays[r].cut_off.clear();
            self.relays[r].shuns.clear();
            self.relays[r].deaf = false;
            self.redial(r);
        }
        for a in 0..self.agents.len() {
            self.agents[a].disk_bad_until = self.now;
            // Whoever's clock is off by more than ten minutes takes nobody's presence.
            self.agents[a].skew_ms = 0;
            self.wake_when_due(a);
            let generation = self.agents[a].generation;
            match self.agents[a].life {
                Life::Running => {}
                Life::Dead => {
                    let away = 1 + self.dice.below(MINUTE);
                    self.start_later(a, away);
                }
                Life::Asleep => self.queue.push(self.now.plus(1), Happening::Wake { a, generation }),
                Life::Recovering => self.queue.push(self.now.plus(1), Happening::Recover { a, generation }),
            }
        }
        self.ledger.healed_at = Some(self.now);
    }

    fn parcels(&self) -> u64 {
        self.agents.iter().map(|agent| agent.disk.parcels.len() as u64).sum()
    }

    /// Nobody does anything for a few hours, then everybody sleeps past every time to live.
    pub(super) fn rest(&mut self) {
        self.pass(2 * HOUR);
        let (before, waited) = (self.stats.publishes, self.parcels());
        self.pass(3 * HOUR);
        self.look_for_what_is_stuck();
        self.look_for_what_was_not_fetched();
        let chatter = self.stats.publishes - before;
        // What waits for a receipt is sent again now and then, and answered at last or never; nothing else talks.
        let waiting = waited.max(self.parcels());
        if chatter > 12 * waiting + 12 * self.agents.len() as u64 {
            self.violation(format!("{chatter} direct messages were published in three quiet hours"));
        }
        for a in 0..self.agents.len() {
            if self.agents[a].is_running() {
                self.agents[a].life = Life::Asleep;
                let generation = self.agents[a].generation;
                self.queue.push(self.now.plus(8 * DAY), Happening::Wake { a, generation });
            }
        }
        self.pass(8 * DAY + HOUR);
    }

    /// A word for a link, for the trace.
    pub(super) const fn link_word(link: &Link) -> &'static str {
        match link {
            Link::Connecting => "connecting",
            Link::Open => "open",
            Link::Down { .. } => "down",
        }
    }
}
