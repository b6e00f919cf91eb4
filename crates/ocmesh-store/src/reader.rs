//! Reading for the Local API: a few read-only connections that see what is committed, whatever the writer is at. Blocking.

mod counts;
mod gaps;
mod invites;
pub(crate) mod messages;
mod notices;
mod outbox;
pub(crate) mod peers;
mod requests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::{DamagedLog, OpenError, ReadError, StoreKey, open, sound};

pub use counts::{Counts, OutboxCounts};
pub use gaps::GapCounts;
pub use messages::{MessageAndHistory, MessageQuery, MessageRow};
pub use notices::StoredNotice;
pub use outbox::OutboxRow;
pub use peers::PeerQuery;
pub use requests::RequestRow;

/// Connections behind [`crate::Store::reader`]: a page takes less than a millisecond, so three answer thousands of calls a second, and
/// each holds up to a megabyte of pages.
pub(crate) const CONNECTIONS: usize = 3;
/// Most rows of one page (the Local API's promise).
const LIMIT_MAX: usize = 1_000;

/// A small pool of reading connections. Cheap to clone; callers beyond the pool's size wait for each other.
#[derive(Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    key: Arc<StoreKey>,
    /// Opened when first used, so that starting up does not wait for connections nobody asked for.
    slots: Vec<Mutex<Option<Connection>>>,
    /// Spreads those who must wait over the connections.
    turn: AtomicUsize,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.pool.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens an existing database for reading, with up to `connections` connections (at least one).
    ///
    /// # Errors
    /// See [`OpenError`]; the database must exist and be of a version we know.
    pub fn open(path: &Path, key: &StoreKey, connections: usize) -> Result<Self, OpenError> {
        let first = open::reader(path, key)?;
        let mut slots = vec![Mutex::new(Some(first))];
        slots.resize_with(connections.max(1), Mutex::default);
        Ok(Self { pool: Arc::new(Pool { path: path.to_owned(), key: Arc::new(key.clone()), slots, turn: AtomicUsize::new(0) }) })
    }

    pub(crate) fn lazy(path: PathBuf, key: Arc<StoreKey>, connections: usize) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(connections, Mutex::default);
        Self { pool: Arc::new(Pool { path, key, slots, turn: AtomicUsize::new(0) }) }
    }

    /// What damage in the log cost; see [`DamagedLog::beside`].
    #[must_use]
    pub fn damaged_logs(&self) -> Vec<DamagedLog> {
        DamagedLog::beside(&self.pool.path)
    }

    /// Runs a question on a free connection.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let mut slot = self.slot()?;
        if slot.is_none() {
            *slot = Some(open::reader(&self.pool.path, &self.pool.key).map_err(|error| ReadError::Open(Box::new(error)))?);
        }
        let answer = match slot.as_ref() {
            Some(connection) => sound::answer(connection, ask(connection)),
            None => Err(ReadError::Busy),
        };
        if answer.as_ref().is_err_and(ReadError::is_damage) {
            // It would answer everything with this error from now on, and other pages may be sound.
            *slot = None;
        }
        answer
    }

    /// A slot that is free now, an open one first; else waits for one of them. A caller that panicked left no change behind, as all of this
    /// only reads.
    fn slot(&self) -> Result<MutexGuard<'_, Option<Connection>>, ReadError> {
        let mut unopened = None;
        for slot in &self.pool.slots {
            match slot.try_lock() {
                Ok(guard) if guard.is_some() => return Ok(guard),
                Ok(guard) => unopened = unopened.or(Some(guard)),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        match unopened {
            Some(guard) => Ok(guard),
            None => {
                let turn = self.pool.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.pool.slots.len());
                let slot = turn.and_then(|turn| self.pool.slots.get(turn)).ok_or(ReadError::Busy)?;
                Ok(slot.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

/// Rows of one page and one more, which tells whether there is a next page.
fn limit_and_one(limit: usize) -> (usize, i64) {
    let limit = limit.clamp(1, LIMIT_MAX);
    (limit, i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
}

/// Reads every row.
pub(crate) fn rows<T>(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}
