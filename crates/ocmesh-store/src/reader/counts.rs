//! Sums for the status page, kept by the database itself, so that they cost the same with a million messages.

use rusqlite::Row;

use super::Reader;
use crate::{ReadError, row::Fields};

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Peers known.
    pub peers: u64,
    /// Messages our agent may see and has not acknowledged.
    pub unread: u64,
    /// Messages, ours and others', held ones too.
    pub messages: u64,
    /// Messages that wait for their owner's consent.
    pub held: u64,
    /// Messages of peers that are missing and asked for.
    pub missing: u64,
    /// Messages of peers that will not come any more.
    pub lost: u64,
    /// Our messages by where they stand.
    pub outbox: OutboxCounts,
}

/// Our messages by where they stand, all there ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxCounts {
    /// No relay has it yet.
    pub queued: u64,
    /// A relay has it, the peer has not confirmed it.
    pub relayed: u64,
    /// Stored at the peer.
    pub delivered: u64,
    /// Acknowledged by the peer's agent.
    pub read: u64,
    /// Given up.
    pub failed: u64,
}

const SQL: &str = "
    SELECT peers, unread, messages, held,
        (SELECT coalesce(sum(last - first + 1), 0) FROM gaps WHERE shown = 1 AND lost IS NULL),
        (SELECT coalesce(sum(last - first + 1), 0) FROM gaps WHERE lost IS NOT NULL),
        queued, relayed, delivered, read, failed
    FROM counters WHERE id = 1";

impl Reader {
    /// The sums at this moment.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn counts(&self) -> Result<Counts, ReadError> {
        self.with(|db| db.prepare_cached(SQL)?.query_row([], |row| Ok(counts(row)))?)
    }
}

fn counts(row: &Row<'_>) -> Result<Counts, ReadError> {
    let mut fields = Fields::new(row);
    let mut next = || fields.number("count");
    Ok(Counts {
        peers: next()?,
        unread: next()?,
        messages: next()?,
        held: next()?,
        missing: next()?,
        lost: next()?,
        outbox: OutboxCounts { queued: next()?, relayed: next()?, delivered: next()?, read: next()?, failed: next()? },
    })
}
