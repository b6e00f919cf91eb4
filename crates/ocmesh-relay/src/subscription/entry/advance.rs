//! What is due on a subscription: opening it, paging, giving up on silence.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Entry, Listing, Main, Out, PATIENCE_MAX, Run, Turn};
use crate::{
    frame::client_neg_close,
    subscription::{backfill::Backfill, reconcile::Shown},
};

impl Entry {
    /// Does what is due.
    pub(in crate::subscription) fn advance(&mut self, turn: &mut Turn<'_>) {
        if let Main::Due(at) = self.main
            && at <= turn.now
            && (self.wanted.live || turn.has_room)
        {
            self.open_main(turn);
        }
        self.give_up_on_silence(turn);
        match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::Unproven { at } if at <= turn.now => {
                self.run = Run::Due { backfill: Box::new(Backfill::new(&self.wanted.filters)), at };
                self.shown = self.wanted.reconcile.as_ref().map(Shown::new);
            }
            run => self.run = run,
        }
        if !self.wanted.live && !matches!(self.run, Run::Unsent | Run::First { .. }) {
            self.shut_main(turn);
        }
        self.fetch(turn);
        self.page(turn);
    }

    fn open_main(&mut self, turn: &mut Turn<'_>) {
        let id = if turn.name_is_tainted { turn.id('r') } else { turn.name.to_string() };
        turn.req(&id, &self.wanted.filters);
        let backfill = Box::new(Backfill::new(&self.wanted.filters));
        self.run = Run::First { backfill, quiet_at: self.quiet_at(turn.now, turn.tuning.page_quiet) };
        self.main = Main::Open { id, since: turn.now };
        self.shown = self.wanted.reconcile.as_ref().map(Shown::new);
        self.sent_known = turn.auth.done;
        self.wants_auth = false;
        if !self.wanted.live {
            turn.has_room = false;
        }
    }

    fn shut_main(&mut self, turn: &mut Turn<'_>) {
        if let Main::Open { id, .. } = std::mem::replace(&mut self.main, Main::Shut) {
            turn.close(&id);
            // Its place is free for its own page.
            turn.has_room = true;
        }
    }

    /// A page whose EOSE does not come ends all the same, but proves nothing.
    fn give_up_on_silence(&mut self, turn: &mut Turn<'_>) {
        let pages_max = turn.tuning.pages_max;
        self.run = match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::First { mut backfill, quiet_at } if quiet_at <= turn.now => {
                backfill.proven = false;
                backfill.end_page(false, pages_max);
                Run::Due { backfill, at: turn.now }
            }
            Run::Page { mut backfill, id, quiet_at } if quiet_at <= turn.now => {
                turn.close(&id);
                backfill.proven = false;
                backfill.end_page(false, pages_max);
                Run::Due { backfill, at: turn.now }
            }
            Run::Asking { backfill, quiet_at, .. } if quiet_at <= turn.now => {
                self.shown = None;
                Run::Due { backfill, at: turn.now }
            }
            Run::Talking { backfill, id, quiet_at, .. } if quiet_at <= turn.now => {
                tracing::debug!(sub = %turn.name, "the relay fell silent while comparing sets");
                turn.outs.push(Out::Send(client_neg_close(&id)));
                Run::Due { backfill, at: turn.now }
            }
            Run::Fetching { backfill, mut fetch, id, quiet_at } if quiet_at <= turn.now => {
                turn.close(&id);
                fetch.end_batch();
                Run::Missing { backfill, fetch, at: turn.now }
            }
            run => run,
        };
    }

    /// Asks for the next page when it is due, or ends the catch-up.
    fn page(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.run, Run::Due { at, .. } if at <= turn.now) || self.reconcile(turn) {
            return;
        }
        let Run::Due { backfill, .. } = &self.run else { return };
        let Some(filters) = backfill.next_page() else {
            let (proven, cut) = (backfill.proven, backfill.cut);
            return self.end_pages(proven, cut, turn);
        };
        if !turn.has_room {
            return;
        }
        if let Run::Due { backfill, .. } = std::mem::replace(&mut self.run, Run::Unsent) {
            let id = turn.id('p');
            turn.req(&id, &filters);
            self.run = Run::Page { backfill, id, quiet_at: self.quiet_at(turn.now, turn.tuning.page_quiet) };
        }
    }

    fn end_pages(&mut self, proven: bool, cut: Option<u64>, turn: &mut Turn<'_>) {
        if self.waits_for_auth(turn) {
            self.wait(turn.now + turn.tuning.auth_wait);
        } else if self.shown.is_some() && turn.listing == Listing::Unread {
            // The document may say that sets can be compared, and comes soon or never.
            self.wait(turn.now + turn.tuning.info_wait);
        } else if proven {
            self.caught_up(cut, turn);
        } else {
            self.patience = (self.patience + 1).min(PATIENCE_MAX);
            self.run = Run::Unproven { at: turn.now + self.again.half(turn.tuning.unproven_max) };
        }
    }

    fn wait(&mut self, until: Instant) {
        if let Run::Due { at, .. } = &mut self.run {
            *at = until;
        }
    }

    pub(super) fn caught_up(&mut self, cut: Option<u64>, turn: &mut Turn<'_>) {
        self.again.reset();
        self.run = Run::Done;
        turn.outs.push(Out::CaughtUp(Arc::clone(turn.name), cut));
    }

    /// What a relay shows before it knows us may not be all, and success opens everything again: nothing is claimed until then.
    pub(super) fn waits_for_auth(&self, turn: &Turn<'_>) -> bool {
        turn.auth.under_way && !self.sent_known
    }
}
