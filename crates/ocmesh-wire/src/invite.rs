//! The code of an invite, its proofs, and the words that two people compare. Who may join when is the mesh's decision.
//!
//! The inviter draws a *seed*, and keeps it. The *secret* in the code is a hash of the seed, so the code commits the inviter to a seed that
//! the joiner does not know yet. The joiner draws a *nonce* and sends it with a proof that it has the secret; the inviter answers with the
//! seed. The phrase follows from both keys, the seed and the nonce: each side has fixed its part before it sees the other's, so whoever
//! stands between them cannot search for a phrase that fits, but has one try with each code. See docs/adr/0011-invites.md.

mod words;

use std::fmt;

use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ocmesh_proto::{
    At, InviteFacts, InviteId, InviteSecret, JoinFrame, JoinedFrame, PubKey, RelayUrl, SealRefused,
    limit::{INVITE_RELAYS_MAX, RELAY_URL_BYTES_MAX},
};
use sha2::{Digest as _, Sha256};

use crate::{keys::is_on_curve, random};

/// What every code begins with.
const PREFIX: &str = "ocmesh";
/// The newest version of codes that we read and the one we write.
const VERSION: u8 = 1;
/// Longest text looked at, in bytes: a code with two long addresses, copied with line breaks.
const CODE_BYTES_MAX: usize = 2_000;
/// Words of a phrase: 32 bits, so that whoever stands between two people and has one try fails but once in four thousand million.
const PHRASE_WORDS: usize = 4;

/// The 128 bits that make a code worth something.
type Secret = [u8; 16];

/// A code, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Who invites; the key is a point on the curve.
    pub inviter: PubKey,
    /// From when on it is of no use.
    pub expires_at: At,
    /// Relays where the inviter reads: somebody's claim, not filtered for private addresses.
    pub relays: Vec<RelayUrl>,
    secret: Secret,
}

/// Why a text is not a code that can be used. Never holds the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A secret key was given.
    #[error("this is a SECRET key (nsec1…): never share it with anyone; an invite begins with ocmesh1")]
    SecretKey,
    /// A public key was given.
    #[error("this is a public key, not an invite: make it known with ocmesh peer add")]
    PublicKey,
    /// Nothing that looks like a code.
    #[error("this is not an invite: one begins with ocmesh1")]
    NotACode,
    /// A character that no code has.
    #[error("this invite has a typing mistake: no invite has the character {character:?}, which is its number {place}")]
    Character {
        /// Which.
        character: char,
        /// Where, from 1.
        place: usize,
    },
    /// The checksum does not fit.
    #[error("this invite has a typing mistake or is cut off: its checksum does not fit its {length} characters")]
    Checksum {
        /// How many characters there are.
        length: usize,
    },
    /// The code of another version.
    #[error("this invite is of version {0}, and this ocmesh reads version {VERSION}: update the older of the two")]
    Version(u8),
    /// The checksum fits, and what is in it makes no sense.
    #[error("this invite is damaged: what is in it makes no sense; ask for a new one")]
    Damaged,
}

/// Draws the seed of a new invite.
///
/// # Errors
/// The operating system gives no randomness.
pub fn new_seed() -> Result<InviteSecret, SealRefused> {
    random::bytes().map(InviteSecret)
}

/// The name of the invite with this seed.
#[must_use]
pub fn id_of(seed: &InviteSecret) -> InviteId {
    id(&secret_of(seed))
}

