//! Bounds of what is kept in memory, with their reasons.

/// Keys of conversations kept, some 100 KB: more peers than one agent talks with at a time. When they are full they are all forgotten, and
/// computed anew.
pub(crate) const CONVERSATIONS_MAX: usize = 1_024;
