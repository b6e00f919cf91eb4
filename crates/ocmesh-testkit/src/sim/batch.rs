//! The shell's loop around a core: some inputs in one transaction, then notices, effects and answers; cut off at any boundary between them.

use std::collections::VecDeque;

use ocmesh_proto::{Answer, Change, CommandId, Draft, DraftBody, Effect, GapChange, Input, Mesh, Notice, Refusal, Trust, UnreadFacts};

use super::{
    agent::Ask,
    ledger::Fact,
    world::{Happening, World},
};

/// Where a batch is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing happens to it.
    Whole,
    /// The disk does not take it.
    DiskFails,
    /// The process ends before the commit.
    BeforeCommit,
    /// The process ends after the commit and so many effects.
    After(usize),
}

/// What a batch does after its commit.
#[derive(Debug, Default)]
struct After {
    effects: Vec<Effect>,
    replies: Vec<(CommandId, Result<Answer, Refusal>)>,
    notices: Vec<Notice>,
    facts: Vec<Fact>,
}

impl World {
    /// Makes sure an agent looks at what waits for it, a moment from now.
    pub(super) fn poke(&mut self, a: usize) {
        let agent = &mut self.agents[a];
        if agent.working || !agent.is_running() {
            return;
        }
        agent.working = true;
        let (generation, at) = (agent.generation, self.now.plus(self.dice.below(4)));
        self.queue.push(at, Happening::Work { a, generation });
    }

    pub(super) fn push(&mut self, a: usize, input: Input) {
        if self.agents[a].is_running() {
            self.agents[a].inbox.push_back(input);
            self.poke(a);
        }
    }

    /// What the shell's loop does each time round.
    pub(super) fn work_in_time(&mut self, a: usize) {
        if self.agents[a].is_running() {
            self.keep_time(a);
        }
        self.work(a);
    }

    /// One transaction: some of what is there, then its notices, effects and answers, as far as its fate lets it.
    pub(super) fn work(&mut self, a: usize) {
        self.agents[a].working = false;
        if !self.agents[a].is_running() {
            return;
        }
        let fate = self.fate(a);
        let before = matches!(fate, Fate::DiskFails | Fate::BeforeCommit).then(|| self.agents[a].disk.clone());
        let mut after = After::default();
        for _ in 0..self.dice.between(1, 6) {
            if let Some((call, ask)) = self.agents[a].asks.pop_front() {
                self.take_ask(a, call, ask, &mut after);
            } else if let Some(input) = self.agents[a].inbox.pop_front() {
                self.feed(a, input, &mut after);
            } else {
                break;
            }
        }
        self.stats.batches += 1;
        self.agents[a].boundaries += 1;
        if let Some(before) = before {
            self.agents[a].disk = before;
            if fate == Fate::DiskFails {
                self.disk_failed(a);
            } else {
                self.die(a, "before the commit");
            }
            return;
        }
        self.committed(a, std::mem::take(&mut after.facts));
        self.act(a, after, fate);
        self.wake_when_due(a);
    }

    fn fate(&mut self, a: usize) -> Fate {
        if self.now < self.agents[a].disk_bad_until {
            return Fate::DiskFails;
        }
        if let Some((who, boundary)) = self.plan.crash_at {
            return if who == a && boundary == self.agents[a].boundaries { Fate::BeforeCommit } else { Fate::Whole };
        }
        if !self.trouble || !self.dice.chance(self.plan.crash) {
            return Fate::Whole;
        }
        match self.dice.below(4) {
            0 => Fate::BeforeCommit,
            _ => Fate::After(self.dice.index(5)),
        }
    }

    fn take_ask(&mut self, a: usize, call: u64, ask: Ask, after: &mut After) {
        let agent = &mut self.agents[a];
        agent.next_command += 1;
        let id = CommandId(agent.next_command);
        agent.waiting.insert(id, call);
        let command = agent.command(ask, agent.clock(self.now));
        self.feed(a, Input::Commanded { id, command }, after);
    }

