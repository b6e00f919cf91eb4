//! The reference: a plain book of what was promised and what was seen, which knows what must be true. It trusts nothing the cores say.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{
    At, Direction, DraftBody, FailReason, Form, HistoryEntry, HopState, LineId, Mesh, MessageId, MessageRecord, PubKey, Status,
    time::{HOUR, MINUTE},
};

use super::{trace::short, world::World};

/// Something in a batch that the reference looks at once it is on disk.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// A message was to be stored. `is_new`: it was not there before; `blocked`: its author was.
    Added { id: MessageId, is_new: bool, blocked: bool },
    /// A message stands elsewhere.
    Moved { id: MessageId, from: Option<Status>, to: Status },
    /// A line of history.
    Told { id: MessageId, entry: HistoryEntry },
}

/// A message that its sender has on disk.
#[derive(Debug, Clone, Copy)]
struct Sent {
    from: usize,
    to: usize,
}

/// The book.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Which relay said OK to which message or frame.
    pub(super) oks: BTreeSet<(MessageId, usize)>,
    /// Which relay keeps which message for its recipient.
    pub(super) kept: BTreeSet<(usize, MessageId)>,
    pub(super) healed_at: Option<At>,
    sent: BTreeMap<MessageId, Sent>,
    /// What an owner acknowledged, and was told so.
    acknowledged: BTreeSet<(usize, MessageId)>,
    notified: BTreeSet<(usize, MessageId)>,
    /// Which message a key made.
    keys: BTreeMap<(usize, String), MessageId>,
    /// Which message has which number of which line: from whom, to whom.
    pub(super) numbers: BTreeMap<(usize, PubKey, LineId, u64), MessageId>,
    texts: BTreeMap<(usize, PubKey, String), MessageId>,
    /// Who blocked whom at some time.
    pub(super) blocked: BTreeSet<(usize, PubKey)>,
    /// Messages their owner gave up, and peers it dropped.
    pub(super) given_up: BTreeSet<MessageId>,
    pub(super) dropped: BTreeSet<(usize, PubKey)>,
    /// Messages whose owner asked for another try.
    pub(super) retried: BTreeSet<MessageId>,
    lost: u64,
    duplicated: u64,
    phantom: u64,
    torn: u64,
}

/// The order in which a status may change; a failed message stands aside.
const fn rank(status: &Status) -> Option<u8> {
    match status {
        Status::Queued => Some(0),
        Status::Relayed { .. } => Some(1),
        Status::Received | Status::Delivered { .. } => Some(2),
        Status::Read { .. } => Some(3),
        Status::Failed { .. } => None,
    }
}

impl Ledger {
    pub(super) const fn counts(&self) -> (u64, u64, u64, u64) {
        (self.lost, self.duplicated, self.phantom, self.torn)
    }

    pub(super) fn sent_count(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Some message that was sent, and by whom.
    pub(super) fn some_sent(&self, throw: u64) -> Option<(MessageId, usize)> {
        let index = usize::try_from(throw).unwrap_or(0).checked_rem(self.sent.len())?;
        self.sent.iter().nth(index).map(|(id, sent)| (*id, sent.from))
    }

    pub(super) fn was_acknowledged(&self, a: usize, id: MessageId) -> bool {
        self.acknowledged.contains(&(a, id))
    }

    pub(super) fn acknowledge(&mut self, a: usize, id: MessageId) {
        self.acknowledged.insert((a, id));
    }
}

impl World {
    pub(super) fn agent_of(&self, key: PubKey) -> Option<usize> {
        self.agents.iter().position(|agent| agent.me == key)
    }

    /// What a batch did is on disk now.
    pub(super) fn committed(&mut self, a: usize, facts: Vec<Fact>) {
        for fact in facts {
            match fact {
                Fact::Added { id, is_new, blocked } => self.stored(a, id, is_new, blocked),
                Fact::Moved { id, from, to } => self.moved(a, id, from.as_ref(), &to),
                Fact::Told { id, entry: HistoryEntry::Accepted { relay } } => {
                    let r = self.relays.iter().position(|known| known.url == relay);
                    if !r.is_some_and(|r| self.ledger.oks.contains(&(id, r))) {
                        self.violation(format!("agent {a}: {} is accepted by {relay}, which never said so", short(id)));
                    }
                }
                Fact::Told { .. } => {}
            }
        }
    }

