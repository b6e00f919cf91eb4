//! What can go wrong with the store, one enum for each kind of work.

use std::io;

use rusqlite::{Error as SqlError, ErrorCode, ffi};

/// Why the store did not open. Nothing was deleted, overwritten or repaired.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The first page cannot be decrypted: another key, or not our file, or its beginning is damaged. These look the same from outside.
    #[error("the database cannot be decrypted: the key is another one, or the file is damaged")]
    WrongKeyOrDamaged,
    /// The key fits, but the file does not hold together.
    #[error("the database is damaged: {detail}")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// A later ocmesh has written it.
    #[error("the database is of version {found}, this ocmesh knows up to {supported}")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest we know.
        supported: u32,
    },
    /// The file or its directory cannot be written.
    #[error("the database cannot be written")]
    NotWritable(#[source] io::Error),
    /// Another process holds it.
    #[error("the database is in use by another process")]
    Locked,
    /// Group or others may read or write it.
    #[error("the database file can be opened by other users (mode {mode:04o}); it must be 0600")]
    NotPrivate {
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link, a directory, or something else that is not a plain file.
    #[error("the database is not a plain file")]
    NotAFile,
    /// The file system refused.
    #[error("the database file cannot be reached")]
    Io(#[source] io::Error),
    /// No room to create or migrate it.
    #[error("the disk is full")]
    DiskFull,
    /// The disk does not confirm that it keeps what it was given.
    #[error("the disk does not confirm that it keeps what is written")]
    NotSynced(#[source] io::Error),
    /// SQLite refused for a reason not listed here.
    #[error("the database refused to open")]
    Sqlite(#[source] SqlError),
}

impl OpenError {
    /// The file, or a part of it, is not what we wrote; or the key is another one, which looks the same.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::WrongKeyOrDamaged | Self::Damaged { .. })
    }
}

/// Why something was not written. Roll back; nothing of the step is on disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No room left on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// The disk or the file system refused.
    #[error("the disk cannot be written")]
    Io(#[source] SqlError),
    /// The disk does not confirm that it keeps what it was given (`fsync` failed). The system may take for written what is not: before
    /// anything else is acknowledged, [`crate::Store::reopen`] must have written and synced it anew.
    #[error("the disk does not confirm that it keeps what is written")]
    NotSynced(#[source] SqlError),
    /// Another connection held the database for longer than we wait.
    #[error("the database is busy")]
    Busy,
    /// The file does not hold together any more.
    #[error("the database is damaged")]
    Corrupt(#[source] SqlError),
    /// Changes are written between `begin` and `commit` only. Also after an error that made SQLite roll back by itself.
    #[error("no transaction is open")]
    NotBegun,
    /// `begin` inside a transaction, or work that brings its own transaction.
    #[error("a transaction is already open")]
    AlreadyBegun,
    /// An earlier change of this transaction failed, so that the rest must not be committed without it.
    #[error("an earlier change of this step was not written")]
    Spoiled,
    /// A value could not be written as JSON.
    #[error("a value could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// SQLite refused for a reason not listed here.
    #[error("the database refused the change")]
    Other(#[source] SqlError),
}

impl WriteError {
    /// No room: tell the caller 507, and try again when there is room.
    #[must_use]
    pub const fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull)
    }

    /// The disk did not confirm a write.
    #[must_use]
    pub const fn is_not_synced(&self) -> bool {
        matches!(self, Self::NotSynced(_))
    }

    /// A page is not what we wrote.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another connection held the database for longer than we wait.
    #[error("the database is busy")]
    Busy,
    /// A page is not what we wrote (its authentication code is wrong), or the structure does not hold together.
    #[error("the database is damaged")]
    Corrupt(#[source] SqlError),
    /// A value is not one that we write.
    #[error("the database holds an unreadable {what}")]
    Unreadable {
        /// Which value.
        what: &'static str,
    },
    /// The disk or the file system refused.
    #[error("the disk cannot be read")]
    Io(#[source] SqlError),
    /// A reading connection could not be opened.
    #[error("the database cannot be opened for reading")]
    Open(#[source] Box<OpenError>),
    /// SQLite refused for a reason not listed here.
    #[error("the database refused the question")]
    Other(#[source] SqlError),
}

impl ReadError {
    /// A page or a value is not what we wrote.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt(_) | Self::Unreadable { .. } => true,
            Self::Open(error) => error.is_damage(),
            _ => false,
        }
    }
}

/// Why our secret key was not stored.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another identity is there already; only a restore replaces it.
    #[error("the store already holds another identity")]
    Different,
    /// What is there could not be read.
    #[error("the stored identity cannot be read")]
    Read(#[source] ReadError),
    /// It could not be written.
    #[error("the identity cannot be written")]
    Write(#[source] WriteError),
}

/// The kinds of trouble that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Full,
    Busy,
    Damaged,
    NotADatabase,
    ReadOnly,
    NotSynced,
    Io,
    Other,
}

pub(crate) fn fault(error: &SqlError) -> Fault {
    let Some(inner) = error.sqlite_error() else { return Fault::Other };
    match inner.code {
        ErrorCode::DiskFull => Fault::Full,
        // The shared-memory file of the WAL could not grow: SQLite calls a full disk by this name there.
        _ if inner.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Fault::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Busy,
        ErrorCode::DatabaseCorrupt => Fault::Damaged,
        // SQLCipher's answer to a page whose authentication code is wrong.
        ErrorCode::NotADatabase => Fault::NotADatabase,
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Fault::ReadOnly,
        _ if [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&inner.extended_code) => Fault::NotSynced,
        ErrorCode::SystemIoFailure => Fault::Io,
        _ => Fault::Other,
    }
}

impl From<SqlError> for WriteError {
    fn from(error: SqlError) -> Self {
        match fault(&error) {
            Fault::Full => Self::DiskFull,
            Fault::Busy => Self::Busy,
            Fault::Damaged | Fault::NotADatabase => Self::Corrupt(error),
            Fault::NotSynced => Self::NotSynced(error),
            Fault::Io | Fault::ReadOnly => Self::Io(error),
            Fault::Other => Self::Other(error),
        }
    }
}

impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> Self {
        Self::Encode(error)
    }
}

impl From<SqlError> for ReadError {
    fn from(error: SqlError) -> Self {
        match fault(&error) {
            Fault::Busy => Self::Busy,
            Fault::Damaged | Fault::NotADatabase => Self::Corrupt(error),
            Fault::Io | Fault::NotSynced | Fault::ReadOnly | Fault::Full => Self::Io(error),
            Fault::Other => Self::Other(error),
        }
    }
}

impl From<SqlError> for OpenError {
    fn from(error: SqlError) -> Self {
        match fault(&error) {
            Fault::Full => Self::DiskFull,
            Fault::Busy => Self::Locked,
            Fault::NotADatabase => Self::WrongKeyOrDamaged,
            Fault::Damaged => Self::Damaged { detail: error.to_string() },
            Fault::ReadOnly => Self::NotWritable(io::Error::other(error)),
            Fault::NotSynced => Self::NotSynced(io::Error::other(error)),
            Fault::Io => Self::Io(io::Error::other(error)),
            Fault::Other => Self::Sqlite(error),
        }
    }
}
