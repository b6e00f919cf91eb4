//! What comes in: presences, lists and profiles into the directory, direct messages into the store, frames to whom they concern.

use std::collections::BTreeMap;

use crate::{
    At, Body, Change, DraftBody, Envelope, Facts, Form, Handshake, InboundFacts, InboxPolicy, ListPurpose, Mesh, MessageRecord, Notice,
    PeerChange, PeerRecord, PeerRelays, PeerSource, Presence, Profile, PubKey, ReceiptsSent, RelayList, RelayUrl, Sealed, Status, Trust,
    limit::{ANSWERED_MAX, PEER_RELAYS_MAX, RECEIPTED_MAX, STRANGERS_ANSWERED_MAX},
    outbox::{Posting, confirms, direction},
    relay_set::PRESENCE_LEASE_MS,
    time::{DAY, HOUR, MINUTE},
};

/// A presence dated further ahead than this is dropped: it would shadow every honest one until then.
const FUTURE_MS_MAX: u64 = 10 * MINUTE;
/// A promised next beat is believed up to this far ahead.
const NEXT_MS_MAX: u64 = HOUR;
/// Grace on top of a promised beat, beside one lost beat.
const GRACE_MS: u64 = MINUTE;
/// A pong no relay took by then answers nothing any more.
const PONG_TTL_MS: u64 = 10 * MINUTE;
/// Receipts are tried as long as messages are.
const RECEIPT_TTL_MS: u64 = 7 * DAY;
/// An intro is answered with ours at most this often a peer, so that two nodes cannot greet each other for ever.
const INTRO_ANSWER_MS: u64 = 10 * MINUTE;
/// A peer that comes back fetches what waits for it before it is asked for what is missing.
const COMING_BACK_MS: u64 = MINUTE;
/// Pings of one peer are answered at most this often.
const PONG_INTERVAL_MS: u64 = 10_000;

/// The receipt of one message is repeated at most this often: a message sent again comes in several wraps, by several relays.
const RECEIPT_AGAIN_MS: u64 = 5 * MINUTE;

/// Which receipts we repeated lately.
pub(crate) type Receipted = BTreeMap<crate::MessageId, At>;

/// When we last answered whom, so that nobody can make us talk without end.
pub(crate) type Answered = BTreeMap<PubKey, At>;

/// The end of a lease: the promised beat, one more of the same length in case one is lost, and a grace; else fifteen minutes.
fn lease_until(presence: &Presence) -> At {
    let default = presence.created_at.plus(PRESENCE_LEASE_MS);
    match presence.next_at.filter(|next| *next > presence.created_at) {
        None => default,
        Some(next) => {
            let interval = next.since(presence.created_at).min(NEXT_MS_MAX);
            presence.created_at.plus(interval.saturating_mul(2)).plus(GRACE_MS)
        }
    }
}

impl Mesh {
    pub(crate) fn presence_seen(&mut self, relay: &RelayUrl, presence: Presence) {
        let now = self.now;
        if presence.author == self.me || presence.created_at > now.plus(FUTURE_MS_MAX) {
            return;
        }
        let author = presence.author;
        let is_new = self.meet(author, PeerSource::Presence);
        let lease = lease_until(&presence);
        let relays = self.usable(&presence.relays);
        let edited = self.directory.edit(&author, now, |record| {
            saw_on(record, relay);
            if presence.created_at <= record.presence_at {
                return None;
            }
            let described = record.name != presence.name || record.features != presence.features;
            let moved = record.presence_relays != relays;
            record.presence_at = presence.created_at;
            // A stored presence from before we looked says when the peer was there, not that it is here now.
            record.last_seen = record.last_seen.max(presence.created_at.min(now));
            record.lease_until = lease;
            record.status = presence.status;
            record.features = presence.features;
            record.forms = presence.forms;
            record.work_asked = presence.work_asked;
            record.presence_relays = relays;
            if presence.name.is_some() {
                record.name = presence.name;
            }
            if presence.version.is_some() {
                record.version = presence.version;
            }
            Some((described, moved))
        });
        let Some((Some((described, moved)), was_online, is_online)) = edited else { return };
        self.put_peer(&author);
        if is_online && self.directory.get(&author).is_some_and(|peer| confirms(&peer)) {
            self.expect_overdue_receipts(&author);
        }
        let what = if is_new {
            Some(PeerChange::Discovered)
        } else if is_online && !was_online {
            Some(PeerChange::Online)
        } else if was_online && !is_online {
            Some(PeerChange::Offline)
        } else {
            described.then_some(PeerChange::Described)
        };
        if let Some(what) = what {
            self.notice_peer(author, what);
        }
        if moved {
            self.reroute(&author);
        }
        if is_online && !was_online {
            self.ask_soon(&author, COMING_BACK_MS);
        }
        if is_online {
            self.consider_hello(&author);
        }
    }