    fn stored(&mut self, a: usize, id: MessageId, is_new: bool, blocked: bool) {
        let Some(message) = self.agents[a].disk.messages.get(&id) else { return };
        let (direction, peer, content) = (message.direction, message.peer, message.content.clone());
        if direction == Direction::Out {
            if is_new && let Some(to) = self.agent_of(peer) {
                self.ledger.sent.insert(id, Sent { from: a, to });
                self.numbered(a, id);
            }
            return;
        }
        if blocked {
            self.violation(format!("agent {a}: {} of a blocked peer is stored", short(id)));
        }
        if !is_new || self.ledger.texts.insert((a, peer, content), id).is_some_and(|earlier| earlier != id) {
            self.ledger.duplicated += 1;
            self.violation(format!("agent {a}: {} is stored twice", short(id)));
        }
        let me = self.agents[a].me;
        let Some(rumor) = self.wire.rumor(id).filter(|rumor| rumor.author == peer && rumor.draft.to == me) else {
            return self.phantom(a, id);
        };
        let Some(message) = self.agents[a].disk.messages.get(&id) else { return };
        let whole = rumor.draft.body == DraftBody::Text(message.content.clone())
            && rumor.draft.reply_to == message.reply_to
            && rumor.draft.form == message.form
            && rumor.draft.written_at.secs() == message.written_at.secs()
            && Some(rumor.chain) == message.chain;
        if !whole {
            self.ledger.torn += 1;
            self.violation(format!("agent {a}: {} is not what was written", short(id)));
        }
        if peer != self.mallory && !self.ledger.sent.contains_key(&id) {
            self.phantom(a, id);
        }
    }

    fn phantom(&mut self, a: usize, id: MessageId) {
        self.ledger.phantom += 1;
        self.violation(format!("agent {a}: nobody sent {}", short(id)));
    }

    fn moved(&mut self, a: usize, id: MessageId, from: Option<&Status>, to: &Status) {
        let Some(from) = from else {
            return self.violation(format!("agent {a}: a status for {}, which is not stored", short(id)));
        };
        let forward = match (rank(from), rank(to)) {
            (Some(from), Some(to)) => to >= from,
            (Some(from), None) => from < 2,
            (None, Some(0)) => self.ledger.retried.contains(&id),
            (None, Some(to)) => to >= 2,
            (None, None) => false,
        };
        if !forward {
            self.violation(format!("agent {a}: {} went from {} to {}", short(id), from.as_str(), to.as_str()));
        }
        let Some(sent) = self.ledger.sent.get(&id).copied() else { return };
        let arrived = self.agents[sent.to].disk.messages.get(&id);
        match to {
            Status::Delivered { .. } if arrived.is_none() => {
                self.violation(format!("agent {a}: {} counts as delivered and is not there", short(id)));
            }
            Status::Read { .. } if arrived.is_none_or(|message| message.read_at.is_none()) => {
                self.violation(format!("agent {a}: {} counts as read and is not", short(id)));
            }
            Status::Failed { reason: FailReason::Expired, .. } => {
                let queued_at = self.agents[a].disk.messages.get(&id).map_or(At(0), |message| message.stored_at);
                // Clocks are set by less than an hour in all.
                let lived = self.agents[a].clock(self.now).since(queued_at) + 2 * HOUR;
                if lived < self.agents[a].policy.message_ttl_ms {
                    self.violation(format!("agent {a}: {} expired before its time", short(id)));
                }
            }
            _ => {}
        }
    }

