//! A small world in virtual time: meshes with fake disks, on fake relays. No crypto: sealing gives out fresh ids.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use ocmesh_proto::{
    Answer, At, Body, Chain, Command, CommandId, Direction, Draft, DraftBody, Effect, Envelope, EventId, Facts, Form, Input, JobId, Link,
    ListPurpose, Mesh, MessageId, MessageRecord, Notice, Opened, Policy, Presence, Profile, PubKey, Recipient, Refusal, RelayInfo,
    RelayList, RelayUrl, Sealed, SendRequest, SignedEvent, Snapshot, Step, Verdict, kind,
};

pub(crate) use super::relay::{Ears, FakeEvent, FakeRelay, Temper};
use super::{
    disk::{Disk, blank, inbound},
    gateway::Gateway,
    relay::matches_filter,
};

pub(crate) struct Node {
    pub(crate) me: PubKey,
    pub(crate) mesh: Option<Mesh>,
    pub(crate) disk: Disk,
    pub(crate) policy: Policy,
    pub(crate) connected: BTreeSet<RelayUrl>,
    pub(crate) answers: BTreeMap<CommandId, Result<Answer, Refusal>>,
    pub(crate) finished: bool,
    pub(crate) notices: Vec<Notice>,
    pub(crate) gateway: Gateway,
    starts: u64,
    inputs: VecDeque<Input>,
    next_command: u64,
}

pub(crate) struct World {
    pub(crate) now: At,
    pub(crate) nodes: Vec<Node>,
    pub(crate) relays: BTreeMap<RelayUrl, FakeRelay>,
    pub(crate) events: BTreeMap<EventId, FakeEvent>,
    /// Every input with what followed from it, for tests that ask for it.
    pub(crate) watched: Option<Vec<(usize, Input, Step)>>,
    /// Wraps of texts that no relay will show to anybody, from now on.
    pub(crate) withhold_next: usize,
    pub(crate) withheld: BTreeSet<EventId>,
    /// Work that was asked for: by whom, under which name, how many bits. With `slow_work` it is never done.
    pub(crate) works: Vec<(usize, JobId, u32)>,
    pub(crate) stopped_works: Vec<JobId>,
    pub(crate) slow_work: bool,
    rumors: BTreeMap<MessageId, (PubKey, ocmesh_proto::DirectDraft)>,
    next_id: u64,
}

pub(crate) fn url(text: &str) -> RelayUrl {
    RelayUrl::parse(text).unwrap()
}

pub(crate) fn key(n: u8) -> PubKey {
    PubKey::from_bytes([n; 32])
}

impl World {
    pub(crate) fn new(relays: &[&str]) -> Self {
        Self {
            now: At::from_secs(1_800_000_000),
            nodes: Vec::new(),
            relays: relays.iter().map(|text| (url(text), FakeRelay::default())).collect(),
            events: BTreeMap::new(),
            watched: None,
            withhold_next: 0,
            withheld: BTreeSet::new(),
            works: Vec::new(),
            stopped_works: Vec::new(),
            slow_work: false,
            rumors: BTreeMap::new(),
            next_id: 1,
        }
    }

    pub(crate) fn add(&mut self, name: &str, relays: &[&str]) -> usize {
        let index = self.nodes.len();
        let policy = Policy { name: name.to_owned(), relays: relays.iter().map(|text| url(text)).collect(), ..Policy::default() };
        self.nodes.push(Node {
            me: key(u8::try_from(index + 1).unwrap()),
            mesh: None,
            disk: Disk::default(),
            policy,
            connected: BTreeSet::new(),
            answers: BTreeMap::new(),
            finished: false,
            notices: Vec::new(),
            gateway: Gateway::default(),
            starts: 0,
            inputs: VecDeque::new(),
            next_command: 0,
        });
        self.start(index);
        index
    }

