//! Pages of stored events, backward in time, filter by filter, past every page cap. Sends nothing itself.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use serde_json::Value;

use crate::{filter::Check, frame::Claim, limit::SEEN_MAX};

/// Pages that brought something new without reaching further back, before we step over that second.
const STUCK_MAX: u32 = 8;

/// Smallest page that can be a full one: no relay caps at one event, and most look-ups find one.
const FULL_MIN: usize = 2;

/// Smallest full page of one second that is worth asking for by name with a greater limit.
const DRILL_MIN: usize = 20;

/// The limit then asked for: the greatest known relay cap (nostream).
const DRILL_LIMIT: u64 = 5_000;

/// How far one filter got.
#[derive(Debug)]
struct Reach {
    filter: Value,
    check: Check,
    /// What the filter's own `limit` still allows.
    left: Option<u64>,
    /// Oldest event so far.
    oldest: Option<u64>,
    /// What the current page asks for.
    ask: Ask,
    /// Largest page so far.
    largest: usize,
    /// Pages in a row that did not reach further back.
    stuck: u32,
    done: bool,
    /// Of the current page: events, new ones, and the oldest.
    page: (usize, usize, Option<u64>),
}

/// What a page asks a filter for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// The filter as it is.
    Newest,
    /// Up to this second, which is asked again because a page cap may have cut it.
    Until(u64),
    /// This second alone, with a greater limit.
    Second(u64),
}

impl Ask {
    fn admits(self, created_at: u64) -> bool {
        match self {
            Self::Newest => true,
            Self::Until(until) => created_at <= until,
            Self::Second(second) => created_at == second,
        }
    }
}

/// One catch-up: the state between its pages.
#[derive(Debug)]
pub(super) struct Backfill {
    reaches: Vec<Reach>,
    seen: HashSet<u128>,
    order: VecDeque<u128>,
    /// Keyed by chance, so that nobody can make two events that look the same here.
    hasher: RandomState,
    pages: u32,
    /// Every page ended with the relay's own EOSE.
    pub(super) proven: bool,
    /// The earliest second that was stepped over though the relay may hold more of it.
    pub(super) cut: Option<u64>,
}

/// What the current page makes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Not asked for.
    Stranger,
    /// Came in this catch-up before.
    Again,
    /// New.
    New,
}

impl Backfill {
    pub(super) fn new(filters: &[Value]) -> Self {
        let reach = |filter: &Value| {
            let check = Check::new(filter);
            Reach {
                filter: filter.clone(),
                left: check.limit,
                oldest: None,
                ask: Ask::Newest,
                largest: 0,
                stuck: 0,
                done: false,
                page: (0, 0, None),
                check,
            }
        };
        Self {
            reaches: filters.iter().map(reach).collect(),
            seen: HashSet::new(),
            order: VecDeque::new(),
            hasher: RandomState::new(),
            pages: 0,
            proven: true,
            cut: None,
        }
    }

    /// An event came in the current page.
    pub(super) fn note(&mut self, claim: &Claim<'_>) -> Noted {
        let asks = |reach: &Reach| !reach.done && reach.ask.admits(claim.created_at) && reach.check.matches(claim);
        if !self.reaches.iter().any(asks) {
            return Noted::Stranger;
        }
        let is_new = self.remember(claim);
        for reach in self.reaches.iter_mut().filter(|reach| asks(reach)) {
            let (events, new, oldest) = &mut reach.page;
            *events += 1;
            *oldest = Some(oldest.map_or(claim.created_at, |oldest| oldest.min(claim.created_at)));
            if is_new {
                *new += 1;
                reach.left = reach.left.map(|left| left.saturating_sub(1));
            }
        }
        if is_new { Noted::New } else { Noted::Again }
    }

