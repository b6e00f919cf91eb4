//! Who answers whom: the chains of messages that agents make, and the guard that stops one that does not end (docs/adr/0013-loop-guard.md).
//!
//! Everything here is rebuilt from stored messages at a start ([`crate::Turn`]); nothing of it is on disk.

use std::collections::BTreeMap;

use crate::{
    At, Chain, Direction, MessageId, ParentFacts, PubKey, Turn,
    circuit::{Circuit, Passage},
    limit::{CHAINS_MAX, HEARD_MAX, LOOP_WINDOW_MS},
    time::{HOUR, MINUTE},
};

/// A message without a parent that leaves so soon after one came answers it, or is caused by it.
const CAUSE_MS: u64 = 10 * MINUTE;
/// Nobody reads a message and reaches for the keyboard quicker than this.
const HUMAN_READS_MS: u64 = 2_000;
/// Nobody types quicker than ten characters a second for long: 120 words a minute.
const HUMAN_TYPES_MS: u64 = 100;
/// A caller who does not say what it is, and is slow enough to be a person, may go on for so many times the turns of an agent.
const SLOW_TIMES: u32 = 3;
/// And for so many times, if it does not name what it answers either: what caused its message is a guess then, and whoever wrote a client
/// before there was an origin to name meant no harm. Thirty turns of ours end two scripts that answer everything, and no ordinary use.
const GUESSED_TIMES: u32 = 6;

/// Who wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// Our owner, by hand. Never stopped.
    Owner,
    /// An agent.
    Agent,
    /// The caller does not say. An agent, but has longer when it is as slow as a person, or names no message that it answers.
    #[default]
    Unsaid,
}

/// Our part in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Turns that we took.
    own: u32,
    /// Turns of everybody, as far as known.
    hops: u32,
    first_at: At,
    last_at: At,
    /// When a peer last wrote in it.
    heard_at: At,
    /// A peer wrote in it since our last turn.
    is_our_turn: bool,
    /// Whom we last wrote to in it.
    with: PubKey,
    circuit: Option<Circuit>,
}

/// The newest message of a peer.
#[derive(Debug, Clone)]
struct Heard {
    chain: Option<Chain>,
    at: At,
    subject: Option<String>,
    answered: bool,
    /// Strangers are forgotten first.
    accepted: bool,
}

/// Our newest message to a peer.
#[derive(Debug, Clone)]
struct Said {
    chain: Chain,
    at: At,
    subject: Option<String>,
    /// When the next message would be due if they left evenly: an agent's hourly allowance.
    due_at: At,
}

/// What a message to be sent follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The chain it continues, with its own place in it.
    pub(crate) chain: Chain,
    /// When what it answers came.
    pub(crate) since: At,
    /// It answers a message of our own.
    to_ourselves: bool,
    /// Nobody named it: it is what came and was not answered.
    guessed: bool,
}

/// A chain that was stopped, for the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopState {
    /// Whom our agent last wrote to in it.
    pub peer: PubKey,
    /// Turns that our agent took.
    pub own_turns: u32,
    /// Turns of everybody, as far as known.
    pub turns: u32,
    /// How often it was stopped.
    pub trips: u32,
    /// When the last time.
    pub since: At,
    /// Until when agents do not go on.
    pub until: At,
    /// That is over: one turn is allowed, and shows whether it goes on.
    pub half_open: bool,
}

/// What the guard says to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It continues this chain, or begins one.
    Goes(Option<Chain>),
    /// It would go on with a chain that is or was stopped now.
    Stopped { state: LoopState, span_ms: u64, is_new: bool },
}

#[derive(Debug, Default)]
pub(crate) struct Chains {
    runs: BTreeMap<MessageId, Run>,
    heard: BTreeMap<PubKey, Heard>,
    said: BTreeMap<PubKey, Said>,
}

impl Chains {
    /// From the newest stored messages, oldest first.
    pub(crate) fn load(turns: &[Turn], now: At) -> Self {
        let mut chains = Self::default();
        for turn in turns.iter().filter(|turn| turn.at <= now && now.since(turn.at) <= LOOP_WINDOW_MS) {
            match turn.direction {
                Direction::In => chains.hear(turn.peer, Some(turn.chain), None, true, turn.at),
                Direction::Out => {
                    let cause =
                        (turn.chain.hops > 0).then_some(Cause { chain: turn.chain, since: turn.at, to_ourselves: false, guessed: false });
                    // Who it was is not stored; an allowance begins anew.
                    chains.say(turn.peer, turn.chain, None, cause.as_ref(), Origin::Unsaid, u32::MAX, turn.at);
                }
            }
        }
        chains
    }

