//! A simulator: many real cores, simulated relays and disks, faults and crashes, all in virtual time and all from one seed. No cryptography, no
//! sockets, no wall clock; the wire, the relay engine and the store have tests of their own.
//!
//! A run has three parts: trouble, in which owners' programs act while everything that can go wrong does; healing, in which every trouble
//! ends and whatever is owed must arrive; and rest, in which nothing may be left over. A plain reference model ([`Report`]) says what went wrong.

// Indexes of agents and relays are the simulator's own: a wrong one is a fault of the simulator and must stop the run.
#![allow(clippy::indexing_slicing)]

mod agent;
mod batch;
mod connection;
mod disk;
mod gaps;
mod ledger;
mod owners;
mod plan;
mod relay;
mod service;
mod trace;
mod trouble;
mod wire;
mod words;
mod world;

use std::fmt;

use plan::Plan;
use world::World;

/// What came of one run. The counts are of the four things that must never happen; `violations` says each in words, with everything else
/// that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed that makes this run again.
    pub seed: u64,
    /// Agents in it.
    pub agents: usize,
    /// Virtual time that passed, in milliseconds.
    pub simulated_ms: u64,
    /// Inputs that cores took.
    pub inputs: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Times a process ended.
    pub crashes: u64,
    /// Times a disk did not take a batch.
    pub disk_failures: u64,
    /// Direct messages that a relay said OK to and forgot.
    pub lies: u64,
    /// Gift wraps that every relay kept back for good.
    pub withheld: u64,
    /// Times an agent showed that messages are missing.
    pub gaps: u64,
    /// Times missing messages came after all.
    pub healed: u64,
    /// Step boundaries that each agent passed while there was trouble.
    pub boundaries: Vec<u64>,
    /// Acknowledged and not arrived, though it could.
    pub lost: u64,
    /// Stored, announced or handed out twice.
    pub duplicated: u64,
    /// Arrived, though nobody sent it.
    pub phantom: u64,
    /// Arrived as something else.
    pub torn: u64,
    /// What must not be, in words, first things first.
    pub violations: Vec<String>,
    /// The last steps, when they were asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// Nothing went wrong.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} agents, {} messages, {} crashes", self.seed, self.agents, self.messages, self.crashes)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        self.violations.iter().try_for_each(|what| writeln!(f, "  WRONG {what}"))
    }
}

/// Runs the world of a seed and keeps the last `trace_lines` steps in words; 0 keeps none and is faster.
#[must_use]
pub fn run(seed: u64, trace_lines: usize) -> Report {
    World::new(Plan::of(seed), trace_lines).run()
}

/// Runs a small world without trouble, in which one agent's process ends at one step boundary (`None`: nowhere).
#[must_use]
pub fn run_calm(seed: u64, crash_at: Option<(usize, u64)>, trace_lines: usize) -> Report {
    World::new(Plan::calm(seed, crash_at), trace_lines).run()
}

/// Sums over many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Runs in which something went wrong.
    pub failed: u64,
    /// Virtual time, in milliseconds.
    pub simulated_ms: u64,
    /// Inputs that cores took.
    pub inputs: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Times a process ended.
    pub crashes: u64,
    /// Times a disk did not take a batch.
    pub disk_failures: u64,
    /// Direct messages that a relay said OK to and forgot.
    pub lies: u64,
    /// Gift wraps that every relay kept back for good.
    pub withheld: u64,
    /// Times an agent showed that messages are missing.
    pub gaps: u64,
    /// Times missing messages came after all.
    pub healed: u64,
    /// Lost messages.
    pub lost: u64,
    /// Duplicated messages.
    pub duplicated: u64,
    /// Phantom messages.
    pub phantom: u64,
    /// Torn messages.
    pub torn: u64,
}

impl Totals {
    /// Adds one run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.failed += u64::from(!report.is_good());
        self.simulated_ms += report.simulated_ms;
        self.inputs += report.inputs;
        self.messages += report.messages;
        self.crashes += report.crashes;
        self.disk_failures += report.disk_failures;
        self.lies += report.lies;
        self.withheld += report.withheld;
        self.gaps += report.gaps;
        self.healed += report.healed;
        self.lost += report.lost;
        self.duplicated += report.duplicated;
        self.phantom += report.phantom;
        self.torn += report.torn;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.simulated_ms / ocmesh_proto::time::DAY;
        write!(
            f,
            "{} runs, {days} simulated days, {} messages, {} inputs, {} crashes, {} failed commits, {} lies of relays, \
             {} wraps withheld, {} gaps shown, {} healed: {} lost, {} duplicated, {} phantom, {} torn; {} runs failed",
            self.runs,
            self.messages,
            self.inputs,
            self.crashes,
            self.disk_failures,
            self.lies,
            self.withheld,
            self.gaps,
            self.healed,
            self.lost,
            self.duplicated,
            self.phantom,
            self.torn,
            self.failed
        )
    }
}