    /// True when exactly this event was not there. The id alone does not tell: nothing is verified yet, and a forgery under the id of
    /// a good event must not hide it. A quarter of the id and a hash of the text are enough: a clash costs one event in 2^64.
    pub(super) fn remember(&mut self, claim: &Claim<'_>) -> bool {
        let Some(half) = claim.id.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok()) else { return true };
        let key = u128::from(half) << 64 | u128::from(self.hasher.hash_one(claim.text));
        if self.seen.contains(&key) {
            return false;
        }
        if self.order.len() >= SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(key);
        self.order.push_back(key);
        true
    }

    /// The current page is over; with `finish` the relay says that nothing is behind it.
    pub(super) fn end_page(&mut self, finish: bool, pages_max: u32) {
        self.pages += 1;
        if self.pages >= pages_max {
            self.proven = false;
        }
        for reach in self.reaches.iter_mut().filter(|reach| !reach.done) {
            // With `finish` nothing is behind the page, so nothing of it is cut.
            if let Some(second) = reach.end_page().filter(|_| !finish) {
                self.cut = Some(self.cut.map_or(second, |cut| cut.min(second)));
            }
            reach.done |= finish || self.pages >= pages_max;
        }
    }

    /// The current page was cut off and will be asked for again; what it brought counts.
    pub(super) fn break_page(&mut self) {
        self.reaches.iter_mut().for_each(|reach| reach.page.0 = 0);
    }

    /// The filters of the next page, or `None` when there is none.
    pub(super) fn next_page(&self) -> Option<Vec<Value>> {
        let filters: Vec<Value> = self.reaches.iter().filter(|reach| !reach.done).map(Reach::asked).collect();
        (!filters.is_empty()).then_some(filters)
    }
}

impl Reach {
    /// Plans the next page; gives the second that is stepped over though there may be more of it.
    fn end_page(&mut self) -> Option<u64> {
        let (events, new, page_oldest) = std::mem::take(&mut self.page);
        if self.left == Some(0) {
            self.done = true;
            return None;
        }
        if let Ask::Second(second) = self.ask {
            self.step_before(second);
            // A page as large as any before may be all of the second, or all that the relay shows at once.
            return (events >= self.largest).then_some(second);
        }
        let Some(page_oldest) = page_oldest.filter(|_| events > 0 || new > 0) else {
            self.done = true;
            return None;
        };
        let reached_back = self.oldest.is_none_or(|oldest| page_oldest < oldest);
        let oldest = self.oldest.map_or(page_oldest, |oldest| oldest.min(page_oldest));
        let was_full = events >= self.largest.max(FULL_MIN);
        self.oldest = Some(oldest);
        self.largest = self.largest.max(events);
        self.stuck = if reached_back { 0 } else { self.stuck + 1 };
        if new == 0 && !was_full {
            // The page had room for older events and brought none.
            self.done = true;
        } else if (new == 0 && events >= DRILL_MIN) || self.stuck > STUCK_MAX {
            self.ask = Ask::Second(oldest);
        } else if new == 0 {
            // Fewer than any relay's cap: this is the whole second.
            self.step_before(oldest);
        } else {
            self.ask = Ask::Until(oldest);
            self.done = self.check.since.is_some_and(|since| oldest < since);
        }
        None
    }

    /// Whole pages of one second: nothing more of it can be had, so go on before it.
    fn step_before(&mut self, second: u64) {
        self.stuck = 0;
        match second.checked_sub(1).filter(|until| self.check.since.is_none_or(|since| *until >= since)) {
            Some(until) => self.ask = Ask::Until(until),
            None => self.done = true,
        }
    }

    fn asked(&self) -> Value {
        let mut filter = self.filter.clone();
        if let Some(fields) = filter.as_object_mut() {
            match self.ask {
                Ask::Newest => {}
                Ask::Until(until) => {
                    fields.remove("limit");
                    fields.insert("until".to_owned(), until.into());
                }
                Ask::Second(second) => {
                    fields.insert("since".to_owned(), second.into());
                    fields.insert("until".to_owned(), second.into());
                    fields.insert("limit".to_owned(), DRILL_LIMIT.into());
                }
            }
        }
        filter
    }
}

#[cfg(test)]
mod tests;
