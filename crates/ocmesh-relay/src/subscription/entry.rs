//! One subscription: its main REQ, and the catch-up behind it.

mod advance;
mod reconcile;

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    AuthView, Listing, Out,
    backfill::{Backfill, Noted},
    reconcile::{Fetch, Shown, Talk},
};
use crate::{
    Tuning,
    backoff::{Backoff, Dice},
    desk::Wanted,
    filter::Check,
    frame::{Claim, client_close, client_neg_close, client_req},
    text::prefix,
};

/// Which REQ of a subscription an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The one that stays open.
    Main,
    /// The current page, or batch of missing events.
    Page,
    /// The comparing of sets.
    Talk,
}

/// The REQ that stays open.
#[derive(Debug)]
enum Main {
    /// To be sent at that time.
    Due(Instant),
    /// Sent.
    Open { id: String, since: Instant },
    /// Not live, and its part is done.
    Shut,
}

/// The catch-up.
#[derive(Debug)]
enum Run {
    /// The main REQ is not sent.
    Unsent,
    /// The main REQ brings the first page.
    First { backfill: Box<Backfill>, quiet_at: Instant },
    /// The next page is to be asked for at that time.
    Due { backfill: Box<Backfill>, at: Instant },
    /// A page is on its way.
    Page { backfill: Box<Backfill>, id: String, quiet_at: Instant },
    /// The owner is asked what it has.
    Asking { backfill: Box<Backfill>, ask: u32, quiet_at: Instant },
    /// Sets are compared.
    Talking { backfill: Box<Backfill>, talk: Box<Talk>, id: String, quiet_at: Instant },
    /// The next batch of what is missing is to be asked for.
    Missing { backfill: Box<Backfill>, fetch: Box<Fetch>, at: Instant },
    /// A batch is on its way.
    Fetching { backfill: Box<Backfill>, fetch: Box<Fetch>, id: String, quiet_at: Instant },
    /// It ended without proof that all came; it starts again at that time.
    Unproven { at: Instant },
    /// All came.
    Done,
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Entry {
    wanted: Wanted,
    checks: Vec<Check>,
    main: Main,
    run: Run,
    /// Pauses after CLOSED.
    reopen: Backoff,
    /// Pauses after a catch-up without proof.
    again: Backoff,
    /// Doublings of the silence that is borne: a relay may just be slow.
    patience: u32,
    /// The main REQ was sent when the relay knew us.
    sent_known: bool,
    /// The relay closed it for want of AUTH.
    wants_auth: bool,
    /// Present until sets are compared in this catch-up, or cannot be.
    shown: Option<Shown>,
}

/// Most doublings of the silence borne for a page: 15 s become 2 min.
const PATIENCE_MAX: u32 = 3;

/// What one turn of [`Entry::advance`] works with.
pub(super) struct Turn<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) now: Instant,
    pub(super) auth: AuthView,
    /// One more page or look-up may be open.
    pub(super) has_room: bool,
    /// The bare name may still get the EOSE of an earlier REQ.
    pub(super) name_is_tainted: bool,
    pub(super) listing: Listing,
    pub(super) serial: &'a mut u32,
    pub(super) tuning: &'a Tuning,
    pub(super) outs: &'a mut Vec<Out>,
}

impl Turn<'_> {
    fn id(&mut self, kind: char) -> String {
        *self.serial = self.serial.wrapping_add(1);
        format!("{}:{kind}{}", self.name, self.serial)
    }

    fn req(&mut self, id: &str, filters: &[Value]) {
        self.outs.push(Out::Send(client_req(id, filters)));
    }

    fn close(&mut self, id: &str) {
        self.outs.push(Out::Send(client_close(id)));
    }
}

impl Entry {
    pub(super) fn new(wanted: Wanted, now: Instant, tuning: &Tuning, dice: &mut Dice) -> Self {
        Self {
            checks: wanted.filters.iter().map(Check::new).collect(),
            wanted,
            main: Main::Due(now),
            run: Run::Unsent,
            reopen: Backoff::new(tuning.reopen_base, dice.split()),
            again: Backoff::new(tuning.unproven_base, dice.split()),
            patience: 0,
            sent_known: false,
            wants_auth: false,
            shown: None,
        }
    }

    /// Keeps the pauses of the one it replaces, so that asking again and again is no way around them.
    pub(super) fn inherit(&mut self, old: Self) {
        if let (Main::Due(_), Run::Unsent) = (&old.main, &old.run) {
            self.main = old.main;
        }
        (self.reopen, self.wants_auth) = (old.reopen, old.wants_auth);
    }

    /// Starts from the beginning at that time.
    pub(super) fn restart(&mut self, at: Instant) {
        self.main = Main::Due(at);
        self.run = Run::Unsent;
    }

    /// AUTH could change what it gets.
    pub(super) fn needs_auth(&self) -> bool {
        self.wants_auth || !self.sent_known
    }

    /// REQs of short life that are open now. Comparing sets keeps its place to the end.
    pub(super) fn short_reqs(&self) -> usize {
        let busy =
            matches!(self.run, Run::Page { .. } | Run::Asking { .. } | Run::Talking { .. } | Run::Missing { .. } | Run::Fetching { .. });
        usize::from(busy) + usize::from(!self.wanted.live && matches!(self.main, Main::Open { .. }))
    }

