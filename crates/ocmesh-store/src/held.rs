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
    /// The handled events of a kind that are dated at or after `since`, by date and id, each as `read` makes it; `None` when there are more
    /// than `max`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn held<T: FromIterator<E>, E>(
        &self,
        kind: u16,
        since: At,
        max: usize,
        read: impl Fn(At, EventId) -> E,
    ) -> Result<Option<T>, ReadError> {
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let sql = "SELECT dated, id FROM held WHERE dated >= ?1 AND kind = ?2 ORDER BY dated, id LIMIT ?3";
        self.with(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let mut rows = statement.query(params![ms(since), kind, limit])?;
            let mut count = 0;
            let events = std::iter::from_fn(|| {
                let row = rows.next().transpose()?;
                count += 1;
                Some(row.map_err(ReadError::from).and_then(|row| {
                    let mut fields = Fields::new(row);
                    Ok(read(fields.at("event time")?, fields.id("event id")?))
                }))
            });
            let found = events.collect::<Result<T, ReadError>>()?;
            Ok((count <= max).then_some(found))
        })
    }
}
