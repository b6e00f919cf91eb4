//! One agent: a real core, its disk, its way to the relays, and its lives: started, killed, without a disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ocmesh_proto::{
    At, Command, CommandId, EventId, Idempotency, Input, Mesh, MessageId, Origin, Policy, PubKey, Recipient, RelayUrl, SendRequest, Trust,
    skew::{Reading, Timekeeper},
    time::{DAY, MINUTE},
};

use super::{
    connection::Connection,
    disk::Disk,
    world::{BEGIN, Happening, World},
};

/// A machine that starts has its clock from somewhere; it is never off by more.
const START_SKEW_MS_MAX: i64 = 90 * MINUTE.cast_signed();

/// How long an idempotency key stands for its first call.
const IDEMPOTENCY_MS: u64 = 7 * DAY;

/// Whether the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Not there; the disk stays.
    Dead,
    /// Frozen with its memory, as when the machine sleeps.
    Asleep,
    /// Waits for a disk that writes again.
    Recovering,
}

/// What the owner's program asks of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Send {
        to: PubKey,
        content: String,
        reply_to: Option<MessageId>,
        key: Option<String>,
    },
    MarkRead(Vec<MessageId>),
    /// `then` is asked once the peer is known.
    AddPeer {
        peer: PubKey,
        hints: Vec<RelayUrl>,
        then: Option<Box<Ask>>,
    },
    SetTrust {
        peer: PubKey,
        trust: Trust,
    },
    Forget(PubKey),
    Cancel(MessageId),
    Retry(MessageId),
    AddRelay(RelayUrl),
    RemoveRelay(RelayUrl),
    Rename(String),
    Stop,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) me: PubKey,
    pub(super) policy: Policy,
    pub(super) disk: Disk,
    pub(super) life: Life,
    pub(super) mesh: Option<Mesh>,
    /// Grows with every start, so that what was meant for an earlier life is dropped.
    pub(super) generation: u64,
    /// Its wall clock against the world's, in milliseconds.
    pub(super) skew_ms: i64,
    /// Its mesh's time. The world's clock is the one that nobody sets.
    pub(super) keeper: Timekeeper,
    pub(super) inbox: VecDeque<Input>,
    pub(super) asks: VecDeque<(u64, Ask)>,
    pub(super) waiting: BTreeMap<CommandId, u64>,
    pub(super) next_command: u64,
    pub(super) connections: BTreeMap<usize, Connection>,
    /// Ids of events that were verified lately.
    pub(super) recent: BTreeSet<EventId>,
    pub(super) recent_canaries: BTreeSet<(usize, EventId)>,
    pub(super) working: bool,
    pub(super) tick: u64,
    /// Until then its disk takes nothing.
    pub(super) disk_bad_until: At,
    /// Boundaries passed, over all lives.
    pub(super) boundaries: u64,
    pub(super) idle_ticks: u32,
}

impl Agent {
    pub(super) fn new(me: PubKey, policy: Policy) -> Self {
        Self {
            me,
            policy,
            disk: Disk::default(),
            life: Life::Dead,
            mesh: None,
            generation: 0,
            skew_ms: 0,
            keeper: Timekeeper::new(Reading { wall: BEGIN, steady_ms: BEGIN.0 }),
            inbox: VecDeque::new(),
            asks: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_command: 0,
            connections: BTreeMap::new(),
            recent: BTreeSet::new(),
            recent_canaries: BTreeSet::new(),
            working: false,
            tick: 0,
            disk_bad_until: At(0),
            boundaries: 0,
            idle_ticks: 0,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.life == Life::Running
    }

    /// The time as its mesh counts.
    pub(super) fn clock(&self, now: At) -> At {
        self.keeper.now(now.0)
    }

    /// How long until its clock shows `at`.
    pub(super) fn wait_ms(&self, now: At, at: At) -> u64 {
        self.keeper.wait_ms(now.0, at)
    }

    fn reading(&self, now: At) -> Reading {
        Reading { wall: At(now.0.saturating_add_signed(self.skew_ms)), steady_ms: now.0 }
    }

    pub(super) fn command(&mut self, ask: Ask, now: At) -> Command {
        match ask {
            Ask::Send { to, content, reply_to, key } => {
                let reply_to = reply_to.and_then(|id| self.disk.parent_facts(id).map(Box::new));
                let idempotency = key.map(|key| {
                    let earlier = self.disk.earlier_send(&key, now.minus(IDEMPOTENCY_MS), &content);
                    Idempotency { key, earlier }
                });
                let (to, subject) = (Recipient::Key(to), None);
                let (origin, secrets) = (Origin::Owner, Vec::new());
                let (allow_secret, dry_run, urgent) = (false, false, false);
                Command::Send(SendRequest { to, content, reply_to, subject, idempotency, origin, urgent, secrets, allow_secret, dry_run })
            }
            Ask::MarkRead(ids) => Command::MarkRead { messages: self.disk.inbound_facts(&ids) },
            Ask::AddPeer { peer, hints, .. } => Command::AddPeer { peer, hints, petname: None },
            Ask::SetTrust { peer, trust } => Command::SetTrust { peer, trust },
            Ask::Forget(peer) => Command::ForgetPeer { peer },
            Ask::Cancel(id) => Command::CancelMessage { id },
            Ask::Retry(id) => Command::RetryMessage { id, stored: self.disk.stored_facts(id) },
            Ask::AddRelay(relay) => Command::AddRelay { relay },
            Ask::RemoveRelay(relay) => Command::RemoveRelay { relay },
            Ask::Rename(name) => Command::SetIdentity { name: Some(name), about: None, features: None, status: None },
            Ask::Stop => Command::Stop,
        }
    }
}

impl World {
    pub(super) fn start(&mut self, a: usize) {
        let now = self.now;
        let agent = &mut self.agents[a];
        if agent.skew_ms.abs() > START_SKEW_MS_MAX {
            agent.skew_ms = 0;
        }
        agent.keeper = Timekeeper::new(agent.reading(now));
        self.run_core(a, 0);
    }

