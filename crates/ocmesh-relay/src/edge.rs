//! Moments at which the runtime wakes once. tokio keeps timers in wheels, each 64 times as slow as the one before: a timer that is seconds away
//! is looked at on an edge of the third, then of the second, then when it is due, and each is a processor that is woken. What is done now and
//! then, and needs no moment of its own, is done where those edges fall together.

use std::time::Duration;

use tokio::time::Instant;

/// From one edge of the third wheel to the next.
pub const EDGE: Duration = Duration::from_millis(4_096);

/// `began` is read when the runtime has begun, which is up to so much after its own first moment. A timer is rounded up to the millisecond.
const BEGINNING: Duration = Duration::from_micros(999);

/// The next of the moments that lie `every` apart since the runtime began: on an edge where `every` is a number of them.
#[must_use]
pub fn next_edge(began: Instant, every: Duration, now: Instant) -> Instant {
    let origin = began.checked_sub(BEGINNING).unwrap_or(began);
    let over = now.saturating_duration_since(origin).as_nanos().checked_rem(every.as_nanos()).unwrap_or(0);
    now + every.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
}

/// The longest time within `span` that is a number of [`EDGE`]s; `span` itself where it is shorter than one.
#[must_use]
pub fn whole_edges(span: Duration) -> Duration {
    let over =
        span.as_nanos().checked_rem(EDGE.as_nanos()).and_then(|over| u64::try_from(over).ok()).map_or(Duration::ZERO, Duration::from_nanos);
    if span < EDGE { span } else { span.saturating_sub(over) }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use tokio::{
        runtime::Builder,
        time::{Instant, sleep_until},
    };

    use super::{BEGINNING, EDGE, next_edge, whole_edges};

    /// How often a runtime goes to sleep until the moments are over that `every` gives, read so long after it began.
    fn sleeps(late: Duration, every: Duration, moments: u32) -> u32 {
        let slept = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&slept);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        runtime.block_on(async {
            let began = Instant::now() + late;
            tokio::time::advance(Duration::from_millis(100)).await;
            slept.store(0, Ordering::Relaxed);
            for _ in 0..moments {
                // paces: the timer is what is tested, and its time is made up
                sleep_until(next_edge(began, every, Instant::now())).await;
            }
        });
        // The sleep after a timer was set ends at once, without a wake-up.
        slept.load(Ordering::Relaxed) - moments
    }

    #[test]
    fn on_an_edge_the_runtime_wakes_once() {
        // Nine are a minute, which meets no edge of the wheel after the third.
        for late in [Duration::ZERO, BEGINNING / 2, BEGINNING] {
            assert_eq!(sleeps(late, EDGE, 9), 9, "began {late:?} before it was read");
            assert_eq!(sleeps(late, 7 * EDGE, 2), 2);
        }
        assert!(sleeps(Duration::ZERO, Duration::from_secs(29), 2) >= 5, "then edges are worth nothing");
    }

    #[test]
    fn a_time_is_shortened_to_whole_edges() {
        assert_eq!(whole_edges(Duration::from_mins(1)), 14 * EDGE);
        assert_eq!((whole_edges(EDGE), whole_edges(EDGE / 2)), (EDGE, EDGE / 2));
    }

    #[test]
    fn moments_are_the_same_whenever_they_are_asked_for() {
        let (began, every) = (Instant::now(), Duration::from_secs(7));
        let first = next_edge(began, every, began + Duration::from_secs(1));
        assert_eq!(next_edge(began, every, began + Duration::from_secs(6)), first);
        assert_eq!(next_edge(began, every, first), first + every, "a moment that is there is over");
        assert!(first <= began + every && first + Duration::from_millis(1) > began + every);
    }
}
