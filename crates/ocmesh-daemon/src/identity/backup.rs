//! `identity.backup`: the identity sealed under the key of the database, so that a damaged database never costs the identity.
//!
//! The text is a NIP-49 `ncryptsec1…` whose passphrase is the database key in hexadecimal: whoever has both files can open it with any
//! NIP-49 program.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    path::PathBuf,
};

use ocmesh_proto::PubKey;
use ocmesh_store::StoreKey;
use ocmesh_wire::{Keys, backup};

use crate::home::{Home, private_file, write_atomically};

/// scrypt makes guessing a passphrase slow. Ours is 256 random bits, which nobody guesses, so that the least cost will do.
const LOG_N: u8 = 1;

/// An `ncryptsec1…` has 162 characters.
const FILE_BYTES_MAX: u64 = 1_024;

/// What is wrong with the sealed copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupProblem {
    /// It holds another identity than the database.
    #[error("{} holds the identity {sealed}, but the database holds {held}", path.display())]
    AnotherIdentity {
        /// The file.
        path: PathBuf,
        /// The identity in the file.
        sealed: PubKey,
        /// The identity in the database.
        held: PubKey,
    },
    /// There is no identity elsewhere, and the file does not open.
    #[error("{} cannot be opened: it is damaged, or sealed with another key", .0.display())]
    DoesNotOpen(PathBuf),
    /// It cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The identity could not be sealed.
    #[error("the identity could not be sealed")]
    Unsealable(#[source] backup::BackupError),
}

/// What is in the file.
pub(super) enum Found {
    /// No file.
    Nothing,
    /// An identity.
    Opens(Keys),
    /// Something that this key does not open.
    DoesNotOpen,
}

pub(super) fn read(home: &Home, key: &StoreKey) -> Result<Found, BackupProblem> {
    let path = home.identity_backup();
    let mut text = String::new();
    let read = match private_file(OpenOptions::new().read(true), &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other.and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(backup::decrypt(&text, &key.to_hex()).map_or(Found::DoesNotOpen, Found::Opens)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Found::DoesNotOpen),
        Err(source) => Err(BackupProblem::Unusable { path, source }),
    }
}

/// Makes sure that a sealed copy of `keys` is there. One that does not open is kept under another name beside the new one.
pub(super) fn keep(home: &Home, key: &StoreKey, keys: &Keys, found: &Found) -> Result<(), BackupProblem> {
    let path = home.identity_backup();
    match found {
        Found::Opens(sealed) if sealed.public() == keys.public() => return Ok(()),
        Found::Opens(sealed) => return Err(BackupProblem::AnotherIdentity { path, sealed: sealed.public(), held: keys.public() }),
        Found::Nothing => {}
        Found::DoesNotOpen => {
            let aside = free_name(&path);
            fs::rename(&path, &aside).map_err(|source| BackupProblem::Unusable { path: path.clone(), source })?;
            tracing::warn!(kept = %aside.display(), "the sealed copy of the identity did not open; a new one is written");
        }
    }
    let text = backup::encrypt(keys, &key.to_hex(), LOG_N).map_err(BackupProblem::Unsealable)?;
    write_atomically(&path, format!("{text}\n").as_bytes()).map_err(|source| BackupProblem::Unusable { path, source })
}

/// A name beside `path` that nothing has yet.
pub(super) fn free_name(path: &std::path::Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".old-{number}"));
        PathBuf::from(name)
    };
    (1..).map(numbered).find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_else(|| numbered(0))
}
