//! What is due when. One entry a timer; setting it again moves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{At, RelayUrl};

/// Things that happen by themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Publish presence.
    Beat,
    /// Publish profile and lists, when they changed.
    Lists,
    /// Ask relays for presence again.
    Scan,
    /// Send the next hello.
    Hello,
    /// Write down that our relays are good.
    Good,
    /// A message without a receipt may be due to be sent again.
    Resend,
    /// A gap may be shown, asked for or given up.
    Gaps,
    /// An invite may be over.
    Invites,
    /// A loop of agents that was stopped is over.
    Loops,
    /// A target may be to be woken.
    Wakes,
    /// Something in the outbox may go to this relay.
    Pump(RelayUrl),
    /// A message to ourselves through this relay is due to leave, or to be back.
    Canary(RelayUrl),
    /// A peer's relay is no longer needed.
    RouteIdle(RelayUrl),
    /// The goodbye took long enough.
    Finish,
}

#[derive(Debug, Default)]
pub(crate) struct Agenda {
    by_time: BTreeSet<(At, Timer)>,
    by_timer: BTreeMap<Timer, At>,
}

impl Agenda {
    /// Sets a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: At) {
        if let Some(old) = self.by_timer.insert(timer.clone(), at) {
            self.by_time.remove(&(old, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets a timer unless it is already due earlier.
    pub(crate) fn set_earlier(&mut self, timer: Timer, at: At) {
        if self.by_timer.get(&timer).is_none_or(|old| at < *old) {
            self.set(timer, at);
        }
    }

    /// Removes a timer.
    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some(at) = self.by_timer.remove(timer) {
            self.by_time.remove(&(at, timer.clone()));
        }
    }

    /// Whether a timer is set.
    pub(crate) fn has(&self, timer: &Timer) -> bool {
        self.by_timer.contains_key(timer)
    }

    /// When the first timer is due.
    pub(crate) fn first(&self) -> Option<At> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop_due(&mut self, now: At) -> Option<Timer> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_once_at_its_newest_time() {
        let mut agenda = Agenda::default();
        agenda.set(Timer::Beat, At(10));
        agenda.set(Timer::Beat, At(30));
        agenda.set_earlier(Timer::Scan, At(20));
        agenda.set_earlier(Timer::Scan, At(25));
        assert_eq!(agenda.pop_due(At(19)), None);
        assert_eq!(agenda.pop_due(At(40)), Some(Timer::Scan));
        assert_eq!(agenda.pop_due(At(40)), Some(Timer::Beat));
        assert_eq!(agenda.pop_due(At(40)), None);
        assert_eq!(agenda.first(), None);
    }
}
