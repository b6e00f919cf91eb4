//! The key of the database: 32 random bytes. Where it is kept is not decided here.

use std::fmt;

use zeroize::Zeroizing;

/// The raw 256-bit key of the database. Wiped from memory when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// The text is not a key.
    #[error("a database key is 64 hexadecimal digits")]
    NotAKey,
}

impl StoreKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`]: do not go on without it.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Wraps 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads 64 hexadecimal digits; white space around them is fine.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`], which says nothing of the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| KeyError::NotAKey)?;
        Ok(Self(bytes))
    }

    /// The key as 64 hexadecimal digits, for a key file or a keychain.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        // The room is taken at once, so that growing leaves no copies behind.
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.0.iter() {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// The statement that gives SQLCipher the raw key, which spares the slow derivation from a passphrase.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        let mut sql = Zeroizing::new(String::with_capacity(96));
        sql.push_str("PRAGMA key = \"x'");
        sql.push_str(&self.to_hex());
        sql.push_str("'\";");
        sql
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown_and_reads_back() {
        let key = StoreKey::from_bytes([0xa7; 32]);
        assert_eq!(format!("{key:?}"), "StoreKey(…)");
        let text = key.to_hex();
        assert_eq!(*text, "a7".repeat(32));
        assert_eq!(*StoreKey::from_hex(&format!(" {}\n", *text)).unwrap().0, [0xa7; 32]);
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for text in ["", "a7", &"zz".repeat(32), &"a7".repeat(33)] {
            assert_eq!(StoreKey::from_hex(text).unwrap_err(), KeyError::NotAKey);
        }
    }

    #[test]
    fn new_keys_differ() {
        assert_ne!(*StoreKey::generate().unwrap().to_hex(), *StoreKey::generate().unwrap().to_hex());
    }
}
