//! Bounds of what a connection keeps in memory, apart from those an owner tunes ([`crate::Tuning`]), each with its reason.

/// Frames of ours that wait to be written; more is a relay that makes us talk and does not listen.
pub(crate) const CONTROL_MAX: usize = 4_096;

/// Answers of the owner that wait to be taken: more subscriptions than that never compare sets at a time.
pub(crate) const ANSWERS_MAX: usize = 16;

/// Names whose fresh REQ needs another id, remembered for one connection; more than this are forgotten, at the risk of one early
/// [`crate::subscription::Out::CaughtUp`].
pub(crate) const TAINTED_MAX: usize = 1_024;

/// Events remembered to tell a repetition from a new event. Pages overlap in one second only, so this must exceed the
/// largest page (nostream: 5,000) with room for live events between. A table of 2^14 rows holds so many: half a megabyte with their order,
/// for each relay that is caught up with; a few more would double it.
pub(crate) const SEEN_MAX: usize = 14_000;

/// Events of the catch-up's first pages that are remembered, to see whether the relay lists what it showed.
pub(crate) const SHOWN_MAX: usize = 5_000;
