//! The outbox against a model: whatever relays answer, whoever sends receipts, and whenever the process ends.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{
    Body, Change, Command, Effect, Envelope, EventId, Facts, Form, HistoryEntry, HopState, Input, Lane, ListPurpose, MessageId, Opened,
    Origin, Parcel, ParcelClass, PubKey, Recipient, RelayList, RelayUrl, SendRequest, Status, Step, StoredFacts, Trust, Verdict, kind,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use proptest::prelude::*;

use super::{
    config,
    world::{Temper, World, key, url},
};

const RELAYS: [&str; 4] = ["wss://a.example.com", "wss://b.example.com", "wss://c.example.com", "wss://d.example.com"];
const ADA: usize = 0;
const BOB: usize = 1;
/// How long messages are tried in these tests.
const TTL: u64 = 2 * DAY;

#[derive(Debug, Clone)]
enum Op {
    Send,
    Behaves(usize, Temper),
    Down(usize),
    Up(usize),
    /// The answer to something that was sent and not answered yet.
    Answer(usize, usize, Verdict),
    /// An answer to an event that is not in flight there.
    Stray(usize, usize, Verdict),
    Pass(u64),
    Crash,
    BobAway,
    BobBack,
    BobReads,
    /// Bob's list of relays changes.
    BobMoves(BTreeSet<usize>),
    Receipt {
        of: usize,
        read: bool,
        forged: bool,
    },
    Cancel(usize),
    Retry(usize),
    Trust(Trust),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let relay = || 0..RELAYS.len();
    let verdict = || {
        prop::sample::select(vec![
            Verdict::Accepted,
            Verdict::Accepted,
            Verdict::Refused,
            Verdict::Refused,
            Verdict::Failed,
            Verdict::RateLimited,
            Verdict::AuthRequired,
            Verdict::WrongDate,
        ])
    };
    let temper = prop::sample::select(vec![
        Temper::Mute,
        Temper::Mute,
        Temper::Mute,
        Temper::Honest,
        Temper::Refuses,
        Temper::RateLimits,
        Temper::Silent,
        Temper::Lies,
    ]);
    let pause = prop::sample::select(vec![SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY]);
    let trust = prop::sample::select(vec![Trust::Known, Trust::Blocked, Trust::Unknown]);
    let op = prop_oneof![
        4 => Just(Op::Send),
        3 => (relay(), temper).prop_map(|(relay, temper)| Op::Behaves(relay, temper)),
        1 => relay().prop_map(Op::Down),
        2 => relay().prop_map(Op::Up),
        8 => (relay(), 0..4usize, verdict()).prop_map(|(relay, nth, verdict)| Op::Answer(relay, nth, verdict)),
        1 => (relay(), 0..4usize, verdict()).prop_map(|(relay, nth, verdict)| Op::Stray(relay, nth, verdict)),
        4 => pause.prop_map(Op::Pass),
        2 => Just(Op::Crash),
        1 => Just(Op::BobAway),
        1 => Just(Op::BobBack),
        1 => Just(Op::BobReads),
        1 => prop::collection::btree_set(relay(), 1..4).prop_map(Op::BobMoves),
        2 => (0..4usize, any::<bool>(), any::<bool>()).prop_map(|(of, read, forged)| Op::Receipt { of, read, forged }),
        1 => (0..4usize).prop_map(Op::Cancel),
        2 => (0..4usize).prop_map(Op::Retry),
        1 => trust.prop_map(Op::Trust),
    ];
    prop::collection::vec(op, 1..40)
}

/// What is known of one message of Ada's, from what her core said about it.
struct Known {
    to: PubKey,
    status: Status,
    /// Relays that refused it for good and are not to be asked again.
    refused: BTreeSet<RelayUrl>,
}

struct Trial {
    world: World,
    known: BTreeMap<MessageId, Known>,
    order: Vec<MessageId>,
    /// Sent to a relay and not answered.
    in_flight: BTreeSet<(RelayUrl, EventId)>,
    moved_at: u64,
}

impl Trial {
    fn new() -> Self {
        let mut world = World::new(&RELAYS);
        for name in ["ada", "bob"] {
            let index = world.add(name, &RELAYS);
            let policy = &mut world.nodes[index].policy;
            // Slow beats: days pass in few steps.
            (policy.presence_interval_ms, policy.discovery_interval_ms, policy.message_ttl_ms) = (HOUR, HOUR, TTL);
            world.kill(index);
            world.start(index);
        }
        world.pass(10 * SECOND);
        let ada = world.nodes[ADA].me;
        world.command(BOB, Command::SetTrust { peer: ada, trust: Trust::Known }).unwrap();
        world.pass(SECOND);
        world.watched = Some(Vec::new());
        Self { world, known: BTreeMap::new(), order: Vec::new(), in_flight: BTreeSet::new(), moved_at: 0 }
    }