    /// Runs, peers who wrote, and peers we wrote to, that are remembered.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.runs.len(), self.heard.len(), self.said.len()]
    }

    /// The chain that a peer's message belongs to: as it says, or, without a word, the one in which we wrote to it, when its answer is that
    /// of a machine.
    pub(crate) fn chain_of(&self, peer: &PubKey, named: Option<Chain>, is_agent: bool, chars: usize, now: At) -> Option<Chain> {
        named.or_else(|| {
            let said = self.said.get(peer).filter(|said| now.since(said.at) <= LOOP_WINDOW_MS)?;
            (is_agent || !is_human_pace(now.since(said.at), chars)).then_some(next(said.chain))
        })
    }

    /// A peer wrote.
    pub(crate) fn hear(&mut self, peer: PubKey, chain: Option<Chain>, subject: Option<&str>, accepted: bool, now: At) {
        if let Some(chain) = chain
            && let Some(run) = self.runs.get_mut(&chain.id)
        {
            run.hops = run.hops.max(chain.hops);
            run.heard_at = now;
            run.is_our_turn = true;
        }
        if self.heard.len() >= HEARD_MAX && !self.heard.contains_key(&peer) {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| (heard.accepted, heard.at)).map(|(peer, _)| *peer);
            oldest.map(|oldest| self.heard.remove(&oldest));
        }
        self.heard.insert(peer, Heard { chain, at: now, subject: subject.map(plain), answered: false, accepted });
    }

    /// What a message to `to` follows from; `None` when it begins something.
    pub(crate) fn cause(&self, to: &PubKey, parent: Option<&ParentFacts>, subject: Option<&str>, now: At) -> Option<Cause> {
        let is_recent = |at: At| now.since(at) <= LOOP_WINDOW_MS;
        if let Some(parent) = parent {
            let chain = parent.chain.filter(|_| is_recent(parent.stored_at)).map(next)?;
            return Some(Cause { chain, since: parent.stored_at, to_ourselves: parent.direction == Direction::Out, guessed: false });
        }
        let (heard, said) = (self.heard.get(to).filter(|heard| is_recent(heard.at)), self.said.get(to));
        if self.is_new_matter(to, subject) {
            return None;
        }
        let caused = |chain: Chain, since: At| Cause { chain, since, to_ourselves: false, guessed: true };
        match (heard, said) {
            (Some(heard), _) if !heard.answered => heard.chain.map(|chain| caused(next(chain), heard.at)),
            // More in the same turn.
            (Some(heard), Some(said)) if now.since(said.at) <= CAUSE_MS => Some(caused(said.chain, heard.at)),
            // What came from others and was not answered yet: the one that looks most like a loop.
            _ => {
                let open = self.heard.values().filter(|heard| !heard.answered && now.since(heard.at) <= CAUSE_MS);
                let causes = open.filter_map(|heard| Some(caused(next(heard.chain?), heard.at)));
                causes.max_by_key(|cause| (self.runs.get(&cause.chain.id).map_or(0, |run| run.own), cause.chain.hops, cause.since))
            }
        }
    }

    /// A subject that was not the subject so far, and is no answer's, is a new matter.
    fn is_new_matter(&self, peer: &PubKey, subject: Option<&str>) -> bool {
        let Some(subject) = subject.filter(|subject| after_answer(subject.trim()).is_none()).map(plain) else { return false };
        if subject.is_empty() {
            return false;
        }
        let heard = self.heard.get(peer).and_then(|heard| heard.subject.as_ref());
        let said = self.said.get(peer).and_then(|said| said.subject.as_ref());
        ![heard, said].contains(&Some(&subject))
    }

    /// May this message go? Changes nothing.
    pub(crate) fn judge(&self, cause: Option<&Cause>, origin: Origin, chars: usize, turns_max: u32, now: At) -> Judged {
        let Some(cause) = cause.filter(|_| origin != Origin::Owner) else { return Judged::Goes(None) };
        let run = self.runs.get(&cause.chain.id).filter(|run| run.is_recent(now));
        let Some(run) = run else { return Judged::Goes(Some(cause.chain)) };
        let times = cause.patience(origin, chars, now);
        let turns_max = turns_max.saturating_mul(times);
        let stopped =
            |circuit: Circuit, is_new| Judged::Stopped { state: run.state(&circuit, now), span_ms: now.since(run.first_at), is_new };
        match run.circuit.map(|circuit| (circuit, circuit.passage(run.heard_at, now))) {
            None if run.is_loop(cause.chain.hops, turns_max) => stopped(Circuit::tripped(1, now), true),
            None | Some((_, Passage::Free)) => Judged::Goes(Some(cause.chain)),
            Some(_) if times > 1 && !run.is_loop(cause.chain.hops, turns_max) => Judged::Goes(Some(cause.chain)),
            Some((_, Passage::Calm)) => Judged::Goes(None),
            Some((circuit, Passage::Closed(_))) => stopped(circuit, false),
            Some((circuit, Passage::Bounced)) => stopped(Circuit::tripped(circuit.trips.saturating_add(1), now), true),
        }
    }

    /// Stops a chain.
    pub(crate) fn trip(&mut self, chain: &MessageId, state: &LoopState) {
        if let Some(run) = self.runs.get_mut(chain) {
            run.circuit = Some(Circuit::tripped(state.trips, state.since));
        }
    }

    /// When so many an hour may be sent to this peer again, if the allowance is used up.
    pub(crate) fn allowed_at(&self, to: &PubKey, per_hour: u32, now: At) -> Option<At> {
        let said = self.said.get(to)?;
        let step_ms = HOUR / u64::from(per_hour.max(1));
        let allowed_at = said.due_at.plus(step_ms).minus(HOUR);
        (allowed_at > now).then_some(allowed_at)
    }

    /// We wrote, in this chain.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn say(
        &mut self,
        to: PubKey,
        chain: Chain,
        subject: Option<&str>,
        cause: Option<&Cause>,
        origin: Origin,
        per_hour: u32,
        now: At,
    ) {
        for (peer, heard) in &mut self.heard {
            heard.answered |= *peer == to || heard.chain.is_some_and(|heard| heard.id == chain.id);
        }
        if origin != Origin::Owner {
            self.make_room(now);
            let new = Run { own: 0, hops: 0, first_at: now, last_at: now, heard_at: At(0), is_our_turn: true, with: to, circuit: None };
            let run = self.runs.entry(chain.id).or_insert(new);
            // Who answers only itself writes often and is told so by the length of the chain alone.
            let to_ourselves = cause.is_some_and(|cause| cause.to_ourselves);
            if run.is_our_turn || (to_ourselves && run.own < 2) {
                run.own = run.own.saturating_add(1);
            }
            run.is_our_turn = false;
            run.hops = run.hops.max(chain.hops);
            run.last_at = now;
            run.with = to;
            if let Some(circuit) = &mut run.circuit {
                circuit.passed(now);
            }
        }
        let earlier = self.said.get(&to).map_or(At(0), |said| said.due_at);
        let counts = if origin == Origin::Owner { 0 } else { HOUR / u64::from(per_hour.max(1)) };
        let said = Said { chain, at: now, subject: subject.map(plain), due_at: earlier.max(now).plus(counts) };
        if self.said.len() >= CHAINS_MAX
            && !self.said.contains_key(&to)
            && let Some(oldest) = self.said.iter().min_by_key(|(_, said)| said.at).map(|(peer, _)| *peer)
        {
            self.said.remove(&oldest);
        }
        self.said.insert(to, said);
    }

    /// Our owner wrote to a peer: whatever went on with it is over. Whether something was stopped.
    pub(crate) fn forgive(&mut self, peer: &PubKey) -> bool {
        let heard = self.heard.get(peer).and_then(|heard| heard.chain).map(|chain| chain.id);
        let said = self.said.get(peer).map(|said| said.chain.id);
        let mut stopped = false;
        self.runs.retain(|id, run| {
            let goes = run.with == *peer || Some(*id) == heard || Some(*id) == said;
            stopped |= goes && run.circuit.is_some();
            !goes
        });
        if let Some(heard) = self.heard.get_mut(peer) {
            heard.answered = true;
        }
        stopped
    }

    /// Ends a chain that was stopped and calm since.
    pub(crate) fn close(&mut self, chain: &MessageId) -> Option<PubKey> {
        self.runs.remove(chain).map(|run| run.with)
    }

    /// Forgets what is over; gives the peers of chains that were stopped.
    pub(crate) fn expire(&mut self, now: At) -> Vec<PubKey> {
        let mut over = Vec::new();
        self.runs.retain(|_, run| {
            let keep = run.is_recent(now);
            if !keep && run.circuit.is_some() {
                over.push(run.with);
            }
            keep
        });
        self.heard.retain(|_, heard| now.since(heard.at) <= LOOP_WINDOW_MS);
        self.said.retain(|_, said| now.since(said.at) <= LOOP_WINDOW_MS || said.due_at > now);
        over
    }

    /// When the next stopped chain is over.
    pub(crate) fn next_end(&self) -> Option<At> {
        self.runs.values().filter_map(|run| run.circuit).map(|circuit| circuit.ends_at()).min()
    }

    /// Chains that are stopped, newest first.
    pub(crate) fn stopped(&self, now: At) -> Vec<LoopState> {
        let stopped = self.runs.values().filter(|run| run.is_recent(now));
        let mut states: Vec<_> = stopped.filter_map(|run| Some(run.state(&run.circuit?, now))).collect();
        states.sort_by_key(|state| std::cmp::Reverse(state.since));
        states
    }

    fn make_room(&mut self, now: At) {
        if self.runs.len() >= CHAINS_MAX {
            self.expire(now);
        }
        if self.runs.len() >= CHAINS_MAX
            && let Some(oldest) = self.runs.iter().min_by_key(|(_, run)| (run.circuit.is_some(), run.last_at)).map(|(id, _)| *id)
        {
            self.runs.remove(&oldest);
        }
    }
}

