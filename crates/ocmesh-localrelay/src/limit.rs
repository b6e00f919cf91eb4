//! Bounds of what is kept in memory, apart from those an owner sets ([`crate::Limits`]), each with its reason.

/// News waiting for the slowest connection. A connection that falls this far behind is cut off. Most of these events are kept in the
/// table anyway, so the queue costs little.
pub(crate) const NEWS_MAX: usize = 4_096;

/// Keys one connection may authenticate as: an agent has one, a host with several a few.
pub(crate) const KEYS_MAX: usize = 16;
