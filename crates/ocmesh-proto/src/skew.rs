//! The mesh's time when clocks cannot be trusted. It is carried on by a clock that nobody sets and that counts sleep; the wall clock moves it
//! only when relays agree with it, or, where they say nothing, when it stays as it was set. Reads no clock itself.

use crate::{
    At,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// Wall clock and relays may differ by this much before it is worth a word: relays refuse an authentication at 60 s.
pub const SKEW_MS_MAX: u64 = 30 * SECOND;
/// A wall clock that moves by less against the steady one is a time service's correction.
const CORRECTION_MS_MAX: u64 = 10 * SECOND;
/// Where no relay tells the time, a wall clock that was set counts after this long: whoever set it by mistake has set it back by then.
const PATIENCE_MS: u64 = HOUR;
/// A step backwards of up to this is waited out: the mesh's time goes at half its speed meanwhile, so that nothing stands still.
const BACK_MS_MAX: u64 = 2 * MINUTE;
/// A step forwards of up to this is like a sleep, which a mesh goes through; it takes no more than this from what waits.
const FORWARD_MS_MAX: u64 = HOUR;

/// Both clocks of the machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, which anybody may set.
    pub wall: At,
    /// Milliseconds on a clock that nobody sets and that goes on while the machine sleeps; where it begins does not matter.
    pub steady_ms: u64,
}

impl Reading {
    /// Where the wall clock stands against the steady one.
    fn base_ms(self) -> i64 {
        signed(self.wall.0).saturating_sub(signed(self.steady_ms))
    }
}

/// What our relays say the time is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Their time less our steady clock, in milliseconds: the median.
    pub base_ms: i64,
    /// How many of them say so, within [`SKEW_MS_MAX`]; 0 where that is not most of them.
    pub witnesses: usize,
    all_ms: Vec<i64>,
}

impl Told {
    /// What a majority agrees on. One of several can neither make nor break it.
    #[must_use]
    pub fn of(mut bases_ms: Vec<i64>) -> Option<Self> {
        bases_ms.sort_unstable();
        let middle = *bases_ms.get(bases_ms.len().checked_sub(1)? / 2)?;
        let witnesses = bases_ms.iter().filter(|base| base.abs_diff(middle) <= SKEW_MS_MAX).count();
        let witnesses = if witnesses.saturating_mul(2) > bases_ms.len() { witnesses } else { 0 };
        Some(Self { base_ms: middle, witnesses, all_ms: bases_ms })
    }

    /// Most of them say this.
    fn is(&self, base_ms: i64) -> bool {
        self.witnesses > 0 && self.base_ms.abs_diff(base_ms) <= SKEW_MS_MAX
    }

    /// One of them says this.
    fn has(&self, base_ms: i64) -> bool {
        self.all_ms.iter().any(|one| one.abs_diff(base_ms) <= SKEW_MS_MAX)
    }
}

/// Keeps the mesh's time.
#[derive(Debug, Clone)]
pub struct Timekeeper {
    /// The mesh's time less the steady clock, in milliseconds.
    base_ms: i64,
    /// What the mesh's time was when it was last moved, and when that was on the steady clock. From there it goes on at half its speed at
    /// least, unless it steps: it never goes backwards, and what is due soon is not put off for minutes.
    floor: (At, u64),
    /// Since when, on the steady clock, the wall clock stands elsewhere and nobody confirmed it.
    doubted_at: Option<u64>,
    /// When, on the steady clock, the mesh's time last began or moved without anybody to confirm it.
    began_ms: u64,
    /// Relays agree with the mesh's time.
    is_confirmed: bool,
}

