//! Sending again: a relay may say OK and forget. A message that its peer should have confirmed and has not is sent again, with growing pauses,
//! until its receipt comes or its time is over. Why so: docs/adr/0006-sent-again-without-receipt.md.

use super::{Key, hops};
use crate::{
    At, Change, Draft, Form, HistoryEntry, Hop, HopState, Mesh, Parcel, PeerRecord, PubKey, RelayUrl, Resend,
    agenda::Timer,
    limit::OUTBOX_MAX,
    mesh::Job,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// Pauses before the first, second, … sending again: the first is longer than any honest receipt takes, the last repeats until the time to live.
const RESEND_DELAYS_MS: [u64; 4] = [10 * MINUTE, HOUR, 6 * HOUR, DAY];
/// A peer that comes back first fetches what waits for it and sends its receipts; up to twice this long is given for that.
const COMING_BACK_MS: u64 = MINUTE;
/// Messages sent again in one step: some milliseconds of sealing. The rest follow a second later.
const RESENDS_PER_STEP_MAX: usize = 32;

impl Mesh {
    /// A relay took a message: from now on a receipt is expected, if the peer is one that sends them, or may turn out to be one. Messages that
    /// only wait for a receipt never fill the outbox.
    pub(super) fn expect_receipt(&mut self, parcel: &mut Parcel) {
        let may_confirm = |peer: &PeerRecord| peer.trust.is_accepted() && (confirms(peer) || peer.presence_at == At(0));
        let has_room = self.outbox.len() < OUTBOX_MAX / 2;
        if parcel.resend.is_none() && has_room && self.directory.get(&parcel.to).is_some_and(|peer| may_confirm(&peer)) {
            parcel.resend = Some(Resend { count: 0, at: self.resend_at(0), seen: false, taken_at: self.now, taken_by: 0 });
        }
    }

    pub(super) fn resend_at(&mut self, count: u32) -> At {
        let index = usize::try_from(count).unwrap_or(usize::MAX);
        let pause = RESEND_DELAYS_MS.get(index).or(RESEND_DELAYS_MS.last()).copied().unwrap_or(DAY);
        self.now.plus(self.random.around(pause, 10))
    }

    /// The peer is there and is one that sends receipts: what it has not confirmed by now, or soon, is overdue.
    pub(crate) fn expect_overdue_receipts(&mut self, peer: &PubKey) {
        for key in self.outbox.unseen.remove(peer).unwrap_or_default() {
            let Some(mut parcel) = self.outbox.remove(&key) else { continue };
            let soon = self.now.plus(COMING_BACK_MS).plus(self.random.up_to(COMING_BACK_MS));
            if let Some(resend) = &mut parcel.resend {
                *resend = Resend { at: resend.at.max(soon), seen: true, ..*resend };
            }
            self.outbox.insert(parcel);
        }
        self.plan_resend();
    }

    /// Sets the timer to the next message that is due.
    pub(crate) fn plan_resend(&mut self) {
        if let Some((at, _)) = self.outbox.resends.first() {
            self.agenda.set_earlier(Timer::Resend, *at);
        }
    }

    /// Sends what is due, a bounded number at a time.
    pub(crate) fn resend_due(&mut self) {
        for _ in 0..RESENDS_PER_STEP_MAX {
            let Some((at, key)) = self.outbox.resends.first().copied() else { return };
            if at > self.now {
                return self.plan_resend();
            }
            self.send_again(key);
        }
        self.agenda.set(Timer::Resend, self.now.plus(SECOND));
    }

    /// Sends a message to where its peer reads now, in a new wrap: a relay that forgot it may still know the old one's id.
    pub(crate) fn send_again(&mut self, key: Key) {
        let Some(mut parcel) = self.outbox.remove(&key) else { return };
        let now = self.now;
        let (relays, why) = self.route_to(&parcel.to);
        if let Some(resend) = parcel.resend {
            let count = resend.count.saturating_add(1);
            parcel.resend = Some(Resend { count, at: self.resend_at(count), seen: false, ..resend });
        }
        parcel.why = why;
        let new = hops_again(&parcel.hops, relays.clone(), now);
        let old = std::mem::replace(&mut parcel.hops, new);
        self.change(Change::AddHistory { id: key.0, at: now, entry: HistoryEntry::Resent { relays, why } });
        if parcel.form == Form::Nip17 {
            let to = parcel.to;
            // Until it is wrapped nothing of it goes out: another message's turn must not send the old wrap once more.
            for hop in &mut parcel.hops {
                if let HopState::Waiting { next_at, .. } = &mut hop.state {
                    *next_at = (*next_at).max(now.plus(MINUTE));
                }
            }
            self.outbox.insert(parcel); // Written when it is wrapped, in this same step.
            self.seal(Job::Rewrap { message: key.0, class: key.1 }, Draft::Rewrap { id: key.0, to, at: now });
        } else {
            self.keep(parcel);
        }
        for hop in old {
            self.release_route(&hop.relay);
        }
    }
}

/// An agent that announces NIP-17 sends receipts, once it accepts us. A Node agent does not. Who announces nothing may be a person, who sends
/// none either, or an agent that we have not seen yet: such a message waits, and is sent again only if an agent shows up.
pub(crate) fn confirms(peer: &PeerRecord) -> bool {
    peer.presence_at > At(0) && peer.forms.contains(&Form::Nip17)
}

/// The route of another sending: what took the last one gets this one too, what refused stays refused, what is still tried keeps its pauses.
fn hops_again(old: &[Hop], relays: Vec<RelayUrl>, now: At) -> Vec<Hop> {
    let mut new = hops(relays, now);
    let mut refused = 0usize;
    for hop in &mut new {
        match old.iter().find(|before| before.relay == hop.relay).map(|before| &before.state) {
            Some(HopState::Refused { at, said }) => {
                refused += 1;
                hop.state = HopState::Refused { at: *at, said: said.clone() };
            }
            Some(HopState::Waiting { tries, next_at, last_error }) => {
                hop.state = HopState::Waiting { tries: *tries, next_at: *next_at, last_error: last_error.clone() };
            }
            Some(HopState::InFlight { tries, .. }) => hop.state = HopState::Waiting { tries: *tries, next_at: now, last_error: None },
            Some(HopState::Reserve | HopState::Accepted { .. }) | None => {}
        }
    }
    for reserve in new.iter_mut().filter(|hop| hop.state == HopState::Reserve).take(refused) {
        reserve.state = HopState::Waiting { tries: 0, next_at: now, last_error: None };
    }
    new
}