    /// Makes sure a peer has a record; `true` when it is new.
    pub(crate) fn meet(&mut self, peer: PubKey, source: PeerSource) -> bool {
        if self.directory.get(&peer).is_some() {
            return false;
        }
        for stranger in self.directory.strangers_to_forget() {
            self.directory.remove(&stranger);
            self.forget_gaps(&stranger);
            self.change(Change::DropPeer(stranger));
        }
        self.directory.insert(PeerRecord::new(peer, source, self.now));
        true
    }

    pub(crate) fn relay_list_seen(&mut self, list: RelayList) {
        let now = self.now;
        if list.created_at > now.plus(FUTURE_MS_MAX) {
            return;
        }
        let relays = self.usable(&list.relays);
        let edited = self.directory.edit(&list.author, now, |record| {
            let slot = match list.purpose {
                ListPurpose::DirectMessages => &mut record.dm_relays,
                ListPurpose::Read => &mut record.read_relays,
            };
            if slot.as_ref().is_some_and(|known| known.created_at >= list.created_at) {
                return false;
            }
            *slot = Some(PeerRelays { created_at: list.created_at, relays });
            true
        });
        if let Some((true, _, _)) = edited {
            self.put_peer(&list.author);
            self.reroute(&list.author);
        }
    }

    pub(crate) fn profile_seen(&mut self, profile: Profile) {
        let now = self.now;
        let edited = self.directory.edit(&profile.author, now, |record| {
            // A presence names an agent more freshly than its profile does.
            let named = record.name.is_none() && profile.name.is_some();
            if named {
                record.name.clone_from(&profile.name);
            }
            let described = profile.about.is_some() && record.about != profile.about;
            if described {
                record.about = profile.about;
            }
            named || described
        });
        if let Some((true, _, _)) = edited {
            self.put_peer(&profile.author);
            self.notice_peer(profile.author, PeerChange::Described);
        }
    }

    pub(crate) fn direct_received(&mut self, relay: &RelayUrl, envelope: Envelope, facts: Facts) {
        let now = self.now;
        if !facts.seen && !self.has_room(relay, &envelope, &facts.stranger) {
            return;
        }
        if envelope.event_id != envelope.id {
            self.change(Change::AddSeen { id: envelope.event_id, at: now });
        }
        if facts.seen {
            if let Some(message) = facts.resent.filter(|message| message.from == envelope.author) {
                self.receipt_again(*message);
            }
            if let Some(place) = envelope.place.filter(|_| envelope.author != self.me) {
                self.number_came(envelope.author, place.line, place.number);
            }
            return;
        }
        if envelope.author == self.me {
            self.own_copy_received(envelope, &facts);
            return;
        }
        let author = envelope.author;
        if self.directory.trust(&author) == Some(Trust::Blocked) {
            self.change(Change::AddSeen { id: envelope.id, at: now });
            return;
        }
        let is_new = self.meet(author, PeerSource::Message);
        let earlier = self.directory.get(&author).map_or(Handshake::None, |peer| peer.handshake);
        self.mark_handshaked(&author);
        let is_intro = matches!(envelope.body, Body::Intro { .. });
        self.directory.edit(&author, now, |record| {
            saw_on(record, relay);
            record.last_seen = now;
            // Every node says hello in NIP-04, so a hello tells nothing about what the peer prefers.
            if !is_intro {
                record.last_form = Some(envelope.form);
            }
        });
        if is_new {
            self.notice_peer(author, PeerChange::Discovered);
            self.look_up(author, false);
        }
        if self.directory.get(&author).is_some_and(|peer| confirms(&peer)) {
            self.expect_overdue_receipts(&author);
        }
        self.take_body(envelope, facts, earlier);
        self.put_peer(&author);
    }

