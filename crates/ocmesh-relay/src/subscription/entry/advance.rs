//! What is due on a subscription: opening it, paging, giving up on silence.

use std::sync::Arc;

use super::{Entry, Main, Out, PATIENCE_MAX, Run, Turn};
use crate::subscription::backfill::Backfill;

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
            }
            run => self.run = run,
        }
        if !self.wanted.live && !matches!(self.run, Run::Unsent | Run::First { .. }) {
            self.shut_main(turn);
        }
        self.page(turn);
    }

    fn open_main(&mut self, turn: &mut Turn<'_>) {
        let id = if turn.name_is_tainted { turn.id('r') } else { turn.name.to_string() };
        turn.req(&id, &self.wanted.filters);
        let backfill = Box::new(Backfill::new(&self.wanted.filters));
        self.run = Run::First { backfill, quiet_at: self.quiet_at(turn.now, turn.tuning.page_quiet) };
        self.main = Main::Open { id, since: turn.now };
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
            run => run,
        };
    }

    /// Asks for the next page when it is due, or ends the catch-up.
    fn page(&mut self, turn: &mut Turn<'_>) {
        let Run::Due { backfill, at } = &self.run else { return };
        if *at > turn.now {
            return;
        }
        let Some(filters) = backfill.next_page() else {
            self.run = if backfill.proven {
                self.again.reset();
                turn.outs.push(Out::CaughtUp(Arc::clone(turn.name)));
                Run::Done
            } else {
                self.patience = (self.patience + 1).min(PATIENCE_MAX);
                Run::Unproven { at: turn.now + self.again.half(turn.tuning.unproven_max) }
            };
            return;
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
}
