//! What the owner or the agent asks for: checked here, refused with a reason or done in one step.

use crate::{
    Answer, At, Chain, Change, Command, CommandId, DirectDraft, Direction, Draft, DraftBody, Effect, Handshake, HistoryEntry, InboundFacts,
    Mesh, MessageId, MessageRecord, Notice, ParcelClass, PeerChange, PeerSource, PubKey, ReceiptsSent, Recipient, Refusal, RelayOrigin,
    RelayRecord, RelayUrl, SealRefused, Sealed, SecretSeen, SecretsPolicy, SendRequest, Status, Trust, label,
    limit::{ABOUT_CHARS_MAX, CONTENT_CHARS_MAX, FEATURE_CHARS_MAX, FEATURES_MAX, NAME_CHARS_MAX, OUTBOX_MAX, OWN_RELAYS_MAX},
    loops::{Candidate, Pass},
    mesh::Job,
    outbox::Posting,
};

/// A message between "asked for" and "sealed".
#[derive(Debug)]
pub(crate) struct PendingSend {
    command: CommandId,
    to: PubKey,
    form: crate::Form,
    content: String,
    written_at: At,
    reply_to: Option<MessageId>,
    thread: Option<MessageId>,
    subject: Option<String>,
    place: Option<crate::Place>,
    idempotency_key: Option<String>,
    pass: Pass,
    urgent: bool,
    secrets: Vec<SecretSeen>,
}

impl Mesh {
    pub(crate) fn reply(&mut self, to: CommandId, answer: Result<Answer, Refusal>) {
        self.out.effects.push(Effect::Reply { to, answer });
    }

    pub(crate) fn obey(&mut self, id: CommandId, command: Command) {
        let answer = match command {
            Command::Send(request) => match self.send(id, request) {
                Ok(None) => return, // Answered once it is sealed.
                Ok(Some(answer)) => Ok(answer),
                Err(refusal) => Err(refusal),
            },
            Command::Stop => {
                self.begin_stop(id);
                return;
            }
            Command::MarkRead { messages } => Ok(self.mark_read(messages)),
            Command::AddPeer { peer, hints, petname } => self.add_peer(peer, &hints, petname),
            Command::SetTrust { peer, trust } => self.set_trust(peer, trust),
            Command::RefuseRequest { peer } => Ok(self.refuse_request(peer)),
            Command::SetPetname { peer, petname } => self.set_petname(peer, petname.as_deref()),
            Command::ForgetPeer { peer } => self.forget_peer(peer),
            Command::Invite { id, secret, life_ms, petname } => self.invite(id, secret, life_ms, petname.as_deref()),
            Command::Join(request) => self.join(*request),
            Command::RevokeInvite { id } => self.revoke_invite(id),
            Command::CancelMessage { id } => self.cancel(id),
            Command::RetryMessage { id, stored } => self.retry(id, stored).map(|()| Answer::Done),
            Command::AddRelay { relay } => self.add_relay(relay),
            Command::RemoveRelay { relay } => self.remove_relay(&relay),
            Command::RetryWake { target } => self.retry_wake(&target),
            Command::SetIdentity { name, about, features, status } => {
                self.set_identity(name, about, features, status);
                Ok(Answer::Done)
            }
        };
        self.reply(id, answer);
    }

