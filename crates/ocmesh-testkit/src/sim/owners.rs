//! What the owners' programs do: send, answer, read, change their minds, call again with the same key, and one who means no good.

use ocmesh_proto::{
    Answer, Body, MessageId, PubKey, Refusal, Trust,
    time::{MINUTE, SECOND},
};

use super::{
    agent::{Ask, Life},
    trace::short,
    world::{Call, Happening, World},
};

/// How often a call without an answer is made again.
const TRIES_MAX: u32 = 6;

impl World {
    pub(super) fn act_of_owners(&mut self) {
        if !self.trouble || self.acts >= self.plan.acts {
            return;
        }
        // Now and then several at once.
        for _ in 0..self.dice.weighted(&[(80, 1), (15, 3), (5, 10)], 1) {
            self.acts += 1;
            self.one_act();
        }
        let pause = 2 * self.plan.trouble_ms / self.plan.acts.max(1);
        let at = self.now.plus(1 + self.dice.below(pause));
        self.queue.push(at, Happening::Act);
    }

    fn one_act(&mut self) {
        let a = self.dice.index(self.agents.len());
        if !self.agents[a].is_running() {
            return;
        }
        match self.dice.below(100) {
            0..=54 => self.send_something(a),
            55..=79 => self.read_something(a),
            80..=83 => self.ask(a, Ask::Stop, 0),
            84..=87 if self.plan.mallory => self.mallory_acts(a),
            88.. if self.plan.whims => self.whim(a),
            _ => self.send_something(a),
        }
    }

    fn send_something(&mut self, a: usize) {
        let mut b = self.dice.index(self.agents.len());
        if a == b {
            b = (b + 1) % self.agents.len();
        }
        let to = self.agents[b].me;
        let parents: Vec<MessageId> = self.agents[a].disk.messages.values().filter(|m| m.peer == to).map(|m| m.id).collect();
        let reply_to = if self.dice.chance(300) { self.dice.pick(&parents).copied() } else { None };
        let number = self.next_call;
        let key = self.dice.chance(400).then(|| format!("key {number}"));
        let has_key = key.is_some();
        let mut ask = Ask::Send { to, content: format!("message {number}"), reply_to, key };
        if self.plan.apart || !self.agents[a].disk.peers.contains_key(&to) {
            let hints = self.plan.agents[b].relays.iter().filter_map(|r| self.relays.get(*r)).map(|relay| relay.url.clone()).collect();
            ask = Ask::AddPeer { peer: to, hints, then: Some(Box::new(ask)) };
        } else if has_key && self.dice.chance(300) {
            // A program that did not wait for the answer.
            let at = self.now.plus(self.dice.below(2 * MINUTE));
            self.queue.push(at, Happening::AskAgain { a, ask: ask.clone(), tries: 1 });
        }
        self.ask(a, ask, 0);
    }

    /// The agent's program looks at what is new and acknowledges some of it.
    pub(super) fn read_something(&mut self, a: usize) {
        let mut unread = self.agents[a].disk.unread();
        for id in &unread {
            if self.ledger.was_acknowledged(a, *id) {
                self.handed_out_again(a, *id);
            }
        }
        self.dice.shuffle(&mut unread);
        unread.truncate(self.dice.index(unread.len() + 1));
        if !unread.is_empty() {
            self.ask(a, Ask::MarkRead(unread), 0);
        }
    }

    fn whim(&mut self, a: usize) {
        let known: Vec<PubKey> = self.agents[a].disk.peers.keys().copied().collect();
        let Some(peer) = self.dice.pick(&known).copied() else { return };
        let trusts = [Trust::Unknown, Trust::Known, Trust::Trusted, Trust::Known, Trust::Blocked];
        let ours: Vec<MessageId> = self.ledger_sent_by(a);
        let ask = match self.dice.below(8) {
            0..=2 => self.dice.pick(&trusts).map(|trust| Ask::SetTrust { peer, trust: *trust }),
            3 => Some(Ask::Forget(peer)),
            4 => self.dice.pick(&ours).map(|id| Ask::Cancel(*id)),
            5 => self.dice.pick(&ours).map(|id| Ask::Retry(*id)),
            6 => self.other_relays(a),
            _ => Some(Ask::Rename(format!("agent {a} since {}", self.now.secs()))),
        };
        match &ask {
            Some(Ask::SetTrust { peer, trust: Trust::Blocked }) => {
                self.ledger.blocked.insert((a, *peer));
                self.ledger.dropped.insert((a, *peer));
            }
            Some(Ask::Forget(peer) | Ask::SetTrust { peer, trust: Trust::Unknown }) => {
                self.ledger.dropped.insert((a, *peer));
            }
            Some(Ask::Cancel(id)) => {
                self.ledger.given_up.insert(*id);
            }
            Some(Ask::Retry(id)) => {
                self.ledger.retried.insert(*id);
            }
            _ => {}
        }
        if let Some(ask) = ask {
            self.ask(a, ask, 0);
        }
    }

