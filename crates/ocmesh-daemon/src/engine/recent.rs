//! The ids of events that were verified lately, so that five relays cost one verification.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, DefaultHasher, Hash, Hasher as _, RandomState},
    mem,
};

/// The id of an event at one relay, for events that are looked at wherever they come from.
pub(crate) fn at_relay(id: &[u8; 32], relay: &str) -> [u8; 32] {
    let mut hasher = DefaultHasher::new();
    (id, relay).hash(&mut hasher);
    let mark = hasher.finish().to_be_bytes();
    let mut bytes = *id;
    bytes.iter_mut().zip(mark).for_each(|(byte, mark)| *byte ^= mark);
    bytes
}

/// Ids kept in each of the two generations: a day of a busy mesh's presence. Both together take 1.2 MB, once and for all: a table that
/// grows and is thrown away again and again would leave the process a little larger each time.
const GENERATION_IDS_MAX: usize = 32_768;

/// Two generations of ids; when the young one is full, it becomes the old one and the old one is emptied.
///
/// An id comes in only after its event was verified, so nobody can make us skip an event that we have not seen. Of each id a hash is kept,
/// keyed by chance, so that nobody can make an id that looks like another here; by chance that happens to one event in 10^14.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Ids in a generation.
    ids_max: usize,
    young: HashSet<u64>,
    old: HashSet<u64>,
    hasher: RandomState,
}

impl Default for Recent {
    fn default() -> Self {
        Self::of(GENERATION_IDS_MAX)
    }
}

impl Recent {
    /// For so many in each generation.
    pub(crate) fn of(ids_max: usize) -> Self {
        let generation = || HashSet::with_capacity(ids_max);
        Self { ids_max, young: generation(), old: generation(), hasher: RandomState::new() }
    }

    pub(crate) fn contains(&self, id: impl Hash) -> bool {
        let mark = self.hasher.hash_one(id);
        self.young.contains(&mark) || self.old.contains(&mark)
    }

    pub(crate) fn insert(&mut self, id: impl Hash) {
        if self.young.len() >= self.ids_max {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let mark = self.hasher.hash_one(id);
        self.young.insert(mark);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
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
        let mut recent = Recent::default();
        let room = recent.young.capacity() + recent.old.capacity();
        for n in 0..GENERATION_IDS_MAX * 3 {
            recent.insert(id(n));
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
    fn an_event_at_one_relay_is_not_the_one_at_another() {
        let id = [7; 32];
        assert_eq!(at_relay(&id, "wss://a"), at_relay(&id, "wss://a"));
        assert_ne!(at_relay(&id, "wss://a"), at_relay(&id, "wss://b"));
        assert_ne!(at_relay(&id, "wss://a"), id);
    }
}
