//! What a seed means: how many agents and relays, how they behave, and which troubles come when.

use ocmesh_proto::{
    EncryptionPolicy, HandshakeMode, InboxPolicy, Policy,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use super::relay::Habits;
use crate::dice::Dice;

/// One agent of the plan.
#[derive(Debug, Clone)]
pub(super) struct AgentPlan {
    pub(super) policy: Policy,
    /// Its own relays, in order. An honest one is among them: relay 0, shared by all, unless the agents live apart.
    pub(super) relays: Vec<usize>,
}

/// Something that goes wrong at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A relay is not there for a while. `forgets`: it kept everything in memory.
    RelayDown { r: usize, for_ms: u64, forgets: bool, silently: bool },
    /// One agent cannot reach a relay for a while; nobody tells it.
    CutOff { a: usize, r: usize, for_ms: u64 },
    /// A relay closes every subscription of one agent for a while.
    Shunned { a: usize, r: usize, for_ms: u64 },
    /// A relay takes every direct message, says OK, and brings none of them live for a while.
    Deaf { r: usize, for_ms: u64 },
    /// One connection breaks.
    Dropped { a: usize, r: usize },
    /// A relay closes every subscription it has.
    ClosesAll { r: usize },
    /// The process ends between two steps and is away for a while.
    Killed { a: usize, for_ms: u64 },
    /// The machine sleeps.
    Asleep { a: usize, for_ms: u64 },
    /// The disk takes nothing for a while.
    DiskBad { a: usize, for_ms: u64 },
    /// Somebody sets the clock.
    ClockSet { a: usize, by_ms: i64 },
}

/// Everything about one run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) agents: Vec<AgentPlan>,
    pub(super) relays: Vec<Habits>,
    /// How long trouble lasts.
    pub(super) trouble_ms: u64,
    pub(super) troubles: Vec<(u64, Trouble)>,
    /// Chance in a thousand that the process ends in a batch.
    pub(super) crash: u64,
    /// Acts of the owners' programs during the trouble.
    pub(super) acts: u64,
    pub(super) first_act_ms: u64,
    /// A hostile agent takes part.
    pub(super) mallory: bool,
    /// Agents share no relay; owners tell their agents where the others read.
    pub(super) apart: bool,
    /// Agents' owners also change trust and relays, and cancel.
    pub(super) whims: bool,
    /// Healing is given this long at most.
    pub(super) heal_hours_max: u64,
    /// Of a thousand gift wraps so many are kept back by every relay, for good.
    pub(super) withholds: u64,
    /// Instead of chance: one agent ends at this boundary.
    pub(super) crash_at: Option<(usize, u64)>,
}

impl Plan {
    /// The plan of a seed.
    pub(super) fn of(seed: u64) -> Self {
        // A stream of its own, so that the plan is not also the first throws of the world.
        let mut dice = Dice::new(seed ^ 0x6f63_6d65_7368_0001);
        let relay_count = dice.between(1, 4);
        let relays: Vec<Habits> = (0..relay_count).map(|r| habits(&mut dice, r == 0)).collect();
        let agent_count = dice.weighted(&[(30, 2), (30, 3), (20, 4), (10, 5), (5, 6), (5, 8)], 2);
        let trouble_ms = dice.weighted(&[(20, 10 * MINUTE), (20, HOUR), (15, 6 * HOUR), (15, 26 * HOUR), (30, 4 * DAY)], HOUR);
        let apart = relays.iter().filter(|habits| habits.honest).count() > 1 && dice.chance(300);
        let agents: Vec<AgentPlan> = (0..agent_count).map(|_| agent(&mut dice, &relays, apart, trouble_ms)).collect();
        let mut plan = Self {
            seed,
            trouble_ms,
            troubles: Vec::new(),
            crash: dice.weighted(&[(30, 0), (30, 2), (30, 10), (10, 40)], 0),
            acts: dice.between(30, 120),
            first_act_ms: dice.between(20 * SECOND, 2 * MINUTE),
            mallory: dice.chance(300),
            apart,
            whims: !apart && dice.chance(400),
            heal_hours_max: 56,
            withholds: 0,
            crash_at: None,
            agents,
            relays,
        };
        let count = dice.below(4 * plan.agents.len() as u64 + 4);
        plan.troubles = (0..count).map(|_| plan.trouble(&mut dice)).collect();
        plan.withholds = dice.weighted(&[(60, 0), (25, 50), (15, 250)], 0);
        plan
    }

    /// A small world without any trouble but the one crash.
    pub(super) fn calm(seed: u64, crash_at: Option<(usize, u64)>) -> Self {
        let mut dice = Dice::new(seed);
        let calm = Habits { honest: true, page: 100, expires: true, ..Habits::default() };
        let agents = (0..2).map(|_| AgentPlan { relays: vec![0, 1], ..agent(&mut dice, &[calm, calm], false, 10 * MINUTE) }).collect();
        Self {
            seed,
            agents,
            relays: vec![calm, calm],
            trouble_ms: 3 * MINUTE,
            troubles: Vec::new(),
            crash: 0,
            acts: 8,
            first_act_ms: 20 * SECOND,
            mallory: false,
            apart: false,
            whims: false,
            heal_hours_max: 30,
            withholds: 0,
            crash_at,
        }
    }

