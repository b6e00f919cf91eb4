//! The cipher of seals and wraps, and of some kind 4 events: [NIP-44](https://github.com/nostr-protocol/nips/blob/master/44.md) version 2.
//! It authenticates, and hides the length a little; it has no forward secrecy.

use nostr::nips::nip44::{self, Version};
use ocmesh_proto::{PubKey, SealRefused};

use crate::{
    keys::{Keys, library_key},
    open::{EVENT_BYTES_MAX, OpenError},
};

/// Longest payload decoded, in characters. The NIP allows 4 GiB; ours came in an event of at most this size.
const PAYLOAD_CHARS_MAX: usize = EVENT_BYTES_MAX;

/// Decrypts what passed between us and `peer`, in either direction. Any version but 2 is refused.
pub(crate) fn decrypt(keys: &Keys, peer: &PubKey, payload: &str) -> Result<String, OpenError> {
    if payload.len() > PAYLOAD_CHARS_MAX {
        return Err(OpenError::ContentTooLong);
    }
    nip44::decrypt(keys.secret(), &library_key(peer), payload).map_err(|_| OpenError::Undecryptable)
}

/// Encrypts for `peer`, with a new nonce each time.
pub(crate) fn encrypt(keys: &Keys, peer: &PubKey, content: &str) -> Result<String, SealRefused> {
    nip44::encrypt(keys.secret(), &library_key(peer), content, Version::V2).map_err(|_| SealRefused("NIP-44 encryption failed"))
}
