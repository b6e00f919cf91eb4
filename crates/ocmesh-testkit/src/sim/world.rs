//! The world of one run: its agents, its relays, its clock, and the queue of what happens next.

use std::collections::BTreeMap;

use ocmesh_proto::{At, Input, PubKey, RelayUrl, Sub, time::HOUR};

use super::{
    Report,
    agent::{Agent, Ask, Life},
    connection::{Down, Up},
    ledger::Ledger,
    plan::{Plan, Trouble},
    relay::Relay,
    trace::Trace,
    wire::Wire,
};
use crate::dice::Dice;

/// When every run begins.
pub(super) const BEGIN: At = At::from_secs(1_800_000_000);
/// Inputs after which a run that never rests is given up: some hundred times what the busiest one needs.
const INPUTS_MAX: u64 = 3_000_000;
/// Violations kept; the first ones tell the story.
const VIOLATIONS_MAX: usize = 20;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    Work {
        a: usize,
        generation: u64,
    },
    Tick {
        a: usize,
        tick: u64,
    },
    Start {
        a: usize,
        generation: u64,
    },
    Recover {
        a: usize,
        generation: u64,
    },
    Wake {
        a: usize,
        generation: u64,
    },
    StopDue {
        a: usize,
        generation: u64,
    },
    Dialled {
        a: usize,
        r: usize,
        epoch: u64,
    },
    Lost {
        a: usize,
        r: usize,
        epoch: u64,
    },
    Reopen {
        a: usize,
        r: usize,
        epoch: u64,
        sub: Sub,
        serial: u64,
    },
    TimedOut {
        a: usize,
        r: usize,
        epoch: u64,
        event: ocmesh_proto::EventId,
    },
    AtRelay {
        a: usize,
        r: usize,
        epoch: u64,
        up: Up,
    },
    AtAgent {
        a: usize,
        r: usize,
        epoch: u64,
        down: Down,
    },
    Trouble(Trouble),
    Relief(Trouble),
    /// The owners' programs do something.
    Act,
    AskAgain {
        a: usize,
        ask: Ask,
        tries: u32,
    },
}

/// What is still to happen, in order; what is due at the same time happens in the order it was planned.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeMap<(At, u64), Happening>,
    count: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: At, happening: Happening) {
        self.count += 1;
        self.due.insert((at, self.count), happening);
    }

    fn pop(&mut self, until: At) -> Option<(At, Happening)> {
        let ((at, _), _) = self.due.first_key_value()?;
        if *at > until {
            return None;
        }
        self.due.pop_first().map(|((at, _), happening)| (at, happening))
    }
}

/// Counts of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stats {
    pub(super) inputs: u64,
    pub(super) batches: u64,
    pub(super) publishes: u64,
    pub(super) crashes: u64,
    pub(super) disk_failures: u64,
    pub(super) lies: u64,
    /// Gaps that were shown, and those of them that were closed.
    pub(super) gaps: u64,
    pub(super) healed: u64,
    pub(super) steps: u64,
}

/// A call of an owner's program that is not answered yet.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) a: usize,
    pub(super) ask: Ask,
    pub(super) tries: u32,
}

/// The world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now: At,
    pub(super) dice: Dice,
    pub(super) agents: Vec<Agent>,
    pub(super) relays: Vec<Relay>,
    pub(super) wire: Wire,
    pub(super) queue: Queue,
    pub(super) ledger: Ledger,
    pub(super) calls: BTreeMap<u64, Call>,
    pub(super) next_call: u64,
    pub(super) epochs: u64,
    /// Faults happen.
    pub(super) trouble: bool,
    /// Somebody who runs no core of ours and means no good.
    pub(super) mallory: PubKey,
    pub(super) acts: u64,
    pub(super) stats: Stats,
    pub(super) trace: Trace,
    violations: Vec<String>,
    halted: bool,
}

impl World {
    pub(super) fn new(plan: Plan, trace_lines: usize) -> Self {
        let mut dice = Dice::new(plan.seed);
        let mut wire = Wire::new(dice.split());
        wire.withholds = plan.withholds;
        let names = ["wss://one.example.com", "wss://two.example.com", "wss://three.example.com", "wss://four.example.com"];
        let urls = names.iter().filter_map(|name| RelayUrl::parse(name).ok());
        let relays: Vec<Relay> = urls.zip(&plan.relays).map(|(url, habits)| Relay::new(url, *habits)).collect();
        let agents = plan.agents.iter().enumerate().map(|(a, own)| {
            let mut policy = own.policy.clone();
            policy.name = format!("agent {a}");
            policy.relays = own.relays.iter().filter_map(|r| relays.get(*r)).map(|relay| relay.url.clone()).collect();
            Agent::new(PubKey::from_bytes(wire.fresh()), policy)
        });
        let agents = agents.collect();
        let mallory = PubKey::from_bytes(wire.fresh());
        Self {
            now: BEGIN,
            dice,
            agents,
            relays,
            wire,
            queue: Queue::default(),
            ledger: Ledger::default(),
            calls: BTreeMap::new(),
            next_call: 0,
            epochs: 0,
            trouble: true,
            mallory,
            acts: 0,
            stats: Stats::default(),
            trace: Trace::new(trace_lines, BEGIN),
            violations: Vec::new(),
            halted: false,
            plan,
        }
    }