    /// Nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        !self.wanted.live && matches!(self.run, Run::Done)
    }

    /// The ids the relay holds open for it.
    pub(super) fn open_ids(&self) -> impl Iterator<Item = &str> {
        let main = if let Main::Open { id, .. } = &self.main { Some(id.as_str()) } else { None };
        let page = if let Run::Page { id, .. } | Run::Fetching { id, .. } = &self.run { Some(id.as_str()) } else { None };
        main.into_iter().chain(page)
    }

    /// The id under which sets are compared.
    pub(super) fn talk_id(&self) -> Option<&str> {
        if let Run::Talking { id, .. } = &self.run { Some(id) } else { None }
    }

    pub(super) fn part(&self, id: &str) -> Option<Part> {
        match (&self.main, &self.run) {
            (Main::Open { id: main, .. }, _) if main == id => Some(Part::Main),
            (_, Run::Page { id: page, .. } | Run::Fetching { id: page, .. }) if page == id => Some(Part::Page),
            (_, Run::Talking { id: talk, .. }) if talk == id => Some(Part::Talk),
            _ => None,
        }
    }

    /// True when the event is to be handed out.
    pub(super) fn event(&mut self, part: Part, claim: &Claim<'_>, now: Instant, page_quiet: Duration) -> bool {
        let quiet = self.quiet_at(now, page_quiet);
        match (part, &mut self.run) {
            (Part::Main, Run::First { backfill, quiet_at }) | (Part::Page, Run::Page { backfill, quiet_at, .. }) => {
                let noted = backfill.note(claim);
                if noted != Noted::Stranger {
                    *quiet_at = quiet;
                    if let Some(shown) = &mut self.shown {
                        shown.note(claim);
                    }
                }
                noted == Noted::New
            }
            (Part::Page, Run::Fetching { backfill, fetch, quiet_at, .. }) => {
                let asked = fetch.note(claim);
                if asked {
                    *quiet_at = quiet;
                }
                asked && backfill.remember(claim)
            }
            (Part::Main, _) => self.checks.iter().any(|check| check.matches(claim)),
            (Part::Page | Part::Talk, _) => false,
        }
    }

    /// A page of stored events is over; gives its id when its REQ is to be closed.
    pub(super) fn eose(&mut self, part: Part, finish: bool, now: Instant, pages_max: u32) -> Option<String> {
        let (run, over) = match (part, std::mem::replace(&mut self.run, Run::Unsent)) {
            (Part::Main, Run::First { mut backfill, .. }) => {
                backfill.end_page(finish, pages_max);
                (Run::Due { backfill, at: now }, None)
            }
            (Part::Page, Run::Page { mut backfill, id, .. }) => {
                backfill.end_page(finish, pages_max);
                (Run::Due { backfill, at: now }, Some(id))
            }
            (Part::Page, Run::Fetching { backfill, mut fetch, id, .. }) => {
                fetch.end_batch();
                (Run::Missing { backfill, fetch, at: now }, Some(id))
            }
            // A slow relay after all: what it has may be proven now.
            (Part::Main, Run::Unproven { .. }) => (Run::Due { backfill: Box::new(Backfill::new(&self.wanted.filters)), at: now }, None),
            (_, run) => (run, None),
        };
        self.run = run;
        over
    }

    /// Plans the next opening; gives the frame that closes what is open beside it.
    pub(super) fn closed(&mut self, part: Part, said: &str, now: Instant, auth: AuthView, tuning: &Tuning) -> Option<String> {
        let prefix = prefix(said);
        let wants_auth = prefix == "auth-required" || (prefix == "restricted" && !auth.done);
        if let Main::Open { since, .. } = &self.main
            && now.saturating_duration_since(*since) >= tuning.steady_after
        {
            self.reopen.reset();
        }
        let mut pause = if prefix == "restricted" && auth.done {
            self.reopen.half_from(tuning.restricted_base, tuning.restricted_max)
        } else {
            self.reopen.half(tuning.reopen_max)
        };
        if wants_auth && auth.under_way {
            // Success opens it at once; this is for the case that nothing comes of it.
            pause += tuning.auth_wait;
        }
        self.wants_auth |= wants_auth;
        let at = now + pause;
        match (part, std::mem::replace(&mut self.run, Run::Unsent)) {
            (Part::Page, Run::Page { mut backfill, .. }) => {
                backfill.break_page();
                self.run = Run::Due { backfill, at };
                None
            }
            // It does not give by id: pages may do.
            (Part::Page, Run::Fetching { backfill, .. }) => {
                self.run = Run::Due { backfill, at };
                None
            }
            (Part::Page | Part::Talk, run) => {
                self.run = run;
                None
            }
            (Part::Main, run) => {
                self.main = Main::Due(at);
                match run {
                    Run::Page { id, .. } | Run::Fetching { id, .. } => Some(client_close(&id)),
                    Run::Talking { id, .. } => Some(client_neg_close(&id)),
                    _ => None,
                }
            }
        }
    }

    fn quiet_at(&self, now: Instant, page_quiet: Duration) -> Instant {
        now + page_quiet * (1 << self.patience)
    }

    /// When [`Self::advance`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let main = if let Main::Due(at) = self.main { Some(at) } else { None };
        let run = match &self.run {
            Run::Unsent | Run::Done => None,
            Run::First { quiet_at, .. }
            | Run::Page { quiet_at, .. }
            | Run::Asking { quiet_at, .. }
            | Run::Talking { quiet_at, .. }
            | Run::Fetching { quiet_at, .. } => Some(*quiet_at),
            Run::Due { at, .. } | Run::Missing { at, .. } | Run::Unproven { at } => Some(*at),
        };
        [main, run].into_iter().flatten().min()
    }

    pub(super) fn postpone(&mut self, by: Duration) {
        if let Run::First { quiet_at, .. }
        | Run::Page { quiet_at, .. }
        | Run::Asking { quiet_at, .. }
        | Run::Talking { quiet_at, .. }
        | Run::Fetching { quiet_at, .. } = &mut self.run
        {
            *quiet_at += by;
        }
    }
}
