//! A fake disk: what the store would keep.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{
    AskedFacts, At, Body, Change, Direction, EventId, Facts, Gap, HistoryEntry, InboundFacts, InviteFacts, InviteId, InviteRecord,
    InviteSecret, JoinFrame, JoinedFrame, LineId, MessageId, MessageRecord, Opened, Origin, OwnLine, Parcel, ParcelClass, PeerLine,
    PeerRecord, Place, PlaceFacts, PubKey, Recipient, RelayRecord, RelayUrl, SendRequest, Status, StoredFacts, StrangerFacts, Trust, Turn,
    UnreadFacts, WakeRecord, WakeTargetId, limit::LINES_PER_PEER_MAX, time::HOUR,
};

use super::world::World;

pub(crate) fn inbound(message: &MessageRecord) -> InboundFacts {
    InboundFacts { id: message.id, from: message.peer, form: message.form, is_read: message.read_at.is_some(), receipts: message.receipts }
}

/// What the shell would say of a join: this world's secrets are their first sixteen bytes, and a good proof is made of ones.
fn join_facts(secret: &InviteSecret, joiner: &PubKey, frame: &JoinFrame) -> InviteFacts {
    let good = frame.proof == [1; 32];
    let answer = good.then_some(JoinedFrame { invite: frame.invite, seed: *secret, proof: [1; 32] });
    InviteFacts { good, phrase: phrase(&frame.nonce, joiner), answer }
}

fn phrase(nonce: &[u8], joiner: &PubKey) -> String {
    format!("{} {}", joiner.to_hex(), nonce[0])
}

/// A message of the owner.
pub(crate) fn blank() -> SendRequest {
    SendRequest {
        to: Recipient::Key(PubKey::from_bytes([0; 32])),
        content: String::new(),
        reply_to: None,
        subject: None,
        idempotency: None,
        origin: Origin::Owner,
        secrets: Vec::new(),
        allow_secret: false,
        urgent: false,
        dry_run: false,
    }
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
    pub(crate) own_lines: BTreeMap<PubKey, OwnLine>,
    pub(crate) lines: BTreeMap<(PubKey, LineId), PeerLine>,
    pub(crate) gaps: BTreeMap<(PubKey, LineId, u64), Gap>,
    pub(crate) invites: BTreeMap<InviteId, (InviteRecord, InviteSecret)>,
    pub(crate) wakes: BTreeMap<WakeTargetId, WakeRecord>,
}