    /// The whole run: trouble, then healing until everything owed has arrived, then rest, then the end of every time to live.
    pub(super) fn run(mut self) -> Report {
        for a in 0..self.agents.len() {
            let at = self.now.plus(self.dice.below(20_000));
            self.queue.push(at, Happening::Start { a, generation: 0 });
        }
        let troubles = std::mem::take(&mut self.plan.troubles);
        for (after_ms, trouble) in troubles {
            self.queue.push(self.now.plus(after_ms), Happening::Trouble(trouble));
        }
        self.queue.push(self.now.plus(self.plan.first_act_ms), Happening::Act);
        self.pass(self.plan.trouble_ms);
        let boundaries = self.agents.iter().map(|agent| agent.boundaries).collect();
        self.heal();
        for _ in 0..self.plan.heal_hours_max {
            self.pass(HOUR);
            if self.halted || !self.is_owed() {
                break;
            }
        }
        self.look_after_healing();
        self.rest();
        self.look_at_the_end();
        let (lost, duplicated, phantom, torn) = self.ledger.counts();
        Report {
            seed: self.plan.seed,
            agents: self.agents.len(),
            simulated_ms: self.now.since(BEGIN),
            inputs: self.stats.inputs,
            messages: self.ledger.sent_count(),
            crashes: self.stats.crashes,
            disk_failures: self.stats.disk_failures,
            lies: self.stats.lies,
            withheld: self.wire.withheld.len() as u64,
            gaps: self.stats.gaps,
            healed: self.stats.healed,
            boundaries,
            lost,
            duplicated,
            phantom,
            torn,
            violations: self.violations,
            trace: self.trace.into_lines(),
        }
    }

    pub(super) fn violation(&mut self, what: String) {
        self.trace.line(self.now, || format!("WRONG    {what}"));
        self.trace.keep();
        if self.violations.len() < VIOLATIONS_MAX {
            let hours = self.now.since(BEGIN) / 1_000;
            self.violations.push(format!("after {}:{:02}:{:02}: {what}", hours / 3_600, hours / 60 % 60, hours % 60));
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while !self.halted {
            let Some((at, happening)) = self.queue.pop(end) else { break };
            self.now = self.now.max(at);
            self.happen(happening);
            if self.stats.inputs > INPUTS_MAX {
                self.halted = true;
                self.violation("the world does not come to rest".to_owned());
            }
        }
        self.now = self.now.max(end);
    }

    fn is_same_life(&self, a: usize, generation: u64) -> bool {
        self.agents[a].generation == generation
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Work { a, generation } => {
                if self.is_same_life(a, generation) {
                    self.work_in_time(a);
                    if !self.agents[a].inbox.is_empty() || !self.agents[a].asks.is_empty() {
                        self.poke(a);
                    }
                }
            }
            Happening::Tick { a, tick } => {
                if self.agents[a].tick == tick {
                    self.push(a, Input::Ticked);
                }
            }
            Happening::Start { a, generation } => {
                if self.is_same_life(a, generation) && self.agents[a].life == Life::Dead {
                    self.start(a);
                }
            }
            Happening::Recover { a, generation } => {
                if self.is_same_life(a, generation) && self.agents[a].life == Life::Recovering {
                    self.recover(a);
                }
            }
            Happening::Wake { a, generation } => {
                if self.is_same_life(a, generation) {
                    self.wake_up(a);
                }
            }
            Happening::StopDue { a, generation } => {
                if self.is_same_life(a, generation) && self.agents[a].is_running() {
                    self.violation(format!("agent {a}: does not stop within five seconds"));
                }
            }
            Happening::Dialled { a, r, epoch } => self.dialled(a, r, epoch),
            Happening::Lost { a, r, epoch } => {
                if self.agents[a].connections.get(&r).is_some_and(|connection| connection.epoch == epoch) {
                    self.lose(a, r);
                }
            }
            Happening::Reopen { a, r, epoch, sub, serial } => self.reopen(a, r, epoch, sub, serial),
            Happening::TimedOut { a, r, epoch, event } => self.timed_out(a, r, epoch, event),
            Happening::AtRelay { a, r, epoch, up } => self.at_relay(a, r, epoch, up),
            Happening::AtAgent { a, r, epoch, down } => self.at_agent(a, r, epoch, down),
            Happening::Trouble(trouble) => self.begin_trouble(trouble),
            Happening::Relief(trouble) => self.end_trouble(trouble),
            Happening::Act => self.act_of_owners(),
            Happening::AskAgain { a, ask, tries } => self.ask(a, ask, tries),
        }
    }
}
