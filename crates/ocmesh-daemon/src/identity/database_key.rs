//! Where the key of the database is kept: the system's keychain or the file `db.key`. Whichever holds the key first keeps it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

use keyring_core::{CredentialStore, Entry};
use ocmesh_store::StoreKey;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    config::KeychainUse,
    home::{Home, private_file, write_atomically},
};

/// The name of our entries in a keychain; the account is the home's path, as each home has its own key.
const SERVICE: &str = "ocmesh database key";

/// 64 digits and a little white space; anything longer is no key file.
const FILE_BYTES_MAX: u64 = 256;

/// Where the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the system's keychain.
    Keychain,
    /// In the file `db.key`.
    File,
}

/// Why there is no key for the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseKeyError {
    /// Something sealed is there, but no key.
    #[error("{} is there, but its key is neither in db.key nor in the system's keychain", .0.display())]
    Missing(PathBuf),
    /// Group or others can read the key file.
    #[error("{} can be read by other users (mode {mode:04o}); it must be 0600", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file belongs to another user.
    #[error("{} belongs to another user", .0.display())]
    NotOurs(PathBuf),
    /// A link, a directory, or something else that is no plain file.
    #[error("{} is not a plain file", .0.display())]
    NotAFile(PathBuf),
    /// The key file holds something else.
    #[error("{} does not hold a key: it should be 64 hexadecimal digits", .0.display())]
    NotAKey(PathBuf),
    /// The key file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keychain may hold the key, but does not give it.
    #[error("the system's keychain does not give the key of the database")]
    Keychain(#[source] keyring_core::Error),
    /// The keychain's entry is no key.
    #[error("the system's keychain holds something else than a key")]
    NotAKeyInKeychain,
    /// The owner wants the keychain used, and there is none.
    #[error("there is no keychain here, and the configuration says keychain = \"on\"")]
    NoKeychain(#[source] keyring_core::Error),
    /// The owner wants the keychain used, and it does not take the key.
    #[error("the system's keychain does not take the key of the database")]
    NotTaken(#[source] keyring_core::Error),
    /// No randomness for a new key.
    #[error("no new key can be made")]
    NoRandomness(#[source] ocmesh_store::KeyError),
}

/// The key of this home's database. A new one is made only when nothing is there that an older one could open.
///
/// Where the owner wants the keychain used and a file has the key, it moves: the file goes when the keychain was seen to give the key back.
pub(super) fn find_or_create(
    home: &Home,
    keychain: Option<&CredentialStore>,
    wanted: KeychainUse,
) -> Result<(StoreKey, KeyPlace), DatabaseKeyError> {
    let only = keychain.filter(|_| wanted == KeychainUse::On);
    match (find(home, keychain)?, only) {
        (Some((key, KeyPlace::File)), Some(keychain)) => {
            keep_in_keychain(home, keychain, &key).map_err(DatabaseKeyError::NotTaken)?;
            let path = home.database_key();
            fs::remove_file(&path).map_err(|source| DatabaseKeyError::Unusable { path, source })?;
            tracing::info!("the key of the database moved from db.key into the system's keychain");
            return Ok((key, KeyPlace::Keychain));
        }
        (Some(found), _) => return Ok(found),
        (None, _) => {}
    }
    if let Some(sealed) = sealed_file(home) {
        return Err(DatabaseKeyError::Missing(sealed));
    }
    let key = StoreKey::generate().map_err(DatabaseKeyError::NoRandomness)?;
    if let Some(keychain) = keychain {
        match keep_in_keychain(home, keychain, &key) {
            Ok(()) => return Ok((key, KeyPlace::Keychain)),
            Err(error) if only.is_some() => return Err(DatabaseKeyError::NotTaken(error)),
            Err(error) => tracing::warn!(%error, "the system's keychain does not take the key of the database; db.key is used"),
        }
    }
    let path = home.database_key();
    write_atomically(&path, key.to_hex().as_bytes()).map_err(|source| DatabaseKeyError::Unusable { path, source })?;
    Ok((key, KeyPlace::File))
}

/// The key, if it is anywhere. The file wins: where it is, it was there first.
pub(super) fn find(home: &Home, keychain: Option<&CredentialStore>) -> Result<Option<(StoreKey, KeyPlace)>, DatabaseKeyError> {
    if let Some(key) = read_file(&home.database_key())? {
        return Ok(Some((key, KeyPlace::File)));
    }
    let Some(keychain) = keychain else { return Ok(None) };
    match entry(home, keychain).and_then(|entry| entry.get_secret()) {
        Ok(mut secret) => {
            let key = std::str::from_utf8(&secret).ok().and_then(|text| StoreKey::from_hex(text).ok());
            secret.zeroize();
            key.map(|key| Some((key, KeyPlace::Keychain))).ok_or(DatabaseKeyError::NotAKeyInKeychain)
        }
        Err(keyring_core::Error::NoEntry) => Ok(None),
        // A new home may do without, or hears of it when the key is to be kept; an old one must not get a second key.
        Err(_) if sealed_file(home).is_none() => Ok(None),
        Err(error) => Err(DatabaseKeyError::Keychain(error)),
    }
}

/// Something that only the right key opens.
fn sealed_file(home: &Home) -> Option<PathBuf> {
    [home.database(), home.identity_backup()].into_iter().find(|path| fs::symlink_metadata(path).is_ok())
}

fn entry(home: &Home, keychain: &CredentialStore) -> keyring_core::Result<Entry> {
    keychain.build(SERVICE, &home.path().display().to_string(), None)
}

/// Stores the key and reads it back, as a key that was not kept would cost everything.
fn keep_in_keychain(home: &Home, keychain: &CredentialStore, key: &StoreKey) -> keyring_core::Result<()> {
    let entry = entry(home, keychain)?;
    let text = key.to_hex();
    entry.set_secret(text.as_bytes())?;
    let kept = Zeroizing::new(entry.get_secret()?);
    if kept.as_slice() == text.as_bytes() { Ok(()) } else { Err(keyring_core::Error::NoEntry) }
}

/// Reads a key file that is ours alone; `None` when there is none.
fn read_file(path: &Path) -> Result<Option<StoreKey>, DatabaseKeyError> {
    let unusable = |source| DatabaseKeyError::Unusable { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other if !other.as_ref().is_ok_and(fs::Metadata::is_file) => {
            return Err(other.map_or_else(unusable, |_| DatabaseKeyError::NotAFile(path.to_owned())));
        }
        _ => {}
    }
    let file = private_file(OpenOptions::new().read(true), path).map_err(unusable)?;
    // Asked of the open file, so that it is the one that is read.
    refuse_open_to_others(&file.metadata().map_err(unusable)?, path)?;
    let text = read_text(&file).map_err(unusable)?;
    StoreKey::from_hex(&text).map(Some).map_err(|_| DatabaseKeyError::NotAKey(path.to_owned()))
}

fn read_text(file: &File) -> io::Result<Zeroizing<String>> {
    // The room is taken at once, so that growing leaves no copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or_default()));
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        // Not text: not a key either.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => text.clear(),
        other => drop(other?),
    }
    Ok(text)
}

#[cfg(unix)]
fn refuse_open_to_others(facts: &fs::Metadata, path: &Path) -> Result<(), DatabaseKeyError> {
    use std::os::unix::fs::MetadataExt;
    if facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(DatabaseKeyError::NotOurs(path.to_owned()));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o077 != 0 { Err(DatabaseKeyError::NotPrivate { path: path.to_owned(), mode }) } else { Ok(()) }
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &fs::Metadata, _: &Path) -> Result<(), DatabaseKeyError> {
    Ok(())
}
