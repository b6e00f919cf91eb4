//! Getting the identity back from its sealed copy when the database is lost or damaged. The old database is kept, under another name.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use ocmesh_proto::PubKey;
use ocmesh_store::{OpenError, Store, StoreKey};
use ocmesh_wire::Keys;

use super::{
    OpenIdentityError,
    backup::{self, BackupProblem, Found, free_name},
    database_key::{self, DatabaseKeyError},
    keychain_for,
};
use crate::{config::Config, home::Home};

/// The identity is back, in a new and otherwise empty database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Whose.
    pub pubkey: PubKey,
    /// Where the old database is now, if there was one.
    pub kept: Option<PathBuf>,
}

/// Why the identity was not restored. Nothing was changed, unless the new database could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The database opens and holds an identity: nothing to restore.
    #[error("the database is not damaged: it opens and holds an identity")]
    NotNeeded,
    /// The database does not open for another reason than damage.
    #[error("the database is not damaged")]
    Database(#[source] OpenError),
    /// There is no sealed copy.
    #[error("there is no sealed copy of the identity at {}", .0.display())]
    NoBackup(PathBuf),
    /// There is no key for the sealed copy.
    #[error("the sealed copy cannot be opened without the key of the database")]
    Key(#[from] DatabaseKeyError),
    /// The sealed copy does not open.
    #[error(transparent)]
    Backup(#[from] BackupProblem),
    /// The old database could not be put aside.
    #[error("the old database could not be put aside")]
    PutAside(#[source] io::Error),
    /// The new database could not be made. The old one is in the directory named.
    #[error("no new database could be made")]
    Create(#[source] OpenIdentityError),
}

/// Puts a database that does not open aside and makes a new one with the identity of the sealed copy. Call it while holding the home's
/// lock. Messages and peers stay in the old database.
///
/// # Errors
/// Refuses when the database is well, or when the sealed copy cannot be opened.
pub fn restore_from_backup(home: &Home, config: &Config) -> Result<Restored, RestoreError> {
    let (key, keys) = sealed_copy(home, config)?;
    let (mut store, kept) = match open_if_there(home, &key)? {
        Some(store) => match store.identity() {
            Ok(Some(_)) => return Err(RestoreError::NotNeeded),
            Ok(None) => (store, None),
            Err(_) => {
                drop(store);
                replace(home, &key)?
            }
        },
        None => replace(home, &key)?,
    };
    store.put_identity(&keys.secret_bytes()).map_err(|error| RestoreError::Create(OpenIdentityError::Write(error)))?;
    Ok(Restored { pubkey: keys.public(), kept })
}

/// The identity as the sealed copy has it. Reads two small files and needs no lock, so that a backup can be made while the daemon runs.
///
/// # Errors
/// There is no copy, or it does not open.
pub fn read_sealed_copy(home: &Home, config: &Config) -> Result<Keys, RestoreError> {
    Ok(sealed_copy(home, config)?.1)
}

fn sealed_copy(home: &Home, config: &Config) -> Result<(StoreKey, Keys), RestoreError> {
    let keychain = keychain_for(config)?;
    let Some((key, _)) = database_key::find(home, keychain.as_deref())? else {
        return Err(DatabaseKeyError::Missing(home.identity_backup()).into());
    };
    match backup::read(home, &key)? {
        Found::Opens(keys) => Ok((key, keys)),
        Found::DoesNotOpen => Err(BackupProblem::DoesNotOpen(home.identity_backup()).into()),
        Found::Nothing => Err(RestoreError::NoBackup(home.identity_backup())),
    }
}

/// The database; `None` when it is missing or damaged. Any other trouble is not cured by a new one.
fn open_if_there(home: &Home, key: &StoreKey) -> Result<Option<Store>, RestoreError> {
    let path = home.database();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    match Store::open(&path, key) {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. } | OpenError::NotAFile) => Ok(None),
        Err(error) => Err(RestoreError::Database(error)),
    }
}

fn replace(home: &Home, key: &StoreKey) -> Result<(Store, Option<PathBuf>), RestoreError> {
    let kept = put_aside(home).map_err(RestoreError::PutAside)?;
    let store = Store::open(&home.database(), key).map_err(|error| RestoreError::Create(error.into()))?;
    Ok((store, kept))
}

/// Moves the database and the files that belong to it, if any, into a directory of their own.
pub(super) fn put_aside(home: &Home) -> io::Result<Option<PathBuf>> {
    let database = home.database();
    let files = ["-wal", "-shm", ""].map(|suffix| with_suffix(&database, suffix));
    if files.iter().all(|file| fs::symlink_metadata(file).is_err()) {
        return Ok(None);
    }
    let aside = free_name(&database);
    crate::home::create_private_dir(&aside)?;
    // The database itself goes last: as long as it is in its place, no new one can be made that would read the old one's log.
    for from in files {
        let name = from.file_name().map(OsString::from).unwrap_or_default();
        match fs::rename(&from, aside.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    // Before a new database takes its place.
    crate::home::sync_dir(&aside)?;
    crate::home::sync_dir(home.path())?;
    Ok(Some(aside))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
