//! Whether what a connection read is what was written. SQLCipher gives zeros for a page whose authentication code is wrong and remembers
//! that it did; SQLite sees an error in most of them, but not in the end of a long text.

use rusqlite::{Connection, Error as SqlError, ffi};

use crate::ReadError;

/// Fails when any page that this connection ever read was damaged: what it read then, and what is in its cache, must not be used.
pub(crate) fn check(connection: &Connection) -> Result<(), ReadError> {
    let status: String = connection.query_row("PRAGMA cipher_status", [], |row| row.get(0))?;
    if status == "1" { Ok(()) } else { Err(ReadError::Corrupt(SqlError::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTADB), None))) }
}

/// An answer, if it is to be trusted; damage is the error that counts where there is another.
pub(crate) fn answer<T>(connection: &Connection, answer: Result<T, ReadError>) -> Result<T, ReadError> {
    check(connection).and(answer)
}