/// Writes the code: version, key, secret, end, relays, in bech32m, which finds every mistake of up to three characters and misses one in a
/// thousand million of the others.
#[must_use]
pub fn write(inviter: &PubKey, seed: &InviteSecret, expires_at: At, relays: &[RelayUrl]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(inviter.as_bytes());
    bytes.extend_from_slice(&secret_of(seed));
    // Whole minutes would do, seconds are simpler; 32 bits last until 2106.
    bytes.extend_from_slice(&u32::try_from(expires_at.secs()).unwrap_or(u32::MAX).to_be_bytes());
    for relay in relays.iter().take(INVITE_RELAYS_MAX) {
        // An address has at most 256 bytes; one that does not fit is left out.
        if let Ok(length) = u8::try_from(relay.as_str().len()) {
            bytes.push(length);
            bytes.extend_from_slice(relay.as_str().as_bytes());
        }
    }
    let text = Hrp::parse(PREFIX).map(|prefix| bech32::encode::<Bech32m>(prefix, &bytes));
    // The prefix is a constant, and two addresses fit.
    text.ok().and_then(Result::ok).unwrap_or_default()
}

/// Reads a code, whatever spaces and line breaks it came with.
///
/// # Errors
/// Says what is wrong with it; show it to whoever typed it.
pub fn read(text: &str) -> Result<Code, CodeError> {
    let plain: String = text.chars().take(CODE_BYTES_MAX).filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let plain = plain.strip_prefix("nostr:").unwrap_or(&plain);
    let starts = |names: &[&str]| names.iter().any(|name| plain.starts_with(name));
    if starts(&["nsec1", "ncryptsec1"]) {
        return Err(CodeError::SecretKey);
    }
    if starts(&["npub1", "nprofile1"]) {
        return Err(CodeError::PublicKey);
    }
    let data = plain.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('1')).ok_or(CodeError::NotACode)?;
    if let Some((index, character)) = data.chars().enumerate().find(|(_, c)| !is_code_character(*c)) {
        return Err(CodeError::Character { character, place: index.saturating_add(PREFIX.len()).saturating_add(2) });
    }
    let bytes: Vec<u8> =
        CheckedHrpstring::new::<Bech32m>(plain).map_err(|_| CodeError::Checksum { length: plain.len() })?.byte_iter().collect();
    match bytes.split_first() {
        Some((&VERSION, rest)) => fields(rest).ok_or(CodeError::Damaged),
        Some((&version, _)) => Err(CodeError::Version(version)),
        None => Err(CodeError::Damaged),
    }
}

/// The alphabet of bech32: no `1`, `b`, `i`, `o`, which look like others.
const fn is_code_character(c: char) -> bool {
    matches!(c, '0' | '2'..='9' | 'a' | 'c'..='h' | 'j'..='n' | 'p'..='z')
}

fn fields(bytes: &[u8]) -> Option<Code> {
    let (inviter, rest) = bytes.split_first_chunk::<32>()?;
    let (secret, rest) = rest.split_first_chunk::<16>()?;
    let (expires, mut rest) = rest.split_first_chunk::<4>()?;
    let mut relays = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (address, after) = after.split_at_checked(usize::from(*length))?;
        if relays.len() == INVITE_RELAYS_MAX || address.len() > RELAY_URL_BYTES_MAX {
            return None;
        }
        relays.push(RelayUrl::parse(std::str::from_utf8(address).ok()?).ok()?);
        rest = after;
    }
    let inviter = PubKey::from_bytes(*inviter);
    let expires_at = At::from_secs(u32::from_be_bytes(*expires).into());
    is_on_curve(&inviter).then_some(Code { inviter, expires_at, relays, secret: *secret })
}

/// Never the secret.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inviter, expires_at, relays, .. } = self;
        write!(f, "Code({inviter:?}, until {expires_at:?}, {relays:?})")
    }
}

impl Code {
    /// The name of the invite.
    #[must_use]
    pub fn id(&self) -> InviteId {
        id(&self.secret)
    }

    /// What the joiner keeps: the secret and a fresh nonce.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn keep(&self) -> Result<InviteSecret, SealRefused> {
        let nonce: [u8; 16] = random::bytes()?;
        let mut kept = [0u8; 32];
        let (first, second) = kept.split_at_mut(16);
        first.copy_from_slice(&self.secret);
        second.copy_from_slice(&nonce);
        Ok(InviteSecret(kept))
    }
}

