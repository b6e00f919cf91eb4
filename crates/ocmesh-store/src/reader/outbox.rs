//! Pages of the outbox: our agent's messages that still have a parcel, and where each relay stands.

use ocmesh_proto::{At, Parcel, Status, Trust};
use rusqlite::{Row, params};

use super::{Reader, limit_and_one, rows};
use crate::{
    Cursor, Page, ReadError,
    facts::status,
    load::parcel,
    row::{Fields, ms, number},
};

/// One message in the outbox. Hellos, receipts and copies to ourselves are not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its parcel, as it was last written: a publish in flight shows as such.
    pub parcel: Parcel,
    /// Where the message stands.
    pub status: Status,
    /// When it was written.
    pub written_at: At,
    /// What we call the peer, else what it calls itself.
    pub peer_name: Option<String>,
    /// How far we trust it now.
    pub peer_trust: Trust,
}

const SQL: &str = "
    SELECT o.id, o.queued_at, o.body, m.state, m.status, m.written_at, coalesce(p.petname, p.name), p.trust
    FROM parcels AS o INDEXED BY parcels_of_messages JOIN messages AS m ON m.id = o.message LEFT JOIN peers AS p ON p.pubkey = m.peer
    WHERE o.class = 'message' AND (o.queued_at, o.id) < (?1, ?2) ORDER BY o.queued_at DESC, o.id DESC LIMIT ?3";

impl Reader {
    /// A page of the outbox, newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn outbox(&self, limit: usize, before: Option<Cursor>) -> Result<Page<OutboxRow>, ReadError> {
        let (limit, fetch) = limit_and_one(limit);
        let (at, seq) = before.map_or((i64::MAX, i64::MAX), |cursor| (ms(cursor.at), number(cursor.seq)));
        self.with(|db| Ok(Page::cut(rows(&mut db.prepare_cached(SQL)?, params![at, seq, fetch], waiting)?, limit)))
    }
}

fn waiting(row: &Row<'_>) -> Result<(Cursor, OutboxRow), ReadError> {
    let mut fields = Fields::new(row);
    let seq = fields.number("parcel number")?;
    let cursor = Cursor { at: fields.at("parcel time")?, seq };
    let waiting = OutboxRow {
        parcel: parcel(&mut fields)?,
        status: status(&mut fields)?,
        written_at: fields.at("message time")?,
        peer_name: fields.maybe_text("peer name")?,
        peer_trust: fields.maybe_word("trust", Trust::parse)?.unwrap_or(Trust::Unknown),
    };
    Ok((cursor, waiting))
}
