//! What was verified lately, so that five relays cost one verification, and of what an agent announced again and again only the newest.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, DefaultHasher, Hash, Hasher as _, RandomState},
    mem,
};

use ocmesh_proto::{At, PubKey};

use crate::limit::{GENERATION_AUTHORS_MAX, GENERATION_IDS_MAX};

/// The id of an event at one relay, for events that are looked at wherever they come from.
pub(crate) fn at_relay(id: &[u8; 32], relay: &str) -> [u8; 32] {
    let mut hasher = DefaultHasher::new();
    (id, relay).hash(&mut hasher);
    let mark = hasher.finish().to_be_bytes();
    let mut bytes = *id;
    bytes.iter_mut().zip(mark).for_each(|(byte, mark)| *byte ^= mark);
    bytes
}

/// Two generations of ids, each with what is known of it; when the young one is full, it becomes the old one and the old one is emptied.
///
/// Of each id a hash is kept, keyed by chance, so that nobody can make an id that looks like another here; by chance that happens to one
/// event in 10^14.
#[derive(Debug)]
pub(crate) struct Generations<T> {
    /// Ids in a generation.
    ids_max: usize,
    young: HashMap<u64, T>,
    old: HashMap<u64, T>,
    hasher: RandomState,
}

impl<T> Generations<T> {
    /// For so many in each generation.
    pub(crate) fn of(ids_max: usize) -> Self {
        let generation = || HashMap::with_capacity(ids_max);
        Self { ids_max, young: generation(), old: generation(), hasher: RandomState::new() }
    }

    fn get(&self, id: impl Hash) -> Option<&T> {
        let mark = self.hasher.hash_one(id);
        self.young.get(&mark).or_else(|| self.old.get(&mark))
    }

    pub(crate) fn contains(&self, id: impl Hash) -> bool {
        self.get(id).is_some()
    }

    pub(crate) fn insert(&mut self, id: impl Hash, what: T) {
        let mark = self.hasher.hash_one(id);
        if self.young.len() >= self.ids_max && !self.young.contains_key(&mark) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(mark, what);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

/// What was verified lately. An id or a date comes in only after its event was verified, so nobody can make us skip an event that we have not
/// seen, nor one by somebody else's date.
#[derive(Debug)]
pub(crate) struct Recent {
    events: Generations<()>,
    /// By author, the date of the newest presence.
    presences: Generations<At>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { events: Generations::of(GENERATION_IDS_MAX), presences: Generations::of(GENERATION_AUTHORS_MAX) }
    }
}

impl Recent {
    pub(crate) fn contains(&self, id: impl Hash) -> bool {
        self.events.contains(id)
    }

    pub(crate) fn insert(&mut self, id: impl Hash) {
        self.events.insert(id, ());
    }

    /// Whether a presence may be as new as the newest of its author. The same one comes in two events of the same date.
    pub(crate) fn is_news(&self, author: &PubKey, created_at: At) -> bool {
        self.presences.get(author).is_none_or(|newest| created_at >= *newest)
    }

    /// A presence that was verified.
    pub(crate) fn presence(&mut self, author: &PubKey, created_at: At) {
        if self.is_news(author, created_at) {
            self.presences.insert(author, created_at);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.presences.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_one_generation_back_and_stays_bounded() {
        let id = |n: usize| {
            let mut id = [0u8; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            id
        };
        let mut recent = Generations::of(GENERATION_IDS_MAX);
        let room = recent.young.capacity() + recent.old.capacity();
        for n in 0..GENERATION_IDS_MAX * 3 {
            recent.insert(id(n), n);
        }
        assert!(recent.contains(id(GENERATION_IDS_MAX * 3 - 1)));
        assert!(recent.contains(id(GENERATION_IDS_MAX * 2)));
        assert!(!recent.contains(id(0)));
        assert!(recent.young.len() + recent.old.len() <= GENERATION_IDS_MAX * 2);
        assert_eq!(recent.young.capacity() + recent.old.capacity(), room, "its memory is taken once");
        recent.clear();
        assert!(!recent.contains(id(GENERATION_IDS_MAX * 3 - 1)));
    }

    #[test]
    fn of_an_author_only_what_is_older_than_the_newest_is_no_news() {
        let (mut recent, author, other) = (Recent::default(), PubKey::from_bytes([1; 32]), PubKey::from_bytes([2; 32]));
        assert!(recent.is_news(&author, At(0)));
        for (at, is_news) in [(5_000, true), (4_000, false), (5_000, true), (6_000, true), (5_000, false)] {
            assert_eq!(recent.is_news(&author, At(at)), is_news, "{at}");
            recent.presence(&author, At(at));
        }
        assert!(recent.is_news(&other, At(0)));
        // An author that is heard again and again takes one place.
        for at in 0..u64::try_from(GENERATION_AUTHORS_MAX).unwrap() * 3 {
            recent.presence(&other, At(at));
        }
        assert!(!recent.is_news(&author, At(0)));
        recent.clear();
        assert!(recent.is_news(&author, At(0)));
    }

    #[test]
    fn an_event_at_one_relay_is_not_the_one_at_another() {
        let id = [7; 32];
        assert_eq!(at_relay(&id, "wss://a"), at_relay(&id, "wss://a"));
        assert_ne!(at_relay(&id, "wss://a"), at_relay(&id, "wss://b"));
        assert_ne!(at_relay(&id, "wss://a"), id);
    }
}
