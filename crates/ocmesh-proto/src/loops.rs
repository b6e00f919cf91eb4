//! The loop guard as the mesh uses it: asked before a message of an agent is sealed, told of everything that comes and goes.

use crate::{
    At, Chain, LoopChange, LoopState, Mesh, MessageId, Notice, Origin, ParentFacts, PubKey, Refusal,
    agenda::Timer,
    chains::{Cause, Judged},
};

/// Who does not say what it is may send so many times as often as an agent.
const UNSAID_SENDS_TIMES: u32 = 10;

/// A message before the guard.
pub(crate) struct Candidate<'a> {
    pub(crate) to: PubKey,
    pub(crate) parent: Option<&'a ParentFacts>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) chars: usize,
    pub(crate) origin: Origin,
}

/// What the guard gives to a message on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) origin: Origin,
    /// The chain it continues.
    pub(crate) chain: Option<Chain>,
    cause: Option<Cause>,
}

impl Mesh {
    /// Chains that agents are kept from going on with, newest first.
    #[must_use]
    pub fn loops(&self) -> Vec<LoopState> {
        self.chains.stopped(self.now)
    }

    /// May this message go? `trial` asks without consequences.
    pub(crate) fn guard(&mut self, candidate: &Candidate<'_>, trial: bool) -> Result<Pass, Refusal> {
        let (origin, now) = (candidate.origin, self.now);
        if origin == Origin::Owner {
            return Ok(Pass { origin, chain: None, cause: None });
        }
        let per_hour = self.sends_per_hour(origin);
        if let Some(until) = self.chains.allowed_at(&candidate.to, per_hour, now) {
            return Err(Refusal::TooManySends { per_hour, wait_ms: until.since(now) });
        }
        let cause = self.chains.cause(&candidate.to, candidate.parent, candidate.subject, now);
        match self.chains.judge(cause.as_ref(), origin, candidate.chars, self.policy.loop_turns_max, now) {
            Judged::Goes(chain) => {
                if let Some(calm) = cause.filter(|_| chain.is_none() && !trial)
                    && let Some(peer) = self.chains.close(&calm.chain.id)
                {
                    self.loop_changed(peer, LoopChange::Closed, now);
                }
                Ok(Pass { origin, chain, cause: cause.filter(|_| chain.is_some()) })
            }
            Judged::Stopped { state, span_ms, is_new } => {
                if let Some(cause) = cause.filter(|_| is_new && !trial) {
                    self.chains.trip(&cause.chain.id, &state);
                    self.loop_changed(state.peer, LoopChange::Tripped, state.until);
                }
                Err(Refusal::LoopSuspected { state, span_ms, wait_ms: state.until.since(now) })
            }
        }
    }

    /// A message of ours is on its way in this chain.
    pub(crate) fn said(&mut self, to: PubKey, chain: Chain, subject: Option<&str>, pass: &Pass) {
        let now = self.now;
        if pass.origin == Origin::Owner && self.chains.forgive(&to) {
            self.loop_changed(to, LoopChange::Closed, now);
        }
        self.chains.say(to, chain, subject, pass.cause.as_ref(), pass.origin, self.sends_per_hour(pass.origin), now);
    }

    /// Who does not say what it is may be a program from before there was an origin to name: only a runaway sends that often.
    const fn sends_per_hour(&self, origin: Origin) -> u32 {
        let agent = self.policy.agent_sends_per_hour;
        if matches!(origin, Origin::Unsaid) { agent.saturating_mul(UNSAID_SENDS_TIMES) } else { agent }
    }

    /// The chain of a message that came. One that continues nothing begins one, under its own id, as its author counts too.
    pub(crate) fn chain_heard(&self, peer: &PubKey, id: MessageId, named: Option<Chain>, chars: usize) -> Chain {
        let is_agent = self.directory.get(peer).is_some_and(|record| record.presence_at > At(0) || record.version.is_some());
        self.chains.chain_of(peer, named, is_agent, chars, self.now).unwrap_or(Chain { id, hops: 0 })
    }

    /// Forgets what is over.
    pub(crate) fn loops_due(&mut self) {
        let now = self.now;
        for peer in self.chains.expire(now) {
            self.loop_changed(peer, LoopChange::Closed, now);
        }
        self.plan_loops();
    }

    fn plan_loops(&mut self) {
        if let Some(at) = self.chains.next_end() {
            self.agenda.set(Timer::Loops, at.plus(1));
        }
    }

    fn loop_changed(&mut self, peer: PubKey, what: LoopChange, until: At) {
        self.notice(Notice::LoopChanged { peer, what, until });
        self.plan_loops();
    }
}
