//! Growing, jittered pauses, and the dice they are thrown with. Reads no clock.

use std::time::Duration;

/// A small generator for jitter; not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed, or from the operating system.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // If the system has no randomness, an address of ours still differs between processes; jitter asks for no more.
        let seed = seed.or_else(|| getrandom::u64().ok()).unwrap_or_else(|| std::ptr::from_ref(&seed).addr() as u64);
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// Another generator, for another relay or subscription.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// SplitMix64: every state gives a well-mixed number, zero included.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from `low` to `high`, in whole microseconds.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        low.saturating_add(Duration::from_micros(self.next() % span.saturating_add(1).max(1)))
    }
}

/// Pauses that double up to a bound.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    tries: u32,
    dice: Dice,
}

impl Backoff {
    pub(crate) fn new(base: Duration, dice: Dice) -> Self {
        Self { base, tries: 0, dice }
    }

    /// The next pause with full jitter: anywhere from a quarter of the base (never a busy loop) to the doubled ceiling.
    pub(crate) fn full(&mut self, max: Duration) -> Duration {
        let ceiling = self.ceiling(self.base, max);
        self.dice.between((self.base / 4).min(ceiling), ceiling)
    }

    /// The next pause, from half the doubled ceiling to all of it: for retries that are polite to one relay, not to a crowd.
    pub(crate) fn half(&mut self, max: Duration) -> Duration {
        self.half_from(self.base, max)
    }

    /// As [`Self::half`], from another base.
    pub(crate) fn half_from(&mut self, base: Duration, max: Duration) -> Duration {
        let ceiling = self.ceiling(base, max);
        self.dice.between(ceiling / 2, ceiling)
    }

    /// Starts from the beginning.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    fn ceiling(&mut self, base: Duration, max: Duration) -> Duration {
        let factor = 1_u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.tries = self.tries.saturating_add(1).min(31);
        base.saturating_mul(factor).min(max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Dice};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_bound_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(SECOND, Dice::new(Some(1)));
        let mut ceiling = SECOND;
        for _ in 0..100 {
            let pause = backoff.half(60 * SECOND);
            assert!(pause <= ceiling && pause >= ceiling / 2, "{pause:?} of {ceiling:?}");
            ceiling = (ceiling * 2).min(60 * SECOND);
        }
        backoff.reset();
        assert!(backoff.half(60 * SECOND) <= SECOND);
    }

    #[test]
    fn a_crowd_spreads_over_the_whole_ceiling() {
        let mut dice = Dice::new(Some(7));
        let mut buckets = [0_u32; 60];
        for _ in 0..10_000 {
            let mut backoff = Backoff::new(SECOND, dice.split());
            (0..10).for_each(|_| {
                backoff.full(60 * SECOND);
            });
            let pause = backoff.full(60 * SECOND);
            buckets[usize::try_from(pause.as_secs()).unwrap().min(59)] += 1;
        }
        // Peak at most twice the mean: no thundering herd after an hour of silence.
        assert!(buckets.iter().all(|count| *count <= 2 * 10_000 / 60), "{buckets:?}");
    }

    #[test]
    fn no_pause_is_a_busy_loop() {
        let mut backoff = Backoff::new(SECOND, Dice::new(Some(3)));
        assert!((0..1_000).all(|_| backoff.full(60 * SECOND) >= SECOND / 4));
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_no_seed_gives_others() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(SECOND, Dice::new(seed));
            (0..8).map(|_| backoff.full(60 * SECOND)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(Some(5)), pauses(Some(5)));
        assert_ne!(pauses(None), pauses(None));
    }
}
