//! The clock: the only place that reads the time. Also notices when the machine slept or somebody set the clock.

mod bell;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Local, TimeZone};
use ocmesh_proto::{
    At,
    skew::{Reading, Timekeeper, Told},
};

use bell::Bell;
use ocmesh_relay::{EDGE, next_edge};

/// How often a [`JumpWatch`] looks where the system tells it nothing: often enough to be back soon after a sleep, and on an edge, where it wakes
/// us once.
const LOOK_INTERVAL: Duration = EDGE;
/// How often it looks where the system tells it when it is time: for what stops this process alone. Being woken is most of what an idle daemon
/// costs, so it is with every second ping (`Tuning::ping_every`).
const LOOK_INTERVAL_TOLD: Duration = EDGE.saturating_mul(14);

/// The wall clock and the steady one may part by this much between two looks before it counts: a time service corrects less at once.
const JUMP_MIN: Duration = Duration::from_secs(10);

/// Tells the mesh's time: the wall clock's, carried on by a steady clock while somebody sets it, and moved only by [`Clock::settle`]. Cheap
/// to clone; all clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall: Box<dyn Fn() -> At + Send + Sync>,
    /// Milliseconds that nobody sets and that go on while the machine sleeps.
    steady_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    keeper: Mutex<Timekeeper>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::of(system_wall, steady::clock())
    }

    /// Somebody else's clock, for tests: nobody sets it.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> At + Send + Sync + 'static) -> Self {
        let now = Arc::new(now);
        let wall = Arc::clone(&now);
        Self::of(move || wall(), move || now().0)
    }

    /// A clock of two: one that anybody may set, and one that nobody sets.
    #[must_use]
    pub fn of(wall: impl Fn() -> At + Send + Sync + 'static, steady_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let keeper = Mutex::new(Timekeeper::new(Reading { wall: wall(), steady_ms: steady_ms() }));
        Self(Arc::new(Inner { wall: Box::new(wall), steady_ms: Box::new(steady_ms), keeper }))
    }

    /// Now, as the mesh counts.
    #[must_use]
    pub fn now(&self) -> At {
        let steady_ms = self.steady_ms();
        self.keeper().now(steady_ms)
    }

    /// How long until the mesh's time is `at`, if it is not moved meanwhile.
    #[must_use]
    pub(crate) fn until(&self, at: At) -> Duration {
        let steady_ms = self.steady_ms();
        Duration::from_millis(self.keeper().wait_ms(steady_ms, at))
    }

    /// Both clocks of the machine.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading { wall: (self.0.wall)(), steady_ms: self.steady_ms() }
    }

    /// The clock that nobody sets.
    #[must_use]
    pub fn steady_ms(&self) -> u64 {
        (self.0.steady_ms)()
    }

    /// How far the owner's clock is ahead of UTC at this moment, in milliseconds: by the system's time zone, read again when that changes.
    pub(crate) fn local_ahead_ms(&self) -> i64 {
        let ms = i64::try_from(self.now().0).unwrap_or(i64::MAX);
        let utc = DateTime::from_timestamp_millis(ms).unwrap_or_default();
        i64::from(Local.offset_from_utc_datetime(&utc.naive_utc()).local_minus_utc()).saturating_mul(1_000)
    }

    /// Somebody's time, read off a while ago, less our steady clock. `None` when it is no time for a clock.
    pub(crate) fn base_of(&self, time: SystemTime, read_at: Instant) -> Option<i64> {
        let told_ms = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
        let read_ms = self.steady_ms().saturating_sub(millis(read_at.elapsed()));
        told_ms.checked_sub(signed(read_ms))
    }

    /// See [`Timekeeper::settle`].
    pub(crate) fn settle(&self, told: Option<Told>) -> Option<i64> {
        let reading = self.reading();
        self.keeper().settle(reading, told)
    }

    /// See [`Timekeeper::is_sure`].
    pub(crate) fn is_sure(&self) -> bool {
        let steady_ms = self.steady_ms();
        self.keeper().is_sure(steady_ms)
    }

    fn keeper(&self) -> MutexGuard<'_, Timekeeper> {
        // It holds plain numbers, which are whole at any moment.
        self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn system_wall() -> At {
    // A clock before 1970 is a broken one; the epoch is as good as any answer.
    At(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// The clock that goes on while the machine sleeps. The standard library's stands still then, on Linux and macOS.
mod steady {
    #[cfg(unix)]
    pub(super) fn clock() -> impl Fn() -> u64 + Send + Sync + 'static {
        #[cfg(target_os = "linux")]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        // Counts sleep on macOS.
        #[cfg(not(target_os = "linux"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        || {
            let time = rustix::time::clock_gettime(CLOCK);
            // Since the machine started, so neither part is negative.
            let (secs, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
            secs.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
        }
    }

    #[cfg(not(unix))]
    pub(super) fn clock() -> impl Fn() -> u64 + Send + Sync + 'static {
        // Windows' counter goes on while the machine sleeps.
        let began = std::time::Instant::now();
        move || super::millis(began.elapsed())
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
/// goes on, so that a look which comes far too late counts as well. Linux tells when there is something to see.
#[derive(Debug)]
pub struct JumpWatch {
    clock: Clock,
    looks: tokio::time::Interval,
    bell: Option<Bell>,
    last: Look,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    wall: At,
    steady: Instant,
}

impl JumpWatch {
    /// Starts watching; needs a tokio runtime with time, which `began` then.
    #[must_use]
    pub fn new(clock: Clock, began: Instant) -> Self {
        match Bell::new() {
            Ok(bell) => Self { bell: Some(bell), ..Self::every(LOOK_INTERVAL_TOLD, clock, began) },
            Err(error) => {
                tracing::debug!(%error, "the system does not tell when its clock is set");
                Self::every(LOOK_INTERVAL, clock, began)
            }
        }
    }

    fn every(interval: Duration, clock: Clock, began: Instant) -> Self {
        let first = next_edge(began.into(), interval, tokio::time::Instant::now());
        let mut looks = tokio::time::interval_at(first, interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let last = Look { wall: clock.reading().wall, steady: Instant::now() };
        Self { clock, looks, bell: None, last }
    }

    /// Waits for the next jump. Safe to drop and call again.
    pub async fn next(&mut self) -> Jump {
        loop {
            let rung = async {
                match &self.bell {
                    Some(bell) => bell.rung().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rung => {}
                _ = self.looks.tick() => {}
            }
            let look = Look { wall: self.clock.reading().wall, steady: Instant::now() };
            let found = jump_between(self.last, look, self.looks.period());
            self.last = look;
            if let Some(jump) = found {
                return jump;
            }
        }
    }
}

fn jump_between(earlier: Look, later: Look, interval: Duration) -> Option<Jump> {
    let steady = later.steady.saturating_duration_since(earlier.steady);
    let wall_ms = signed(later.wall.0).saturating_sub(signed(earlier.wall.0));
    let by_ms = wall_ms.saturating_sub(signed(millis(steady)));
    if by_ms.unsigned_abs() >= millis(JUMP_MIN) {
        return Some(Jump { by_ms });
    }
    // The process, or the machine with a steady clock that goes on, stood still.
    let late = steady.saturating_sub(interval);
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

    /// Of a watch that looks every five seconds.
    fn jump(wall_ms: i64, steady_ms: u64) -> Option<i64> {
        let start = Look { wall: At(1_000_000_000), steady: Instant::now() };
        let wall = At(start.wall.0.checked_add_signed(wall_ms).unwrap());
        jump_between(start, Look { wall, steady: start.steady + Duration::from_millis(steady_ms) }, Duration::from_secs(5))
            .map(|jump| jump.by_ms)
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
        let mut watch =
            JumpWatch::every(Duration::from_millis(1), Clock::from_fn(move || At(read.load(Ordering::Relaxed))), Instant::now());
        for by_ms in [7_200_000_u64, 90_000] {
            wall.fetch_add(by_ms, Ordering::Relaxed);
            let jump = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap();
            // The steady clock moved a little meanwhile.
            assert!(jump.by_ms > i64::try_from(by_ms).unwrap() - 10_000 && jump.by_ms <= i64::try_from(by_ms).unwrap(), "{jump:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn on_linux_a_watch_is_told_and_looks_seldom() {
        let watch = JumpWatch::new(Clock::system(), Instant::now());
        assert!(watch.bell.is_some() && watch.looks.period() == LOOK_INTERVAL_TOLD);
    }
}
