//! A simulated relay: what it keeps, what it answers, and in which ways it may misbehave. It forges nothing; that is the wire's concern.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{At, EventId, Filter, PubKey, RelayUrl, kind, time::MINUTE};

use super::wire::{Wire, WireEvent};

/// How a relay behaves while there is trouble. Numbers are chances in a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Habits {
    /// Keeps what it said OK to, and refuses no direct message for good. May still be slow, down, or silent.
    pub(super) honest: bool,
    /// Says OK to a direct message and forgets it.
    pub(super) lies: u64,
    /// Says nothing to an EVENT; half the time it kept it.
    pub(super) silent: u64,
    /// Refuses a direct message for good.
    pub(super) refuses: u64,
    /// Sends an event twice.
    pub(super) twice: u64,
    /// Sends an old event again when it sends a new one.
    pub(super) replays: u64,
    /// Closes a subscription at once.
    pub(super) closes: u64,
    /// Never tells the end of stored events.
    pub(super) mute: u64,
    /// Longest time a frame takes, in milliseconds.
    pub(super) slow_ms: u64,
    /// Direct messages it takes in a minute from one agent; 0 is any number.
    pub(super) rate: u32,
    /// Stored events it sends at once; the rest come as later pages.
    pub(super) page: usize,
    /// Wants NIP-42 before it takes a direct message.
    pub(super) wants_auth: bool,
    /// Lists NIP-40.
    pub(super) expires: bool,
    /// How far the time that it tells is off; `None` when it tells none.
    pub(super) tells: Option<i64>,
}

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Stored, and to be sent to whoever listens.
    New,
    /// It had it, or has a newer one.
    Known,
}

/// One relay.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) url: RelayUrl,
    pub(super) habits: Habits,
    pub(super) down: bool,
    /// Brings no direct message live.
    pub(super) deaf: bool,
    /// Agents that cannot reach it.
    pub(super) cut_off: BTreeSet<usize>,
    /// Agents whose every subscription it closes.
    pub(super) shuns: BTreeSet<usize>,
    /// Direct messages by the key in their `p` tag, oldest first.
    direct: BTreeMap<String, Vec<EventId>>,
    has: BTreeSet<EventId>,
    /// The newest event of each kind of each author.
    public: BTreeMap<(PubKey, u16), EventId>,
    /// Direct messages taken in this minute, by agent.
    taken: BTreeMap<usize, (u64, u32)>,
}

impl Relay {
    pub(super) const fn new(url: RelayUrl, habits: Habits) -> Self {
        Self {
            url,
            habits,
            down: false,
            deaf: false,
            cut_off: BTreeSet::new(),
            shuns: BTreeSet::new(),
            direct: BTreeMap::new(),
            has: BTreeSet::new(),
            public: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }

    pub(super) fn reaches(&self, agent: usize) -> bool {
        !self.down && !self.cut_off.contains(&agent)
    }

    /// Forgets everything, as a relay that keeps its events in memory does when it crashes.
    pub(super) fn forget_all(&mut self) {
        self.direct.clear();
        self.public.clear();
        self.has.clear();
    }

    /// One more direct message of this agent in this minute; false when it was too many.
    pub(super) fn admits(&mut self, agent: usize, now: At) -> bool {
        if self.habits.rate == 0 {
            return true;
        }
        let minute = now.0 / MINUTE;
        let (of, count) = self.taken.entry(agent).or_insert((minute, 0));
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        *count += 1;
        *count <= self.habits.rate
    }

    /// Keeps an event. Of everything but direct messages the newest of a kind and author stays: our notes expire, so that this is what a relay
    /// has of them soon.
    pub(super) fn keep(&mut self, event: &WireEvent, wire: &Wire) -> Kept {
        if self.has.contains(&event.id) {
            return Kept::Known;
        }
        if let Some((_, to)) = &event.to {
            self.direct.entry(to.clone()).or_default().push(event.id);
        } else {
            let slot = (event.author, event.kind);
            let older = self.public.get(&slot).and_then(|id| wire.event(*id));
            if older.is_some_and(|older| older.created_at >= event.created_at) {
                return Kept::Known;
            }
            if let Some(former) = self.public.insert(slot, event.id) {
                self.has.remove(&former);
            }
        }
        self.has.insert(event.id);
        Kept::New
    }

    /// Everything stored that matches, oldest first.
    pub(super) fn stored(&self, filters: &[Filter], wire: &Wire, now: At) -> Vec<EventId> {
        let mut found: Vec<EventId> = Vec::new();
        let fresh = |event: &WireEvent| !self.habits.expires || event.expires_at.is_none_or(|at| at > now);
        for filter in filters {
            let matching = |id: &&EventId| wire.event(**id).is_some_and(|event| fresh(event) && event.matches(filter));
            if let Some(keys) = filter.tags.get(&'p') {
                let ids = keys.iter().filter_map(|to| self.direct.get(to)).flatten();
                let limit = filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
                let newest: Vec<EventId> = ids.rev().filter(matching).filter(|id| !found.contains(id)).take(limit).copied().collect();
                found.extend(newest.into_iter().rev());
            } else {
                found.extend(self.public.values().filter(matching));
            }
        }
        found
    }

    /// Everything kept for a key.
    pub(super) fn kept_for(&self, to: PubKey) -> &[EventId] {
        self.direct.get(&to.to_hex()).map_or(&[], Vec::as_slice)
    }

    /// One old direct message for the same key, to be sent again.
    pub(super) fn old_one(&self, event: &WireEvent, throw: u64) -> Option<EventId> {
        let ids = self.direct.get(&event.to.as_ref()?.1)?;
        let index = usize::try_from(throw).unwrap_or(0).checked_rem(ids.len())?;
        ids.get(index).copied()
    }

    /// Presence and lists go first when a relay is picky: what it refuses there is never a lost message.
    pub(super) const fn is_announcement(kind: u16) -> bool {
        !matches!(kind, kind::GIFT_WRAP | kind::LEGACY_DIRECT)
    }
}