    fn relay(index: usize) -> RelayUrl {
        url(RELAYS[index])
    }

    fn nth(&self, nth: usize) -> Option<MessageId> {
        (!self.order.is_empty()).then(|| self.order[nth % self.order.len()])
    }

    fn run(&mut self, op: &Op) {
        let bob = self.world.nodes[BOB].me;
        match op {
            Op::Send => {
                let request = SendRequest {
                    to: Recipient::Key(bob),
                    content: "x".into(),
                    reply_to: None,
                    subject: None,
                    idempotency: None,
                    origin: Origin::Owner,
                    secrets: Vec::new(),
                    allow_secret: false,
                    urgent: false,
                    dry_run: false,
                };
                _ = self.world.command(ADA, Command::Send(request));
            }
            Op::Behaves(relay, temper) => {
                let relay = self.world.relays.get_mut(&Self::relay(*relay)).unwrap();
                relay.temper.insert(kind::GIFT_WRAP, *temper);
                relay.temper.insert(kind::LEGACY_DIRECT, *temper);
            }
            Op::Down(relay) => {
                self.answer_all(&Self::relay(*relay));
                self.world.set_down(RELAYS[*relay], true);
            }
            Op::Up(relay) => self.world.set_down(RELAYS[*relay], false),
            Op::Answer(relay, nth, verdict) => self.answer(&Self::relay(*relay), *nth, *verdict),
            Op::Stray(relay, nth, verdict) => self.stray(&Self::relay(*relay), *nth, *verdict),
            Op::Pass(ms) => self.world.pass(*ms),
            Op::Crash => {
                let ada = self.world.nodes[ADA].me;
                self.world.kill(ADA);
                let events = &self.world.events;
                self.world.relays.values_mut().for_each(|relay| relay.unanswered.retain(|id| events[id].author != ada));
                self.in_flight.clear();
                self.world.start(ADA);
            }
            Op::BobAway => self.world.kill(BOB),
            Op::BobBack => {
                if self.world.nodes[BOB].mesh.is_none() {
                    self.world.start(BOB);
                }
            }
            Op::BobReads => {
                if self.world.nodes[BOB].mesh.is_some() {
                    let ids: Vec<MessageId> = self.world.inbox(BOB).iter().map(|message| message.id).collect();
                    self.world.read(BOB, &ids);
                }
            }
            Op::BobMoves(relays) => {
                self.moved_at += 1;
                let relays = relays.iter().map(|relay| Self::relay(*relay)).collect();
                let created_at = self.world.now.plus(self.moved_at);
                let list = RelayList { author: bob, created_at, purpose: ListPurpose::DirectMessages, relays };
                self.hear(Opened::RelayList(list));
            }
            Op::Receipt { of, read, forged } => {
                let Some(id) = self.nth(*of) else { return };
                let author = if *forged { key(66) } else { bob };
                self.receipt(author, if *read { Body::Read(id) } else { Body::Delivered(id) });
            }
            Op::Cancel(nth) => {
                if let Some(id) = self.nth(*nth) {
                    _ = self.world.command(ADA, Command::CancelMessage { id });
                }
            }
            Op::Retry(nth) => {
                if let Some(id) = self.nth(*nth) {
                    let stored = self.stored(id);
                    _ = self.world.command(ADA, Command::RetryMessage { id, stored });
                }
            }
            Op::Trust(trust) => _ = self.world.command(ADA, Command::SetTrust { peer: bob, trust: *trust }),
        }
    }

    fn hear(&mut self, opened: Opened) {
        self.world.input(ADA, Input::EventOpened { relay: Self::relay(0), opened, facts: Facts::default() });
    }

    fn receipt(&mut self, author: PubKey, body: Body) {
        let (id, event_id) = (self.world.fresh_id(), self.world.fresh_id());
        let (recipient, written_at) = (self.world.nodes[ADA].me, self.world.now);
        let (form, reply_to, subject, chain) = (Form::Nip17, None, None, None);
        self.hear(Opened::Direct(Envelope {
            id,
            event_id,
            author,
            recipient,
            form,
            written_at,
            reply_to,
            subject,
            chain,
            place: None,
            urgent: false,
            work: 0,
            body,
        }));
    }

    fn stored(&self, id: MessageId) -> Option<StoredFacts> {
        let disk = &self.world.nodes[ADA].disk;
        let (message, wrapped_at) = (disk.messages.get(&id)?, self.world.now);
        // Own copies are wraps of the same message: the newest event is of the last wrap, and one of Bob's is behind every one of ours.
        let event = disk.sealed.iter().rev().find(|(event, of)| **of == id && self.is_for_bob(event)).map(|(event, _)| *event);
        let kind = if message.form == Form::Nip17 { kind::GIFT_WRAP } else { kind::LEGACY_DIRECT };
        Some(StoredFacts { to: message.peer, form: message.form, event, kind, wrapped_at, status: message.status.clone() })
    }

