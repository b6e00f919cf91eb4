//! The writer: one connection, one owner. What each change does to the tables is in `apply`.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use ocmesh_proto::{At, Change, Notice};
use rusqlite::Connection;

use crate::{OpenError, ReadError, Reader, StoreKey, WriteError, apply, notice, open, reader::CONNECTIONS, sound};

/// The one that writes. May move between threads; never shared.
pub struct Store {
    pub(crate) connection: Connection,
    path: PathBuf,
    key: Arc<StoreKey>,
    /// A change of the open transaction failed.
    spoiled: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path`, creating it (mode 0600, whatever the umask) when it is absent, and brings it to the newest shape.
    /// What damage in its log cost is in [`crate::DamagedLog::beside`] from then on.
    ///
    /// # Errors
    /// See [`OpenError`]. Whatever is wrong, the files stay as they are.
    pub fn open(path: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        let (connection, path) = open::writer(path, key)?;
        Ok(Self { connection, path, key: Arc::new(key.clone()), spoiled: false })
    }

    /// Opens the database anew, and lets go of the old connection: after damage, or when the disk failed. What was
    /// not committed is undone.
    ///
    /// # Errors
    /// See [`OpenError`]; the old connection is kept then.
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        // An open transaction would stand in the new connection's way.
        if let Err(error) = self.rollback() {
            tracing::debug!(%error, "old connection not rolled back");
        }
        self.connection = open::again(&self.path, &self.key)?;
        Ok(())
    }

    /// Begins a transaction. Dropping the store, or a crash, undoes what was not committed.
    ///
    /// # Errors
    /// [`WriteError::AlreadyBegun`] inside a transaction.
    pub fn begin(&mut self) -> Result<(), WriteError> {
        if !self.connection.is_autocommit() {
            return Err(WriteError::AlreadyBegun);
        }
        self.spoiled = false;
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut statement| statement.execute([]));
        begun.map(drop).map_err(|error| self.blamed(error.into()))
    }

    /// Makes everything since [`Self::begin`] durable: when this returns, it survives a power cut.
    ///
    /// # Errors
    /// Nothing of the transaction was kept and it is over; [`WriteError::Spoiled`] when an earlier change had failed.
    pub fn commit(&mut self) -> Result<(), WriteError> {
        self.inside()?;
        let committed = if self.spoiled {
            Err(WriteError::Spoiled)
        } else if let Err(ReadError::Corrupt(error)) = sound::check(&self.connection) {
            // What was read in this transaction cannot be trusted, so neither can what followed from it.
            Err(WriteError::Corrupt(error))
        } else {
            self.connection.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([])).map(drop).map_err(WriteError::from)
        };
        if committed.is_err() {
            self.rollback()?;
        }
        committed
    }

    /// Undoes everything since [`Self::begin`]. Does nothing when no transaction is open, as SQLite ends one itself on some errors.
    ///
    /// # Errors
    /// The connection is of no use any more: close the store and open it again.
    pub fn rollback(&mut self) -> Result<(), WriteError> {
        self.spoiled = false;
        if !self.connection.is_autocommit() {
            self.connection.prepare_cached("ROLLBACK")?.execute([])?;
        }
        Ok(())
    }

    /// Writes one change of the open transaction. `now` is the moment of the step.
    ///
    /// # Errors
    /// The transaction can only be rolled back then; see [`WriteError`].
    pub fn apply(&mut self, change: &Change, now: At) -> Result<(), WriteError> {
        self.inside()?;
        let applied = apply::apply(&self.connection, change, now);
        self.spoiled |= applied.is_err();
        applied.map_err(|error| self.blamed(error))
    }

    /// Keeps a notice in the open transaction and returns its number; later ones have higher numbers, for ever.
    ///
    /// # Errors
    /// The transaction can only be rolled back then; see [`WriteError`].
    pub fn add_notice(&mut self, at: At, notice: &Notice) -> Result<u64, WriteError> {
        self.inside()?;
        let added = notice::add(&self.connection, at, notice);
        self.spoiled |= added.is_err();
        added
    }

    /// Connections for reading. They open when first used and see what is committed.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::lazy(self.path.clone(), Arc::clone(&self.key), CONNECTIONS)
    }

    /// One connection for reading, for whoever reads much and may wait for his turn. It opens when first used.
    #[must_use]
    pub fn slow_reader(&self) -> Reader {
        Reader::lazy(self.path.clone(), Arc::clone(&self.key), 1)
    }

    /// Folds the write-ahead log into the database and cuts it to nothing, as far as readers allow; for idle moments.
    ///
    /// # Errors
    /// [`WriteError::AlreadyBegun`] inside a transaction; the data is safe in the log whatever happens.
    pub fn checkpoint(&self) -> Result<(), WriteError> {
        self.outside()?;
        // The answer's first column says that a reader was in the way; the rest goes in next time.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Rolls back what is open, folds in the log and closes.
    ///
    /// # Errors
    /// What is committed is safe even then; the next open folds in the log.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.rollback()?;
        self.checkpoint()?;
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// Checks the authentication code of every page and the structure of every table; empty means all is well. Reads the whole file.
    ///
    /// # Errors
    /// The check itself could not run to its end, which on a damaged file is a finding too.
    pub fn integrity_check(&self) -> Result<Vec<String>, ReadError> {
        let mut findings = Vec::new();
        for pragma in ["PRAGMA cipher_integrity_check", "PRAGMA quick_check"] {
            let mut statement = self.connection.prepare(pragma)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let finding: String = row.get(0)?;
                if finding != "ok" {
                    findings.push(finding);
                }
            }
        }
        Ok(findings)
    }

    /// A connection that met a damaged page fails at whatever comes next, with whatever error: the damage is the cause.
    fn blamed(&self, error: WriteError) -> WriteError {
        match sound::check(&self.connection) {
            Err(ReadError::Corrupt(damage)) => WriteError::Corrupt(damage),
            _ => error,
        }
    }

    fn inside(&self) -> Result<(), WriteError> {
        if self.connection.is_autocommit() { Err(WriteError::NotBegun) } else { Ok(()) }
    }

    pub(crate) fn outside(&self) -> Result<(), WriteError> {
        if self.connection.is_autocommit() { Ok(()) } else { Err(WriteError::AlreadyBegun) }
    }
}
