//! The cipher of seals and wraps, and of some kind 4 events: [NIP-44](https://github.com/nostr-protocol/nips/blob/master/44.md) version 2.
//! It authenticates, and hides the length a little; it has no forward secrecy.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use nostr::nips::nip44::v2::{self, ConversationKey};
use ocmesh_proto::{PubKey, SealRefused};

use crate::{
    keys::Keys,
    open::{EVENT_BYTES_MAX, OpenError},
    random,
};

/// Longest payload decoded, in characters. The NIP allows 4 GiB; ours came in an event of at most this size.
const PAYLOAD_CHARS_MAX: usize = EVENT_BYTES_MAX;
/// The first byte of a payload.
const VERSION: u8 = 2;

/// Decrypts what passed between us and `peer`, in either direction. Any version but 2 is refused.
pub(crate) fn decrypt(keys: &Keys, peer: &PubKey, payload: &str) -> Result<String, OpenError> {
    decrypt_with(payload, || keys.conversation(peer))
}

/// Decrypts what was encrypted to us with a key that is used once.
pub(crate) fn decrypt_once(keys: &Keys, one_time: &PubKey, payload: &str) -> Result<String, OpenError> {
    decrypt_with(payload, || keys.conversation_once(one_time))
}

/// Encrypts for `peer`, with a new nonce each time.
pub(crate) fn encrypt(keys: &Keys, peer: &PubKey, content: &str) -> Result<String, SealRefused> {
    encrypt_with(keys.conversation(peer), content)
}

/// Encrypts for `peer` with keys that are used once.
pub(crate) fn encrypt_once(one_time: &Keys, peer: &PubKey, content: &str) -> Result<String, SealRefused> {
    encrypt_with(one_time.conversation_once(peer), content)
}

fn decrypt_with(payload: &str, key: impl FnOnce() -> Option<ConversationKey>) -> Result<String, OpenError> {
    if payload.len() > PAYLOAD_CHARS_MAX {
        return Err(OpenError::ContentTooLong);
    }
    let payload = BASE64_STANDARD.decode(payload).ok().filter(|payload| payload.first() == Some(&VERSION));
    let opened = payload.and_then(|payload| v2::decrypt_to_bytes(&key()?, &payload).ok());
    opened.and_then(|text| String::from_utf8(text).ok()).ok_or(OpenError::Undecryptable)
}

fn encrypt_with(key: Option<ConversationKey>, content: &str) -> Result<String, SealRefused> {
    let nonce = random::bytes()?;
    let payload = key.and_then(|key| v2::encrypt_to_bytes_with_nonce(&key, content.as_bytes(), nonce).ok());
    payload.map(|payload| BASE64_STANDARD.encode(payload)).ok_or(SealRefused("NIP-44 encryption failed"))
}
