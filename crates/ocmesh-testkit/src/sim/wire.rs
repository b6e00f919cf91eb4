//! What travels: events without cryptography. Sealing gives out fresh ids and remembers who wrote what, which is also what the oracle trusts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ocmesh_proto::{
    At, Body, Chain, DirectDraft, Draft, DraftBody, Envelope, EventId, Filter, Form, ListPurpose, MessageId, Opened, Presence,
    PresenceVehicle, Profile, PubKey, RelayList, SealRefused, Sealed, SignedEvent, kind,
    time::{DAY, SECOND},
};

use crate::dice::Dice;

/// An event on the wire.
#[derive(Debug, Clone)]
pub(super) struct WireEvent {
    pub(super) id: EventId,
    pub(super) kind: u16,
    /// The key that signed it; for a gift wrap one that nobody knows.
    pub(super) author: PubKey,
    /// The `p` tag, as a key and as it is written.
    pub(super) to: Option<(PubKey, String)>,
    pub(super) created_at: At,
    pub(super) expires_at: Option<At>,
    pub(super) opened: Opened,
}

impl WireEvent {
    pub(super) const fn is_direct(&self) -> bool {
        self.to.is_some()
    }

    /// It asks a relay whether it brings what it takes, and carries nothing.
    pub(super) const fn is_canary(&self) -> bool {
        matches!(&self.opened, Opened::Direct(Envelope { body: Body::Canary, .. }))
    }

    /// The message or frame it carries.
    pub(super) const fn message(&self) -> Option<MessageId> {
        match &self.opened {
            Opened::Direct(envelope) => Some(envelope.id),
            _ => None,
        }
    }

    /// NIP-01, as far as the core's filters go.
    pub(super) fn matches(&self, filter: &Filter) -> bool {
        let tag = |(letter, values): (&char, &Vec<String>)| match letter {
            'p' => self.to.as_ref().is_some_and(|(_, to)| values.contains(to)),
            't' => self.kind == kind::NOTE && values.iter().any(|value| value == "ocmesh"),
            'd' => self.kind == kind::PRESENCE && values.iter().any(|value| value == "ocmesh-presence"),
            _ => false,
        };
        (filter.kinds.is_empty() || filter.kinds.contains(&self.kind))
            && (filter.authors.is_empty() || filter.authors.contains(&self.author))
            && (filter.ids.is_empty() || filter.ids.contains(&self.id))
            && filter.since.is_none_or(|since| self.created_at.secs() >= since.secs())
            && filter.until.is_none_or(|until| self.created_at.secs() <= until.secs())
            && filter.tags.iter().all(tag)
    }
}

/// A message or frame as its author wrote it.
#[derive(Debug, Clone)]
pub(super) struct Rumor {
    pub(super) author: PubKey,
    pub(super) draft: DirectDraft,
    pub(super) chain: Chain,
}

/// Every event there ever was, and every rumor.
#[derive(Debug)]
pub(super) struct Wire {
    events: BTreeMap<EventId, Arc<WireEvent>>,
    rumors: BTreeMap<MessageId, Rumor>,
    dice: Dice,
    /// Of a thousand gift wraps so many are never shown to anybody, whatever relay has them.
    pub(super) withholds: u64,
    pub(super) withheld: BTreeSet<EventId>,
}

impl Wire {
    pub(super) const fn new(dice: Dice) -> Self {
        Self { events: BTreeMap::new(), rumors: BTreeMap::new(), dice, withholds: 0, withheld: BTreeSet::new() }
    }

    pub(super) fn event(&self, id: EventId) -> Option<&Arc<WireEvent>> {
        self.events.get(&id)
    }

    pub(super) fn rumor(&self, id: MessageId) -> Option<&Rumor> {
        self.rumors.get(&id)
    }