/// What a joiner sends, from what it keeps.
#[must_use]
pub fn join(kept: &InviteSecret, inviter: &PubKey, joiner: &PubKey) -> JoinFrame {
    let (secret, nonce) = halves(kept);
    JoinFrame { invite: id(&secret), nonce, proof: join_mac(&secret, inviter, joiner, &nonce).finalize().into_bytes().into() }
}

/// Looks at what a joiner sent, with the seed of the invite that it names.
#[must_use]
pub fn check_join(seed: &InviteSecret, inviter: &PubKey, joiner: &PubKey, frame: &JoinFrame) -> InviteFacts {
    let secret = secret_of(seed);
    let good = join_mac(&secret, inviter, joiner, &frame.nonce).verify_slice(&frame.proof).is_ok();
    let proof = joined_mac(&secret, inviter, joiner, &frame.nonce, seed).finalize().into_bytes().into();
    let answer = good.then_some(JoinedFrame { invite: frame.invite, seed: *seed, proof });
    InviteFacts { good, phrase: phrase(inviter, joiner, seed, &frame.nonce), answer }
}

/// Looks at what the inviter answered, with what the joiner kept.
#[must_use]
pub fn check_joined(kept: &InviteSecret, inviter: &PubKey, joiner: &PubKey, frame: &JoinedFrame) -> InviteFacts {
    let (secret, nonce) = halves(kept);
    let right_seed = secret_of(&frame.seed) == secret;
    let good = right_seed && joined_mac(&secret, inviter, joiner, &nonce, &frame.seed).verify_slice(&frame.proof).is_ok();
    InviteFacts { good, phrase: phrase(inviter, joiner, &frame.seed, &nonce), answer: None }
}

fn halves(kept: &InviteSecret) -> (Secret, [u8; 16]) {
    let (mut secret, mut nonce) = ([0u8; 16], [0u8; 16]);
    let (first, second) = kept.0.split_at(16);
    secret.copy_from_slice(first);
    nonce.copy_from_slice(second);
    (secret, nonce)
}

/// A hash of its own for each use, so that nothing made for one is good for another.
fn hash(use_of: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(use_of.as_bytes());
    hash.update([0]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn secret_of(seed: &InviteSecret) -> Secret {
    let mut secret = Secret::default();
    secret.iter_mut().zip(hash("ocmesh invite 1 secret", &[&seed.0])).for_each(|(slot, byte)| *slot = byte);
    secret
}

fn id(secret: &Secret) -> InviteId {
    let [a, b, c, d, e, f, g, h, ..] = hash("ocmesh invite 1 id", &[secret]);
    InviteId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

fn mac(secret: &Secret, use_of: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    // A key for HMAC may have any length, so the fallback is never taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(use_of.as_bytes());
    mac.update(&[0]);
    for part in parts {
        mac.update(part);
    }
    mac
}

fn join_mac(secret: &Secret, inviter: &PubKey, joiner: &PubKey, nonce: &[u8; 16]) -> Hmac<Sha256> {
    mac(secret, "ocmesh invite 1 join", &[inviter.as_bytes(), joiner.as_bytes(), nonce])
}

fn joined_mac(secret: &Secret, inviter: &PubKey, joiner: &PubKey, nonce: &[u8; 16], seed: &InviteSecret) -> Hmac<Sha256> {
    mac(secret, "ocmesh invite 1 joined", &[inviter.as_bytes(), joiner.as_bytes(), nonce, &seed.0])
}

/// The words that both people see. Every part has a fixed length, so no two lists of parts read the same.
fn phrase(inviter: &PubKey, joiner: &PubKey, seed: &InviteSecret, nonce: &[u8; 16]) -> String {
    let digest = hash("ocmesh invite 1 phrase", &[inviter.as_bytes(), joiner.as_bytes(), &seed.0, nonce]);
    let words: Vec<&str> = digest.iter().take(PHRASE_WORDS).map(|byte| words::word(*byte)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