    fn take_body(&mut self, envelope: Envelope, facts: Facts, earlier: Handshake) {
        let (id, author, now) = (envelope.id, envelope.author, self.now);
        if !matches!(envelope.body, Body::Text(_) | Body::Structured { .. }) {
            self.change(Change::AddSeen { id, at: now });
        }
        match envelope.body {
            Body::Text(ref text) => {
                let text = text.clone();
                self.message_received(envelope, facts, "text".to_owned(), text);
            }
            Body::Structured { ref kind, ref json } => {
                let (kind, json) = (kind.clone(), json.clone());
                self.message_received(envelope, facts, kind, json);
            }
            Body::Intro { name, version, .. } => {
                self.directory.edit(&author, now, |record| {
                    if name.is_some() && (record.name.is_none() || record.presence_at == At(0)) {
                        record.name = name;
                    }
                    if record.version.is_none() {
                        record.version = version;
                    }
                });
                // Our own hello on its way answers theirs; otherwise introduce ourselves.
                let greeted = matches!(earlier, Handshake::Sent { at, .. } if now.since(at) < INTRO_ANSWER_MS);
                let stale = now.since(envelope.written_at) > DAY;
                if !greeted && !stale && self.may_answer(author, INTRO_ANSWER_MS) {
                    self.send_intro(author);
                }
            }
            Body::Ping => {
                let stale = now.since(envelope.written_at) > PONG_TTL_MS;
                if !stale && self.may_answer(author, PONG_INTERVAL_MS) {
                    self.send_frame(author, envelope.form, DraftBody::Pong, PONG_TTL_MS);
                }
            }
            Body::Pong | Body::Canary => {}
            Body::Delivered(message) => self.receipt(message, author, false, facts.receipt_for.as_deref()),
            Body::Read(message) => self.receipt(message, author, true, facts.receipt_for.as_deref()),
            Body::Missing { line, numbers } => {
                let stale = now.since(envelope.written_at) > DAY;
                if !stale {
                    self.asked_again(author, line, &numbers, &facts.asked);
                }
            }
            Body::Gone { line, numbers } => self.numbers_gone(author, line, &numbers),
            Body::Join(frame) => self.join_came(author, frame.invite, facts.invite),
            Body::Joined(frame) => self.joined_came(author, frame.invite, facts.invite),
            Body::JoinRefused { invite, why } => self.join_refused(author, invite, why),
        }
    }

    /// Bounds automatic answers per peer.
    fn may_answer(&mut self, peer: PubKey, interval_ms: u64) -> bool {
        let now = self.now;
        let is_stranger = self.is_stranger(&peer);
        // Apart, so that a flood of strangers takes no friend's place.
        let (answered, most) =
            if is_stranger { (&mut self.strangers_answered, STRANGERS_ANSWERED_MAX) } else { (&mut self.answered, ANSWERED_MAX) };
        if answered.get(&peer).is_some_and(|at| now.since(*at) < interval_ms) {
            return false;
        }
        if answered.len() >= most {
            answered.retain(|_, at| now.since(*at) < INTRO_ANSWER_MS);
        }
        if answered.len() >= most {
            return false; // So many in ten minutes is a flood; silence is the answer to that.
        }
        answered.insert(peer, now);
        true
    }

    fn message_received(&mut self, envelope: Envelope, facts: Facts, kind: String, content: String) {
        let now = self.now;
        let trust = self.directory.trust(&envelope.author).unwrap_or(Trust::Unknown);
        let held = match self.policy.inbox {
            InboxPolicy::Open => false,
            InboxPolicy::Ask => !trust.is_accepted(),
            InboxPolicy::Closed if trust.is_accepted() => false,
            InboxPolicy::Closed => {
                self.change(Change::AddSeen { id: envelope.id, at: now });
                return;
            }
        };
        let accepted = trust.is_accepted();
        let chain = self.chain_heard(&envelope.author, envelope.id, envelope.chain, content.chars().count());
        let chain = Some(chain);
        if !held {
            self.chains.hear(envelope.author, chain, envelope.subject.as_deref(), accepted, now);
        }
        let record = MessageRecord { chain, ..record_of(&envelope, envelope.author, &facts, kind, content, now) };
        let receipts = ReceiptsSent { delivered: accepted, read: false };
        self.change(Change::AddMessage(Box::new(MessageRecord { held, receipts, ..record })));
        self.notice(Notice::MessageArrived { id: envelope.id, from: envelope.author, trust, held });
        if let Some(place) = &envelope.place {
            self.place_heard(envelope.author, envelope.id, place, &facts.place.unwrap_or_default());
        }
        if accepted {
            self.send_frame(envelope.author, envelope.form, DraftBody::Delivered(envelope.id), RECEIPT_TTL_MS);
            self.wake_for_message(envelope.urgent && trust == Trust::Trusted);
        }
    }