    /// Hands an input to the core and writes what follows, including what sealing leads to.
    fn feed(&mut self, a: usize, input: Input, after: &mut After) {
        let now = self.agents[a].clock(self.now);
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let agent = &mut self.agents[a];
            let input = match input {
                Input::EventOpened { relay, opened, .. } => {
                    let facts = agent.disk.facts(&opened);
                    Input::EventOpened { relay, opened, facts }
                }
                other => other,
            };
            let Some(mesh) = agent.mesh.as_mut() else { return };
            self.stats.inputs += 1;
            self.trace.line(self.now, || format!("agent {a}  <- {}", super::words::input(&input)));
            let step = mesh.handle(input, now);
            for change in step.changes {
                self.trace.line(self.now, || format!("agent {a}     {}", super::words::change(&change)));
                self.look_at_change(a, &change, &mut after.facts);
                self.agents[a].disk.apply(change, now);
            }
            after.notices.extend(step.notices);
            for effect in step.effects {
                match effect {
                    Effect::Seal { job, draft } => {
                        self.look_at_draft(a, &draft);
                        let agent = &self.agents[a];
                        let has_rumor = matches!(&draft, Draft::Rewrap { id, .. } if agent.disk.rumors.contains_key(id));
                        let sealed = self.wire.seal(agent.me, draft, has_rumor, now);
                        inputs.push_back(Input::DraftSealed { job, sealed });
                    }
                    Effect::FindUnreceipted { peer } => {
                        let messages = self.agents[a].disk.unreceipted(peer);
                        inputs.push_back(Input::UnreceiptedFound { peer, messages });
                    }
                    Effect::FindUnread => inputs.push_back(Input::UnreadFound(UnreadFacts::default())),
                    Effect::Reply { to, answer } => after.replies.push((to, answer)),
                    later => after.effects.push(later),
                }
            }
        }
    }

    /// A receipt is for an accepted peer and about a message that is on disk; nothing is written to a blocked one.
    fn look_at_draft(&mut self, a: usize, draft: &Draft) {
        let Draft::Direct(draft) = draft else { return };
        let agent = &self.agents[a];
        let trust = agent.mesh.as_ref().and_then(|mesh| mesh.peer(&draft.to)).map_or(Trust::Unknown, |peer| peer.trust);
        let wrong = match &draft.body {
            DraftBody::Delivered(id) | DraftBody::Read(id) => {
                let message = agent.disk.messages.get(id);
                let is_read = message.is_some_and(|message| message.read_at.is_some());
                if !trust.is_accepted() {
                    Some("a receipt to a stranger")
                } else if message.is_none_or(|message| message.peer != draft.to) {
                    Some("a receipt for a message that is not stored")
                } else {
                    (matches!(draft.body, DraftBody::Read(_)) && !is_read).then_some("a read receipt for an unread message")
                }
            }
            DraftBody::Missing { .. } | DraftBody::Gone { .. } => (!trust.is_accepted()).then_some("an ask or its answer to a stranger"),
            _ => (trust == Trust::Blocked).then_some("something written to a blocked peer"),
        };
        if let Some(what) = wrong {
            self.violation(format!("agent {a}: {what}: {:?}", draft.body));
        }
    }

    fn look_at_change(&mut self, a: usize, change: &Change, facts: &mut Vec<Fact>) {
        let agent = &self.agents[a];
        match change {
            Change::AddMessage(message) => facts.push(Fact::Added {
                id: message.id,
                is_new: !agent.disk.messages.contains_key(&message.id),
                blocked: agent.mesh.as_ref().and_then(|mesh| mesh.peer(&message.peer)).is_some_and(|peer| peer.trust == Trust::Blocked),
            }),
            Change::SetStatus { id, status } => {
                let from = agent.disk.messages.get(id).map(|message| message.status.clone());
                facts.push(Fact::Moved { id: *id, from, to: status.clone() });
            }
            Change::AddHistory { id, entry, .. } => facts.push(Fact::Told { id: *id, entry: entry.clone() }),
            _ => {}
        }
    }

    /// After the commit: notices, effects, answers, in this order.
    fn act(&mut self, a: usize, after: After, fate: Fate) {
        for notice in after.notices {
            match notice {
                Notice::MessageArrived { id, .. } => self.notified(a, id),
                Notice::GapChanged { what: GapChange::Found, .. } => self.stats.gaps += 1,
                Notice::GapChanged { what: GapChange::Healed, .. } => self.stats.healed += 1,
                _ => {}
            }
        }
        let life = self.agents[a].generation;
        let last = after.effects.len();
        for (count, effect) in after.effects.into_iter().enumerate() {
            if self.falls(a, fate, count) {
                return;
            }
            self.begin(a, effect);
            if self.agents[a].generation != life || !self.agents[a].is_running() {
                return; // It finished.
            }
        }
        if self.falls(a, fate, last) {
            return;
        }
        for (id, answer) in after.replies {
            if let Some(call) = self.agents[a].waiting.remove(&id) {
                self.answered(call, &answer);
            }
        }
    }

    /// The boundary after so many effects: does the process end here?
    fn falls(&mut self, a: usize, fate: Fate, count: usize) -> bool {
        let planned = self.plan.crash_at == Some((a, self.agents[a].boundaries));
        self.agents[a].boundaries += 1;
        if planned || fate == Fate::After(count) {
            self.die(a, "after the commit");
            return true;
        }
        false
    }

    fn begin(&mut self, a: usize, effect: Effect) {
        self.trace.line(self.now, || format!("agent {a}  -> {}", super::words::effect(&effect)));
        match effect {
            Effect::Connect { relay, .. } => self.connect(a, &relay),
            Effect::Disconnect { relay } => self.disconnect(a, &relay),
            Effect::Subscribe { relay, sub, filters, live, .. } => self.subscribe(a, &relay, sub, filters, live),
            // Simulated relays forget nobody.
            Effect::SignInAgain { .. } => {}
            Effect::Unsubscribe { relay, sub } => self.unsubscribe(a, &relay, sub),
            Effect::Publish { relay, event, json, lane } => self.publish(a, &relay, event, json.is_some(), lane),
            Effect::Work { job, message, to, bits } => {
                let now = self.agents[a].clock(self.now);
                let sealed = self.wire.worked(message, to, bits, now);
                self.push(a, Input::DraftSealed { job, sealed });
            }
            // What is done at once cannot be stopped.
            Effect::StopWork { .. } => {}
            Effect::Finish => self.finished(a),
            // No agent here has a target.
            Effect::Wake { .. } | Effect::FindUnread => {}
            Effect::Seal { .. } | Effect::FindUnreceipted { .. } | Effect::Reply { .. } => {}
        }
    }

    /// Asks to be woken when the core wants it. Waking for nothing again and again is a fault.
    pub(super) fn wake_when_due(&mut self, a: usize) {
        let agent = &mut self.agents[a];
        if !agent.is_running() {
            return;
        }
        let Some(due) = agent.mesh.as_ref().and_then(Mesh::next_wakeup) else { return };
        let clock = agent.clock(self.now);
        agent.tick += 1;
        agent.idle_ticks = if due <= clock { agent.idle_ticks + 1 } else { 0 };
        let (tick, at, spins) = (agent.tick, self.now.plus(agent.wait_ms(self.now, due).max(1)), agent.idle_ticks);
        self.queue.push(at, Happening::Tick { a, tick });
        if spins > 100 {
            self.agents[a].idle_ticks = 0;
            self.violation(format!("agent {a}: the next wake-up stays in the past"));
        }
    }
}