impl Disk {
    pub(crate) fn facts(&self, opened: &Opened) -> Facts {
        let Opened::Direct(envelope) = opened else { return Facts::default() };
        let receipt_for = match envelope.body {
            Body::Delivered(id) | Body::Read(id) => self.messages.get(&id).filter(|m| m.direction == Direction::Out).map(|m| {
                Box::new(StoredFacts { to: m.peer, form: m.form, event: None, kind: 0, wrapped_at: m.stored_at, status: m.status.clone() })
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
            place: envelope.place.map(|place| Box::new(self.place_facts(&envelope.author, &place))),
            asked: match &envelope.body {
                Body::Missing { line, numbers } => self.asked_facts(&envelope.author, *line, numbers),
                _ => Vec::new(),
            },
            invite: match &envelope.body {
                Body::Join(frame) => {
                    self.invites.get(&frame.invite).map(|(_, secret)| Box::new(join_facts(secret, &envelope.author, frame)))
                }
                Body::Joined(frame) => self.invites.get(&frame.invite).map(|(_, secret)| {
                    let good = frame.proof == [1; 32] && frame.seed.0[..16] == secret.0[..16];
                    Box::new(InviteFacts { good, phrase: phrase(&secret.0[16..], &envelope.recipient), answer: None })
                }),
                _ => None,
            },
            stranger: self.stranger_facts(&envelope.author, envelope.written_at.minus(HOUR)),
        }
    }

    fn stranger_facts(&self, author: &PubKey, since: At) -> StrangerFacts {
        let inbound = || self.messages.values().filter(|m| m.direction == Direction::In);
        let is_stranger = |peer: &PubKey| self.peers.get(peer).is_none_or(|record| record.trust == Trust::Unknown);
        StrangerFacts {
            unread: inbound().filter(|m| m.peer == *author && m.read_at.is_none()).count(),
            lately: inbound().filter(|m| m.peer == *author && m.stored_at >= since).count(),
            waiting: inbound().filter(|m| m.read_at.is_none() && is_stranger(&m.peer)).map(|m| m.peer).collect::<BTreeSet<_>>().len(),
        }
    }

    /// What is worth a wake, by the trust of this moment.
    pub(crate) fn unread(&self) -> UnreadFacts {
        let trust = |peer: &PubKey| self.peers.get(peer).map_or(Trust::Unknown, |record| record.trust);
        let mut worth: Vec<&MessageRecord> = self.messages.values().collect();
        worth.retain(|m| m.direction == Direction::In && m.read_at.is_none() && !m.held && trust(&m.peer).is_accepted());
        let newest = worth.iter().max_by_key(|m| m.stored_at).map(|m| m.id);
        let urgent = worth.iter().filter(|m| m.urgent && trust(&m.peer) == Trust::Trusted).count();
        UnreadFacts { unread: u32::try_from(worth.len()).unwrap(), urgent: u32::try_from(urgent).unwrap(), newest }
    }

    pub(crate) fn turns(&self) -> Vec<Turn> {
        let turn = |m: &MessageRecord| Some(Turn { at: m.stored_at, peer: m.peer, direction: m.direction, chain: m.chain? });
        let mut turns: Vec<Turn> = self.messages.values().filter_map(turn).collect();
        turns.sort_by_key(|turn| turn.at);
        turns
    }

    fn at(&self, peer: &PubKey, direction: Direction, line: LineId, number: u64) -> Option<&MessageRecord> {
        let there = |place: Place| place.line == line && place.number == number;
        self.messages.values().find(|m| m.peer == *peer && m.direction == direction && m.place.is_some_and(there))
    }

    fn place_facts(&self, peer: &PubKey, place: &Place) -> PlaceFacts {
        let at = |number: u64| self.at(peer, Direction::In, place.line, number);
        let line = self.lines.get(&(*peer, place.line)).copied();
        let mut known: Vec<&PeerLine> = self.lines.values().filter(|line| line.peer == *peer).collect();
        known.sort_by_key(|line| std::cmp::Reverse(line.heard_at));
        let oldest = known.get(LINES_PER_PEER_MAX - 1).map(|line| line.line);
        PlaceFacts {
            line,
            same: at(place.number).map(|m| m.id),
            before: at(place.number - 1).map(|m| m.id),
            named_after: at(place.number + 1).and_then(|m| m.place?.previous),
            oldest_line: oldest.filter(|_| line.is_none()),
        }
    }

    fn asked_facts(&self, peer: &PubKey, line: LineId, numbers: &[u64]) -> Vec<AskedFacts> {
        let facts = |number: &u64| {
            let message = self.at(peer, Direction::Out, line, *number)?;
            Some(AskedFacts { number: *number, id: message.id, status: message.status.clone(), has_rumor: true })
        };
        numbers.iter().filter_map(facts).collect()
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
            Change::DropHeld(peer) => {
                let held: Vec<MessageId> = self.messages.values().filter(|m| m.peer == peer && m.held).map(|m| m.id).collect();
                for id in held {
                    self.messages.remove(&id);
                    self.seen.insert(id);
                }
            }
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
            Change::PutOwnLine(own) => {
                self.own_lines.insert(own.peer, own);
            }
            Change::DropOwnLine(peer) => {
                self.own_lines.remove(&peer);
            }
            Change::PutLine(line) => {
                self.lines.insert((line.peer, line.line), line);
            }
            Change::DropLine { peer, line } => {
                self.lines.remove(&(peer, line));
            }
            Change::PutGap(gap) => {
                self.gaps.insert((gap.peer, gap.line, gap.last), gap);
            }
            Change::DropGap { peer, line, last } => {
                self.gaps.remove(&(peer, line, last));
            }
            Change::AddInvite { record, secret } => {
                assert!(self.invites.insert(record.id, (*record, secret)).is_none());
            }
            Change::PutInvite(record) => {
                let kept = self.invites.get_mut(&record.id).unwrap();
                kept.0 = *record;
            }
            Change::DropInvite(id) => {
                self.invites.remove(&id).unwrap();
            }
            Change::ForgetNumber(id) => self.messages.get_mut(&id).unwrap().place = None,
            Change::PutWake(record) => {
                self.wakes.insert(std::sync::Arc::clone(&record.target), *record);
            }
            Change::DropWake(target) => {
                self.wakes.remove(&target).unwrap();
            }
        }
    }
}

/// What the nodes' disks show.
impl World {
    pub(crate) fn status(&self, index: usize, id: MessageId) -> Status {
        self.nodes[index].disk.messages[&id].status.clone()
    }

    pub(crate) fn inbox(&self, index: usize) -> Vec<&MessageRecord> {
        self.nodes[index].disk.messages.values().filter(|m| m.direction == Direction::In).collect()
    }

    pub(crate) fn peer_trust(&self, index: usize, peer: &PubKey) -> Trust {
        self.nodes[index].disk.peers[peer].trust
    }

    pub(crate) fn peer(&self, index: usize, other: usize) -> Option<&PeerRecord> {
        self.nodes[index].disk.peers.get(&self.nodes[other].me)
    }
}
