//! Forgets what has served its time, a small batch a call, so that the writer is never away for long. Messages are never pruned.

use ocmesh_proto::{At, time::DAY};
use rusqlite::{Connection, params};

use crate::{Store, WriteError, row::ms};

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneLimits {
    /// Ids of frames and wraps, in milliseconds. Relays seldom keep direct messages longer than 30 days, and a message that comes again
    /// even later is still known by its own id.
    pub seen_ms: u64,
    /// Events to compare with relays, by their own dates, in milliseconds: more than any comparison looks back.
    pub held_ms: u64,
    /// Notices, in rows: more than any listener that means to resume leaves unread.
    pub notices_max: u64,
    /// Sealed events and rumors that no parcel needs any more, in milliseconds: the time to live, and as long again for a retry by hand.
    pub finished_ms: u64,
    /// Rows of each kind in one call: in a full store 60 ms of work in a debug build on a busy machine.
    pub batch: u32,
}

impl Default for PruneLimits {
    fn default() -> Self {
        Self { seen_ms: 30 * DAY, held_ms: 30 * DAY, notices_max: 10_000, finished_ms: 14 * DAY, batch: 500 }
    }
}

/// What one call removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Ids of frames and wraps.
    pub seen: usize,
    /// Events to compare.
    pub held: usize,
    /// Notices.
    pub notices: usize,
    /// Sealed events.
    pub sealed: usize,
    /// Rumors.
    pub rumors: usize,
    /// A batch was full: there may be more. Call again when there is nothing better to do.
    pub more: bool,
}

// The lowest numbers are the oldest, so only a batch of them is looked at.
const SEEN: &str = "DELETE FROM seen WHERE seq IN (SELECT seq FROM seen ORDER BY seq LIMIT ?2) AND at < ?1";
const HELD: &str = "
    DELETE FROM held WHERE (dated, kind, id) IN (SELECT dated, kind, id FROM held WHERE dated < ?1 ORDER BY dated LIMIT ?2)";
const NOTICES: &str = "
    DELETE FROM notices WHERE seq IN (SELECT seq FROM notices ORDER BY seq LIMIT ?2) AND seq <= (SELECT max(seq) FROM notices) - ?1";
const SEALED: &str = "
    DELETE FROM sealed WHERE id IN (
        SELECT s.id FROM sealed AS s WHERE s.wrapped_at < ?1
            AND NOT EXISTS (SELECT 1 FROM parcels AS p WHERE p.message = s.message AND p.event = s.event)
        ORDER BY s.wrapped_at LIMIT ?2)";
const RUMORS: &str = "
    DELETE FROM rumors WHERE id IN (
        SELECT r.id FROM rumors AS r WHERE r.stored_at < ?1
            AND NOT EXISTS (SELECT 1 FROM parcels AS p WHERE p.message = r.message)
        ORDER BY r.stored_at LIMIT ?2)";

impl Store {
    /// Removes one batch of each kind, in a transaction of its own.
    ///
    /// # Errors
    /// [`WriteError::AlreadyBegun`] inside a transaction; nothing was removed on any error.
    pub fn prune(&mut self, now: At, limits: &PruneLimits) -> Result<PruneReport, WriteError> {
        self.begin()?;
        match remove(&self.connection, now, limits) {
            Ok(report) => self.commit().map(|()| report),
            Err(error) => {
                self.rollback()?;
                Err(error)
            }
        }
    }
}

fn remove(db: &Connection, now: At, limits: &PruneLimits) -> Result<PruneReport, WriteError> {
    let batch = limits.batch;
    let run = |sql: &str, bound: i64| -> Result<usize, WriteError> { Ok(db.prepare_cached(sql)?.execute(params![bound, batch])?) };
    let seen = run(SEEN, ms(now.minus(limits.seen_ms)))?;
    let held = run(HELD, ms(now.minus(limits.held_ms)))?;
    let notices = run(NOTICES, crate::row::number(limits.notices_max))?;
    let sealed = run(SEALED, ms(now.minus(limits.finished_ms)))?;
    let rumors = run(RUMORS, ms(now.minus(limits.finished_ms)))?;
    let full = usize::try_from(batch).unwrap_or(usize::MAX);
    Ok(PruneReport { seen, held, notices, sealed, rumors, more: [seen, held, notices, sealed, rumors].contains(&full) })
}
