//! What the core asks about numbered messages: what lies around a place, and which of ours a peer means.

use ocmesh_proto::{AskedFacts, LineId, MessageId, PeerLine, Place, PlaceFacts, PubKey, limit::LINES_PER_PEER_MAX};
use rusqlite::{Row, params};

use super::status;
use crate::{
    ReadError, Store,
    row::{Fields, line, number},
};

impl Store {
    /// What is known around a place that a peer's message claims.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn place_facts(&self, peer: &PubKey, place: &Place) -> Result<PlaceFacts, ReadError> {
        let sql = "SELECT highest, heard_at, breaks FROM peer_lines WHERE peer = ?1 AND line = ?2";
        let known = self.one(sql, params![peer.as_bytes(), line(place.line)], |row| {
            let mut fields = Fields::new(row);
            let (highest, heard_at, breaks) = (fields.number("line")?, fields.at("line time")?, fields.number("line")?);
            Ok(PeerLine { peer: *peer, line: place.line, highest, heard_at, breaks })
        })?;
        let id = |row: &Row<'_>| Fields::new(row).maybe_id("message id");
        let at = |column: &str, at: Option<u64>| -> Result<Option<MessageId>, ReadError> {
            let Some(at) = at else { return Ok(None) };
            let sql = format!(
                "SELECT {column} FROM messages INDEXED BY messages_by_number
                 WHERE peer = ?1 AND direction = 'in' AND line = ?2 AND number = ?3 ORDER BY seq LIMIT 1"
            );
            Ok(self.one(&sql, params![peer.as_bytes(), line(place.line), number(at)], id)?.flatten())
        };
        Ok(PlaceFacts {
            line: known,
            same: at("id", Some(place.number))?,
            before: at("id", place.number.checked_sub(1))?,
            named_after: at("previous", place.number.checked_add(1))?,
            oldest_line: if known.is_some() { None } else { self.oldest_line(peer)? },
        })
    }

    /// The line to be forgotten for another one, when this peer has as many as are kept.
    fn oldest_line(&self, peer: &PubKey) -> Result<Option<LineId>, ReadError> {
        let sql = "SELECT line FROM peer_lines WHERE peer = ?1 ORDER BY heard_at DESC, line LIMIT 1 OFFSET ?2";
        let offset = i64::try_from(LINES_PER_PEER_MAX).unwrap_or(i64::MAX).saturating_sub(1);
        self.one(sql, params![peer.as_bytes(), offset], |row| Fields::new(row).line("line"))
    }

    /// Which of these numbers of a line are messages that we wrote to this peer.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn asked_facts(&self, peer: &PubKey, of: LineId, numbers: &[u64]) -> Result<Vec<AskedFacts>, ReadError> {
        let sql = "SELECT m.number, m.id, m.state, m.status, EXISTS (SELECT 1 FROM rumors AS r WHERE r.message = m.id)
                   FROM messages AS m INDEXED BY messages_by_number
                   WHERE m.peer = ?1 AND m.direction = 'out' AND m.line = ?2 AND m.number = ?3 ORDER BY m.seq LIMIT 1";
        let asked = |row: &Row<'_>| {
            let mut fields = Fields::new(row);
            let (number, id) = (fields.number("message number")?, fields.id("message id")?);
            Ok(AskedFacts { number, id, status: status(&mut fields)?, has_rumor: fields.flag("rumor")? })
        };
        numbers.iter().filter_map(|at| self.one(sql, params![peer.as_bytes(), line(of), number(*at)], asked).transpose()).collect()
    }
}