impl Timekeeper {
    /// Begins with the wall clock: there is nothing else yet.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        let began_ms = reading.steady_ms;
        Self { base_ms: reading.base_ms(), floor: (At(0), 0), doubted_at: None, began_ms, is_confirmed: false }
    }

    /// The mesh's time.
    #[must_use]
    pub fn now(&self, steady_ms: u64) -> At {
        let (floor, since_ms) = self.floor;
        At(steady_ms.saturating_add_signed(self.base_ms)).max(floor.plus(steady_ms.saturating_sub(since_ms) / 2))
    }

    /// How long, in milliseconds on the steady clock, until the mesh's time is `at`, if it is not moved meanwhile.
    #[must_use]
    pub fn wait_ms(&self, steady_ms: u64, at: At) -> u64 {
        let (floor, since_ms) = self.floor;
        let at_full_speed = at.since(At(steady_ms.saturating_add_signed(self.base_ms)));
        let at_half_speed = at.since(floor).saturating_mul(2).saturating_sub(steady_ms.saturating_sub(since_ms));
        at_full_speed.min(at_half_speed)
    }

    /// Looks at what the clocks and the relays say, and moves the mesh's time where that is right. Gives by how much it stepped, when that is
    /// more than a mesh can go through as if nothing were: it has to start anew then.
    pub fn settle(&mut self, reading: Reading, told: Option<Told>) -> Option<i64> {
        let wanted = self.wanted(reading, told.as_ref());
        self.is_confirmed = told.is_some_and(|told| told.is(wanted));
        let by_ms = wanted.saturating_sub(self.base_ms);
        if by_ms == 0 {
            return None;
        }
        let before = self.now(reading.steady_ms);
        self.base_ms = wanted;
        self.floor = (before, reading.steady_ms);
        if by_ms.unsigned_abs() <= if by_ms > 0 { FORWARD_MS_MAX } else { BACK_MS_MAX } {
            return None;
        }
        self.floor = (At(0), 0);
        if !self.is_confirmed {
            self.began_ms = reading.steady_ms;
        }
        Some(by_ms)
    }

    fn wanted(&mut self, reading: Reading, told: Option<&Told>) -> i64 {
        let (wall, base) = (reading.base_ms(), self.base_ms);
        let said = match told {
            Some(told) if told.is(wall) => Some(wall),
            Some(told) if told.is(base) => Some(base),
            // Several agree on another time. A single one, which may lie, moves nothing.
            Some(told) if told.witnesses > 1 => Some(told.base_ms),
            _ => None,
        };
        let is_correction = wall.abs_diff(base) < CORRECTION_MS_MAX;
        if let Some(wanted) = said.or(is_correction.then_some(wall)) {
            self.doubted_at = None;
            return wanted;
        }
        let since = *self.doubted_at.get_or_insert(reading.steady_ms);
        // Where relays do not agree: one of them and the steady clock are two against the wall clock alone. And a day or more takes a witness,
        // or a new start: too much would be given up by mistake.
        let is_alone = told.is_some_and(|told| told.has(base) && !told.has(wall));
        if is_alone || wall.abs_diff(base) > DAY || reading.steady_ms.saturating_sub(since) < PATIENCE_MS {
            return base;
        }
        self.doubted_at = None;
        wall
    }

    /// The time is good enough to forget things by: relays agree with it, or nobody contradicted it for an hour.
    #[must_use]
    pub fn is_sure(&self, steady_ms: u64) -> bool {
        self.is_confirmed || (self.doubted_at.is_none() && steady_ms.saturating_sub(self.began_ms) >= PATIENCE_MS)
    }

    /// By how much the wall clock is ahead of the relays (negative: behind), where that is worth a word. Where there are `relays`, more than
    /// one must say so.
    #[must_use]
    pub fn skew_ms(reading: Reading, told: Option<Told>, relays: usize) -> Option<i64> {
        let told = told.filter(|told| told.witnesses > usize::from(relays > 1))?;
        let by_ms = reading.base_ms().saturating_sub(told.base_ms);
        (by_ms.unsigned_abs() > SKEW_MS_MAX).then_some(by_ms)
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 86_400_000;
    const WALL: u64 = 1_800_000_000_000;

    /// A machine whose wall clock may be off; steady time is the true time since its start.
    struct Machine {
        keeper: Timekeeper,
        steady_ms: u64,
        off_ms: i64,
        told: Vec<i64>,
    }

    impl Machine {
        /// Starts with a wall clock that is off; relays tell time off by these.
        fn new(off_ms: i64, told: &[i64]) -> Self {
            let reading = Reading { wall: At(WALL.saturating_add_signed(off_ms)), steady_ms: 0 };
            let told = told.iter().map(|off| i64::try_from(WALL).unwrap() + off).collect();
            Self { keeper: Timekeeper::new(reading), steady_ms: 0, off_ms, told }
        }

        fn reading(&self) -> Reading {
            Reading { wall: At((WALL + self.steady_ms).saturating_add_signed(self.off_ms)), steady_ms: self.steady_ms }
        }

        /// Time passes; the clock is looked at every minute, as the mesh task does. Gives the steps.
        fn pass(&mut self, ms: u64) -> Vec<i64> {
            let mut steps = Vec::new();
            for part in 1..=(ms / MINUTE).max(1) {
                self.steady_ms += if part == ms / MINUTE { ms - (ms / MINUTE - 1) * MINUTE } else { MINUTE.min(ms) };
                steps.extend(self.keeper.settle(self.reading(), Told::of(self.told.clone())));
            }
            steps
        }

        /// The mesh's time against the true one.
        fn error(&self) -> i64 {
            signed(self.keeper.now(self.steady_ms).0) - signed(WALL + self.steady_ms)
        }
    }

    #[test]
    fn a_year_ahead_and_back_moves_nothing() {
        for told in [&[][..], &[0], &[0, 0, 0]] {
            let mut machine = Machine::new(0, told);
            assert_eq!(machine.pass(HOUR), []);
            for off in [YEAR, -YEAR, 61_000, -61_000] {
                machine.off_ms = off;
                assert_eq!(machine.pass(50 * MINUTE), [], "{off} with {told:?}");
                assert_eq!(machine.error(), 0, "{off} with {told:?}");
                machine.off_ms = 0;
                machine.pass(MINUTE);
                assert_eq!(machine.error(), 0);
            }
        }
    }

    #[test]
    fn one_relay_against_one_is_still_two_against_the_wall_clock() {
        let mut machine = Machine::new(0, &[0, YEAR / 2]);
        machine.off_ms = -YEAR;
        assert_eq!(machine.pass(5 * HOUR), []);
        assert_eq!(machine.error(), 0);
        assert!(!machine.keeper.is_sure(machine.steady_ms));
    }

    #[test]
    fn a_sleep_is_time_that_passed() {
        let mut machine = Machine::new(0, &[]);
        machine.steady_ms += 3 * DAY;
        assert_eq!(machine.pass(MINUTE), []);
        assert_eq!(machine.error(), 0);
    }

    #[test]
    fn relays_that_agree_correct_a_wrong_start_and_one_alone_does_not() {
        for off in [YEAR, -YEAR] {
            let mut machine = Machine::new(off, &[]);
            machine.pass(MINUTE);
            assert_eq!(machine.error(), off, "nothing else is known");
            machine.told = Machine::new(0, &[YEAR / 2]).told;
            assert_eq!(machine.pass(2 * HOUR), [], "one alone moves nothing");
            machine.told = Machine::new(0, &[0, 900, YEAR]).told;
            assert_eq!(machine.pass(MINUTE), [-off + 900]);
            assert_eq!(machine.error(), 900);
            // Somebody sets the clock right.
            machine.off_ms = 0;
            machine.pass(2 * MINUTE);
            assert_eq!(machine.error(), 0);
        }
    }

    #[test]
    fn a_clock_that_is_set_right_counts_at_once_where_a_relay_agrees() {
        let mut machine = Machine::new(-YEAR, &[400]);
        machine.pass(10 * MINUTE);
        assert_eq!(machine.error(), -YEAR);
        machine.off_ms = 0;
        assert_eq!(machine.pass(MINUTE), [YEAR]);
        assert_eq!(machine.error(), 0);
    }

    #[test]
    fn where_nobody_tells_the_time_a_clock_that_stays_set_counts_after_an_hour() {
        let hours = 3 * 3_600_000;
        for (off, steps) in [(hours, vec![hours]), (-hours, vec![-hours]), (61_000, vec![]), (-61_000, vec![])] {
            let mut machine = Machine::new(0, &[]);
            machine.pass(HOUR);
            assert!(machine.keeper.is_sure(machine.steady_ms));
            machine.off_ms = off;
            machine.pass(MINUTE);
            assert!(!machine.keeper.is_sure(machine.steady_ms), "in doubt nothing is forgotten");
            assert_eq!(machine.pass(2 * HOUR), steps);
            assert_eq!(machine.error(), off);
        }
        let mut machine = Machine::new(0, &[]);
        machine.off_ms = YEAR;
        assert_eq!(machine.pass(3 * DAY), [], "a year takes a witness");
        machine.told = Machine::new(0, &[YEAR]).told;
        assert_eq!(machine.pass(MINUTE), [YEAR]);
    }

    #[test]
    fn a_correction_is_followed_and_never_goes_backwards() {
        let mut machine = Machine::new(0, &[]);
        machine.pass(MINUTE);
        let before = machine.keeper.now(machine.steady_ms);
        machine.off_ms = -9_000;
        assert_eq!(machine.pass(1_000), []);
        let slowed = machine.keeper.now(machine.steady_ms);
        assert_eq!(slowed, before.plus(1_000), "the time before it was moved counts as it was");
        machine.pass(2_000);
        assert_eq!(machine.keeper.now(machine.steady_ms), slowed.plus(1_000), "half its speed");
        machine.pass(MINUTE);
        assert_eq!(machine.error(), -9_000);
    }

    #[test]
    fn how_long_to_wait_is_exact_also_while_the_time_goes_slower() {
        let mut machine = Machine::new(0, &[]);
        machine.pass(MINUTE);
        machine.off_ms = -9_000;
        machine.pass(1_000);
        // At half speed for 18 s, then at full speed.
        for ahead in [0, 1, 700, 8_999, 9_000, 9_001, 60_000] {
            let (steady_ms, keeper) = (machine.steady_ms, &machine.keeper);
            let at = keeper.now(steady_ms).plus(ahead);
            let wait_ms = keeper.wait_ms(steady_ms, at);
            assert!(keeper.now(steady_ms + wait_ms) >= at, "{ahead}: woken too early");
            assert!(wait_ms == 0 || keeper.now(steady_ms + wait_ms - 1) < at, "{ahead}: woken too late");
        }
        assert_eq!(machine.keeper.wait_ms(machine.steady_ms, At(0)), 0);
    }

    #[test]
    fn a_majority_says_what_time_it_is() {
        let told = |bases: &[i64]| Told::of(bases.to_vec()).map(|told| (told.base_ms, told.witnesses));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[5]), Some((5, 1)));
        assert_eq!(told(&[5, 20_000]), Some((5, 2)));
        assert_eq!(told(&[5, YEAR]), Some((5, 0)), "one against one");
        assert_eq!(told(&[5, YEAR, 9]), Some((9, 2)), "one of three lies");
        assert_eq!(told(&[-YEAR, 5, YEAR]), Some((5, 0)), "nobody agrees with anybody");
        assert_eq!(told(&[5, 6, YEAR, YEAR]), Some((6, 0)));
    }

    #[test]
    fn a_skew_is_told_when_more_than_one_of_several_says_so_and_it_heals() {
        let reading = Reading { wall: At(WALL + 45_000), steady_ms: 0 };
        let at = |off: i64| signed(WALL) + off;
        let skew = |bases: &[i64], relays| Timekeeper::skew_ms(reading, Told::of(bases.to_vec()), relays);
        assert_eq!(skew(&[at(0), at(0)], 5), Some(45_000));
        assert_eq!(skew(&[at(0)], 5), None, "one of five may lie");
        assert_eq!(skew(&[at(0)], 1), Some(45_000), "there is no other to ask");
        assert_eq!(skew(&[at(0), at(45_000), at(45_000)], 5), None);
        assert_eq!(skew(&[at(20_000), at(20_000)], 5), None, "25 s are not worth a word");
        assert_eq!(skew(&[at(90_000), at(90_000)], 5), Some(-45_000), "behind");
    }
}