    /// A listener was told that a message arrived.
    pub(super) fn notified(&mut self, a: usize, id: MessageId) {
        if !self.ledger.notified.insert((a, id)) {
            self.ledger.duplicated += 1;
            self.violation(format!("agent {a}: {} is announced twice", short(id)));
        }
    }

    /// An owner was told that a message is in the outbox.
    pub(super) fn acknowledged_send(&mut self, a: usize, id: MessageId, key: Option<String>) {
        if !self.agents[a].disk.messages.contains_key(&id) {
            self.ledger.lost += 1;
            self.violation(format!("agent {a}: {} was acknowledged and is not on disk", short(id)));
        }
        if let Some(key) = key
            && self.ledger.keys.insert((a, key.clone()), id).is_some_and(|earlier| earlier != id)
        {
            self.ledger.duplicated += 1;
            self.violation(format!("agent {a}: the key {key} made two messages"));
        }
    }

    /// A message is in the unread list though its owner acknowledged it.
    pub(super) fn handed_out_again(&mut self, a: usize, id: MessageId) {
        self.ledger.duplicated += 1;
        self.violation(format!("agent {a}: {} is handed out again", short(id)));
    }

    pub(super) fn ledger_sent_by(&self, a: usize) -> Vec<MessageId> {
        self.ledger.sent.iter().filter(|(_, sent)| sent.from == a).map(|(id, _)| *id).collect()
    }

    /// A message has not arrived, and nothing says why.
    fn is_missing(&self, id: MessageId, sent: Sent) -> bool {
        let (from, to) = (&self.agents[sent.from], &self.agents[sent.to]);
        if to.disk.messages.contains_key(&id) {
            return false;
        }
        let failed = from.disk.messages.get(&id).is_some_and(|message| matches!(message.status, Status::Failed { .. }));
        let refused = self.ledger.blocked.contains(&(sent.to, from.me)) || to.policy.inbox == ocmesh_proto::InboxPolicy::Closed;
        let given_up = self.ledger.given_up.contains(&id) || self.ledger.dropped.contains(&(sent.from, to.me));
        let dropped = refused && to.disk.has_seen(id);
        !failed && !given_up && !dropped
    }

    pub(super) fn is_owed(&self) -> bool {
        self.ledger.sent.iter().any(|(id, sent)| self.is_missing(*id, *sent) || self.is_unconfirmed(*id, *sent))
    }

    /// The peer stored a message and receipted it, and its sender does not know. What is sent again is receipted again; a kind 4 event cannot
    /// be told from its own repetition, so there a lost receipt stays lost. Owners' whims change who receipts what.
    fn is_unconfirmed(&self, id: MessageId, sent: Sent) -> bool {
        let (from, to) = (&self.agents[sent.from], &self.agents[sent.to]);
        let receipted = to.disk.messages.get(&id).is_some_and(|message| message.receipts.delivered && message.form == Form::Nip17);
        let open = |message: &MessageRecord| matches!(message.status, Status::Queued | Status::Relayed { .. });
        !self.plan.apart && !self.plan.whims && receipted && from.disk.messages.get(&id).is_some_and(open)
    }

    /// A relay that the recipient reads has the message.
    fn is_kept_where_read(&self, id: MessageId, sent: Sent) -> bool {
        let own = self.agents[sent.to].mesh.as_ref().map(Mesh::own_relays).unwrap_or_default();
        self.relays.iter().enumerate().any(|(r, relay)| own.contains(&relay.url) && self.ledger.kept.contains(&(r, id)))
    }

