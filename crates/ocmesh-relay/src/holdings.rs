//! What the owner already has, as far as relays can be asked about it: the engine keeps no events itself.

use negentropy::{Bound, Error, Id, Item, NegentropyStorageBase};

/// One event the owner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldEvent {
    /// Its `created_at`, in seconds.
    pub created_at: u64,
    /// Its id.
    pub id: [u8; 32],
}

/// Knows which events of a subscription the owner has, for comparing sets with a relay
/// ([NIP-77](https://github.com/nostr-protocol/nips/blob/master/77.md)).
pub trait Holdings: Send + Sync {
    /// The events of a subscription, dated at or after `since`, that were verified and are kept. An id too many hides an event for
    /// good; an id too few costs a fetch. May block; `None` when it cannot be told, or when there are too many to compare.
    fn held(&self, sub: &str, since: Option<u64>) -> Option<HeldSet>;
}

/// Events in a piece: 80 KB, which goes back to the system when it is freed (the daemon has its allocator do so from 64 KB on). A set of
/// megabytes comes and goes with each connection; in smaller pieces it would leave holes in the heap, and in one piece it would be copied to
/// grow.
const PIECE_EVENTS: usize = 2_048;

/// Events by date and id, each once.
#[derive(Debug, Clone, Default)]
pub struct HeldSet {
    /// All full but the last.
    pieces: Vec<Vec<HeldEvent>>,
}

impl HeldSet {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let full = self.pieces.len().saturating_sub(1) * PIECE_EVENTS;
        full + self.pieces.last().map_or(0, Vec::len)
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Every one in order.
    pub fn iter(&self) -> impl Iterator<Item = HeldEvent> + '_ {
        self.pieces.iter().flatten().copied()
    }

    fn get(&self, index: usize) -> Option<HeldEvent> {
        self.pieces.get(index / PIECE_EVENTS)?.get(index % PIECE_EVENTS).copied()
    }

    fn push(&mut self, event: HeldEvent) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_EVENTS => piece.push(event),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_EVENTS);
                piece.push(event);
                self.pieces.push(piece);
            }
        }
    }
}

impl FromIterator<HeldEvent> for HeldSet {
    /// Cheapest when they come by date and id, as a store's index gives them.
    fn from_iter<T: IntoIterator<Item = HeldEvent>>(events: T) -> Self {
        let mut set = Self::default();
        events.into_iter().for_each(|event| set.push(event));
        if !set.iter().is_sorted_by(|one, next| one < next) {
            let mut sorted: Vec<HeldEvent> = set.iter().collect();
            sorted.sort_unstable();
            sorted.dedup();
            set = Self::default();
            sorted.into_iter().for_each(|event| set.push(event));
        }
        set
    }
}

impl From<HeldEvent> for Item {
    fn from(event: HeldEvent) -> Self {
        Self::with_timestamp_and_id(event.created_at, Id::from_byte_array(event.id))
    }
}

impl NegentropyStorageBase for HeldSet {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.len())
    }

    fn get_item(&self, i: usize) -> Result<Option<Item>, Error> {
        Ok(self.get(i).map(Item::from))
    }

    fn iterate(&self, begin: usize, end: usize, each: &mut dyn FnMut(Item, usize) -> Result<bool, Error>) -> Result<(), Error> {
        if begin > end || end > self.len() {
            return Err(Error::BadRange);
        }
        for index in begin..end {
            let event = self.get(index).ok_or(Error::BadRange)?;
            if !each(event.into(), index)? {
                break;
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, value: &Bound) -> usize {
        let (mut low, mut high) = (first, last);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|event| Item::from(event) < value.item) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use negentropy::NegentropyStorageVector;

    use super::*;

    fn event(created_at: u64, n: u32) -> HeldEvent {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        HeldEvent { created_at, id }
    }

    #[test]
    fn a_set_in_pieces_answers_as_one_in_a_piece_does() {
        for count in [0_u32, 1, 2_047, 2_048, 2_049, 5_000] {
            // Out of order, some of one second, some twice.
            let events: Vec<HeldEvent> = (0..count).chain(0..count / 7).map(|n| event(u64::from(n * 7_919 % 97), n)).collect();
            let set: HeldSet = events.iter().copied().collect();
            let mut vector = NegentropyStorageVector::new();
            events.iter().for_each(|event| vector.insert(event.created_at, Id::from_byte_array(event.id)).unwrap());
            vector.seal().unwrap();
            let size = vector.size().unwrap();
            assert_eq!((set.len(), set.is_empty()), (size, size == 0));
            for index in 0..=size {
                assert_eq!(set.get_item(index), vector.get_item(index));
            }
            for (created_at, n) in [(0, 0), (3, 17), (50, 1_500), (96, 0), (97, 0)] {
                let bound = Bound { item: event(created_at, n).into(), id_len: 32 };
                for (first, last) in [(0, size), (size / 3, size), (size / 3, size / 2)] {
                    assert_eq!(set.find_lower_bound(first, last, &bound), vector.find_lower_bound(first, last, &bound), "{created_at} {n}");
                }
            }
            for (begin, end) in [(0, size), (size / 2, size), (size / 3, size / 2), (1, 0), (0, size + 1)] {
                let prints = (set.fingerprint(begin, end), vector.fingerprint(begin, end));
                assert!(
                    matches!(prints, (Ok(one), Ok(other)) if one.to_bytes() == other.to_bytes()) || matches!(prints, (Err(_), Err(_))),
                    "{begin} to {end}"
                );
            }
        }
    }
}
