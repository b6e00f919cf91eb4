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

/// How the ceiling grows from one pause to the next.
const DOUBLED: f64 = 2.0;
/// Where a connection was lost: after a short absence of the relay the next dial is near (99 of 100 within 3 s of its return after 3 s, not
/// within 8), and a long one costs seven dials more before the pauses are as long as they get.
const RAISED: f64 = 1.3;
/// Far above any bound of a pause.
const GROWN_MAX: f64 = 1e9;

/// Pauses that grow up to a bound.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    /// How many bases the next ceiling is.
    grown: f64,
    dice: Dice,
}

impl Backoff {
    pub(crate) fn new(base: Duration, dice: Dice) -> Self {
        Self { base, grown: 1.0, dice }
    }

    /// The next pause before a lost connection is dialled again, with full jitter: anywhere from a quarter of the base (never a busy loop) to
    /// the ceiling, so that a crowd spreads over all of it.
    pub(crate) fn redial(&mut self, max: Duration) -> Duration {
        self.full(max, RAISED)
    }

    /// As [`Self::redial`], doubling, where the relay does not want us.
    pub(crate) fn refused(&mut self, max: Duration) -> Duration {
        self.full(max, DOUBLED)
    }

    /// The next pause, from half the doubled ceiling to all of it: for retries that are polite to one relay, not to a crowd.
    pub(crate) fn half(&mut self, max: Duration) -> Duration {
        self.half_from(self.base, max)
    }

    /// As [`Self::half`], from another base.
    pub(crate) fn half_from(&mut self, base: Duration, max: Duration) -> Duration {
        let ceiling = self.ceiling(base, max, DOUBLED);
        self.dice.between(ceiling / 2, ceiling)
    }

    /// Starts from the beginning.
    pub(crate) fn reset(&mut self) {
        self.grown = 1.0;
    }

    fn full(&mut self, max: Duration, growth: f64) -> Duration {
        let ceiling = self.ceiling(self.base, max, growth);
        self.dice.between((self.base / 4).min(ceiling), ceiling)
    }

    fn ceiling(&mut self, base: Duration, max: Duration, growth: f64) -> Duration {
        let ceiling = Duration::try_from_secs_f64(base.as_secs_f64() * self.grown).unwrap_or(max).min(max);
        self.grown = (self.grown * growth).min(GROWN_MAX);
        ceiling
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
            (0..20).for_each(|_| {
                backoff.redial(60 * SECOND);
            });
            let pause = backoff.redial(60 * SECOND);
            buckets[usize::try_from(pause.as_secs()).unwrap().min(59)] += 1;
        }
        // Peak at most twice the mean: no thundering herd after an hour of silence.
        assert!(buckets.iter().all(|count| *count <= 2 * 10_000 / 60), "{buckets:?}");
    }

    #[test]
    fn after_a_short_absence_the_next_dial_is_near_and_a_long_one_is_not_dialled_to_death() {
        let mut dice = Dice::new(Some(11));
        let absence = 3 * SECOND;
        let mut waits: Vec<Duration> = (0..10_000)
            .map(|_| {
                let mut backoff = Backoff::new(SECOND, dice.split());
                let mut passed = Duration::ZERO;
                while passed < absence {
                    passed += backoff.redial(60 * SECOND);
                }
                passed - absence
            })
            .collect();
        waits.sort();
        assert!(waits[5_000] < SECOND && waits[9_900] < absence, "median {:?}, p99 {:?}", waits[5_000], waits[9_900]);

        let mut backoff = Backoff::new(SECOND, dice.split());
        let mut passed = Duration::ZERO;
        let dials = std::iter::from_fn(|| (passed < 3_600 * SECOND).then(|| passed += backoff.redial(60 * SECOND))).count();
        assert!(dials < 160, "{dials} in an hour");
    }

    #[test]
    fn who_refuses_us_is_left_alone_sooner() {
        let mut dice = Dice::new(Some(5));
        let after = |pause: fn(&mut Backoff, Duration) -> Duration, mut backoff: Backoff| {
            (0..10).map(|_| pause(&mut backoff, 900 * SECOND)).sum::<Duration>()
        };
        let sum = |dice: &mut Dice, pause| (0..100).map(|_| after(pause, Backoff::new(SECOND, dice.split()))).sum::<Duration>();
        assert!(sum(&mut dice, Backoff::refused) > 10 * sum(&mut dice, Backoff::redial));
    }

    #[test]
    fn no_pause_is_a_busy_loop() {
        let mut backoff = Backoff::new(SECOND, Dice::new(Some(3)));
        assert!((0..1_000).all(|_| backoff.redial(60 * SECOND) >= SECOND / 4));
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_no_seed_gives_others() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(SECOND, Dice::new(seed));
            (0..8).map(|_| backoff.redial(60 * SECOND)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(Some(5)), pauses(Some(5)));
        assert_ne!(pauses(None), pauses(None));
    }
}