    /// Everything owed has arrived by now, and what was said of it is true.
    pub(super) fn look_after_healing(&mut self) {
        let sent: Vec<(MessageId, Sent)> = self.ledger.sent.iter().map(|(id, sent)| (*id, *sent)).collect();
        for (id, sent) in sent {
            let Some(message) = self.agents[sent.from].disk.messages.get(&id) else {
                self.violation(format!("agent {}: {} is gone from its sender", sent.from, short(id)));
                continue;
            };
            let status = message.status.clone();
            if self.is_missing(id, sent) {
                // Agents that live apart may never learn where the other reads: then only what waits there counts.
                if self.plan.apart && !self.is_kept_where_read(id, sent) {
                    continue;
                }
                self.ledger.lost += 1;
                self.violation(format!("{} from agent {} never reached agent {}: {status:?}", short(id), sent.from, sent.to));
            } else if self.is_unconfirmed(id, sent) {
                self.violation(format!("agent {}: {} arrived and its receipt never did: {status:?}", sent.from, short(id)));
            } else if status == Status::Queued {
                self.violation(format!("agent {}: {} is still queued after healing", sent.from, short(id)));
            }
        }
    }

    /// Nothing that is due waits for a relay that takes it.
    pub(super) fn look_for_what_is_stuck(&mut self) {
        for a in 0..self.agents.len() {
            let clock = self.agents[a].clock(self.now);
            let mut stuck = Vec::new();
            for parcel in self.agents[a].disk.parcels.values() {
                for hop in &parcel.hops {
                    // A publish in flight is kept as due: on disk both look the same.
                    let HopState::Waiting { next_at, .. } = hop.state else { continue };
                    if clock.since(next_at) > 20 * MINUTE {
                        stuck.push(format!("{:?} {} is stuck at {}", parcel.class, short(parcel.message), hop.relay));
                    }
                }
            }
            for what in stuck {
                self.violation(format!("agent {a}: {what}"));
            }
        }
    }

    /// Everything that an agent's own relays keep for it has been looked at, whether it is sent again or not.
    pub(super) fn look_for_what_was_not_fetched(&mut self) {
        let mut wrong = Vec::new();
        for (a, agent) in self.agents.iter().enumerate() {
            let own = agent.mesh.as_ref().map(Mesh::own_relays).unwrap_or_default();
            for relay in self.relays.iter().filter(|relay| own.contains(&relay.url)) {
                let shown = relay.kept_for(agent.me).iter().filter(|id| !self.wire.withheld.contains(id));
                let events = shown.filter_map(|id| self.wire.event(*id));
                let missed = events.filter(|event| !event.is_canary()).filter(|event| {
                    let known = event.message().is_some_and(|message| agent.disk.messages.contains_key(&message));
                    // A wrap is remembered by its own id, a kind 4 event by the message's, which is the same.
                    !(agent.disk.has_seen(event.id) || known && event.message() == Some(event.id))
                });
                wrong.extend(missed.map(|event| format!("agent {a}: never fetched {} from {}", short(event.id), relay.url)));
            }
        }
        for what in wrong {
            self.violation(what);
        }
    }

    /// Nothing is left over once every time to live is past.
    pub(super) fn look_at_the_end(&mut self) {
        self.look_at_gaps();
        for a in 0..self.agents.len() {
            let agent = &self.agents[a];
            let mut wrong = Vec::new();
            for parcel in agent.disk.parcels.values() {
                let flies = parcel.hops.iter().any(|hop| matches!(hop.state, HopState::InFlight { .. }));
                wrong.push(format!("{:?} {} is left in the outbox (in flight: {flies})", parcel.class, short(parcel.message)));
            }
            if let Some(mesh) = &agent.mesh {
                self.bounds(a, mesh, &mut wrong);
            } else {
                wrong.push("it does not run".to_owned());
            }
            for what in wrong {
                self.violation(format!("agent {a}: {what}"));
            }
        }
    }

    fn bounds(&self, a: usize, mesh: &Mesh, wrong: &mut Vec<String>) {
        let (peers, _) = mesh.peer_counts();
        if peers > self.agents.len() {
            wrong.push(format!("{peers} peers in a world of {} agents", self.agents.len()));
        }
        if mesh.outbox_counts() != (0, 0) {
            wrong.push(format!("the core believes in {:?} messages in an empty outbox", mesh.outbox_counts()));
        }
        let (open, own) = (self.agents[a].connections.len(), mesh.own_relays().len());
        if open > own {
            wrong.push(format!("{open} connections for {own} relays of its own"));
        }
    }
}
