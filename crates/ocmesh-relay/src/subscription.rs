//! The subscriptions of one relay: opened, paged, and opened again after every CLOSED and every reconnect. Does no I/O; frames
//! to send come out as [`Out`].

mod backfill;
mod entry;
mod reconcile;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use crate::{
    HeldSet, Tuning,
    backoff::Dice,
    desk::Wanted,
    frame::{Claim, client_close, client_neg_close},
    limit::TAINTED_MAX,
};
use entry::{Entry, Part};

/// Something for the connection to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Out {
    /// Send this frame.
    Send(String),
    /// Ask the owner what it has since that second; the number names the question.
    Ask { name: Arc<str>, ask: u32, since: Option<u64> },
    /// Tell that everything stored was delivered, but for a second of which there may be more.
    CaughtUp(Arc<str>, Option<u64>),
    /// Tell that the relay closed a subscription, and why.
    Closed(Arc<str>, String),
}

/// How NIP-42 stands, as far as subscriptions care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AuthView {
    /// The relay knows us.
    pub(crate) done: bool,
    /// Our answer is owed or on its way.
    pub(crate) under_way: bool,
}

/// What the relay's own document says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Listing {
    /// It is still to be read.
    #[default]
    Unread,
    /// Pages only.
    Pages,
    /// NIP-77.
    Negentropy,
}

/// All subscriptions of one relay.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    entries: BTreeMap<Arc<str>, Entry>,
    /// Names with a REQ whose EOSE may still be on its way: their next REQ must not take it for its own.
    tainted: BTreeSet<Arc<str>>,
    /// Makes ids of pages and second REQs unlike any other of this connection.
    serial: u32,
    open: bool,
    listing: Listing,
    next: Option<Instant>,
    dice: Dice,
    tuning: Arc<Tuning>,
}

impl Subscriptions {
    pub(crate) fn new(tuning: Arc<Tuning>, dice: Dice) -> Self {
        Self {
            entries: BTreeMap::new(),
            tainted: BTreeSet::new(),
            serial: 0,
            open: false,
            listing: Listing::Unread,
            next: None,
            dice,
            tuning,
        }
    }

    /// The owner wants a subscription, instead of one of the same name, or no more.
    pub(crate) fn wish(&mut self, name: Arc<str>, wanted: Option<Wanted>, now: Instant, outs: &mut Vec<Out>) {
        let old = self.entries.remove(&name);
        if let Some(old) = &old {
            self.retire(&name, old, outs);
        }
        let Some(wanted) = wanted else { return };
        if self.entries.len() >= self.tuning.subscriptions_max {
            outs.push(Out::Closed(name, "not opened: too many subscriptions".to_owned()));
            return;
        }
        let mut entry = Entry::new(wanted, now, &self.tuning, &mut self.dice);
        if let Some(old) = old {
            entry.inherit(old);
        }
        self.entries.insert(name, entry);
        self.next = Some(now);
    }

    /// A connection opened; with `hold`, REQs wait that long for a challenge.
    pub(crate) fn opened(&mut self, now: Instant, hold: bool) {
        self.open = true;
        self.tainted.clear();
        let at = if hold { now + self.tuning.auth_hold } else { now };
        self.entries.values_mut().for_each(|entry| entry.restart(at));
        self.next = Some(now);
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.open = false;
        self.next = None;
    }

    /// NIP-42 succeeded: what was opened before it is opened again, as a relay may have kept events back in silence.
    pub(crate) fn authenticated(&mut self, now: Instant, outs: &mut Vec<Out>) {
        let names: Vec<Arc<str>> = self.entries.iter().filter(|(_, entry)| entry.needs_auth()).map(|(name, _)| Arc::clone(name)).collect();
        for name in names {
            if let Some(mut entry) = self.entries.remove(&name) {
                self.retire(&name, &entry, outs);
                entry.restart(now);
                self.entries.insert(name, entry);
            }
        }
        self.next = Some(now);
    }

    /// The relay's document came, or did not.
    pub(crate) fn list(&mut self, listing: Listing, now: Instant) {
        self.listing = listing;
        self.entries.values_mut().for_each(|entry| entry.listed(now));
        self.next = Some(now);
    }

    /// The owner said what it has of a subscription.
    pub(crate) fn held(&mut self, name: &str, ask: u32, held: Option<HeldSet>, now: Instant, outs: &mut Vec<Out>) {
        if let Some(entry) = self.entries.get_mut(name).filter(|_| self.open) {
            self.serial = self.serial.wrapping_add(1);
            entry.held(ask, held, format!("{name}:n{}", self.serial), now, &self.tuning, outs);
            self.next = Some(now);
        }
    }

