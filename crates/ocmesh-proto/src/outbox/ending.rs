//! A parcel's end, or its new beginning: receipts, expiry, cancelling, another route, another try.

use super::{accepted, hops, is_pending, is_relayed};
use crate::{
    Change, FailReason, HistoryEntry, Hop, HopState, Mesh, MessageId, Notice, Parcel, ParcelClass, PubKey, RelayUrl, Resend, Status,
    StoredFacts,
};

impl Mesh {
    pub(crate) fn drop_written(&mut self, parcel: &Parcel) {
        self.change(Change::DropParcel { message: parcel.message, class: parcel.class });
        self.stop_work(parcel.message, parcel.class);
        for hop in &parcel.hops {
            self.release_route(&hop.relay);
        }
    }

    pub(crate) fn move_to(&mut self, id: MessageId, status: Status) {
        self.change(Change::SetStatus { id, status: status.clone() });
        self.notice(Notice::MessageMoved { id, status });
    }

    pub(crate) fn fail(&mut self, id: MessageId, reason: FailReason) {
        let at = self.now;
        self.change(Change::AddHistory { id, at, entry: HistoryEntry::Failed { reason } });
        self.move_to(id, Status::Failed { at, reason });
    }

    /// Takes a message out of the outbox: cancelled, blocked, or its receipt came. What some relay has stays relayed: it cannot be taken back.
    pub(crate) fn take_out(&mut self, id: MessageId, reason: Option<FailReason>) -> bool {
        let again = self.outbox.remove(&(id, ParcelClass::Again));
        let parcel = self.outbox.remove(&(id, ParcelClass::Message));
        let out = again.is_some() || parcel.is_some();
        match (reason, &parcel) {
            (Some(reason), Some(parcel)) if !is_relayed(parcel) => self.fail(id, reason),
            // Its peer gets it no more, even when it asks.
            (Some(_), _) if out => self.change(Change::ForgetNumber(id)),
            _ => {}
        }
        for parcel in again.into_iter().chain(parcel) {
            self.drop_written(&parcel);
        }
        out
    }

    /// Drops everything that waits for a peer (it was blocked).
    pub(crate) fn take_out_all(&mut self, peer: &PubKey, reason: FailReason) {
        for key in self.outbox.keys_of(peer) {
            if key.1.has_history() {
                self.take_out(key.0, Some(reason));
            } else if let Some(parcel) = self.outbox.remove(&key) {
                self.drop_written(&parcel);
            }
        }
    }

    pub(crate) fn expire_parcels(&mut self) {
        while let Some((at, key)) = self.outbox.expiries.first().copied() {
            if at > self.now {
                return;
            }
            let Some(parcel) = self.outbox.remove(&key) else { return };
            // A message that some relay has is not lost: it stays "relayed", and only the other relays are given up.
            if parcel.class == ParcelClass::Message && !is_relayed(&parcel) {
                self.fail(key.0, FailReason::Expired);
            }
            self.drop_written(&parcel);
        }
    }

    /// A peer's receipt.
    pub(crate) fn receipt(&mut self, id: MessageId, from: PubKey, read: bool, facts: Option<&StoredFacts>) {
        let Some(facts) = facts.filter(|facts| facts.to == from) else { return };
        let at = self.now;
        let (status, entry) =
            if read { (Status::Read { at }, HistoryEntry::Read) } else { (Status::Delivered { at }, HistoryEntry::Delivered) };
        let forward = match facts.status {
            Status::Read { .. } | Status::Received => false,
            Status::Delivered { .. } => read,
            Status::Queued | Status::Relayed { .. } | Status::Failed { .. } => true,
        };
        if forward {
            self.change(Change::AddHistory { id, at, entry });
            self.move_to(id, status);
        }
        self.take_out(id, None);
    }

    /// A peer's relays changed: what no relay has yet goes to the new ones at once.
    pub(crate) fn reroute(&mut self, peer: &PubKey) {
        let now = self.now;
        let (relays, why) = self.route_to(peer);
        for key in self.outbox.keys_of(peer) {
            let same = |parcel: &Parcel| parcel.hops.iter().map(|hop| &hop.relay).eq(relays.iter());
            let fixed = self.outbox.get(key.0, key.1).is_none_or(|parcel| accepted(parcel) > 0 || same(parcel));
            if fixed || key.1 == ParcelClass::OwnCopy {
                continue;
            }
            let Some(mut parcel) = self.outbox.remove(&key) else { continue };
            let old: Vec<Hop> = std::mem::take(&mut parcel.hops);
            parcel.why = why;
            parcel.hops = hops(relays.clone(), now);
            for hop in &mut parcel.hops {
                if let Some(before) = old.iter().find(|before| before.relay == hop.relay && before.state != HopState::Reserve) {
                    hop.state = before.state.clone();
                }
            }
            if parcel.class.has_history() {
                self.change(Change::AddHistory { id: key.0, at: now, entry: HistoryEntry::Rerouted { relays: relays.clone(), why } });
            }
            let left: Vec<RelayUrl> = old.into_iter().map(|hop| hop.relay).filter(|url| !relays.contains(url)).collect();
            self.keep(parcel);
            for url in left {
                self.release_route(&url);
            }
        }
    }

    /// Another try by hand: at once for a waiting message, from the stored event for one that left the outbox.
    pub(crate) fn retry(&mut self, id: MessageId, stored: Option<StoredFacts>) -> Result<(), crate::Refusal> {
        let now = self.now;
        let key = (id, ParcelClass::Message);
        if self.outbox.get(id, key.1).is_some_and(|parcel| !parcel.hops.iter().any(is_pending)) {
            self.send_again(key);
            return Ok(());
        }
        if let Some(mut parcel) = self.outbox.remove(&key) {
            for hop in &mut parcel.hops {
                if let HopState::Waiting { next_at, .. } = &mut hop.state {
                    *next_at = now;
                }
            }
            self.keep(parcel);
            return Ok(());
        }
        let facts = stored.ok_or(crate::Refusal::MessageUnknown)?;
        let Some(event) = facts.event else { return Err(crate::Refusal::MessageFinal(facts.status.as_str())) };
        match facts.status {
            Status::Failed { .. } | Status::Relayed { .. } | Status::Queued => {}
            Status::Delivered { .. } | Status::Read { .. } | Status::Received => {
                return Err(crate::Refusal::MessageFinal(facts.status.as_str()));
            }
        }
        if self.directory.trust(&facts.to) == Some(crate::Trust::Blocked) {
            return Err(crate::Refusal::PeerBlocked);
        }
        // What relays took stays relayed, whatever comes of this try: the new parcel knows it, and waits for the receipt as the old one did.
        let resend = if let Status::Relayed { at, accepted, .. } = facts.status {
            Some(Resend { count: 0, at: self.resend_at(0), seen: false, taken_at: at, taken_by: accepted })
        } else {
            None
        };
        let (relays, why) = self.route_to(&facts.to);
        self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::Retried });
        self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::Queued { relays: relays.clone(), why } });
        if matches!(facts.status, Status::Failed { .. }) {
            self.move_to(id, Status::Queued);
        }
        self.keep(Parcel {
            message: id,
            class: ParcelClass::Message,
            to: facts.to,
            form: facts.form,
            event,
            kind: facts.kind,
            wrapped_at: facts.wrapped_at,
            queued_at: now,
            expires_at: now.plus(self.policy.message_ttl_ms),
            why,
            hops: hops(relays, now),
            resend,
            work: 0,
        });
        Ok(())
    }
}