    fn send(&mut self, command: CommandId, request: SendRequest) -> Result<Option<Answer>, Refusal> {
        let to = match &request.to {
            Recipient::Key(key) => *key,
            Recipient::Name(name) => self.directory.named(name)?,
        };
        if to == self.me {
            return Err(Refusal::Ourselves);
        }
        if request.content.trim().is_empty() {
            return Err(Refusal::ContentEmpty);
        }
        let chars = request.content.chars().count();
        if chars > CONTENT_CHARS_MAX {
            return Err(Refusal::ContentTooLong { chars, max: CONTENT_CHARS_MAX });
        }
        if let Some(earlier) = request.idempotency.as_ref().and_then(|key| key.earlier.as_ref()) {
            if earlier.to != to || !earlier.same_content {
                return Err(Refusal::IdempotencyConflict);
            }
            let (id, written_at, status) = (earlier.id, earlier.written_at, earlier.status.clone());
            return Ok(Some(Answer::Queued { id, to, written_at, status, secrets: Vec::new() }));
        }
        let peer = self.directory.get(&to).ok_or_else(|| Refusal::PeerUnknown(to.to_hex()))?;
        if peer.trust == Trust::Blocked {
            return Err(Refusal::PeerBlocked);
        }
        if self.outbox.len() >= OUTBOX_MAX {
            return Err(Refusal::OutboxFull(self.outbox.len()));
        }
        let secrets = self.secrets_told(peer.trust, &request.secrets);
        let refused = self.policy.secrets == SecretsPolicy::Refuse && !secrets.is_empty() && !request.allow_secret;
        if refused && !request.dry_run {
            return Err(Refusal::LooksLikeSecret(secrets));
        }
        let (parent, subject) = (request.reply_to.as_deref(), request.subject.as_deref());
        let subject = subject.and_then(|subject| label::clean(subject, NAME_CHARS_MAX * 2));
        let form = self.form_for(&peer);
        let route_unknown = peer.dm_relays.is_none() && peer.presence_relays.is_empty();
        let pass = self.guard(&Candidate { to, parent, subject: subject.as_deref(), chars, origin: request.origin }, request.dry_run)?;
        if request.dry_run {
            let (relays, why) = self.route_to(&to);
            let work = self.work_due(&to, form, false);
            return Ok(Some(Answer::WouldQueue { to, form, relays, why, secrets, refused, work }));
        }
        if route_unknown {
            self.look_up(to, false);
        }
        let place = if form == crate::Form::Nip17 { Some(self.next_place(&to)) } else { None };
        let parent = request.reply_to;
        let pending = PendingSend {
            command,
            to,
            form,
            content: request.content,
            written_at: self.now,
            reply_to: parent.as_ref().map(|parent| parent.id),
            thread: parent.as_ref().map(|parent| parent.thread),
            subject,
            place,
            idempotency_key: request.idempotency.map(|idempotency| idempotency.key),
            pass,
            urgent: request.urgent,
            secrets,
        };
        let draft = DirectDraft {
            to,
            form,
            body: DraftBody::Text(pending.content.clone()),
            written_at: pending.written_at,
            reply_to: pending.reply_to,
            subject: pending.subject.clone(),
            chain: pass.chain,
            place,
            urgent: pending.urgent,
            own_copy: form == crate::Form::Nip17,
        };
        self.seal(Job::Send(Box::new(pending)), Draft::Direct(draft));
        Ok(None)
    }

