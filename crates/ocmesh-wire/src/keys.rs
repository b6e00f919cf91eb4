//! The secret key of an agent. No other file of the workspace holds one in the clear.

use std::fmt;

use nostr::{
    key::{Keys as NostrKeys, PublicKey, SecretKey},
    nips::nip44::v2::ConversationKey,
};
use ocmesh_proto::PubKey;
use zeroize::Zeroizing;

use crate::{conversations::Conversations, key_text::npub};

/// A secret key and its public key (secp256k1, BIP-340). The secret is wiped from memory on drop, cannot be cloned, and is never shown.
pub struct Keys {
    // Boxed, so that moving this value leaves no copy of the secret behind. The library wipes it on drop.
    inner: Box<NostrKeys>,
    conversations: Conversations,
}

/// A text or bytes that are not a secret key we can use. Never holds the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither `nsec1…` nor 64 hexadecimal digits, or a typing mistake in one.
    #[error("this is not a secret key: it should be nsec1… or 64 hexadecimal digits")]
    NotASecretKey,
    /// An `npub`.
    #[error("this is a public key (npub1…), not a secret key (nsec1…)")]
    PublicKeyGiven,
    /// An `ncryptsec`.
    #[error("this secret key is encrypted (ncryptsec1…): its passphrase is needed to open it")]
    EncryptedGiven,
    /// Zero, or not below the order of the curve.
    #[error("these 32 bytes are not a secret key of the curve secp256k1")]
    OutOfRange,
}

impl Keys {
    /// A new random key from the operating system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self::of(NostrKeys::generate())
    }

    /// From the 32 bytes of a secret key.
    ///
    /// # Errors
    /// [`KeyError::OutOfRange`] for bytes that are no key: treat the place they came from as damaged.
    pub fn from_secret_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_slice(bytes).map_err(|_| KeyError::OutOfRange)?;
        Ok(Self::from_secret(secret))
    }

    /// From `nsec1…` ([NIP-19](https://github.com/nostr-protocol/nips/blob/master/19.md)) or 64 hexadecimal digits.
    ///
    /// # Errors
    /// Says what was given instead, without repeating it.
    pub fn parse_secret(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let start: String = text.chars().take(10).collect::<String>().to_ascii_lowercase();
        if start.starts_with("npub1") || start.starts_with("nprofile1") {
            return Err(KeyError::PublicKeyGiven);
        }
        if start.starts_with("ncryptsec1") {
            return Err(KeyError::EncryptedGiven);
        }
        // The library reads 64 digits and ignores what stands behind them: whoever pastes too much would get a key they did not mean.
        if !start.starts_with("nsec1") && text.len() != 64 {
            return Err(KeyError::NotASecretKey);
        }
        let secret = SecretKey::parse(text).map_err(|_| KeyError::NotASecretKey)?;
        Ok(Self::from_secret(secret))
    }

    /// The public key: the agent's identity.
    #[must_use]
    pub fn public(&self) -> PubKey {
        PubKey::from_bytes(self.inner.public_key().to_bytes())
    }

    /// The 32 secret bytes, for the encrypted store. They wipe themselves on drop.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.inner.secret_key().to_secret_bytes())
    }

    /// What signs.
    pub(crate) fn signer(&self) -> &NostrKeys {
        &self.inner
    }

    /// What decrypts.
    pub(crate) fn secret(&self) -> &SecretKey {
        self.inner.secret_key()
    }

    /// From a key the library opened.
    pub(crate) fn from_secret(secret: SecretKey) -> Self {
        Self::of(NostrKeys::new(secret))
    }

    fn of(keys: NostrKeys) -> Self {
        Self { inner: Box::new(keys), conversations: Conversations::default() }
    }

    /// What encrypts between us and a peer (NIP-44), remembered; `None` when its key is not on the curve.
    pub(crate) fn conversation(&self, peer: &PubKey) -> Option<ConversationKey> {
        self.conversations.with(peer, || self.conversation_once(peer))
    }

    /// The same where one side's key is used once: nothing is remembered.
    pub(crate) fn conversation_once(&self, peer: &PubKey) -> Option<ConversationKey> {
        ConversationKey::derive(self.secret(), &library_key(peer)).ok()
    }
}

/// Does not compile where a type has a trait: then there are two ways to read the last line.
macro_rules! never {
    ($type:ty: $($bound:path),+) => {$(const _: fn() = || {
        trait Either<Way> {
            fn way() {}
        }
        #[allow(dead_code)]
        struct Has;
        impl<T: ?Sized> Either<()> for T {}
        impl<T: ?Sized + $bound> Either<Has> for T {}
        let _ = <$type as Either<_>>::way;
    };)+};
}

// A key that could be copied, shown or written down would leave this file in the clear one day.
never!(Keys: Clone, fmt::Display, fmt::LowerHex, serde::Serialize, AsRef<[u8]>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", npub(&self.public()))
    }
}

/// The library's spelling of a public key.
pub(crate) fn library_key(key: &PubKey) -> PublicKey {
    PublicKey::from_byte_array(*key.as_bytes())
}

/// The 32 bytes are the x coordinate of a point on the curve. About half of all 32-byte texts are not.
pub(crate) fn is_on_curve(key: &PubKey) -> bool {
    library_key(key).xonly().is_ok()
}
