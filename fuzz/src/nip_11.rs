//! A relay's NIP-11 document: everything in it is a claim of a stranger.

use crate::promises::is_dangerous;

/// Longest text kept of it, in characters, and most NIPs.
const CHARS_MAX: usize = 200;
const NIPS_MAX: usize = 500;

/// The bytes are the document.
pub fn check(data: &[u8]) -> &'static str {
    let Some(info) = ocmesh_relay::fuzzing::read_info(data) else { return "no document" };
    for text in [&info.name, &info.software, &info.version].into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= CHARS_MAX, "not cut: {text:?}");
        assert!(!text.chars().any(is_dangerous), "not cleaned: {text:?}");
    }
    assert!(info.supported_nips.len() <= NIPS_MAX, "{} NIPs", info.supported_nips.len());
    let is_empty = info == ocmesh_relay::RelayInfo::default();
    if is_empty { "nothing known" } else { "document" }
}
