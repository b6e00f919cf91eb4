//! The one source of chance in a run (SplitMix64): the same seed throws the same numbers, on every machine.

/// Dice that a seed fixes.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice by a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of all.
    #[allow(clippy::should_implement_trait, reason = "dice never end")]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Dice of their own for one part of the world, so that a change in that part moves no other.
    pub const fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// In `0..end`; 0 when `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is far below what any run could show.
        if end == 0 { 0 } else { self.next() % end }
    }

    /// In `from..=to`.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from).saturating_add(1))
    }

    /// An index of a list of that length.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True `per_mille` times of a thousand.
    pub const fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let index = self.index(list.len());
        list.get(index)
    }

    /// One of a list, by weight.
    pub fn weighted<T: Copy>(&mut self, list: &[(u64, T)], otherwise: T) -> T {
        let mut left = self.below(list.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in list {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        otherwise
    }

    /// Puts a list in a random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.index(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_stays_in_its_bounds() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        for _ in 0..1_000 {
            let thrown = one.between(3, 9);
            assert_eq!(thrown, two.between(3, 9));
            assert!((3..=9).contains(&thrown));
        }
        let mut list = [1, 2, 3, 4, 5, 6, 7, 8];
        one.shuffle(&mut list);
        assert_ne!(list, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(list.iter().sum::<i32>(), 36);
        assert_eq!(one.below(0), 0);
    }
}
