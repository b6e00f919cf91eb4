//! A copy of a whole home, for another machine or as a backup, taken whether or not the daemon runs.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use ocmesh_proto::PubKey;
use ocmesh_store::{OpenError, Store, StoreKey};

use super::{KeychainUse, OpenIdentityError, database_key, keychain_for, open_with};
use crate::{
    config::Config,
    home::{Home, HomeError, create_private_dir, sync_dir, write_atomically},
    lock::{HomeLock, LockError},
};

/// Why a home was not copied. Nothing is left of the copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyHomeError {
    /// Something is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The home's lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The home that is to be copied does not open.
    #[error(transparent)]
    Source(#[from] OpenIdentityError),
    /// The database could not be copied.
    #[error("the database could not be copied")]
    Database(#[source] OpenError),
    /// A file could not be copied.
    #[error("{} could not be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The copy's path cannot be used.
    #[error(transparent)]
    Path(#[from] HomeError),
    /// What was copied does not open.
    #[error("the copy does not open")]
    Copy(#[source] OpenIdentityError),
    /// What was copied is not sound.
    #[error("the copy is not sound: {0}")]
    NotSound(String),
}

/// Copies what makes this agent (database, its key, sealed identity, configuration) into a new directory, which is a home. Tokens, logs,
/// and what belongs to a running daemon stay. The copy is opened and every page of it checked before it gets its name.
///
/// # Errors
/// See [`CopyHomeError`]; nothing is ever overwritten.
pub fn copy_home(home: &Home, config: &Config, to: &Path) -> Result<PubKey, CopyHomeError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(CopyHomeError::Exists(to.to_owned()));
    }
    let lock = match HomeLock::take(home) {
        Ok(lock) => Some(lock),
        Err(LockError::Held { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let keychain = keychain_for(config).map_err(OpenIdentityError::from)?;
    let (key, _) = database_key::find(home, keychain.as_deref())
        .map_err(OpenIdentityError::from)?
        .ok_or_else(|| OpenIdentityError::from(database_key::DatabaseKeyError::Missing(home.database())))?;
    if lock.is_some() {
        // What a crash left is put in order as a start would do it, and damage is told.
        drop(Store::open(&home.database(), &key).map_err(OpenIdentityError::from)?);
    }
    let unfinished = unfinished(to);
    create_private_dir(&unfinished).map_err(|source| CopyHomeError::File { path: unfinished.clone(), source })?;
    let copied = fill(home, &key, &unfinished).and_then(|pubkey| {
        // Takes the place of nothing but an empty directory.
        fs::rename(&unfinished, to).map_err(|source| CopyHomeError::File { path: to.to_owned(), source })?;
        Ok(pubkey)
    });
    match &copied {
        Ok(_) => {
            // Its parent may be one that cannot be opened; then the file system's own order is all there is.
            let _ = to.parent().map(sync_dir);
        }
        // Made by this very call.
        Err(_) => drop(fs::remove_dir_all(&unfinished)),
    }
    copied
}

/// A name beside `to` that no other call has.
fn unfinished(to: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    to.with_file_name(name)
}

fn fill(home: &Home, key: &StoreKey, directory: &Path) -> Result<PubKey, CopyHomeError> {
    let copy = Home::locate(|name| (name == "OCMESH_HOME").then(|| directory.as_os_str().to_owned()))?;
    ocmesh_store::copy(&home.database(), key, &copy.database()).map_err(CopyHomeError::Database)?;
    let write = |path: PathBuf, bytes: &[u8]| write_atomically(&path, bytes).map_err(|source| CopyHomeError::File { path, source });
    for (from, path) in [(home.identity_backup(), copy.identity_backup()), (home.config(), copy.config())] {
        match fs::read(&from) {
            Ok(bytes) => write(path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(CopyHomeError::File { path: from, source }),
        }
    }
    // In a file also where the keychain has it: another machine has another keychain.
    write(copy.database_key(), key.to_hex().as_bytes())?;
    let opened = open_with(&copy, None, KeychainUse::Off).map_err(CopyHomeError::Copy)?;
    let findings = opened.store.integrity_check().map_err(|error| CopyHomeError::NotSound(error.to_string()))?;
    if let Some(finding) = findings.into_iter().next() {
        return Err(CopyHomeError::NotSound(finding));
    }
    opened.store.close().map_err(|error| CopyHomeError::NotSound(error.to_string()))?;
    Ok(opened.keys.public())
}
