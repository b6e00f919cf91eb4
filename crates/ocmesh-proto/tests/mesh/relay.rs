//! A fake relay: what it has, how it behaves, and what it brings.

use std::collections::BTreeMap;

use ocmesh_proto::{At, EventId, Filter, Input, JobId, MessageId, Opened, PubKey, Sealed, Sub, kind};

use super::world::World;

/// What a relay does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    Honest,
    Refuses,
    RateLimits,
    /// Finds the date of everything impossible.
    Dates,
    Silent,
    /// Answers nothing, and nobody gives up on it.
    Mute,
    /// Says OK and forgets.
    Lies,
}

/// What a relay brings of the direct messages it took, and what makes it bring them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ears {
    #[default]
    Good,
    /// Nothing live, until somebody subscribes, signs in, or connects again.
    UntilSubscribed,
    UntilSignedIn,
    UntilConnected,
    /// Nothing live.
    Deaf,
    /// Nothing live, and nothing of what is stored, in silence.
    Filters,
}

#[derive(Clone, Debug)]
pub(crate) struct FakeEvent {
    pub(crate) id: EventId,
    pub(crate) kind: u16,
    pub(crate) author: PubKey,
    pub(crate) created_at: At,
    pub(crate) tags: Vec<(char, String)>,
    pub(crate) opened: Opened,
}

#[derive(Default)]
pub(crate) struct FakeRelay {
    /// What it has now.
    pub(crate) events: Vec<EventId>,
    /// Everything it ever accepted.
    pub(crate) taken: Vec<EventId>,
    pub(crate) subs: BTreeMap<(usize, Sub), (Vec<Filter>, bool)>,
    pub(crate) down: bool,
    pub(crate) temper: BTreeMap<u16, Temper>,
    /// Events it took and did not answer.
    pub(crate) unanswered: Vec<EventId>,
    pub(crate) ears: Ears,
    /// Signatures asked for once more, and dials, of all nodes.
    pub(crate) signed_in_again: usize,
    pub(crate) dialled: usize,
}

impl FakeRelay {
    pub(crate) fn heals(&mut self, by: Ears) {
        if self.ears == by {
            self.ears = Ears::Good;
        }
    }

    /// Direct messages are not brought live.
    pub(crate) fn is_deaf_to(&self, kind: u16) -> bool {
        self.ears != Ears::Good && matches!(kind, kind::GIFT_WRAP | kind::LEGACY_DIRECT)
    }
}

pub(crate) fn matches_filter(filter: &Filter, event: &FakeEvent) -> bool {
    let tag = |letter: &char, values: &Vec<String>| event.tags.iter().any(|(l, v)| l == letter && values.contains(v));
    (filter.ids.is_empty() || filter.ids.contains(&event.id))
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        && (filter.authors.is_empty() || filter.authors.contains(&event.author))
        && filter.tags.iter().all(|(letter, values)| tag(letter, values))
        && filter.since.is_none_or(|since| event.created_at >= since)
        && filter.until.is_none_or(|until| event.created_at <= until)
}

impl World {
    /// Does what a node works for at once, unless work is slow here.
    pub(crate) fn work(&mut self, index: usize, job: JobId, message: MessageId, to: PubKey, bits: u32) {
        self.works.push((index, job, bits));
        if !self.slow_work {
            let event = self.wrap(message, to, bits);
            let sealed = Ok(Sealed { message_id: message, event, own_copy: None, rumor: Some("rumor".into()), chain: None });
            self.push(index, Input::DraftSealed { job, sealed });
        }
    }
}
