//! An agent's disk: the tables of the store with its rules about what is forgotten when, kept in memory. A transaction that is to fail works
//! on a copy.

mod lines;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ocmesh_proto::{
    AskedFacts, At, Body, Change, Direction, EarlierSend, EventId, Facts, HopState, InboundFacts, LineId, MessageId, MessageRecord, Opened,
    OwnRecord, Parcel, ParcelClass, ParentFacts, PeerRecord, PubKey, RelayRecord, RelayUrl, Snapshot, Status, StoredFacts, StrangerFacts,
};

use self::lines::Lines;

/// Everything a parcel can be.
const CLASSES: [ParcelClass; 4] = [ParcelClass::Message, ParcelClass::OwnCopy, ParcelClass::Frame, ParcelClass::Again];

/// A sealed event that may still be published.
#[derive(Debug, Clone)]
pub(super) struct SealedRow {
    message: MessageId,
    kind: u16,
    wrapped_at: At,
    /// Rows are numbered in the order they came.
    number: u64,
}

/// Everything on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) own: OwnRecord,
    pub(super) peers: BTreeMap<PubKey, PeerRecord>,
    pub(super) messages: BTreeMap<MessageId, MessageRecord>,
    pub(super) parcels: BTreeMap<(MessageId, ParcelClass), Parcel>,
    pub(super) relays: BTreeMap<RelayUrl, RelayRecord>,
    pub(super) sealed: BTreeMap<EventId, SealedRow>,
    sealed_of: BTreeMap<MessageId, BTreeSet<EventId>>,
    pub(super) rumors: BTreeMap<MessageId, Arc<str>>,
    seen: BTreeSet<EventId>,
    pub(super) lines: Lines,
    next_row: u64,
}

