//! The events and the news of them, shared by all connections.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

use crate::{
    filter::Filter,
    journal::{Journal, JournalError},
    limit::NEWS_MAX,
    options::{Limits, Storage},
    stored::Stored,
    table::{Outcome, Table},
};

/// An event just accepted. `number` rises by one each time.
#[derive(Debug, Clone)]
pub(crate) struct News {
    pub(crate) number: u64,
    pub(crate) event: Arc<Stored>,
}

#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    news: broadcast::Sender<News>,
    limits: Limits,
}

#[derive(Debug)]
struct Inner {
    table: Table,
    journal: Option<Journal>,
    number: u64,
}

impl Store {
    pub(crate) fn open(storage: &Storage, limits: Limits, now: u64) -> Result<Self, JournalError> {
        let mut table = Table::default();
        let journal = match storage {
            Storage::Memory => None,
            Storage::File(path) => {
                let (mut journal, events) = Journal::open(path)?;
                for event in events {
                    table.insert(&Arc::new(event), now, &limits);
                }
                if journal.is_mostly_history(table.len()) {
                    journal.rewrite(table.iter())?;
                }
                Some(journal)
            }
        };
        let inner = Mutex::new(Inner { table, journal, number: 0 });
        Ok(Self { inner, news: broadcast::Sender::new(NEWS_MAX), limits })
    }

    /// A panic while the lock was held leaves at worst one event half indexed: better than a relay that answers nobody.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a verified event in, writes it to the file, and tells every connection.
    pub(crate) fn accept(&self, event: Stored, now: u64) -> io::Result<Outcome> {
        let event = Arc::new(event);
        let mut inner = self.inner();
        let outcome = inner.table.insert(&event, now, &self.limits);
        if outcome == Outcome::Kept
            && let Some(journal) = &mut inner.journal
            && let Err(error) = journal.append(&event)
        {
            inner.table.remove(&event.id);
            return Err(error);
        }
        if matches!(outcome, Outcome::Kept | Outcome::Passed) {
            inner.number += 1;
            // Sent under the lock, so that numbers arrive in order. Fails only when nobody listens.
            let _ = self.news.send(News { number: inner.number, event });
        }
        Ok(outcome)
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Stored events for the filters, newest first, and the number of the last news they include.
    pub(crate) fn query(&self, filters: &[Filter], now: u64, allowed: &dyn Fn(&Stored) -> bool) -> (Vec<Arc<Stored>>, u64) {
        let cap = self.limits.events_per_filter_max;
        let inner = self.inner();
        let mut found = std::collections::BTreeMap::new();
        for filter in filters {
            found.extend(inner.table.query(filter, filter.limit.unwrap_or(cap).min(cap), now, allowed));
        }
        (found.into_values().collect(), inner.number)
    }

    /// When each event that matches a filter was written, and its id; `None` when there are more than `max`.
    pub(crate) fn set(&self, filter: &Filter, max: usize, now: u64, allowed: &dyn Fn(&Stored) -> bool) -> Option<Vec<(u64, [u8; 32])>> {
        let found = self.inner().table.query(filter, max.saturating_add(1), now, allowed);
        (found.len() <= max).then(|| found.into_values().map(|event| (event.created_at, event.id)).collect())
    }

    /// How many events match one of the filters.
    pub(crate) fn count(&self, filters: &[Filter], now: u64, allowed: &dyn Fn(&Stored) -> bool) -> usize {
        let inner = self.inner();
        let mut found = std::collections::BTreeSet::new();
        for filter in filters {
            found.extend(inner.table.query(filter, usize::MAX, now, allowed).into_keys());
        }
        found.len()
    }

    /// Forgets expired events and tidies the file.
    pub(crate) fn sweep(&self, now: u64) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let swept = inner.table.sweep(now);
        if let Some(journal) = &mut inner.journal
            && journal.is_mostly_history(inner.table.len())
            && let Err(error) = journal.rewrite(inner.table.iter())
        {
            tracing::warn!(%error, "could not tidy the event file");
        }
        drop(guard);
        if swept > 0 {
            tracing::debug!(events = swept, "forgot expired events");
        }
    }

    /// The file to sync, if there is one.
    pub(crate) fn file(&self) -> Option<Arc<File>> {
        self.inner().journal.as_ref().map(Journal::file)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner().table.len()
    }
}