    fn is_for_bob(&self, event: &EventId) -> bool {
        let bob = self.world.nodes[BOB].me.to_hex();
        self.world.events[event].tags.iter().any(|(_, value)| *value == bob)
    }

    /// The relay answers one event of Ada's that it kept waiting.
    fn answer(&mut self, relay: &RelayUrl, nth: usize, verdict: Verdict) {
        let ada = self.world.nodes[ADA].me;
        let waiting = &self.world.relays[relay].unanswered;
        let ours: Vec<EventId> = waiting.iter().filter(|id| self.world.events[*id].author == ada).copied().collect();
        let Some(event) = ours.get(nth % ours.len().max(1)).copied() else { return };
        self.world.relays.get_mut(relay).unwrap().unanswered.retain(|id| *id != event);
        self.world.input(ADA, Input::PublishAnswered { relay: relay.clone(), event, verdict, said: String::new() });
    }

    /// The connection is gone: the relay engine answers everything.
    fn answer_all(&mut self, relay: &RelayUrl) {
        for id in std::mem::take(&mut self.world.relays.get_mut(relay).unwrap().unanswered) {
            let author = self.world.events[&id].author;
            let index = if author == self.world.nodes[ADA].me { ADA } else { BOB };
            let answer = Input::PublishAnswered { relay: relay.clone(), event: id, verdict: Verdict::Failed, said: String::new() };
            self.world.input(index, answer);
        }
    }

    fn stray(&mut self, relay: &RelayUrl, nth: usize, verdict: Verdict) {
        let ids: Vec<EventId> = self.world.nodes[ADA].disk.sealed.keys().rev().take(4).copied().collect();
        let Some(event) = ids.get(nth).copied() else { return };
        if !self.in_flight.contains(&(relay.clone(), event)) {
            self.world.input(ADA, Input::PublishAnswered { relay: relay.clone(), event, verdict, said: String::new() });
        }
    }

    /// Holds everything that Ada's core said since the last look against what is known.
    fn look(&mut self) {
        for (index, input, step) in self.world.watched.replace(Vec::new()).unwrap() {
            if index == ADA {
                self.step(&input, &step);
            }
        }
        self.disk_is_memory();
        let disk = &self.world.nodes[ADA].disk;
        let frames = disk.parcels.keys().filter(|(_, class)| *class == ParcelClass::Frame).count();
        // Hellos and receipts; Bob writes nothing in these tests, so there is nothing to confirm.
        assert!(frames <= 4, "{frames} frames wait");
        for (id, class) in disk.parcels.keys() {
            let is_ours = *class == ParcelClass::Frame || self.known.contains_key(id);
            assert!(is_ours, "a parcel of nothing: {id}");
        }
    }