impl Disk {
    /// What the core starts from.
    pub(super) fn load(&self) -> Snapshot {
        let mut parcels: Vec<Parcel> = self.parcels.values().cloned().collect();
        parcels.sort_by_key(|parcel| parcel.queued_at);
        for hop in parcels.iter_mut().flat_map(|parcel| &mut parcel.hops) {
            // No connection survives a restart, so nothing is in flight.
            if let HopState::InFlight { tries, .. } = hop.state {
                hop.state = HopState::Waiting { tries, next_at: At(0), last_error: None };
            }
        }
        Snapshot {
            own: self.own.clone(),
            peers: self.peers.values().cloned().collect(),
            parcels,
            relays: self.relays.values().cloned().collect(),
            own_lines: self.lines.own.values().copied().collect(),
            gaps: self.lines.gaps.values().copied().collect(),
            invites: Vec::new(),
            // Its owners send by hand: the guard has nothing to say.
            turns: Vec::new(),
            wakes: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, change: Change, now: At) {
        match change {
            Change::PutPeer(peer) => {
                self.peers.insert(peer.pubkey, *peer);
            }
            Change::DropPeer(peer) => {
                self.peers.remove(&peer);
            }
            Change::AddMessage(message) => {
                if !self.messages.contains_key(&message.id) {
                    self.lines.place(&message);
                    self.messages.insert(message.id, *message);
                }
            }
            Change::SetStatus { id, status } => {
                let is_read = matches!(status, Status::Read { .. });
                if let Some(message) = self.messages.get_mut(&id) {
                    message.status = status;
                }
                if is_read {
                    self.forget_unneeded(id);
                }
            }
            Change::AddHistory { .. } => {}
            Change::SetRead { id, at } => {
                if let Some(message) = self.messages.get_mut(&id) {
                    message.read_at.get_or_insert(at);
                }
            }
            Change::SetReceipts { id, receipts } => {
                if let Some(message) = self.messages.get_mut(&id) {
                    message.receipts = receipts;
                }
            }
            Change::DropHeld(peer) => {
                let held = |message: &&MessageRecord| message.peer == peer && message.held;
                let ids: Vec<MessageId> = self.messages.values().filter(held).map(|message| message.id).collect();
                for id in ids {
                    self.messages.remove(&id);
                    self.seen.insert(id);
                }
            }
            Change::ReleaseHeld(peer) => self.messages.values_mut().filter(|message| message.peer == peer).for_each(|m| m.held = false),
            Change::PutParcel(parcel) => {
                let event = parcel.event;
                let former = self.parcels.insert((parcel.message, parcel.class), *parcel).map(|former| former.event);
                if let Some(former) = former.filter(|former| *former != event) {
                    self.forget_sealed(former);
                }
            }
            Change::DropParcel { message, class } => {
                let Some(parcel) = self.parcels.remove(&(message, class)) else { return };
                if class != ParcelClass::Message {
                    self.forget_sealed(parcel.event);
                }
                self.forget_unneeded(message);
            }
            Change::PutSealed { message, event } => {
                self.next_row += 1;
                self.sealed.insert(event.id, SealedRow { message, kind: event.kind, wrapped_at: now, number: self.next_row });
                self.sealed_of.entry(message).or_default().insert(event.id);
            }
            Change::PutRumor { message, json } => {
                self.rumors.insert(message, json);
            }
            Change::AddSeen { id, .. } => {
                self.seen.insert(id);
            }
            Change::PutRelay(relay) => {
                self.relays.insert(relay.url.clone(), *relay);
            }
            Change::PutOwn(own) => self.own = *own,
            Change::ForgetNumber(id) => {
                if let Some(message) = self.messages.get_mut(&id) {
                    self.lines.unplace(message);
                    message.place = None;
                }
            }
            other => self.lines.apply(other),
        }
    }

    fn is_named(&self, message: MessageId, event: EventId) -> bool {
        CLASSES.iter().any(|class| self.parcels.get(&(message, *class)).is_some_and(|parcel| parcel.event == event))
    }

    fn forget_sealed(&mut self, event: EventId) {
        if let Some(message) = self.sealed.get(&event).map(|row| row.message).filter(|message| !self.is_named(*message, event)) {
            self.sealed.remove(&event);
            if let Some(events) = self.sealed_of.get_mut(&message) {
                events.remove(&event);
            }
        }
    }

    fn forget_unneeded(&mut self, message: MessageId) {
        let parcels = CLASSES.iter().any(|class| self.parcels.contains_key(&(message, *class)));
        let retryable = self
            .messages
            .get(&message)
            .is_some_and(|message| message.direction == Direction::Out && !matches!(message.status, Status::Read { .. }));
        if !parcels && !retryable {
            for event in self.sealed_of.remove(&message).unwrap_or_default() {
                self.sealed.remove(&event);
            }
            self.rumors.remove(&message);
        }
    }

    /// This message or frame was handled, whatever came of it.
    pub(super) fn has_seen(&self, id: EventId) -> bool {
        self.seen.contains(&id)
    }

    /// Facts about an event that came in.
    pub(super) fn facts(&self, opened: &Opened) -> Facts {
        let Opened::Direct(envelope) = opened else { return Facts::default() };
        let receipt_for = match envelope.body {
            Body::Delivered(message) | Body::Read(message) => self.stored_facts(message).map(Box::new),
            _ => None,
        };
        Facts {
            seen: self.seen.contains(&envelope.id) || self.messages.contains_key(&envelope.id),
            parent_thread: envelope.reply_to.and_then(|id| self.messages.get(&id)).map(|message| message.thread),
            receipt_for,
            resent: self
                .messages
                .get(&envelope.id)
                .filter(|_| envelope.event_id != envelope.id && !self.seen.contains(&envelope.event_id))
                .filter(|message| message.direction == Direction::In)
                .map(|message| Box::new(inbound(message))),
            place: envelope.place.map(|place| Box::new(self.lines.around(envelope.author, &place, &self.messages))),
            asked: match &envelope.body {
                Body::Missing { line, numbers } => self.asked_facts(envelope.author, *line, numbers),
                _ => Vec::new(),
            },
            // Owners of the simulation know each other.
            stranger: StrangerFacts::default(),
            // The simulated owners invite nobody.
            invite: None,
        }
    }

    fn asked_facts(&self, peer: PubKey, line: LineId, numbers: &[u64]) -> Vec<AskedFacts> {
        let facts = |number: &u64| {
            let message = self.messages.get(&self.lines.at(peer, true, line, *number)?)?;
            let has_rumor = self.rumors.contains_key(&message.id);
            Some(AskedFacts { number: *number, id: message.id, status: message.status.clone(), has_rumor })
        };
        numbers.iter().filter_map(facts).collect()
    }

    /// What a receipt or a retry by hand needs of a message of ours.
    pub(super) fn stored_facts(&self, id: MessageId) -> Option<StoredFacts> {
        let message = self.messages.get(&id).filter(|message| message.direction == Direction::Out)?;
        let copy = self.parcels.get(&(id, ParcelClass::OwnCopy)).map(|parcel| parcel.event);
        let rows = self.sealed_of.get(&id).into_iter().flatten().filter(|event| Some(**event) != copy);
        let newest = rows.filter_map(|event| Some((*event, self.sealed.get(event)?))).max_by_key(|(_, row)| (row.wrapped_at, row.number));
        Some(StoredFacts {
            to: message.peer,
            form: message.form,
            event: newest.map(|(event, _)| event),
            kind: newest.map_or(0, |(_, row)| row.kind),
            wrapped_at: newest.map_or(message.written_at, |(_, row)| row.wrapped_at),
            status: message.status.clone(),
        })
    }

    pub(super) fn parent_facts(&self, id: MessageId) -> Option<ParentFacts> {
        let message = self.messages.get(&id)?;
        let MessageRecord { thread, chain, direction, stored_at, .. } = *message;
        Some(ParentFacts { id, thread, chain, direction, stored_at })
    }

    /// The newest message sent under an idempotency key since then.
    pub(super) fn earlier_send(&self, key: &str, since: At, content: &str) -> Option<EarlierSend> {
        let under_key = |message: &&MessageRecord| message.idempotency_key.as_deref() == Some(key) && message.stored_at >= since;
        self.messages.values().filter(under_key).max_by_key(|message| message.stored_at).map(|message| EarlierSend {
            id: message.id,
            to: message.peer,
            written_at: message.written_at,
            same_content: message.content == content,
            status: message.status.clone(),
        })
    }

    /// A peer's messages that lack a receipt.
    pub(super) fn unreceipted(&self, peer: PubKey) -> Vec<InboundFacts> {
        let lacks = |message: &&MessageRecord| {
            message.peer == peer
                && message.direction == Direction::In
                && (!message.receipts.delivered || (message.read_at.is_some() && !message.receipts.read))
        };
        self.messages.values().filter(lacks).map(inbound).collect()
    }

    pub(super) fn inbound_facts(&self, ids: &[MessageId]) -> Vec<InboundFacts> {
        let known = ids.iter().filter_map(|id| self.messages.get(id));
        known.filter(|message| message.direction == Direction::In).map(inbound).collect()
    }

    /// What the agent would be handed out now.
    pub(super) fn unread(&self) -> Vec<MessageId> {
        let unread = |message: &&MessageRecord| message.direction == Direction::In && message.read_at.is_none() && !message.held;
        self.messages.values().filter(unread).map(|message| message.id).collect()
    }
}

fn inbound(message: &MessageRecord) -> InboundFacts {
    InboundFacts { id: message.id, from: message.peer, form: message.form, is_read: message.read_at.is_some(), receipts: message.receipts }
}