    fn trouble(&self, dice: &mut Dice) -> (u64, Trouble) {
        let (a, r) = (dice.index(self.agents.len()), dice.index(self.relays.len()));
        let honest = self.relays.get(r).is_some_and(|habits| habits.honest);
        let span = self.trouble_ms;
        let for_ms = match dice.below(10) {
            0..=3 => dice.between(100, 30 * SECOND),
            4..=6 => dice.between(30 * SECOND, span / 4),
            _ => dice.between(span / 4, 3 * span / 4),
        };
        let trouble = match dice.below(100) {
            0..=19 => Trouble::RelayDown { r, for_ms, forgets: !honest && dice.chance(400), silently: dice.chance(300) },
            20..=34 => Trouble::CutOff { a, r, for_ms },
            35..=44 => Trouble::Dropped { a, r },
            45..=49 => Trouble::Shunned { a, r, for_ms },
            50..=54 => Trouble::Deaf { r, for_ms },
            55..=59 => Trouble::ClosesAll { r },
            60..=74 => Trouble::Killed { a, for_ms },
            // Now and then over a long weekend.
            75..=82 => Trouble::Asleep { a, for_ms: if span >= 4 * DAY && dice.chance(300) { 3 * DAY } else { for_ms } },
            83..=91 => Trouble::DiskBad { a, for_ms: for_ms.min(HOUR) },
            _ => {
                let by = dice.weighted(&[(30, 61 * SECOND), (20, 5 * MINUTE), (20, 45 * MINUTE), (30, 365 * DAY)], MINUTE).cast_signed();
                Trouble::ClockSet { a, by_ms: if dice.chance(500) { by } else { -by } }
            }
        };
        (dice.below(span), trouble)
    }
}

fn habits(dice: &mut Dice, honest: bool) -> Habits {
    let honest = honest || dice.chance(350);
    let mut some = |of: u64, most: u64| if dice.chance(of) { dice.between(1, most) } else { 0 };
    let habits = Habits {
        honest,
        lies: if honest { 0 } else { some(700, 1_000) },
        silent: some(300, 300),
        refuses: if honest { 0 } else { some(150, 500) },
        twice: some(300, 500),
        replays: some(300, 300),
        closes: some(300, 400),
        mute: some(150, 500),
        slow_ms: some(300, 20 * SECOND),
        rate: 0,
        page: 1,
        wants_auth: false,
        expires: false,
        tells: None,
    };
    Habits {
        rate: u32::try_from(dice.weighted(&[(80, 0), (10, 2), (10, 10)], 0)).unwrap_or(0),
        page: dice.index(40) + 1,
        wants_auth: dice.chance(150),
        expires: dice.chance(700),
        // One in three of the others lies about the time, each in its own way.
        tells: if honest {
            Some(0)
        } else {
            let off = dice.between(MINUTE, 400 * DAY).cast_signed();
            dice.weighted(&[(35, Some(0)), (30, None), (20, Some(off)), (15, Some(-off))], None)
        },
        ..habits
    }
}

fn agent(dice: &mut Dice, all: &[Habits], apart: bool, trouble_ms: u64) -> AgentPlan {
    let honest: Vec<usize> = all.iter().enumerate().filter(|(_, habits)| habits.honest).map(|(r, _)| r).collect();
    let home = if apart { dice.pick(&honest).copied().unwrap_or(0) } else { 0 };
    let mut relays: Vec<usize> = (0..all.len()).filter(|r| *r != home && !(apart && all[*r].honest)).collect();
    dice.shuffle(&mut relays);
    relays.truncate(dice.index(all.len()));
    // The honest one is among the first three, so that every agent's published list has it.
    relays.insert(dice.index(relays.len().min(2) + 1), home);
    let policy = Policy {
        // Long pauses keep long runs cheap; nothing in the rules depends on their length.
        presence_interval_ms: if trouble_ms > HOUR { 50 * MINUTE } else { 5 * MINUTE },
        discovery_interval_ms: if trouble_ms > HOUR { 50 * MINUTE } else { 4 * MINUTE },
        handshake: dice.weighted(&[(70, HandshakeMode::Auto), (15, HandshakeMode::Known), (15, HandshakeMode::Off)], HandshakeMode::Auto),
        encryption: dice.weighted(&[(80, EncryptionPolicy::Auto), (20, EncryptionPolicy::Nip04)], EncryptionPolicy::Auto),
        inbox: dice.weighted(&[(75, InboxPolicy::Open), (15, InboxPolicy::Ask), (10, InboxPolicy::Closed)], InboxPolicy::Open),
        message_ttl_ms: 7 * DAY,
        ..Policy::default()
    };
    AgentPlan { policy, relays }
}
