//! The events that were handled, with their own dates, for comparing sets with relays.

use ocmesh_proto::{At, EventId};
use rusqlite::params;

use crate::{
    ReadError, Reader, Store, WriteError,
    row::{Fields, ms},
};

impl Store {
    /// Notes an event as handled, inside the open transaction.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn hold(&mut self, kind: u16, dated: At, id: &EventId) -> Result<(), WriteError> {
        let sql = "INSERT INTO held (dated, kind, id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.connection.prepare_cached(sql)?.execute(params![ms(dated), kind, id.as_bytes()])?;
        Ok(())
    }
}

impl Reader {
    /// The handled events of a kind that are dated at or after `since`, by date; `None` when there are more than `max`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn held(&self, kind: u16, since: At, max: usize) -> Result<Option<Vec<(At, EventId)>>, ReadError> {
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let sql = "SELECT dated, id FROM held WHERE dated >= ?1 AND kind = ?2 ORDER BY dated LIMIT ?3";
        self.with(|db| {
            let found = super::reader::rows(&mut db.prepare_cached(sql)?, params![ms(since), kind, limit], |row| {
                let mut fields = Fields::new(row);
                Ok((fields.at("event time")?, fields.id("event id")?))
            })?;
            Ok((found.len() <= max).then_some(found))
        })
    }
}
