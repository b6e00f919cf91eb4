//! Randomness from the operating system, for salts, chain ids and hidden times. Keys and nonces are drawn where they are used.

use ocmesh_proto::SealRefused;

/// Seals and wraps are dated up to two days back
/// ([NIP-59](https://github.com/nostr-protocol/nips/blob/master/59.md)), in seconds.
pub(crate) const HIDDEN_SECS_MAX: u64 = 2 * 24 * 60 * 60;

/// `N` random bytes.
///
/// # Errors
/// The operating system has none to give.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], SealRefused> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|_| SealRefused("the operating system gives no randomness"))?;
    Ok(bytes)
}

/// A moment somewhere in the two days before `secs`.
///
/// # Errors
/// The operating system has no randomness to give.
pub(crate) fn hidden_secs(secs: u64) -> Result<u64, SealRefused> {
    // 64 bits over 172,800 values: the bias is below one in 10^14.
    Ok(secs.saturating_sub(u64::from_le_bytes(bytes()?) % HIDDEN_SECS_MAX))
}
