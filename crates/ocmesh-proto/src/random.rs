//! Deterministic randomness for jitter (SplitMix64). Never used for anything secret.

/// A small generator: the same seed gives the same run.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..=max`.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        // The bias of the remainder is below 2^-20 for spans of days in milliseconds: jitter does not care.
        self.next() % max.saturating_add(1).max(1)
    }

    /// `value` ± `percent` %.
    pub(crate) fn around(&mut self, value: u64, percent: u64) -> u64 {
        let spread = value.saturating_mul(percent) / 100;
        value.saturating_sub(spread).saturating_add(self.up_to(spread.saturating_mul(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_its_band_and_moves() {
        let mut random = Random::new(7);
        let values: Vec<u64> = (0..200).map(|_| random.around(1_000, 10)).collect();
        assert!(values.iter().all(|v| (900..=1_100).contains(v)));
        assert!(values.iter().min() < values.iter().max());
        assert_eq!(random.up_to(0), 0);
    }
}
