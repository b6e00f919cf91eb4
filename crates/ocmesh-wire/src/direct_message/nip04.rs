//! The old cipher of kind 4, [NIP-04](https://github.com/nostr-protocol/nips/blob/master/04.md): only for peers that know nothing better.
//!
//! What it does not give: the ciphertext (AES-256-CBC under the bare shared x coordinate) has no authentication of its own, so only the
//! event's signature vouches for it, which is why nothing is decrypted before the event is checked. Sender, recipient and time are
//! public, and a key that leaks opens every message ever sent. Decryption errors must not be told to the sender: they would be an oracle.

use nostr::nips::nip04;
use ocmesh_proto::{PubKey, SealRefused};

use crate::{
    keys::{Keys, library_key},
    open::OpenError,
};

/// Stands between ciphertext and initialisation vector; no other payload has it.
const MARK: &str = "?iv=";

/// The content of a kind 4 event is in this form.
pub(crate) fn is_payload(content: &str) -> bool {
    content.contains(MARK)
}

/// Decrypts what passed between us and `peer`, in either direction.
pub(crate) fn decrypt(keys: &Keys, peer: &PubKey, payload: &str) -> Result<String, OpenError> {
    nip04::decrypt(keys.secret(), &library_key(peer), payload).map_err(|_| OpenError::Undecryptable)
}

/// Encrypts for `peer`, with a new initialisation vector each time.
pub(crate) fn encrypt(keys: &Keys, peer: &PubKey, content: &str) -> Result<String, SealRefused> {
    nip04::encrypt(keys.secret(), &library_key(peer), content).map_err(|_| SealRefused("NIP-04 encryption failed"))
}
