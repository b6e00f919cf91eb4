//! The catch-up by comparing sets (NIP-77). Whatever goes wrong, pages take over where they were.

use std::sync::Arc;

use tokio::time::Instant;

use super::{AuthView, Entry, Out, Run, Turn};
use crate::{
    HeldSet, Tuning,
    frame::{client_neg_close, client_neg_msg, client_neg_open},
    subscription::{
        Listing,
        reconcile::{Fetch, Talk, Turnout, since},
    },
    text::prefix,
};

impl Entry {
    /// The relay's document came: nothing waits for it any longer.
    pub(in crate::subscription) fn listed(&mut self, now: Instant) {
        if let Run::Due { at, .. } = &mut self.run
            && self.shown.is_some()
        {
            *at = (*at).min(now);
        }
    }

    /// Begins to compare sets where that is wanted, possible and not tried yet; true when pages are to wait for it.
    pub(super) fn reconcile(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(filter) = self.wanted.reconcile.as_ref().filter(|_| self.shown.is_some() && turn.listing == Listing::Negentropy) else {
            return false;
        };
        if !turn.has_room {
            return true;
        }
        let since = since(filter);
        if let Run::Due { backfill, .. } = std::mem::replace(&mut self.run, Run::Unsent) {
            *turn.serial = turn.serial.wrapping_add(1);
            let ask = *turn.serial;
            turn.outs.push(Out::Ask { name: Arc::clone(turn.name), ask, since });
            self.run = Run::Asking { backfill, ask, quiet_at: self.quiet_at(turn.now, turn.tuning.page_quiet) };
        }
        true
    }

    /// The owner said what it has.
    pub(in crate::subscription) fn held(
        &mut self,
        asked: u32,
        held: Option<HeldSet>,
        id: String,
        now: Instant,
        tuning: &Tuning,
        outs: &mut Vec<Out>,
    ) {
        self.run = match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::Asking { backfill, ask, .. } if ask == asked => {
                let shown = self.shown.take();
                let talk = held.zip(shown).and_then(|(held, shown)| Talk::open(held, shown, now, tuning));
                match talk.zip(self.wanted.reconcile.as_ref()) {
                    Some(((talk, first), filter)) => {
                        outs.push(Out::Send(client_neg_open(&id, filter, &first)));
                        Run::Talking { backfill, talk: Box::new(talk), id, quiet_at: self.quiet_at(now, tuning.page_quiet) }
                    }
                    None => Run::Due { backfill, at: now },
                }
            }
            run => run,
        };
    }

    /// The relay went on.
    pub(in crate::subscription) fn neg_msg(&mut self, hex: &str, now: Instant, tuning: &Tuning, outs: &mut Vec<Out>) {
        let quiet = self.quiet_at(now, tuning.page_quiet);
        self.run = match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::Talking { backfill, mut talk, id, .. } => match talk.hear(hex, now, tuning) {
                Turnout::Say(next) => {
                    outs.push(Out::Send(client_neg_msg(&id, &next)));
                    Run::Talking { backfill, talk, id, quiet_at: quiet }
                }
                Turnout::Known => {
                    outs.push(Out::Send(client_neg_close(&id)));
                    let missing = talk.missing();
                    tracing::debug!(id, missing = missing.len(), "sets compared");
                    match &self.wanted.reconcile {
                        Some(filter) => Run::Missing { backfill, fetch: Box::new(Fetch::new(filter, missing, tuning)), at: now },
                        None => Run::Due { backfill, at: now },
                    }
                }
                Turnout::Failed(why) => {
                    outs.push(Out::Send(client_neg_close(&id)));
                    tracing::debug!(id, why, "sets not compared, paging instead");
                    Run::Due { backfill, at: now }
                }
            },
            run => run,
        };
    }

    /// The relay does not compare sets, or not these.
    pub(in crate::subscription) fn refuse(&mut self, said: &str, now: Instant, auth: AuthView) {
        self.wants_auth |= prefix(said) == "auth-required" && !auth.done;
        self.run = match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::Talking { backfill, .. } => Run::Due { backfill, at: now },
            run => run,
        };
    }

    /// Asks for the next batch of what is missing, or ends the catch-up.
    pub(super) fn fetch(&mut self, turn: &mut Turn<'_>) {
        self.run = match std::mem::replace(&mut self.run, Run::Unsent) {
            Run::Missing { backfill, mut fetch, at } if at <= turn.now => match fetch.next_batch() {
                Some(filter) => {
                    let id = turn.id('i');
                    turn.req(&id, &[filter]);
                    Run::Fetching { backfill, fetch, id, quiet_at: self.quiet_at(turn.now, turn.tuning.page_quiet) }
                }
                None if self.waits_for_auth(turn) => Run::Missing { backfill, fetch, at: turn.now + turn.tuning.auth_wait },
                None if fetch.is_whole() => return self.caught_up(None, turn),
                None => {
                    tracing::debug!(sub = %turn.name, "the relay does not give what it lists, paging instead");
                    // A page of its own, so that room is looked for.
                    Run::Due { backfill, at: turn.now }
                }
            },
            run => run,
        };
    }
}