impl Cause {
    /// For how many times the turns of an agent a caller may go on.
    fn patience(&self, origin: Origin, chars: usize, now: At) -> u32 {
        if origin != Origin::Unsaid {
            return 1;
        }
        let slow = if is_human_pace(now.since(self.since), chars) { SLOW_TIMES } else { 1 };
        let guessed = if self.guessed { GUESSED_TIMES } else { 1 };
        slow.saturating_mul(guessed)
    }
}

impl Run {
    /// Many turns of ours, or a chain that is long and came back to us. How long it is a peer may say as it likes: alone that stops nothing.
    const fn is_loop(&self, hops: u32, turns_max: u32) -> bool {
        self.own >= turns_max / 2 || (self.own >= 2 && hops >= turns_max)
    }

    fn is_recent(&self, now: At) -> bool {
        let last = self.last_at.max(self.heard_at);
        now.since(last) <= LOOP_WINDOW_MS || self.circuit.is_some_and(|circuit| now < circuit.ends_at())
    }

    fn state(&self, circuit: &Circuit, now: At) -> LoopState {
        LoopState {
            peer: self.with,
            own_turns: self.own,
            turns: self.hops.saturating_add(1),
            trips: circuit.trips,
            since: circuit.since,
            until: circuit.until,
            half_open: circuit.is_half_open(now),
        }
    }
}

const fn next(chain: Chain) -> Chain {
    Chain { id: chain.id, hops: chain.hops.saturating_add(1) }
}

/// A person could have read, thought and typed so much in this time.
pub(crate) fn is_human_pace(elapsed_ms: u64, chars: usize) -> bool {
    let chars = u64::try_from(chars).unwrap_or(u64::MAX);
    elapsed_ms >= HUMAN_READS_MS.saturating_add(chars.saturating_mul(HUMAN_TYPES_MS))
}

/// What answering and forwarding put before a subject.
const ANSWERS: [&str; 4] = ["re:", "aw:", "fwd:", "fw:"];

fn after_answer(subject: &str) -> Option<&str> {
    ANSWERS.iter().find_map(|start| {
        let (head, rest) = subject.split_at_checked(start.len())?;
        head.eq_ignore_ascii_case(start).then_some(rest)
    })
}

/// A subject without what answering puts before it.
fn plain(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some(shorter) = after_answer(rest) {
        rest = shorter.trim_start();
    }
    rest.to_lowercase()
}
