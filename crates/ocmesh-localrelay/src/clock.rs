//! The relay's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds; 0 when the system clock stands before the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
