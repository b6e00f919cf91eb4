//! Public keys as people write them: hex, `npub`, `nprofile`. Says clearly what is wrong with anything else.

use nostr::nips::nip19::{FromBech32, Nip19, ToBech32};
use ocmesh_proto::{PubKey, RelayUrl, limit::PEER_RELAYS_MAX};

use crate::{
    keys::{is_on_curve, library_key},
    tag,
};

/// Longest text looked at, in bytes: an `nprofile` with many relays is about 1,000.
const KEY_TEXT_BYTES_MAX: usize = 5_000;

/// A public key and the relays named beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyText {
    /// The key; it is a point on the curve.
    pub pubkey: PubKey,
    /// Relay hints of an `nprofile`: somebody's claim, at most [`PEER_RELAYS_MAX`], not filtered for private addresses.
    pub relays: Vec<RelayUrl>,
}

/// Why a text is not the public key of a peer. Never holds the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// A secret key was given.
    #[error("this is a SECRET key (nsec1…): never share it with anyone; a peer is named by its public key (npub1…)")]
    SecretKey,
    /// An encrypted secret key was given.
    #[error("this is an encrypted secret key (ncryptsec1…): keep it to yourself; a peer is named by its public key (npub1…)")]
    EncryptedSecretKey,
    /// A note, event or address was given.
    #[error("this names an event, not a peer; a peer is named by its public key (npub1…)")]
    Event,
    /// It starts like a key, and is damaged.
    #[error("this key has a typing mistake: its checksum does not fit")]
    Typo,
    /// Well-formed, but no such key can exist.
    #[error("no such key can exist: it is not a point on the curve, so one of its digits must be wrong")]
    NotOnCurve,
    /// Nothing that looks like a key.
    #[error("this is not a public key: it should be npub1…, nprofile1… or 64 hexadecimal digits")]
    NotAKey,
}

/// The key as `npub1…` ([NIP-19](https://github.com/nostr-protocol/nips/blob/master/19.md)).
#[must_use]
pub fn npub(key: &PubKey) -> String {
    match library_key(key).to_bech32() {
        Ok(text) => text,
        Err(never) => match never {},
    }
}

/// Reads hex, `npub1…` or `nprofile1…`, with or without `nostr:` before it
/// ([NIP-21](https://github.com/nostr-protocol/nips/blob/master/21.md)).
///
/// # Errors
/// Says what the text is instead; show it to whoever wrote it.
pub fn parse_key(text: &str) -> Result<KeyText, KeyTextError> {
    let text = text.trim();
    if text.len() > KEY_TEXT_BYTES_MAX {
        return Err(KeyTextError::NotAKey);
    }
    // Bech32 is all lower or all upper case; hex may be either.
    let lower = text.to_ascii_lowercase();
    let plain = lower.strip_prefix("nostr:").unwrap_or(&lower);
    if let Ok(pubkey) = plain.parse() {
        return on_curve(KeyText { pubkey, relays: Vec::new() });
    }
    let starts = |names: &[&str]| names.iter().any(|name| plain.starts_with(name));
    // Before anything is decoded, so that a secret with a typing mistake is still called one.
    if starts(&["nsec1"]) {
        return Err(KeyTextError::SecretKey);
    }
    if starts(&["ncryptsec1"]) {
        return Err(KeyTextError::EncryptedSecretKey);
    }
    if starts(&["note1", "nevent1", "naddr1"]) {
        return Err(KeyTextError::Event);
    }
    if !starts(&["npub1", "nprofile1"]) {
        return Err(KeyTextError::NotAKey);
    }
    match Nip19::from_bech32(plain) {
        Ok(Nip19::Pubkey(key)) => on_curve(KeyText { pubkey: PubKey::from_bytes(key.to_bytes()), relays: Vec::new() }),
        Ok(Nip19::Profile(profile)) => on_curve(KeyText {
            pubkey: PubKey::from_bytes(profile.public_key.to_bytes()),
            relays: tag::relays(profile.relays.iter().map(nostr::types::RelayUrl::as_str), PEER_RELAYS_MAX),
        }),
        _ => Err(KeyTextError::Typo),
    }
}

fn on_curve(key: KeyText) -> Result<KeyText, KeyTextError> {
    if is_on_curve(&key.pubkey) { Ok(key) } else { Err(KeyTextError::NotOnCurve) }
}
