//! Strangers who wait for consent: who, how much, since when; not what.

use ocmesh_proto::{At, PubKey, Trust};

use super::{Reader, rows};
use crate::{ReadError, row::Fields};

/// Requests listed at most: more cannot wait.
const REQUESTS_MAX: usize = ocmesh_proto::limit::STRANGERS_WAITING_MAX * ocmesh_proto::limit::STRANGER_UNREAD_MAX;

/// What a stranger left to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Who.
    pub peer: PubKey,
    /// What it calls itself.
    pub name: Option<String>,
    /// What we call it.
    pub petname: Option<String>,
    /// How far it is trusted.
    pub trust: Trust,
    /// How many messages.
    pub messages: u64,
    /// Their size in bytes, together.
    pub bytes: u64,
    /// Since when.
    pub since: At,
}

impl Reader {
    /// Who waits for consent, the newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn requests(&self) -> Result<Vec<RequestRow>, ReadError> {
        let sql = format!(
            "SELECT m.peer, p.name, p.petname, p.trust, count(*), sum(length(CAST(m.content AS BLOB))), min(m.stored_at)
             FROM messages AS m INDEXED BY messages_held LEFT JOIN peers AS p ON p.pubkey = m.peer
             WHERE m.held = 1 GROUP BY m.peer ORDER BY min(m.stored_at) DESC, m.peer LIMIT {REQUESTS_MAX}"
        );
        self.with(|db| {
            rows(&mut db.prepare_cached(&sql)?, [], |row| {
                let mut fields = Fields::new(row);
                Ok(RequestRow {
                    peer: fields.key("message peer")?,
                    name: fields.maybe_text("peer name")?,
                    petname: fields.maybe_text("petname")?,
                    trust: fields.maybe_word("trust", Trust::parse)?.unwrap_or(Trust::Unknown),
                    messages: fields.number("message count")?,
                    bytes: fields.number("message size")?,
                    since: fields.at("message time")?,
                })
            })
        })
    }
}