    /// Follows the clock where that is right; where it steps, the core starts anew from the disk, as the shell does it.
    pub(super) fn keep_time(&mut self, a: usize) {
        let now = self.now;
        let agent = &mut self.agents[a];
        let told = agent.mesh.as_ref().and_then(Mesh::told_time);
        let reading = agent.reading(now);
        let Some(by_ms) = agent.keeper.settle(reading, told) else { return };
        self.stats.steps += 1;
        self.trace.line(now, || format!("agent {a}  steps by {by_ms} ms"));
        self.end(a);
        self.run_core(a, by_ms);
    }

    fn run_core(&mut self, a: usize, stepped_ms: i64) {
        let (now, seed) = (self.now, self.dice.next());
        let agent = &mut self.agents[a];
        agent.life = Life::Running;
        agent.generation += 1;
        agent.working = false;
        let mut snapshot = agent.disk.load();
        snapshot.clock_stepped(stepped_ms);
        agent.mesh = Some(Mesh::new(agent.me, agent.policy.clone(), snapshot, seed, agent.clock(now)));
        self.trace.line(now, || format!("agent {a}  starts"));
        self.push(a, Input::Started);
    }

    /// The process is gone: memory, connections and calls with it. It starts again later.
    pub(super) fn die(&mut self, a: usize, when: &str) {
        self.stats.crashes += 1;
        self.trace.line(self.now, || format!("agent {a}  dies {when}"));
        self.end(a);
        let away = if self.plan.crash_at.is_some() { 1_000 } else { self.downtime() };
        self.agents[a].life = Life::Dead;
        self.start_later(a, away);
    }

    pub(super) fn start_later(&mut self, a: usize, away_ms: u64) {
        let generation = self.agents[a].generation;
        self.queue.push(self.now.plus(away_ms), Happening::Start { a, generation });
    }

    /// Takes away what lives in memory.
    pub(super) fn end(&mut self, a: usize) {
        let agent = &mut self.agents[a];
        agent.mesh = None;
        agent.inbox.clear();
        agent.connections.clear();
        agent.recent.clear();
        agent.recent_canaries.clear();
        agent.generation += 1;
        let asked: Vec<u64> = agent.asks.drain(..).map(|(call, _)| call).collect();
        let waiting = std::mem::take(&mut agent.waiting);
        for call in asked.into_iter().chain(waiting.into_values()) {
            self.unanswered(call);
        }
    }

    /// The disk did not take the batch: memory is ahead of it, so memory is thrown away, and the mesh starts anew when the disk writes again.
    pub(super) fn disk_failed(&mut self, a: usize) {
        self.stats.disk_failures += 1;
        self.trace.line(self.now, || format!("agent {a}  cannot write"));
        self.end(a);
        self.agents[a].life = Life::Recovering;
        let generation = self.agents[a].generation;
        self.queue.push(self.now.plus(1_000), Happening::Recover { a, generation });
    }

    pub(super) fn recover(&mut self, a: usize) {
        if self.now < self.agents[a].disk_bad_until {
            let generation = self.agents[a].generation;
            let pause = self.dice.between(1_000, 30_000);
            self.queue.push(self.now.plus(pause), Happening::Recover { a, generation });
            return;
        }
        self.start(a);
    }
}