    fn step(&mut self, input: &Input, step: &Step) {
        if let Input::PublishAnswered { relay, event, .. } = input {
            self.in_flight.remove(&(relay.clone(), *event));
        }
        let retried: BTreeSet<MessageId> = step
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::AddHistory { id, entry: HistoryEntry::Retried, .. } => Some(*id),
                _ => None,
            })
            .collect();
        for change in &step.changes {
            match change {
                Change::AddMessage(message) if message.peer == self.world.nodes[BOB].me => {
                    let fresh = Known { to: message.peer, status: message.status.clone(), refused: BTreeSet::new() };
                    assert!(self.known.insert(message.id, fresh).is_none(), "one id, two messages");
                    assert_eq!(message.status, Status::Queued);
                    self.order.push(message.id);
                }
                Change::SetStatus { id, status } => {
                    let known = self.known.get_mut(id).expect("a status of a message that is there");
                    moves(known, status, input, retried.contains(id));
                    known.status = status.clone();
                }
                // What left the outbox may be put into it again by hand, and goes out again whatever is still under way.
                Change::DropParcel { message, class: ParcelClass::Message } => {
                    let sealed = &self.world.nodes[ADA].disk.sealed;
                    self.in_flight.retain(|(_, event)| sealed.get(event) != Some(message));
                }
                Change::AddHistory { id, entry, .. } => {
                    let Some(known) = self.known.get_mut(id) else { continue };
                    match entry {
                        HistoryEntry::Refused { relay, retry: false, .. } => _ = known.refused.insert(relay.clone()),
                        HistoryEntry::Retried => known.refused.clear(),
                        // A relay that leaves the route is forgotten with its refusal and with what it was asked: should it come back, the
                        // relay engine joins the second publish of an event to the first.
                        HistoryEntry::Rerouted { relays, .. } | HistoryEntry::Resent { relays, .. } => {
                            known.refused.retain(|relay| relays.contains(relay));
                            let sealed = &self.world.nodes[ADA].disk.sealed;
                            self.in_flight.retain(|(relay, event)| sealed.get(event) != Some(id) || relays.contains(relay));
                        }
                        HistoryEntry::Sent { relay } => assert!(!known.refused.contains(relay), "sent to {relay} in spite of its refusal"),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        for effect in &step.effects {
            if let Effect::Publish { relay, event, lane: Lane::Direct, .. } = effect {
                let is_new = self.in_flight.insert((relay.clone(), *event));
                let of_ours = self.world.nodes[ADA].disk.sealed.get(event).is_some_and(|id| self.known.contains_key(id));
                assert!(is_new || !of_ours, "{event} is in flight at {relay} twice");
            }
        }
    }

    /// A restart at this moment would lose nothing: every parcel is on disk as memory has it. Only what a restart may forget may differ: that
    /// something is in flight, when the next try is, and whether the peer was seen.
    fn disk_is_memory(&self) {
        let node = &self.world.nodes[ADA];
        let plain = |parcel: &Parcel| {
            let mut parcel = parcel.clone();
            for hop in &mut parcel.hops {
                if let HopState::Waiting { tries, .. } | HopState::InFlight { tries, .. } = hop.state {
                    hop.state = HopState::Waiting { tries, next_at: parcel.queued_at, last_error: None };
                }
            }
            if let Some(resend) = &mut parcel.resend {
                (resend.at, resend.seen) = (parcel.queued_at, false);
            }
            parcel
        };
        let memory: Vec<Parcel> = node.mesh.as_ref().unwrap().parcels().map(plain).collect();
        let disk: Vec<Parcel> = node.disk.parcels.values().map(plain).collect();
        assert_eq!(memory, disk, "memory and disk differ");
        for (id, known) in &self.known {
            assert_eq!(node.disk.messages[id].status, known.status, "the stored status is another");
        }
    }

    /// Everything that goes wrong ends; every message comes to one of its ends, and nothing is left over.
    fn heal(&mut self) {
        for relay in RELAYS {
            self.answer_all(&url(relay));
            self.world.relays.get_mut(&url(relay)).unwrap().temper.clear();
            if self.world.relays[&url(relay)].down {
                self.world.set_down(relay, false);
            }
        }
        self.look();
        self.world.pass(TTL + HOUR);
        self.look();
        for (id, known) in &self.known {
            assert_ne!(known.status, Status::Queued, "{id} never comes to an end");
            assert!(!self.world.nodes[ADA].disk.parcels.contains_key(&(*id, ParcelClass::Message)), "{id} is ended and in the outbox");
        }
        assert!(self.in_flight.is_empty(), "in flight for ever: {:?}", self.in_flight);
    }
}

/// Forward only; to the peer's words only on the peer's word; back to the start only on the owner's.
fn moves(known: &Known, to: &Status, input: &Input, retried: bool) {
    let from = &known.status;
    let allowed = match (from, to) {
        (Status::Failed { .. }, Status::Queued) => retried,
        (Status::Queued, Status::Relayed { .. } | Status::Failed { .. }) => true,
        (Status::Relayed { accepted: before, .. }, Status::Relayed { accepted: after, .. }) => after >= before,
        (Status::Queued | Status::Relayed { .. } | Status::Failed { .. }, Status::Delivered { .. })
        | (Status::Queued | Status::Relayed { .. } | Status::Failed { .. } | Status::Delivered { .. }, Status::Read { .. }) => {
            matches!(input, Input::EventOpened { opened: Opened::Direct(envelope), .. } if envelope.author == known.to)
        }
        _ => false,
    };
    assert!(allowed, "{from:?} became {to:?} on {input:?}");
}

/// Once found and shrunk; written out, as a kept seed means something else when the operations change.
#[test]
fn a_message_about_to_be_wrapped_again_does_not_send_its_old_wrap_once_more() {
    let late = Op::Receipt { of: 0, read: false, forged: false };
    let start = [Op::Send, Op::BobAway, Op::Crash, Op::Send, Op::Send, Op::Crash, Op::Retry(1), Op::Behaves(0, Temper::Mute), Op::Send];
    let mut trial = Trial::new();
    for op in start.into_iter().chain([late, Op::Pass(10 * MINUTE), Op::Pass(10 * MINUTE)]) {
        trial.run(&op);
        trial.look();
    }
    trial.heal();
}

proptest! {
    #![proptest_config(config("tests/properties/outbox.regressions"))]

    #[test]
    fn whatever_happens_a_message_moves_forward_to_one_end(ops in ops()) {
        let mut trial = Trial::new();
        for op in &ops {
            trial.run(op);
            trial.look();
        }
        trial.heal();
    }
}