    /// A key or id that nobody else has.
    pub(super) fn fresh(&mut self) -> [u8; 32] {
        let mut bytes = [0u8; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.dice.next().to_be_bytes());
        }
        bytes
    }

    fn fresh_id(&mut self) -> EventId {
        EventId::from_bytes(self.fresh())
    }

    fn publishable(&mut self, event: WireEvent) -> SignedEvent {
        let (id, kind) = (event.id, event.kind);
        self.events.insert(id, Arc::new(event));
        SignedEvent { id, kind, json: Arc::from("{}") }
    }

    /// Signs or seals a draft of `me`. `has_rumor` says whether the store still has the rumor of a wrap to be made again.
    pub(super) fn seal(&mut self, me: PubKey, draft: Draft, has_rumor: bool, now: At) -> Result<Sealed, SealRefused> {
        let announced = |event: SignedEvent| Sealed { message_id: event.id, event, own_copy: None, rumor: None, chain: None };
        Ok(match draft {
            Draft::Direct(draft) => self.direct(me, draft, now),
            Draft::Canary { at, expires_at } => announced(self.canary(me, at, expires_at)),
            Draft::Rewrap { id, to, at } => {
                if !has_rumor {
                    return Err(SealRefused("the rumor is gone"));
                }
                let event = self.wrap(id, to, at, 0).ok_or(SealRefused("no such rumor"))?;
                Sealed { message_id: id, event, own_copy: None, rumor: Some(Arc::from("rumor")), chain: None }
            }
            Draft::Presence(draft) => {
                let number = if draft.vehicle == PresenceVehicle::Addressable { kind::PRESENCE } else { kind::NOTE };
                let presence = Presence {
                    author: me,
                    created_at: draft.created_at,
                    version: Some("1".to_owned()),
                    name: Some(draft.name),
                    features: draft.features,
                    forms: vec![Form::Nip17, Form::Nip04],
                    status: draft.status,
                    next_at: Some(draft.next_at),
                    relays: draft.relays,
                    work_asked: draft.work_asked,
                };
                announced(self.public(me, number, draft.created_at, Some(draft.expires_at), Opened::Presence(presence)))
            }
            Draft::Profile { name, about, created_at, .. } => {
                let profile = Profile { author: me, created_at, name: Some(name), about: Some(about) };
                announced(self.public(me, kind::PROFILE, created_at, None, Opened::Profile(profile)))
            }
            Draft::DmRelays { relays, created_at } => {
                let list = RelayList { author: me, created_at, purpose: ListPurpose::DirectMessages, relays };
                announced(self.public(me, kind::DM_RELAYS, created_at, None, Opened::RelayList(list)))
            }
            Draft::RelayList { relays, created_at } => {
                let list = RelayList { author: me, created_at, purpose: ListPurpose::Read, relays };
                announced(self.public(me, kind::RELAY_LIST, created_at, None, Opened::RelayList(list)))
            }
        })
    }

    /// A wrap that shows so much work.
    pub(super) fn worked(&mut self, id: MessageId, to: PubKey, bits: u32, now: At) -> Result<Sealed, SealRefused> {
        let event = self.wrap(id, to, now, bits).ok_or(SealRefused("no such rumor"))?;
        Ok(Sealed { message_id: id, event, own_copy: None, rumor: Some(Arc::from("rumor")), chain: None })
    }

    fn public(&mut self, author: PubKey, kind: u16, created_at: At, expires_at: Option<At>, opened: Opened) -> SignedEvent {
        let id = self.fresh_id();
        self.publishable(WireEvent { id, kind, author, to: None, created_at, expires_at, opened })
    }

    fn direct(&mut self, me: PubKey, draft: DirectDraft, now: At) -> Sealed {
        let nip17 = draft.form == Form::Nip17;
        // A kind 4 event's own id is the message's id; a gift wrap gets one of its own.
        let id = self.fresh_id();
        let chain = draft.chain.unwrap_or(Chain { id, hops: 0 });
        let (to, copy) = (draft.to, draft.own_copy && nip17);
        self.rumors.insert(id, Rumor { author: me, draft, chain });
        let event = self.wrap(id, to, now, 0).unwrap_or_else(|| SignedEvent { id, kind: 0, json: Arc::from("") });
        let own_copy = if copy { self.wrap(id, me, now, 0) } else { None };
        Sealed { message_id: id, event, own_copy, rumor: nip17.then(|| Arc::from("rumor")), chain: Some(chain) }
    }

    /// Wraps a rumor for somebody, back-dated as NIP-59 asks; a kind 4 event tells the truth.
    fn wrap(&mut self, id: MessageId, to: PubKey, now: At, work: u32) -> Option<SignedEvent> {
        let Rumor { author, draft, chain } = self.rumors.get(&id)?.clone();
        let nip17 = draft.form == Form::Nip17;
        let event_id = if nip17 { self.fresh_id() } else { id };
        let body = match draft.body {
            DraftBody::Text(text) => Body::Text(text),
            DraftBody::Intro { name, capabilities } => Body::Intro { name: Some(name), capabilities, version: Some("1".to_owned()) },
            DraftBody::Pong => Body::Pong,
            DraftBody::Delivered(message) => Body::Delivered(message),
            DraftBody::Read(message) => Body::Read(message),
            DraftBody::Missing { line, numbers } => Body::Missing { line, numbers },
            DraftBody::Gone { line, numbers } => Body::Gone { line, numbers },
            DraftBody::Join(frame) => Body::Join(frame),
            DraftBody::Joined(frame) => Body::Joined(frame),
            DraftBody::JoinRefused { invite, why } => Body::JoinRefused { invite, why },
        };
        let opened = Opened::Direct(Envelope {
            id,
            event_id,
            author,
            recipient: draft.to,
            form: draft.form,
            written_at: At::from_secs(draft.written_at.secs()),
            reply_to: draft.reply_to,
            subject: draft.subject,
            chain: Some(chain),
            place: draft.place,
            urgent: draft.urgent,
            work,
            body,
        });
        Some(self.enclose(event_id, to, opened, now, None))
    }

    /// A wrap to ourselves that relays may soon forget.
    fn canary(&mut self, me: PubKey, at: At, expires_at: At) -> SignedEvent {
        let (id, event_id) = (self.fresh_id(), self.fresh_id());
        let envelope = Envelope {
            id,
            event_id,
            author: me,
            recipient: me,
            form: Form::Nip17,
            written_at: At::from_secs(at.secs()),
            reply_to: None,
            subject: None,
            chain: None,
            place: None,
            urgent: false,
            work: 0,
            body: Body::Canary,
        };
        self.enclose(event_id, me, Opened::Direct(envelope), at, Some(expires_at))
    }

    fn enclose(&mut self, id: EventId, to: PubKey, opened: Opened, now: At, expires_at: Option<At>) -> SignedEvent {
        let author = opened.author();
        let nip17 = matches!(&opened, Opened::Direct(envelope) if envelope.form == Form::Nip17);
        let back_ms = if nip17 { self.dice.below(2 * DAY / SECOND) * SECOND } else { 0 };
        let signer = if nip17 { PubKey::from_bytes(self.fresh()) } else { author };
        let kind = if nip17 { kind::GIFT_WRAP } else { kind::LEGACY_DIRECT };
        let created_at = At::from_secs(now.minus(back_ms).secs());
        // A canary is wrapped anew all the time: what keeps it back is another fault.
        if nip17 && expires_at.is_none() && self.withholds > 0 && self.dice.chance(self.withholds) {
            self.withheld.insert(id);
        }
        self.publishable(WireEvent { id, kind, author: signer, to: Some((to, to.to_hex())), created_at, expires_at, opened })
    }

    /// A frame of somebody who runs no core of ours.
    pub(super) fn foreign(&mut self, author: PubKey, to: PubKey, body: Body, now: At) -> EventId {
        let (id, event_id) = (self.fresh_id(), self.fresh_id());
        let (form, written_at) = (Form::Nip17, At::from_secs(now.secs()));
        let (reply_to, subject, chain, place) = (None, None, Some(Chain { id, hops: 0 }), None);
        if let Body::Text(text) = &body {
            let body = DraftBody::Text(text.clone());
            let draft = DirectDraft { to, form, body, written_at, reply_to, subject: None, chain, place, urgent: false, own_copy: false };
            self.rumors.insert(id, Rumor { author, draft, chain: Chain { id, hops: 0 } });
        }
        let envelope = Envelope {
            id,
            event_id,
            author,
            recipient: to,
            form,
            written_at,
            reply_to,
            subject,
            chain,
            place,
            urgent: false,
            work: 0,
            body,
        };
        self.enclose(event_id, to, Opened::Direct(envelope), now, None).id
    }
}
