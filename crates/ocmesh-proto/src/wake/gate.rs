//! When a target may not be woken: in its quiet hours, and when its hour's wakes are used up.

use super::{WakeClass, WakeTarget};
use crate::{
    At,
    time::{DAY, HOUR, MINUTE},
};

/// Hours of the local day, from a minute of it to another; past midnight where the first is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// The first quiet minute of the day.
    pub from: u16,
    /// The first minute that is not quiet any more; another one than `from`.
    pub until: u16,
}

impl QuietHours {
    /// How much longer it is quiet at this millisecond of the local day, if it is.
    fn rest_ms(self, ms_of_day: u64) -> Option<u64> {
        let (from, until) = (u64::from(self.from) * MINUTE, u64::from(self.until) * MINUTE);
        let span = (until + DAY - from) % DAY;
        let into = (ms_of_day + DAY - from) % DAY;
        span.checked_sub(into).filter(|rest| *rest > 0)
    }
}

/// Why nothing is begun now, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeHold {
    /// It is quiet.
    Quiet {
        /// When that ends.
        until: At,
    },
    /// The wakes of this hour are used up.
    Budget {
        /// When the next may be begun.
        until: At,
    },
}

impl WakeHold {
    /// When it ends.
    #[must_use]
    pub const fn until(self) -> At {
        match self {
            Self::Quiet { until } | Self::Budget { until } => until,
        }
    }
}

/// Whether quiet hours hold a wake of this class back.
pub(super) fn quiet(wish: &WakeTarget, class: WakeClass, now: At, ahead_ms: i64) -> Option<WakeHold> {
    let hours = wish.quiet.filter(|_| class == WakeClass::Normal || !wish.urgent_passes_quiet)?;
    let day = i64::try_from(DAY).ok()?;
    let local = i64::try_from(now.0).ok()?.checked_add(ahead_ms)?.rem_euclid(day);
    let rest_ms = hours.rest_ms(u64::try_from(local).ok()?)?;
    Some(WakeHold::Quiet { until: now.plus(rest_ms) })
}

/// Whether the wakes of the last hour leave no room for another. `begun` is in order.
pub(super) fn budget(wish: &WakeTarget, begun: &[At], now: At) -> Option<WakeHold> {
    let budget = usize::try_from(wish.budget_per_hour).unwrap_or(usize::MAX).max(1);
    // As many as the budget begin within any hour: the next when the one so many before it is an hour old.
    let oldest = begun.len().checked_sub(budget).and_then(|index| begun.get(index))?;
    let until = oldest.plus(HOUR);
    (until > now).then_some(WakeHold::Budget { until })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(hour: u64, minute: u64) -> u64 {
        hour * HOUR + minute * MINUTE
    }

    #[test]
    fn quiet_hours_end_when_they_say_also_past_midnight() {
        let night = QuietHours { from: 22 * 60, until: 7 * 60 };
        assert_eq!(night.rest_ms(at(21, 59)), None);
        assert_eq!(night.rest_ms(at(22, 0)), Some(9 * HOUR));
        assert_eq!(night.rest_ms(at(0, 0)), Some(7 * HOUR));
        assert_eq!(night.rest_ms(at(6, 59)), Some(MINUTE));
        assert_eq!(night.rest_ms(at(7, 0)), None);
        let lunch = QuietHours { from: 12 * 60, until: 13 * 60 + 30 };
        assert_eq!(lunch.rest_ms(at(13, 0)), Some(30 * MINUTE));
        assert_eq!(lunch.rest_ms(at(13, 30)), None);
        assert_eq!(lunch.rest_ms(at(11, 59)), None);
        assert_eq!(lunch.rest_ms(at(23, 0)), None);
    }

    #[test]
    fn the_owners_clock_counts_wherever_it_stands() {
        let wish = WakeTarget {
            id: "a".into(),
            budget_per_hour: 2,
            quiet: Some(QuietHours { from: 22 * 60, until: 7 * 60 }),
            urgent_passes_quiet: true,
        };
        let noon = At(DAY * 20_000 + at(12, 0));
        let quiet_at = |ahead_hours: i64| quiet(&wish, WakeClass::Normal, noon, ahead_hours * 3_600_000);
        assert_eq!(quiet_at(0), None);
        assert_eq!(quiet_at(11), Some(WakeHold::Quiet { until: noon.plus(8 * HOUR) }), "23 o'clock there");
        assert_eq!(quiet_at(-11), Some(WakeHold::Quiet { until: noon.plus(6 * HOUR) }), "1 o'clock there");
        assert_eq!(quiet(&wish, WakeClass::Urgent, noon, 11 * 3_600_000), None);
        let strict = WakeTarget { urgent_passes_quiet: false, ..wish };
        assert!(quiet(&strict, WakeClass::Urgent, noon, 11 * 3_600_000).is_some());
    }

    #[test]
    fn a_budget_is_that_of_any_hour() {
        let wish = WakeTarget { id: "a".into(), budget_per_hour: 2, quiet: None, urgent_passes_quiet: true };
        let start = At(DAY);
        assert_eq!(budget(&wish, &[], start), None);
        assert_eq!(budget(&wish, &[start], start.plus(1)), None);
        let begun = [start, start.plus(10 * MINUTE)];
        assert_eq!(budget(&wish, &begun, start.plus(20 * MINUTE)), Some(WakeHold::Budget { until: start.plus(HOUR) }));
        assert_eq!(budget(&wish, &begun, start.plus(HOUR)), None);
    }
}
