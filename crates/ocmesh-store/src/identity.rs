//! Our secret key in the store. What kind of key it is, and whether it is a good one, is not known here.

use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use crate::{IdentityError, ReadError, Store, WriteError, sound};

impl Store {
    /// Our secret key, when there is one.
    ///
    /// # Errors
    /// See [`ReadError`]; never make a new identity because this one cannot be read.
    pub fn identity(&self) -> Result<Option<Zeroizing<[u8; 32]>>, ReadError> {
        let mut statement = self.connection.prepare_cached("SELECT secret FROM identity WHERE id = 1")?;
        let found =
            statement.query_row([], |row| Ok(row.get_ref(0)?.as_bytes().ok().and_then(|bytes| bytes.try_into().ok()).map(Zeroizing::new)));
        let found = match found.optional() {
            Ok(None) => Ok(None),
            Ok(Some(Some(secret))) => Ok(Some(secret)),
            Ok(Some(None)) => Err(ReadError::Unreadable { what: "identity" }),
            Err(error) => Err(error.into()),
        };
        sound::answer(&self.connection, found)
    }

    /// Stores our secret key; the same one again is fine. Outside a transaction it is durable when this returns.
    ///
    /// # Errors
    /// [`IdentityError::Different`] when another one is there.
    pub fn put_identity(&mut self, secret: &[u8; 32]) -> Result<(), IdentityError> {
        match self.identity().map_err(IdentityError::Read)? {
            Some(held) if *held == *secret => Ok(()),
            Some(_) => Err(IdentityError::Different),
            None => self.replace_identity(secret).map_err(IdentityError::Write),
        }
    }

    /// Stores our secret key in place of any other, for a restore.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn replace_identity(&mut self, secret: &[u8; 32]) -> Result<(), WriteError> {
        let sql = "INSERT INTO identity (id, secret) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET secret = excluded.secret";
        self.connection.prepare_cached(sql)?.execute([secret.as_slice()])?;
        Ok(())
    }
}
