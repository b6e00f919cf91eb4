//! A fake disk: what the store would keep.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{
    Body, Change, Direction, EventId, Facts, HistoryEntry, InboundFacts, MessageId, MessageRecord, Opened, Parcel, ParcelClass, PeerRecord,
    PubKey, RelayRecord, RelayUrl, StoredFacts,
};

pub(crate) fn inbound(message: &MessageRecord) -> InboundFacts {
    InboundFacts { id: message.id, from: message.peer, form: message.form, is_read: message.read_at.is_some(), receipts: message.receipts }
}

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) own: ocmesh_proto::OwnRecord,
    pub(crate) peers: BTreeMap<PubKey, PeerRecord>,
    pub(crate) messages: BTreeMap<MessageId, MessageRecord>,
    pub(crate) parcels: BTreeMap<(MessageId, ParcelClass), Parcel>,
    pub(crate) relays: BTreeMap<RelayUrl, RelayRecord>,
    pub(crate) seen: BTreeSet<EventId>,
    pub(crate) sealed: BTreeMap<EventId, MessageId>,
    pub(crate) history: BTreeMap<MessageId, Vec<HistoryEntry>>,
}

impl Disk {
    pub(crate) fn facts(&self, opened: &Opened) -> Facts {
        let Opened::Direct(envelope) = opened else { return Facts::default() };
        let receipt_for =
            match envelope.body {
                Body::Delivered(id) | Body::Read(id) => self.messages.get(&id).filter(|m| m.direction == Direction::Out).map(|m| {
                    StoredFacts { to: m.peer, form: m.form, event: None, kind: 0, wrapped_at: m.stored_at, status: m.status.clone() }
                }),
                _ => None,
            };
        Facts {
            seen: self.seen.contains(&envelope.id) || self.messages.contains_key(&envelope.id),
            parent_thread: envelope.reply_to.and_then(|id| self.messages.get(&id)).map(|m| m.thread),
            receipt_for,
            resent: self
                .messages
                .get(&envelope.id)
                .filter(|message| message.direction == Direction::In && !self.seen.contains(&envelope.event_id))
                .filter(|_| envelope.event_id != envelope.id)
                .map(|message| Box::new(inbound(message))),
        }
    }

    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::PutPeer(peer) => {
                self.peers.insert(peer.pubkey, *peer);
            }
            Change::DropPeer(peer) => {
                self.peers.remove(&peer);
            }
            Change::AddMessage(message) => {
                self.messages.entry(message.id).or_insert(*message);
            }
            Change::SetStatus { id, status } => self.messages.get_mut(&id).unwrap().status = status,
            Change::AddHistory { id, entry, .. } => self.history.entry(id).or_default().push(entry),
            Change::SetRead { id, at } => self.messages.get_mut(&id).unwrap().read_at = Some(at),
            Change::SetReceipts { id, receipts } => self.messages.get_mut(&id).unwrap().receipts = receipts,
            Change::ReleaseHeld(peer) => self.messages.values_mut().filter(|m| m.peer == peer).for_each(|m| m.held = false),
            Change::PutParcel(parcel) => {
                self.parcels.insert((parcel.message, parcel.class), *parcel);
            }
            Change::DropParcel { message, class } => {
                self.parcels.remove(&(message, class));
            }
            Change::PutSealed { message, event } => {
                self.sealed.insert(event.id, message);
            }
            Change::PutRumor { .. } => {}
            Change::AddSeen { id, .. } => {
                self.seen.insert(id);
            }
            Change::PutRelay(relay) => {
                self.relays.insert(relay.url.clone(), *relay);
            }
            Change::PutOwn(own) => self.own = *own,
        }
    }
}
