//! The clock: the only place that reads the time. Also notices when the machine slept or somebody set the clock.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ocmesh_proto::At;

/// How often a [`JumpWatch`] looks: often enough to be back soon after a sleep, rare enough to cost nothing (17,280 looks a day).
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The wall clock and the steady one may part by this much between two looks before it counts: a time service corrects less at once.
const JUMP_MIN: Duration = Duration::from_secs(10);

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> At + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| {
            // A clock before 1970 is a broken one; the epoch is as good as any answer.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            At(millis(since))
        })
    }

    /// Somebody else's clock, for tests.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> At + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> At {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The machine slept, or the clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// By how many milliseconds the wall clock ran ahead (negative: was set back).
    pub by_ms: i64,
}

/// Compares the wall clock with a steady one. On Linux and macOS the steady clock stands still while the machine sleeps; on Windows it
/// goes on, so that a look which comes far too late counts as well.
#[derive(Debug)]
pub struct JumpWatch {
    clock: Clock,
    looks: tokio::time::Interval,
    last: Look,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    wall: At,
    steady: Instant,
}

impl JumpWatch {
    /// Starts watching; needs a tokio runtime with time.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::every(LOOK_INTERVAL, clock)
    }

    fn every(interval: Duration, clock: Clock) -> Self {
        let mut looks = tokio::time::interval(interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let last = Look { wall: clock.now(), steady: Instant::now() };
        Self { clock, looks, last }
    }

    /// Waits for the next jump. Safe to drop and call again.
    pub async fn next(&mut self) -> Jump {
        loop {
            self.looks.tick().await;
            let look = Look { wall: self.clock.now(), steady: Instant::now() };
            let found = jump_between(self.last, look);
            self.last = look;
            if let Some(jump) = found {
                return jump;
            }
        }
    }
}

fn jump_between(earlier: Look, later: Look) -> Option<Jump> {
    let steady = later.steady.saturating_duration_since(earlier.steady);
    let wall_ms = signed(later.wall.0).saturating_sub(signed(earlier.wall.0));
    let by_ms = wall_ms.saturating_sub(signed(millis(steady)));
    if by_ms.unsigned_abs() >= millis(JUMP_MIN) {
        return Some(Jump { by_ms });
    }
    // The process, or the machine with a steady clock that goes on, stood still.
    let late = steady.saturating_sub(LOOK_INTERVAL);
    (late >= JUMP_MIN).then(|| Jump { by_ms: signed(millis(late)) })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn jump(wall_ms: i64, steady_ms: u64) -> Option<i64> {
        let start = Look { wall: At(1_000_000_000), steady: Instant::now() };
        let wall = At(start.wall.0.checked_add_signed(wall_ms).unwrap());
        jump_between(start, Look { wall, steady: start.steady + Duration::from_millis(steady_ms) }).map(|jump| jump.by_ms)
    }

    #[test]
    fn a_sleep_and_a_set_clock_are_jumps_and_a_correction_is_not() {
        assert_eq!(jump(5_000, 5_000), None);
        assert_eq!(jump(5_900, 5_000), None, "a time service corrects");
        assert_eq!(jump(3_605_000, 5_000), Some(3_600_000), "slept an hour, the steady clock stood still");
        assert_eq!(jump(-60_000, 5_000), Some(-65_000), "set back");
        assert_eq!(jump(3_605_000, 3_605_000), Some(3_600_000), "slept an hour, the steady clock went on");
        assert_eq!(jump(12_000, 12_000), None, "a busy machine");
    }

    #[test]
    fn the_system_clock_is_the_machines() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = u128::from(Clock::system().now().0);
        assert!(now >= before && now < before + 60_000);
    }

    #[tokio::test]
    async fn a_watch_reports_each_jump_once() {
        let wall = Arc::new(AtomicU64::new(1_000_000_000));
        let read = Arc::clone(&wall);
        let mut watch = JumpWatch::every(Duration::from_millis(1), Clock::from_fn(move || At(read.load(Ordering::Relaxed))));
        for by_ms in [7_200_000_u64, 90_000] {
            wall.fetch_add(by_ms, Ordering::Relaxed);
            let jump = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap();
            // The steady clock moved a little meanwhile.
            assert!(jump.by_ms > i64::try_from(by_ms).unwrap() - 10_000 && jump.by_ms <= i64::try_from(by_ms).unwrap(), "{jump:?}");
        }
    }
}
