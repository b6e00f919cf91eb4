//! Who we are: the database, its key, the identity in it, and the sealed copy beside it. Nothing here replaces or removes anything to
//! get past an error.

mod backup;
mod copy;
mod database_key;
mod friendly_name;
mod restore;

use std::sync::Arc;

use keyring_core::CredentialStore;
use ocmesh_store::{IdentityError, OpenError, ReadError, Store};
use ocmesh_wire::Keys;

pub use backup::BackupProblem;
pub use copy::{CopyHomeError, copy_home};
pub use database_key::{DatabaseKeyError, KeyPlace};
pub use friendly_name::friendly_name;
pub use restore::{RestoreError, Restored, read_sealed_copy, restore_from_backup};

use crate::{
    config::{Config, KeychainUse},
    home::Home,
};

/// Our keys and the open store.
#[derive(Debug)]
pub struct OpenedIdentity {
    /// The secret key; `Debug` shows only the public half.
    pub keys: Keys,
    /// The store, open for writing.
    pub store: Store,
    /// The identity is new: this is the first start of this home.
    pub created: bool,
    /// Where the key of the database is.
    pub key_place: KeyPlace,
}

/// Why our identity could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdentityError {
    /// The key of the database.
    #[error(transparent)]
    Key(#[from] DatabaseKeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database opened, but the identity in it cannot be read.
    #[error("the identity in the database cannot be read")]
    Read(#[source] ReadError),
    /// A new identity could not be kept.
    #[error("the identity could not be stored")]
    Write(#[source] IdentityError),
    /// What the database holds is no secret key.
    #[error("the identity in the database is not a secret key")]
    NotAKey(#[source] ocmesh_wire::KeyError),
    /// The sealed copy.
    #[error(transparent)]
    Backup(#[from] BackupProblem),
}

/// Opens the database and the identity, creating at the first start what is not there yet. Call it while holding the home's lock.
///
/// A home that lost its database but has key and sealed copy gets its identity back, in a new database.
///
/// # Errors
/// Says what is wrong. Everything is left as it was found; [`restore_from_backup`] is the way out of a damaged database.
pub fn open_or_create(home: &Home, config: &Config) -> Result<OpenedIdentity, OpenIdentityError> {
    open_with(home, keychain_for(config)?.as_deref(), config.keychain)
}

/// The system's keychain, where there is one and the owner wants it.
///
/// macOS has the Keychain and Windows the Credential Manager, for every program of the user. Linux has the Secret Service, but only in a
/// desktop session that is unlocked: a service that starts with the machine, or a server, could not start with its key in there. So on Linux
/// the key is in the file `db.key` unless the owner says `keychain = "on"`. The file protects against other users and against copies of the
/// database alone (backups, synced folders); nothing protects against programs of the same user, with a keychain or without.
fn keychain_for(config: &Config) -> Result<Option<Arc<CredentialStore>>, DatabaseKeyError> {
    match config.keychain {
        KeychainUse::Off => Ok(None),
        KeychainUse::Auto if cfg!(any(target_os = "macos", windows)) => Ok(system_keychain().ok()),
        KeychainUse::Auto => Ok(None),
        KeychainUse::On => system_keychain().map(Some).map_err(DatabaseKeyError::NoKeychain),
    }
}

#[cfg(target_os = "macos")]
fn system_keychain() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system_keychain() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(target_os = "linux")]
fn system_keychain() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(dbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "macos", target_os = "linux", windows)))]
fn system_keychain() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NotSupportedByStore("ocmesh knows no keychain of this system".to_owned()))
}

fn open_with(home: &Home, keychain: Option<&CredentialStore>, wanted: KeychainUse) -> Result<OpenedIdentity, OpenIdentityError> {
    let (key, key_place) = database_key::find_or_create(home, keychain, wanted)?;
    let mut store = Store::open(&home.database(), &key)?;
    let held = store.identity().map_err(OpenIdentityError::Read)?;
    let sealed = backup::read(home, &key)?;
    let mut created = false;
    let keys = match (held, &sealed) {
        (Some(secret), _) => Keys::from_secret_bytes(&secret).map_err(OpenIdentityError::NotAKey)?,
        (None, backup::Found::Opens(keys)) => {
            tracing::warn!(pubkey = %keys.public(), "the database had no identity; it was taken from the sealed copy");
            let keys = Keys::from_secret_bytes(&keys.secret_bytes()).map_err(OpenIdentityError::NotAKey)?;
            store.put_identity(&keys.secret_bytes()).map_err(OpenIdentityError::Write)?;
            keys
        }
        // The only copy of an identity may be in there: do not make another one beside it.
        (None, backup::Found::DoesNotOpen) => return Err(BackupProblem::DoesNotOpen(home.identity_backup()).into()),
        (None, backup::Found::Nothing) => {
            let keys = Keys::generate();
            store.put_identity(&keys.secret_bytes()).map_err(OpenIdentityError::Write)?;
            created = true;
            keys
        }
    };
    backup::keep(home, &key, &keys, &sealed)?;
    Ok(OpenedIdentity { keys, store, created, key_place })
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