    /// The relay went on with comparing sets.
    pub(crate) fn neg_msg(&mut self, id: &str, hex: &str, now: Instant, outs: &mut Vec<Out>) {
        let tuning = Arc::clone(&self.tuning);
        if let Some((_, entry, Part::Talk)) = self.find(id) {
            entry.neg_msg(hex, now, &tuning, outs);
            self.next = Some(now);
        }
    }

    /// The relay ended the comparing of sets.
    pub(crate) fn neg_err(&mut self, id: &str, said: &str, now: Instant, auth: AuthView) {
        if let Some((name, entry, Part::Talk)) = self.find(id) {
            tracing::debug!(sub = %name, said, "the relay does not compare sets");
            entry.refuse(said, now, auth);
            self.next = Some(now);
        }
    }

    /// An event came. Gives the subscription to report it under, or `None` to drop it.
    pub(crate) fn event(&mut self, id: &str, claim: &Claim<'_>, now: Instant) -> Option<Arc<str>> {
        let page_quiet = self.tuning.page_quiet;
        let (name, entry, part) = self.find(id)?;
        entry.event(part, claim, now, page_quiet).then_some(name)
    }

    /// The end of stored events came.
    pub(crate) fn eose(&mut self, id: &str, finish: bool, now: Instant, outs: &mut Vec<Out>) {
        let pages_max = self.tuning.pages_max;
        if let Some((_, entry, part)) = self.find(id) {
            if let Some(page) = entry.eose(part, finish, now, pages_max) {
                outs.push(Out::Send(client_close(&page)));
            }
            self.next = Some(now);
        }
    }

    /// The relay closed a subscription or a page of one. It is opened again, whatever the reason.
    pub(crate) fn closed(&mut self, id: &str, said: String, now: Instant, auth: AuthView, outs: &mut Vec<Out>) {
        let tuning = Arc::clone(&self.tuning);
        let Some((name, entry, part)) = self.find(id) else { return };
        if part == Part::Talk {
            return self.neg_err(id, &said, now, auth);
        }
        outs.extend(entry.closed(part, &said, now, auth, &tuning).map(Out::Send));
        outs.push(Out::Closed(name, said));
        self.next = Some(now);
    }

    /// Does what is due: opens, pages, gives up on silence, reports. To be called after every change and at [`Self::next`].
    pub(crate) fn advance(&mut self, now: Instant, auth: AuthView, outs: &mut Vec<Out>) {
        if !self.open {
            return;
        }
        let mut short = self.short_reqs();
        let mut next: Option<Instant> = None;
        let (mut ended, mut starved) = (Vec::new(), false);
        for (name, entry) in &mut self.entries {
            let has_room = short < self.tuning.short_reqs_max;
            let before = entry.short_reqs();
            let name_is_tainted = self.tainted.contains(name);
            entry.advance(&mut entry::Turn {
                name,
                now,
                auth,
                has_room,
                name_is_tainted,
                listing: self.listing,
                serial: &mut self.serial,
                tuning: &self.tuning,
                outs,
            });
            short = (short + entry.short_reqs()).saturating_sub(before);
            if entry.is_over() {
                ended.push(Arc::clone(name));
            }
            // What is due and was not done waits for room, not for time.
            starved |= entry.next().is_some_and(|at| at <= now);
            next = [next, entry.next().filter(|at| *at > now)].into_iter().flatten().min();
        }
        for name in ended {
            self.entries.remove(&name);
        }
        // Room may have become free after the one who waits for it was looked at.
        self.next = if starved && short < self.tuning.short_reqs_max { Some(now) } else { next };
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Time in which nothing was read does not count.
    pub(crate) fn postpone(&mut self, by: std::time::Duration) {
        self.entries.values_mut().for_each(|entry| entry.postpone(by));
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Pages and look-ups that are open now.
    fn short_reqs(&self) -> usize {
        self.entries.values().map(Entry::short_reqs).sum()
    }

    fn find(&mut self, id: &str) -> Option<(Arc<str>, &mut Entry, Part)> {
        // An id is a name, or a name with a colon and a serial behind it.
        let key = if self.entries.contains_key(id) { id } else { id.rsplit_once(':').map_or(id, |(name, _)| name) };
        let name = self.entries.get_key_value(key).map(|(name, _)| Arc::clone(name))?;
        let entry = self.entries.get_mut(key)?;
        let part = entry.part(id)?;
        Some((name, entry, part))
    }

    /// Closes what an entry has open.
    fn retire(&mut self, name: &Arc<str>, entry: &Entry, outs: &mut Vec<Out>) {
        if !self.open {
            return;
        }
        if let Some(id) = entry.talk_id() {
            outs.push(Out::Send(client_neg_close(id)));
        }
        for id in entry.open_ids() {
            if *id == **name {
                if self.tainted.len() >= TAINTED_MAX {
                    self.tainted.pop_first();
                }
                self.tainted.insert(Arc::clone(name));
            }
            outs.push(Out::Send(client_close(id)));
        }
    }
}

#[cfg(test)]
mod tests;