    /// Adds or removes a relay, never the one that all share: the promise holds for a peer that keeps an honest relay.
    fn other_relays(&mut self, a: usize) -> Option<Ask> {
        let r = 1 + self.dice.index(self.relays.len().checked_sub(1).filter(|others| *others > 0)?);
        let url = self.relays.get(r)?.url.clone();
        let own = self.agents[a].mesh.as_ref()?.own_relays();
        Some(if own.contains(&url) { Ask::RemoveRelay(url) } else { Ask::AddRelay(url) })
    }

    /// A stranger tells lies about messages that are none of its business, and is a nuisance otherwise.
    fn mallory_acts(&mut self, a: usize) {
        let (me, mallory, throw) = (self.agents[a].me, self.mallory, self.dice.next());
        let about = self.ledger.some_sent(throw);
        let number = self.next_call;
        self.next_call += 1;
        let (to, body) = match (self.dice.below(6), about) {
            (0 | 1, Some((id, from))) => (self.agents[from].me, Body::Read(id)),
            (2, Some((id, from))) => (self.agents[from].me, Body::Delivered(id)),
            (3, _) => (me, Body::Ping),
            (4, _) => (me, Body::Intro { name: Some("mallory".to_owned()), capabilities: Vec::new(), version: None }),
            _ => (me, Body::Text(format!("stranger {number}"))),
        };
        let event = self.wire.foreign(mallory, to, body, self.now);
        for r in 0..self.relays.len() {
            if self.dice.chance(600) {
                self.store(r, event);
            }
        }
    }

    pub(super) fn ask(&mut self, a: usize, ask: Ask, tries: u32) {
        let call = self.next_call;
        self.next_call += 1;
        if self.agents[a].life != Life::Running {
            self.call_again(a, ask, tries);
            return;
        }
        self.trace.line(self.now, || format!("owner {a}  asks {ask:?}"));
        if ask == Ask::Stop {
            let generation = self.agents[a].generation;
            self.queue.push(self.now.plus(5 * SECOND), Happening::StopDue { a, generation });
        }
        self.calls.insert(call, Call { a, ask: ask.clone(), tries });
        self.agents[a].asks.push_back((call, ask));
        self.poke(a);
    }

    pub(super) fn answered(&mut self, call: u64, answer: &Result<Answer, Refusal>) {
        let Some(Call { a, ask, .. }) = self.calls.remove(&call) else { return };
        match (ask, answer) {
            (Ask::Send { key, .. }, Ok(Answer::Queued { id, .. })) => {
                self.trace.line(self.now, || format!("owner {a}  is told {} is queued", short(*id)));
                self.acknowledged_send(a, *id, key);
            }
            (Ask::AddPeer { then: Some(then), .. }, Ok(_)) => self.ask(a, *then, 0),
            (Ask::Send { .. }, Err(Refusal::IdempotencyConflict)) => self.violation(format!("agent {a}: the same call is another message")),
            (Ask::MarkRead(ids), Ok(_)) => {
                for id in ids {
                    if self.agents[a].disk.messages.get(&id).is_some_and(|message| message.read_at.is_none()) {
                        self.violation(format!("agent {a}: {} was acknowledged and is unread", short(id)));
                    }
                    self.ledger.acknowledge(a, id);
                }
            }
            _ => {}
        }
    }

    /// The agent ended, or could not write, before it answered.
    pub(super) fn unanswered(&mut self, call: u64) {
        if let Some(Call { a, ask, tries }) = self.calls.remove(&call) {
            self.call_again(a, ask, tries);
        }
    }

    /// A program that has a key calls again.
    fn call_again(&mut self, a: usize, ask: Ask, tries: u32) {
        if tries < TRIES_MAX && matches!(&ask, Ask::Send { key: Some(_), .. }) {
            let at = self.now.plus(self.dice.between(SECOND, MINUTE << tries.min(4)));
            self.queue.push(at, Happening::AskAgain { a, ask, tries: tries + 1 });
        }
    }
}