    /// A copy of something we wrote, from before a reinstall or from another device: back into the history.
    fn own_copy_received(&mut self, envelope: Envelope, facts: &Facts) {
        let now = self.now;
        let (kind, content) = match &envelope.body {
            Body::Text(text) => ("text".to_owned(), text.clone()),
            Body::Structured { kind, json } => (kind.clone(), json.clone()),
            _ => {
                self.change(Change::AddSeen { id: envelope.id, at: now });
                return;
            }
        };
        let peer = envelope.recipient;
        if peer == self.me {
            self.change(Change::AddSeen { id: envelope.id, at: now });
            return;
        }
        if self.meet(peer, PeerSource::Added) {
            self.directory.edit(&peer, now, |record| record.trust = Trust::Known);
            self.put_peer(&peer);
        }
        if let Some(place) = &envelope.place {
            self.own_place_seen(peer, place);
        }
        let record = record_of(&envelope, peer, facts, kind, content, now);
        let status = Status::Relayed { at: envelope.written_at, accepted: 1, of: 1 };
        self.change(Change::AddMessage(Box::new(MessageRecord { status, ..record })));
    }

    /// Sends the receipts that are owed for these messages, now that their author is accepted or our agent has read them.
    pub(crate) fn send_receipts(&mut self, peer: PubKey, messages: Vec<InboundFacts>) {
        if !self.directory.trust(&peer).is_some_and(Trust::is_accepted) {
            return;
        }
        for facts in messages.into_iter().filter(|facts| facts.from == peer) {
            let body = if facts.is_read && !facts.receipts.read {
                DraftBody::Read(facts.id)
            } else if !facts.is_read && !facts.receipts.delivered {
                DraftBody::Delivered(facts.id)
            } else {
                continue;
            };
            // `read` says `delivered` too.
            self.change(Change::SetReceipts { id: facts.id, receipts: ReceiptsSent { delivered: true, read: facts.is_read } });
            self.send_frame(peer, facts.form, body, RECEIPT_TTL_MS);
        }
    }

    /// A message we have came again in a new wrap: its author may have missed our receipt.
    fn receipt_again(&mut self, message: InboundFacts) {
        let (now, from) = (self.now, message.from);
        if !self.directory.trust(&from).is_some_and(Trust::is_accepted) {
            return;
        }
        self.receipted.retain(|_, at| now.since(*at) < RECEIPT_AGAIN_MS);
        if self.receipted.contains_key(&message.id) || self.receipted.len() >= RECEIPTED_MAX {
            return;
        }
        self.receipted.insert(message.id, now);
        self.send_receipts(from, vec![InboundFacts { receipts: ReceiptsSent::default(), ..message }]);
    }

    /// A frame is sealed: into the outbox.
    pub(crate) fn frame_sealed(&mut self, to: PubKey, form: Form, ttl_ms: u64, sealed: Sealed) {
        if let Some(json) = sealed.rumor {
            self.change(Change::PutRumor { message: sealed.message_id, json });
        }
        let route = self.route_to(&to);
        let class = crate::ParcelClass::Frame;
        self.post(Posting { message: sealed.message_id, class, to, form, ttl_ms, route }, sealed.event);
    }
}

fn saw_on(record: &mut PeerRecord, relay: &RelayUrl) {
    if record.seen_on.first() != Some(relay) {
        record.seen_on.retain(|known| known != relay);
        record.seen_on.insert(0, relay.clone());
        record.seen_on.truncate(PEER_RELAYS_MAX);
    }
}

fn record_of(envelope: &Envelope, peer: PubKey, facts: &Facts, kind: String, content: String, now: At) -> MessageRecord {
    // `direction` looks at the author only: `peer` is the other side either way.
    let me = if peer == envelope.author { envelope.recipient } else { envelope.author };
    MessageRecord {
        id: envelope.id,
        direction: direction(&envelope.author, &me),
        peer,
        content,
        kind,
        form: envelope.form,
        written_at: envelope.written_at,
        stored_at: now,
        read_at: None,
        thread: facts.parent_thread.or(envelope.reply_to).unwrap_or(envelope.id),
        reply_to: envelope.reply_to,
        subject: envelope.subject.clone(),
        chain: envelope.chain,
        place: envelope.place,
        urgent: envelope.urgent,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        receipts: ReceiptsSent::default(),
    }
}
