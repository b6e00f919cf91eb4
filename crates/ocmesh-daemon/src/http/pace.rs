//! How often callers may call: each has a pace of its own, and those whom the guard does not know share one. Nobody is exempt, loopback and
//! the owner least: a program in a loop is as bad as an attacker.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{limit::HOLDERS_MAX, token::Holder};

/// Requests a second of a program with a named token. An agent polls a few times a second; a page of 100 messages is one request.
const NAMED_PER_SECOND: u32 = 100;
/// Messages a second of a program with a named token: 36,000 an hour is more than anybody reads. The owner's own programs have no such bound:
/// the outbox and the peers' limits hold for everyone.
const SENDS_PER_SECOND: u32 = 10;
/// Messages at once: an agent that wakes up answers what came in overnight.
const SENDS_BURST: u32 = 50;
/// Requests a second that show no good token, of all callers together, and that come from other users. A person who types a wrong one does
/// not notice; a program that guesses has 2^256 before it. It is for the log's and the processor's sake: whoever has a good token is never
/// kept out by others' bad ones.
const FAILURES_PER_SECOND: u32 = 5;
/// Failures at once: an agent that was started with yesterday's token tries a few calls.
const FAILURES_BURST: u32 = 20;
/// Between two lines of the log about the same thing.
const QUIET: Duration = Duration::from_secs(60);

/// So many a second, and so many at once.
#[derive(Debug, Clone, Copy)]
struct Pace {
    every: Duration,
    ahead: Duration,
}

impl Pace {
    fn new(per_second: u32, burst: u32) -> Self {
        let every = Duration::from_secs(1).checked_div(per_second).unwrap_or(Duration::from_secs(1));
        Self { every, ahead: every.saturating_mul(burst.saturating_sub(1)) }
    }
}

/// When the next one would be due if all so far had kept the pace: the whole memory of a bucket.
#[derive(Debug, Clone, Copy)]
struct Due(Instant);

impl Due {
    /// Takes one place, if there is one.
    fn take(&mut self, pace: Pace, now: Instant) -> bool {
        let due = self.0.max(now);
        if due.saturating_duration_since(now) > pace.ahead {
            return false;
        }
        self.0 = due.checked_add(pace.every).unwrap_or(due);
        true
    }
}

/// One line a minute, with how many there were.
#[derive(Debug, Default)]
struct Quiet {
    said_at: Option<Instant>,
    count: u64,
}

impl Quiet {
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        if self.said_at.is_some_and(|said_at| now.saturating_duration_since(said_at) < QUIET) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[derive(Debug, Clone, Copy)]
struct Dues {
    requests: Due,
    sends: Due,
}

#[derive(Debug)]
struct State {
    holders: HashMap<Holder, Dues>,
    failures: Due,
    strangers: Due,
    failed: Quiet,
    strange: Quiet,
    fast: Quiet,
}

/// Everybody's pace.
#[derive(Debug)]
pub(super) struct Paces {
    owner: Pace,
    state: Mutex<State>,
}

impl Paces {
    /// `owner_per_second` is `api.requests_per_second`.
    pub(super) fn new(owner_per_second: u32, now: Instant) -> Self {
        let due = Due(now);
        let (failed, strange, fast) = (Quiet::default(), Quiet::default(), Quiet::default());
        let state = State { holders: HashMap::new(), failures: due, strangers: due, failed, strange, fast };
        Self { owner: Pace::new(owner_per_second, owner_per_second.saturating_mul(2)), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when this holder may make one more request now.
    pub(super) fn admits(&self, holder: &Holder, is_send: bool, now: Instant) -> bool {
        let mut state = self.state();
        if state.holders.len() >= HOLDERS_MAX {
            state.holders.retain(|_, dues| dues.requests.0 > now || dues.sends.0 > now);
        }
        let fresh = Dues { requests: Due(now), sends: Due(now) };
        let dues = state.holders.entry(holder.clone()).or_insert(fresh);
        let admitted = match holder {
            Holder::Owner => dues.requests.take(self.owner, now),
            Holder::Named(_) => {
                dues.requests.take(Pace::new(NAMED_PER_SECOND, NAMED_PER_SECOND.saturating_mul(2)), now)
                    && (!is_send || dues.sends.take(Pace::new(SENDS_PER_SECOND, SENDS_BURST), now))
            }
        };
        if !admitted && let Some(count) = state.fast.count(now) {
            tracing::warn!(?holder, count, "a caller is too fast and was refused");
        }
        admitted
    }

    /// Counts a request without a good token; true when it is to be told so, false when it is one of too many.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.state();
        if let Some(count) = state.failed.count(now) {
            tracing::warn!(count, "requests without a good token were refused");
        }
        state.failures.take(Pace::new(FAILURES_PER_SECOND, FAILURES_BURST), now)
    }

    /// Counts a connection of another user; true when it is worth an answer.
    pub(super) fn stranger(&self, now: Instant) -> bool {
        let mut state = self.state();
        if let Some(count) = state.strange.count(now) {
            tracing::warn!(count, "another user tried to call the Local API");
        }
        state.strangers.take(Pace::new(FAILURES_PER_SECOND, FAILURES_BURST), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Holder {
        Holder::Named(name.to_owned())
    }

    #[test]
    fn each_holder_has_its_own_pace_and_gets_it_back() {
        let start = Instant::now();
        let paces = Paces::new(10, start);
        let many = |holder: &Holder, is_send, now| (0..1_000).filter(|_| paces.admits(holder, is_send, now)).count();
        assert_eq!(many(&Holder::Owner, true, start), 20, "twice the pace at once, sends as well");
        assert_eq!(many(&named("a"), false, start), 200);
        assert_eq!(many(&named("b"), true, start), 50, "nobody is slowed down by others");
        let later = start + Duration::from_secs(1);
        assert_eq!(many(&Holder::Owner, false, later), 10);
        assert_eq!(many(&named("a"), false, later), 100);
        assert_eq!(many(&named("b"), true, later), 10);
        assert_eq!(many(&named("a"), false, later + Duration::from_secs(3_600)), 200, "no more than that is saved up");
    }

    #[test]
    fn a_send_that_is_refused_for_its_own_pace_leaves_reading_alone() {
        let start = Instant::now();
        let paces = Paces::new(10, start);
        let sent = (0..60).filter(|_| paces.admits(&named("a"), true, start)).count();
        assert_eq!(sent, 50);
        assert!(paces.admits(&named("a"), false, start));
    }

    #[test]
    fn failures_and_strangers_are_few_and_hinder_nobody_else() {
        let start = Instant::now();
        let paces = Paces::new(10, start);
        assert_eq!((0..500).filter(|_| paces.failed(start)).count(), 20);
        assert_eq!((0..500).filter(|_| paces.stranger(start)).count(), 20);
        assert_eq!((0..500).filter(|_| paces.failed(start + Duration::from_secs(1))).count(), 5);
        assert!(paces.admits(&Holder::Owner, false, start));
    }

    #[test]
    fn holders_that_are_gone_are_forgotten() {
        let start = Instant::now();
        let paces = Paces::new(10, start);
        for n in 0..10_000u32 {
            paces.admits(&named(&n.to_string()), false, start + Duration::from_millis(100 * u64::from(n)));
        }
        assert!(paces.state().holders.len() <= HOLDERS_MAX, "{}", paces.state().holders.len());
    }

    #[test]
    fn the_log_has_one_line_a_minute() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        let lines: Vec<u64> = (0..=60_000).filter_map(|ms| quiet.count(start + Duration::from_millis(ms))).collect();
        assert_eq!(lines, [1, 60_000]);
    }
}
