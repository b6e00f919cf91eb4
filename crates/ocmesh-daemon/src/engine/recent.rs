//! The ids of events that were verified lately, so that five relays cost one verification.

use std::{collections::HashSet, mem};

/// Ids kept in each of the two generations: a day of a busy mesh's presence, at 32 bytes each about 2 MB.
const GENERATION_IDS_MAX: usize = 32_768;

/// Two generations of ids; when the young one is full, it becomes the old one and the old one goes.
///
/// An id comes in only after its event was verified, so nobody can make us skip an event that we have not seen.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl Recent {
    pub(crate) fn contains(&self, id: &[u8; 32]) -> bool {
        self.young.contains(id) || self.old.contains(id)
    }

    pub(crate) fn insert(&mut self, id: [u8; 32]) {
        if self.young.len() >= GENERATION_IDS_MAX {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(id);
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
        for n in 0..GENERATION_IDS_MAX * 3 {
            recent.insert(id(n));
        }
        assert!(recent.contains(&id(GENERATION_IDS_MAX * 3 - 1)));
        assert!(recent.contains(&id(GENERATION_IDS_MAX * 2)));
        assert!(!recent.contains(&id(0)));
        assert!(recent.young.len() + recent.old.len() <= GENERATION_IDS_MAX * 2);
    }
}