    /// A message is sealed: message, parcel, history and answer in one transaction.
    pub(crate) fn message_sealed(&mut self, pending: PendingSend, sealed: Result<Sealed, SealRefused>) {
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(SealRefused(why)) => {
                self.reply(pending.command, Err(Refusal::Unsealable(why)));
                return;
            }
        };
        let (id, to, now) = (sealed.message_id, pending.to, self.now);
        let (form, written_at, ttl_ms) = (pending.form, pending.written_at, self.policy.message_ttl_ms);
        let (relays, why) = self.route_to(&to);
        // Kind 4 has no room for a chain; we remember it all the same.
        let chain = sealed.chain.or(pending.pass.chain).unwrap_or(Chain { id, hops: 0 });
        self.said(to, chain, pending.subject.as_deref(), &pending.pass);
        self.change(Change::AddMessage(Box::new(MessageRecord {
            id,
            direction: Direction::Out,
            peer: to,
            content: pending.content,
            kind: "text".to_owned(),
            form,
            written_at,
            stored_at: now,
            read_at: None,
            thread: pending.thread.unwrap_or(id),
            reply_to: pending.reply_to,
            subject: pending.subject,
            chain: Some(chain),
            place: pending.place,
            urgent: pending.urgent,
            status: Status::Queued,
            idempotency_key: pending.idempotency_key,
            held: false,
            receipts: ReceiptsSent::default(),
        })));
        self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::Queued { relays: relays.clone(), why } });
        if let Some(place) = &pending.place {
            self.place_taken(to, id, place);
        }
        if let Some(json) = sealed.rumor {
            self.change(Change::PutRumor { message: id, json });
        }
        self.reply(pending.command, Ok(Answer::Queued { id, to, written_at, status: Status::Queued, secrets: pending.secrets }));
        self.post(Posting { message: id, class: ParcelClass::Message, to, form, ttl_ms, route: (relays, why) }, sealed.event);
        if let Some(copy) = sealed.own_copy {
            let route = self.own_route();
            self.post(Posting { message: id, class: ParcelClass::OwnCopy, to: self.me, form, ttl_ms, route }, copy);
        }
        self.accept(&to);
    }

    /// Writing to a stranger accepts it: its messages may have receipts now.
    pub(crate) fn accept(&mut self, peer: &PubKey) {
        let edited = self.directory.edit(peer, self.now, |record| {
            let stranger = record.trust == Trust::Unknown;
            if stranger {
                record.trust = Trust::Known;
            }
            stranger
        });
        if let Some((true, _, _)) = edited {
            self.accepted(peer);
        }
    }

    fn accepted(&mut self, peer: &PubKey) {
        self.put_peer(peer);
        self.notice_peer(*peer, PeerChange::Trust);
        self.change(Change::ReleaseHeld(*peer));
        self.ask_soon(peer, 0);
        self.out.effects.push(Effect::FindUnreceipted { peer: *peer });
        self.wake_for_accepted();
    }

    fn mark_read(&mut self, messages: Vec<InboundFacts>) -> Answer {
        let now = self.now;
        let mut marked = 0u32;
        for facts in messages {
            if !facts.is_read {
                marked = marked.saturating_add(1);
                self.change(Change::SetRead { id: facts.id, at: now });
                self.notice(Notice::MessageRead { id: facts.id });
            }
            let from = facts.from;
            self.send_receipts(from, vec![InboundFacts { is_read: true, ..facts }]);
        }
        if marked > 0 {
            self.wake_acknowledged();
        }
        Answer::Marked(marked)
    }

    fn add_peer(&mut self, peer: PubKey, hints: &[RelayUrl], petname: Option<String>) -> Result<Answer, Refusal> {
        if peer == self.me {
            return Err(Refusal::Ourselves);
        }
        let is_new = self.meet(peer, PeerSource::Added);
        let hints = self.usable(hints);
        self.directory.edit(&peer, self.now, |record| {
            for hint in hints {
                if !record.seen_on.contains(&hint) {
                    record.seen_on.push(hint);
                }
            }
            record.seen_on.truncate(crate::limit::PEER_RELAYS_MAX);
            if let Some(petname) = petname.as_deref().and_then(|name| label::clean(name, NAME_CHARS_MAX)) {
                record.petname = Some(petname);
            }
        });
        if is_new {
            self.notice_peer(peer, PeerChange::Discovered);
        }
        self.accept(&peer);
        self.put_peer(&peer);
        self.look_up(peer, true);
        self.consider_hello(&peer);
        Ok(Answer::Peer(peer))
    }

    fn set_trust(&mut self, peer: PubKey, trust: Trust) -> Result<Answer, Refusal> {
        let Some((before, _, _)) = self.directory.edit(&peer, self.now, |record| std::mem::replace(&mut record.trust, trust)) else {
            return Err(Refusal::PeerUnknown(peer.to_hex()));
        };
        if before == trust {
            return Ok(Answer::Peer(peer));
        }
        if trust.is_accepted() && !before.is_accepted() {
            self.accepted(&peer);
            self.consider_hello(&peer);
        } else {
            self.put_peer(&peer);
            self.notice_peer(peer, PeerChange::Trust);
        }
        if trust == Trust::Blocked {
            self.change(Change::DropHeld(peer));
            self.forget_gaps(&peer);
            self.take_out_all(&peer, crate::FailReason::Blocked);
        }
        Ok(Answer::Peer(peer))
    }

    fn refuse_request(&mut self, peer: PubKey) -> Answer {
        // Whoever was accepted has no request any more.
        if self.is_stranger(&peer) {
            self.change(Change::DropHeld(peer));
            self.notice_peer(peer, PeerChange::Refused);
        }
        Answer::Peer(peer)
    }

    fn set_petname(&mut self, peer: PubKey, petname: Option<&str>) -> Result<Answer, Refusal> {
        let petname = petname.and_then(|name| label::clean(name, NAME_CHARS_MAX));
        if self.directory.edit(&peer, self.now, |record| record.petname = petname).is_none() {
            return Err(Refusal::PeerUnknown(peer.to_hex()));
        }
        self.put_peer(&peer);
        self.notice_peer(peer, PeerChange::Described);
        Ok(Answer::Peer(peer))
    }

    fn forget_peer(&mut self, peer: PubKey) -> Result<Answer, Refusal> {
        let record = self.directory.remove(&peer).ok_or_else(|| Refusal::PeerUnknown(peer.to_hex()))?;
        self.take_out_all(&peer, crate::FailReason::Cancelled);
        self.forget_gaps(&peer);
        self.change(Change::DropPeer(record.pubkey));
        self.notice_peer(peer, PeerChange::Forgotten);
        Ok(Answer::Done)
    }

    fn cancel(&mut self, id: MessageId) -> Result<Answer, Refusal> {
        if self.take_out(id, Some(crate::FailReason::Cancelled)) { Ok(Answer::Done) } else { Err(Refusal::MessageUnknown) }
    }

    fn add_relay(&mut self, relay: RelayUrl) -> Result<Answer, Refusal> {
        if let Some(known) = self.relays.get_mut(&relay).and_then(|known| known.record.as_mut()) {
            if known.origin != RelayOrigin::Substitute {
                return Err(Refusal::RelayKnown);
            }
            // It stays now, whoever it stood in for.
            known.origin = RelayOrigin::Added;
            let known = Box::new(known.clone());
            self.change(Change::PutRelay(known));
            self.notice(Notice::RelayChanged { relay });
            return Ok(Answer::Done);
        }
        if self.relays.own_count() >= OWN_RELAYS_MAX {
            return Err(Refusal::RelaysFull(OWN_RELAYS_MAX));
        }
        let record = match self.relays.removed.remove(&relay) {
            Some(record) => RelayRecord { origin: RelayOrigin::Config, ..record },
            None => RelayRecord { url: relay.clone(), origin: RelayOrigin::Added, good_at: None },
        };
        self.own_from_now_on(record);
        Ok(Answer::Done)
    }

    pub(crate) fn remove_relay(&mut self, relay: &RelayUrl) -> Result<Answer, Refusal> {
        let record = self.relays.get(relay).and_then(|known| known.record.clone()).ok_or(Refusal::RelayUnknown)?;
        if record.origin == RelayOrigin::Substitute {
            self.relays.dismissed.insert(relay.clone());
        }
        let removed = RelayRecord { origin: RelayOrigin::Removed, ..record };
        self.relays.disown(relay);
        self.announcer.disown(relay);
        self.change(Change::PutRelay(Box::new(removed.clone())));
        if self.policy.relays.contains(relay) {
            self.relays.removed.insert(relay.clone(), removed);
        }
        self.out.effects.push(Effect::Disconnect { relay: relay.clone() });
        if self.outbox.needs(relay) && self.may_use(relay) {
            self.want_route(relay);
        }
        self.notice(Notice::RelayChanged { relay: relay.clone() });
        self.own_changed();
        Ok(Answer::Done)
    }

    fn set_identity(
        &mut self,
        name: Option<String>,
        about: Option<String>,
        features: Option<Vec<String>>,
        status: Option<crate::PeerStatus>,
    ) {
        if let Some(name) = name.and_then(|name| label::clean(&name, NAME_CHARS_MAX)) {
            self.own.name = Some(name);
        }
        if let Some(about) = about {
            self.own.about = Some(label::clean(&about, ABOUT_CHARS_MAX).unwrap_or_default());
        }
        if let Some(features) = features {
            let clean = features.iter().filter_map(|feature| label::clean(feature, FEATURE_CHARS_MAX));
            self.own.features = Some(clean.take(FEATURES_MAX).collect());
        }
        if let Some(status) = status {
            self.own.status = Some(status);
        }
        self.own_changed();
    }
}

impl Handshake {
    /// When the newest hello left, if one is out.
    #[must_use]
    pub const fn sent_at(&self) -> Option<At> {
        match self {
            Self::Sent { at, .. } | Self::Unanswered { at } => Some(*at),
            Self::None | Self::Handshaked { .. } => None,
        }
    }
}