    pub(crate) fn start(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        // Another seed with every start, as the shell does.
        let seed = index as u64 ^ (node.starts << 8);
        node.starts += 1;
        let snapshot = Snapshot {
            own: node.disk.own.clone(),
            peers: node.disk.peers.values().cloned().collect(),
            parcels: node.disk.parcels.values().cloned().collect(),
            relays: node.disk.relays.values().cloned().collect(),
            own_lines: node.disk.own_lines.values().copied().collect(),
            gaps: node.disk.gaps.values().copied().collect(),
            invites: node.disk.invites.values().map(|(record, _)| record.clone()).collect(),
            turns: node.disk.turns(),
            wakes: node.disk.wakes.values().cloned().collect(),
        };
        node.mesh = Some(Mesh::new(node.me, node.policy.clone(), snapshot, seed, now));
        node.finished = false;
        node.inputs.push_back(Input::Started);
        self.settle();
    }

    /// The process is gone; the disk stays.
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].mesh = None;
        self.nodes[index].inputs.clear();
        self.nodes[index].connected.clear();
        for relay in self.relays.values_mut() {
            relay.subs.retain(|(node, _), _| *node != index);
        }
    }

    pub(crate) fn fresh_id(&mut self) -> EventId {
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&self.next_id.to_be_bytes());
        self.next_id += 1;
        EventId::from_bytes(bytes)
    }

    pub(crate) fn command(&mut self, index: usize, command: Command) -> Result<Answer, Refusal> {
        let node = &mut self.nodes[index];
        let id = CommandId(node.next_command);
        node.next_command += 1;
        node.inputs.push_back(Input::Commanded { id, command });
        self.settle();
        self.nodes[index].answers.remove(&id).expect("every command is answered")
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, content: &str) -> MessageId {
        let to = self.nodes[to].me;
        let request = SendRequest { to: Recipient::Key(to), content: content.to_owned(), ..blank() };
        match self.command(from, Command::Send(request)) {
            Ok(Answer::Queued { id, .. }) => id,
            other => panic!("not queued: {other:?}"),
        }
    }

    pub(crate) fn read(&mut self, index: usize, ids: &[MessageId]) {
        let messages = ids.iter().map(|id| inbound(&self.nodes[index].disk.messages[id])).collect();
        self.command(index, Command::MarkRead { messages }).unwrap();
    }

    /// Lets time pass, stopping at every wake-up.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        loop {
            let next = self.nodes.iter().filter_map(|node| node.mesh.as_ref()?.next_wakeup()).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(next).plus(1);
            for node in &mut self.nodes {
                if node.mesh.is_some() {
                    node.inputs.push_back(Input::Ticked);
                }
            }
            self.settle();
        }
        self.now = self.now.max(end);
        for node in &mut self.nodes {
            if node.mesh.is_some() {
                node.inputs.push_back(Input::Ticked);
            }
        }
        self.settle();
    }

    /// Until nobody has anything to do at this moment.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(index) = self.nodes.iter().position(|node| !node.inputs.is_empty()) else { return };
            let input = self.nodes[index].inputs.pop_front().unwrap();
            self.feed(index, input);
        }
        panic!("the world does not come to rest");
    }

    pub(crate) fn set_down(&mut self, relay: &str, down: bool) {
        let url = url(relay);
        self.relays.get_mut(&url).unwrap().down = down;
        for index in 0..self.nodes.len() {
            if !self.nodes[index].connected.contains(&url) {
                continue;
            }
            if down {
                self.relays.get_mut(&url).unwrap().subs.clear();
                self.push(index, Input::RelayChanged { relay: url.clone(), link: Link::Down { why: "gone".to_owned() } });
            } else {
                self.push(index, Input::RelayChanged { relay: url.clone(), link: Link::Open });
            }
        }
        self.settle();
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        self.push(index, input);
        self.settle();
    }

    pub(crate) fn push(&mut self, index: usize, input: Input) {
        if self.nodes[index].mesh.is_some() {
            self.nodes[index].inputs.push_back(input);
        }
    }

    fn feed(&mut self, index: usize, input: Input) {
        let input = match input {
            Input::EventOpened { relay, opened, .. } => {
                let facts = self.nodes[index].disk.facts(&opened);
                Input::EventOpened { relay, opened, facts }
            }
            other => other,
        };
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let now = self.now;
            let Some(mesh) = self.nodes[index].mesh.as_mut() else { return };
            let seen = self.watched.is_some().then(|| input.clone());
            let step = mesh.handle(input, now);
            if let (Some(watched), Some(seen)) = (&mut self.watched, seen) {
                watched.push((index, seen, step.clone()));
            }
            for change in step.changes {
                self.nodes[index].disk.apply(change);
            }
            self.nodes[index].notices.extend(step.notices);
            for effect in step.effects {
                match effect {
                    Effect::Seal { job, draft } => {
                        let sealed = Ok(self.seal(index, draft));
                        inputs.push_back(Input::DraftSealed { job, sealed });
                    }
                    Effect::FindUnreceipted { peer } => {
                        let owed = |m: &&MessageRecord| m.peer == peer && m.direction == Direction::In && !m.receipts.read;
                        let messages = self.nodes[index].disk.messages.values().filter(owed).map(inbound).collect();
                        inputs.push_back(Input::UnreceiptedFound { peer, messages });
                    }
                    Effect::FindUnread => inputs.push_back(Input::UnreadFound(self.nodes[index].disk.unread())),
                    other => effects.push(other),
                }
            }
        }
        for effect in effects {
            self.act(index, effect);
        }
    }

    fn act(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Connect { relay, .. } => {
                self.nodes[index].connected.insert(relay.clone());
                if let Some(known) = self.relays.get_mut(&relay) {
                    known.dialled += 1;
                    known.heals(Ears::UntilConnected);
                }
                let link = match self.relays.get(&relay) {
                    Some(known) if !known.down => Link::Open,
                    _ => Link::Down { why: "refused".to_owned() },
                };
                if link == Link::Open {
                    let info = RelayInfo { expires_events: true, ..RelayInfo::default() };
                    self.push(index, Input::RelayDescribed { relay: relay.clone(), info });
                }
                self.push(index, Input::RelayChanged { relay, link });
            }
            Effect::Disconnect { relay } => {
                self.nodes[index].connected.remove(&relay);
                if let Some(known) = self.relays.get_mut(&relay) {
                    known.subs.retain(|(node, _), _| *node != index);
                }
            }
            Effect::SignInAgain { relay } => {
                let known = self.relays.get_mut(&relay).unwrap();
                known.signed_in_again += 1;
                known.heals(Ears::UntilSignedIn);
            }
            Effect::Subscribe { relay, sub, filters, live, .. } => {
                self.relays.get_mut(&relay).unwrap().heals(Ears::UntilSubscribed);
                let filtered = self.relays[&relay].ears == Ears::Filters;
                let stored: Vec<EventId> = self.relays[&relay]
                    .events
                    .iter()
                    .filter(|id| !self.withheld.contains(id))
                    // A filter with a limit is there for new events.
                    .filter(|id| filters.iter().any(|filter| filter.limit.is_none() && matches_filter(filter, &self.events[id])))
                    .filter(|id| !(filtered && self.relays[&relay].is_deaf_to(self.events[id].kind)))
                    .copied()
                    .collect();
                if live {
                    self.relays.get_mut(&relay).unwrap().subs.insert((index, sub), (filters, live));
                }
                for id in stored {
                    let opened = self.events[&id].opened.clone();
                    self.push(index, Input::EventOpened { relay: relay.clone(), opened, facts: Facts::default() });
                }
                self.push(index, Input::CaughtUp { relay, sub, cut: None });
            }
            Effect::Unsubscribe { relay, sub } => {
                self.relays.get_mut(&relay).unwrap().subs.remove(&(index, sub));
            }
            Effect::Publish { relay, event, json, .. } => self.publish(index, relay, event, json.is_some()),
            Effect::Reply { to, answer } => {
                self.nodes[index].answers.insert(to, answer);
            }
            Effect::Work { job, message, to, bits } => self.work(index, job, message, to, bits),
            Effect::StopWork { job } => self.stopped_works.push(job),
            Effect::Finish => self.nodes[index].finished = true,
            Effect::Wake { target, wake } => self.wake(index, target, wake),
            Effect::Seal { .. } | Effect::FindUnreceipted { .. } | Effect::FindUnread => unreachable!("answered inside the step"),
        }
    }

    fn publish(&mut self, index: usize, relay: RelayUrl, event: EventId, inline: bool) {
        assert!(inline || self.nodes[index].disk.sealed.contains_key(&event), "published before it was on disk");
        let kind = self.events[&event].kind;
        let known = self.relays.get_mut(&relay).unwrap();
        let temper = known.temper.get(&kind).copied().unwrap_or(Temper::Honest);
        if temper == Temper::Mute {
            return known.unanswered.push(event);
        }
        let verdict = match temper {
            _ if known.down => Verdict::Failed,
            Temper::Silent => Verdict::Failed,
            Temper::Refuses => Verdict::Refused,
            Temper::RateLimits => Verdict::RateLimited,
            Temper::Dates => Verdict::WrongDate,
            Temper::Honest | Temper::Lies | Temper::Mute => Verdict::Accepted,
        };
        let said = format!("{temper:?}");
        if verdict == Verdict::Accepted && temper != Temper::Lies {
            let (events, author) = (&self.events, self.events[&event].author);
            let known = self.relays.get_mut(&relay).unwrap();
            known.taken.push(event);
            if matches!(kind, ocmesh_proto::kind::NOTE | ocmesh_proto::kind::PRESENCE) {
                // A new presence replaces the one before, as an addressable event does and an expiration would.
                known.events.retain(|id| events[id].kind != kind || events[id].author != author);
            }
            if !known.events.contains(&event) {
                known.events.push(event);
            }
            let fake = self.events[&event].clone();
            let listeners: BTreeSet<usize> = self.relays[&relay]
                .subs
                .iter()
                .filter(|(_, (filters, _))| filters.iter().any(|filter| matches_filter(filter, &fake)))
                .filter(|_| !self.relays[&relay].is_deaf_to(kind))
                .map(|((node, _), _)| *node)
                .collect();
            let withheld = self.withheld.contains(&event);
            for node in listeners.into_iter().filter(|_| !withheld) {
                self.push(node, Input::EventOpened { relay: relay.clone(), opened: fake.opened.clone(), facts: Facts::default() });
            }
        }
        self.push(index, Input::PublishAnswered { relay, event, verdict, said });
    }

    fn seal(&mut self, index: usize, draft: Draft) -> Sealed {
        let me = self.nodes[index].me;
        let now = self.now;
        match draft {
            Draft::Direct(draft) => {
                let message_id = self.fresh_id();
                self.rumors.insert(message_id, (me, draft.clone()));
                let event = self.wrap(message_id, draft.to, 0);
                let own_copy = draft.own_copy.then(|| self.wrap(message_id, me, 0));
                let rumor = (draft.form == Form::Nip17).then(|| Arc::from("rumor"));
                let id = if draft.form == Form::Nip17 { message_id } else { event.id };
                Sealed { message_id: id, event, own_copy, rumor, chain: draft.chain }
            }
            Draft::Canary { .. } => {
                let id = self.fresh_id();
                let envelope = Envelope {
                    id,
                    event_id: id,
                    author: me,
                    recipient: me,
                    form: Form::Nip17,
                    written_at: now,
                    reply_to: None,
                    subject: None,
                    chain: None,
                    place: None,
                    urgent: false,
                    work: 0,
                    body: Body::Canary,
                };
                let (created_at, tags) = (now.minus(2 * 86_400_000 - 1_000), vec![('p', me.to_hex())]);
                let opened = Opened::Direct(envelope);
                self.events.insert(id, FakeEvent { id, kind: kind::GIFT_WRAP, author: key(255), created_at, tags, opened });
                let event = SignedEvent { id, kind: kind::GIFT_WRAP, json: Arc::from("{}") };
                Sealed { message_id: id, event, own_copy: None, rumor: None, chain: None }
            }
            Draft::Rewrap { id, to, .. } => {
                let event = self.wrap(id, to, 0);
                Sealed { message_id: id, event, own_copy: None, rumor: Some(Arc::from("rumor")), chain: None }
            }
            Draft::Presence(p) => {
                let addressable = p.vehicle == ocmesh_proto::PresenceVehicle::Addressable;
                let opened = Opened::Presence(Presence {
                    author: me,
                    created_at: p.created_at,
                    version: None,
                    name: Some(p.name),
                    features: p.features,
                    forms: vec![Form::Nip17, Form::Nip04],
                    status: p.status,
                    next_at: Some(p.next_at),
                    relays: p.relays,
                    work_asked: p.work_asked,
                });
                let (number, tag) = if addressable { (kind::PRESENCE, ('d', "ocmesh-presence")) } else { (kind::NOTE, ('t', "ocmesh")) };
                self.event(me, number, p.created_at, vec![(tag.0, tag.1.to_owned())], opened)
            }
            Draft::Profile { name, about, created_at, .. } => {
                let opened = Opened::Profile(Profile { author: me, created_at, name: Some(name), about: Some(about) });
                self.event(me, kind::PROFILE, created_at, Vec::new(), opened)
            }
            Draft::DmRelays { relays, created_at } => {
                let opened = Opened::RelayList(RelayList { author: me, created_at, purpose: ListPurpose::DirectMessages, relays });
                self.event(me, kind::DM_RELAYS, created_at.max(now), Vec::new(), opened)
            }
            Draft::RelayList { relays, created_at } => {
                let opened = Opened::RelayList(RelayList { author: me, created_at, purpose: ListPurpose::Read, relays });
                self.event(me, kind::RELAY_LIST, created_at, Vec::new(), opened)
            }
        }
    }

    /// Any event on the wire.
    pub(crate) fn event(&mut self, author: PubKey, kind: u16, created_at: At, tags: Vec<(char, String)>, opened: Opened) -> Sealed {
        let id = self.fresh_id();
        self.events.insert(id, FakeEvent { id, kind, author, created_at, tags, opened });
        Sealed { message_id: id, event: SignedEvent { id, kind, json: Arc::from("{}") }, own_copy: None, rumor: None, chain: None }
    }

    pub(crate) fn wrap(&mut self, message: MessageId, to: PubKey, work: u32) -> SignedEvent {
        let (author, draft) = self.rumors[&message].clone();
        let event_id = self.fresh_id();
        let nip17 = draft.form == Form::Nip17;
        let id = if nip17 { message } else { event_id };
        let body = match draft.body {
            DraftBody::Text(text) => Body::Text(text),
            DraftBody::Intro { name, capabilities } => Body::Intro { name: Some(name), capabilities, version: None },
            DraftBody::Pong => Body::Pong,
            DraftBody::Delivered(id) => Body::Delivered(id),
            DraftBody::Read(id) => Body::Read(id),
            DraftBody::Missing { line, numbers } => Body::Missing { line, numbers },
            DraftBody::Gone { line, numbers } => Body::Gone { line, numbers },
            DraftBody::Join(frame) => Body::Join(frame),
            DraftBody::Joined(frame) => Body::Joined(frame),
            DraftBody::JoinRefused { invite, why } => Body::JoinRefused { invite, why },
        };
        if matches!(body, Body::Text(_)) && to != author && self.withhold_next > 0 {
            self.withhold_next -= 1;
            self.withheld.insert(event_id);
        }
        let opened = Opened::Direct(Envelope {
            id,
            event_id,
            author,
            recipient: draft.to,
            form: draft.form,
            written_at: draft.written_at,
            reply_to: draft.reply_to,
            subject: draft.subject,
            // Kind 4 carries none.
            chain: nip17.then(|| draft.chain.unwrap_or(Chain { id, hops: 0 })),
            place: draft.place,
            urgent: draft.urgent,
            work,
            body,
        });
        // A gift wrap is back-dated up to two days; a kind 4 tells the truth.
        let (number, created_at) =
            if nip17 { (kind::GIFT_WRAP, self.now.minus(2 * 86_400_000 - 1_000)) } else { (kind::LEGACY_DIRECT, self.now) };
        let event = FakeEvent { id: event_id, kind: number, author, created_at, tags: vec![('p', to.to_hex())], opened };
        self.events.insert(event_id, event);
        SignedEvent { id: event_id, kind: number, json: Arc::from("{}") }
    }
}
