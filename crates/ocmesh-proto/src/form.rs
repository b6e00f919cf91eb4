//! The three forms in which a direct message travels.

use serde::{Deserialize, Serialize};

/// How a direct message is encrypted and wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// [NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md): rumor in a seal in a gift wrap. Hides the sender.
    Nip17,
    /// A [NIP-44](https://github.com/nostr-protocol/nips/blob/master/44.md) payload in a kind 4 event.
    Nip44,
    /// [NIP-04](https://github.com/nostr-protocol/nips/blob/master/04.md): kind 4, AES-CBC. For old clients only.
    Nip04,
}

impl Form {
    /// `nip17`, `nip44` or `nip04`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nip17 => "nip17",
            Self::Nip44 => "nip44",
            Self::Nip04 => "nip04",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Nip17, Self::Nip44, Self::Nip04].into_iter().find(|form| form.as_str() == text)
    }
}
