//! A secret key sealed with a passphrase ([NIP-49](https://github.com/nostr-protocol/nips/blob/master/49.md)). Where the text is kept is not
//! decided here.

use nostr::nips::{
    nip19::{FromBech32, ToBech32},
    nip49::{EncryptedSecretKey, KeySecurity},
};

use crate::keys::Keys;

/// Cost for a passphrase a person types: scrypt with 256 MiB, about a second.
pub const LOG_N_DEFAULT: u8 = 18;
/// Highest cost we write or open: scrypt takes 1 GiB at 20, and a damaged or hostile text must not ask for more.
pub const LOG_N_MAX: u8 = 20;

/// Why a backup could not be written or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// No passphrase.
    #[error("the passphrase is empty")]
    PassphraseEmpty,
    /// The cost is not in 1 to [`LOG_N_MAX`].
    #[error("the scrypt cost {0} is not between 1 and {LOG_N_MAX}")]
    Cost(u8),
    /// Not an intact `ncryptsec1…`.
    #[error("this is not an intact backup: it should be ncryptsec1…")]
    NotABackup,
    /// The passphrase does not open it (or the text was changed).
    #[error("the passphrase does not open this backup")]
    WrongPassphrase,
    /// The machine could not do it.
    #[error("the key could not be encrypted")]
    Failed,
}

/// The key as `ncryptsec1…`. Takes 2^`log_n` KiB of memory and a matching time, so run it off the main task; see [`LOG_N_DEFAULT`].
///
/// # Errors
/// The passphrase is empty or the cost is out of range.
pub fn encrypt(keys: &Keys, passphrase: &str, log_n: u8) -> Result<String, BackupError> {
    if passphrase.is_empty() {
        return Err(BackupError::PassphraseEmpty);
    }
    if log_n == 0 || log_n > LOG_N_MAX {
        return Err(BackupError::Cost(log_n));
    }
    // "Unknown": an imported key may have been in the clear before it came to us.
    let sealed = EncryptedSecretKey::new(keys.secret(), passphrase, log_n, KeySecurity::Unknown).map_err(|_| BackupError::Failed)?;
    sealed.to_bech32().map_err(|_| BackupError::Failed)
}

/// Opens what [`encrypt`], or any other NIP-49 program, wrote. As costly as the text says, up to [`LOG_N_MAX`].
///
/// # Errors
/// [`BackupError::WrongPassphrase`] may be tried again; the others cannot succeed with this text.
pub fn decrypt(text: &str, passphrase: &str) -> Result<Keys, BackupError> {
    let sealed = EncryptedSecretKey::from_bech32(text.trim()).map_err(|_| BackupError::NotABackup)?;
    if sealed.log_n() == 0 || sealed.log_n() > LOG_N_MAX {
        return Err(BackupError::Cost(sealed.log_n()));
    }
    let secret = sealed.decrypt_with_max_log_n(passphrase, LOG_N_MAX).map_err(|_| BackupError::WrongPassphrase)?;
    Ok(Keys::from_secret(secret))
}
