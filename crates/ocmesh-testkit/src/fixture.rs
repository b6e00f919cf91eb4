//! Keys and signed events to test with.

use anyhow::Result;
use nostr::{
    event::{Event, EventBuilder, FinalizeEvent as _, FinalizeUnsignedEvent as _, Kind, Tag},
    key::{Keys, PublicKey, SecretKey},
    nips::{nip44::Nip44 as _, nip59::GiftWrapSealBuilder},
    types::Timestamp,
};

/// The same key for the same number, in every run: `1` is the curve's first point. 0 is taken for 1.
///
/// # Errors
/// Never for a `u8`.
pub fn keys(number: u8) -> Result<Keys> {
    let mut bytes = [0_u8; 32];
    if let Some(last) = bytes.last_mut() {
        *last = number.max(1);
    }
    Ok(Keys::new(SecretKey::from_slice(&bytes)?))
}

/// Unix seconds now.
#[must_use]
pub fn now() -> u64 {
    Timestamp::now().as_secs()
}

/// A signed event of any kind.
///
/// # Errors
/// When a tag is empty.
pub fn event(keys: &Keys, kind: u16, content: &str, tags: &[&[&str]], created_at: u64) -> Result<Event> {
    let tags: Result<Vec<Tag>, _> = tags.iter().map(|tag| Tag::parse(tag.iter().copied())).collect();
    let builder = EventBuilder::new(Kind::from_u16(kind), content).tags(tags?).custom_created_at(Timestamp::from_secs(created_at));
    Ok(builder.finalize(keys)?)
}

/// A kind 1 note of this moment.
///
/// # Errors
/// As [`event`].
pub fn note(keys: &Keys, content: &str, tags: &[&[&str]]) -> Result<Event> {
    event(keys, 1, content, tags, now())
}

/// A presence as the Node agents publish it (kind 31337) and as its kind 1 twin.
///
/// # Errors
/// As [`event`].
pub fn presence(keys: &Keys, name: &str, kind: u16) -> Result<Event> {
    let tags: [&[&str]; 6] = [
        &["d", "ocmesh-presence"],
        &["app", "ocmesh"],
        &["t", "ocmesh"],
        &["name", name],
        &["feature", "messaging"],
        &["status", "online"],
    ];
    event(keys, kind, "ocmesh-agent-online", &tags, now())
}

/// A NIP-17 message as any client makes it, its wrap dated as told.
///
/// # Errors
/// When it cannot be encrypted or signed.
pub fn wrap(from: &Keys, to: &PublicKey, content: &str, created_at: u64) -> Result<Event> {
    let tag = || Tag::parse(["p".to_owned(), to.to_hex()]);
    let rumor = EventBuilder::new(Kind::from_u16(14), content).tag(tag()?).custom_created_at(Timestamp::from_secs(created_at));
    let seal = GiftWrapSealBuilder::new(rumor.finalize_unsigned(from.public_key()), *to).finalize(from)?;
    let once = Keys::generate();
    let sealed = once.nip44_encrypt(to, &seal.as_json())?;
    let wrap = EventBuilder::new(Kind::from_u16(1059), sealed).tag(tag()?).custom_created_at(Timestamp::from_secs(created_at));
    Ok(wrap.finalize(&once)?)
}

/// The answer to a NIP-42 challenge.
///
/// # Errors
/// As [`event`].
pub fn auth(keys: &Keys, challenge: &str, relay: &str) -> Result<Event> {
    event(keys, 22_242, "", &[&["challenge", challenge], &["relay", relay]], now())
}
