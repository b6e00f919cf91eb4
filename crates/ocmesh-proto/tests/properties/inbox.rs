//! The inbox against a model: the same messages in any form, wrap and order, from peers that are trusted more or less, over restarts.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_proto::{
    At, Body, Change, Command, DirectDraft, Draft, DraftBody, Effect, Envelope, EventId, Facts, Form, InboxPolicy, Input, MessageId,
    Notice, Opened, PubKey, Step, Trust,
    limit::STRANGER_UNREAD_MAX,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use proptest::prelude::*;

use super::{
    config,
    world::{World, key, url},
};

const RELAYS: [&str; 2] = ["wss://a.example.com", "wss://b.example.com"];
const US: usize = 0;
/// Peers that write.
const PEERS: [u8; 3] = [50, 51, 52];

#[derive(Debug, Clone)]
enum Op {
    /// A message comes, for the first time or again: the same in another wrap, or the same event.
    Comes {
        from: usize,
        number: u8,
        form: Form,
        wrap: u8,
        relay: usize,
    },
    Ping {
        from: usize,
        wrap: u8,
    },
    /// The agent acknowledges what it was handed out.
    Reads(usize),
    Trusts(usize, Trust),
    Pass(u64),
    Crash,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let from = || 0..PEERS.len();
    let form = prop::sample::select(vec![Form::Nip17, Form::Nip17, Form::Nip44, Form::Nip04]);
    let trust = prop::sample::select(vec![Trust::Unknown, Trust::Known, Trust::Trusted, Trust::Blocked]);
    let pause = prop::sample::select(vec![SECOND, MINUTE, 6 * MINUTE, HOUR, DAY]);
    let op = prop_oneof![
        10 => (from(), 0..4u8, form, 0..3u8, 0..RELAYS.len())
            .prop_map(|(from, number, form, wrap, relay)| Op::Comes { from, number, form, wrap, relay }),
        1 => (from(), 0..4u8).prop_map(|(from, wrap)| Op::Ping { from, wrap }),
        4 => (0..6usize).prop_map(Op::Reads),
        3 => (from(), trust).prop_map(|(from, trust)| Op::Trusts(from, trust)),
        2 => pause.prop_map(Op::Pass),
        2 => Just(Op::Crash),
    ];
    prop::collection::vec(op, 1..60)
}

fn policies() -> impl Strategy<Value = InboxPolicy> {
    prop::sample::select(vec![InboxPolicy::Open, InboxPolicy::Ask, InboxPolicy::Closed])
}

/// What is known of one message.
#[derive(Debug)]
struct Known {
    from: PubKey,
    /// Kept, rather than dropped for its author's sake.
    kept: bool,
    /// Dropped for good, rather than left aside until there is room.
    dropped: bool,
    /// Forgotten before anybody saw it, as its author was blocked while it was held.
    refused: bool,
    read: bool,
    /// Times it came since there was room for it.
    came: usize,
    /// Times it was put into the store, and announced.
    stored: usize,
    announced: usize,
    receipts: usize,
    /// When its receipt was last repeated because it came again, unless the process ended since.
    repeated_at: Option<At>,
}

impl Known {
    fn fresh(from: PubKey) -> Self {
        let (kept, dropped, refused, read) = (false, false, false, false);
        Self { from, kept, dropped, refused, read, came: 0, stored: 0, announced: 0, receipts: 0, repeated_at: None }
    }
}

/// The receipt of one message is repeated at most this often.
const REPEAT_MS: u64 = 5 * MINUTE;

struct Trial {
    world: World,
    known: BTreeMap<MessageId, Known>,
    policy: InboxPolicy,
}

impl Trial {
    fn new(policy: InboxPolicy) -> Self {
        let mut world = World::new(&RELAYS);
        world.add("us", &RELAYS);
        let own = &mut world.nodes[US].policy;
        (own.presence_interval_ms, own.discovery_interval_ms, own.inbox) = (HOUR, HOUR, policy);
        world.kill(US);
        world.start(US);
        world.pass(SECOND);
        world.watched = Some(Vec::new());
        Self { world, known: BTreeMap::new(), policy }
    }

    fn trust(&self, peer: &PubKey) -> Trust {
        self.world.nodes[US].mesh.as_ref().unwrap().peer(peer).map_or(Trust::Unknown, |peer| peer.trust)
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Comes { from, number, form, wrap, relay } => {
                let author = key(PEERS[*from]);
                let (id, event_id) = ids(PEERS[*from], *number, *form, *wrap);
                let trust = self.trust(&author);
                let dropped = trust == Trust::Blocked || (self.policy == InboxPolicy::Closed && !trust.is_accepted());
                let room = if self.policy == InboxPolicy::Ask { 1 } else { STRANGER_UNREAD_MAX };
                let has_room = trust != Trust::Unknown || self.unread_of(&author) < room;
                let known = self.known.entry(id).or_insert_with(|| Known::fresh(author));
                if !known.kept && !known.dropped {
                    (known.kept, known.dropped) = (!dropped && has_room, dropped);
                }
                known.came += usize::from(known.kept);
                self.comes(author, id, event_id, *form, Body::Text(format!("message {number}")), *relay);
            }
            Op::Ping { from, wrap } => {
                let (id, event_id) = ids(PEERS[*from], 200, Form::Nip17, *wrap);
                self.comes(key(PEERS[*from]), id, event_id, Form::Nip17, Body::Ping, 0);
            }
            Op::Reads(nth) => {
                let unread = self.handed_out();
                if let Some(id) = unread.get(nth % unread.len().max(1)).copied() {
                    self.known.get_mut(&id).unwrap().read = true;
                    self.world.read(US, &[id]);
                }
            }
            Op::Trusts(from, trust) => {
                let peer = key(PEERS[*from]);
                let held: Vec<MessageId> =
                    self.world.inbox(US).iter().filter(|message| message.peer == peer && message.held).map(|message| message.id).collect();
                _ = self.world.command(US, Command::SetTrust { peer, trust: *trust });
                if self.trust(&peer) == Trust::Blocked {
                    held.iter().for_each(|id| self.known.get_mut(id).unwrap().refused = true);
                }
            }
            Op::Pass(ms) => self.world.pass(*ms),
            Op::Crash => {
                self.world.kill(US);
                self.world.start(US);
                self.known.values_mut().for_each(|known| known.repeated_at = None);
            }
        }
    }

    fn unread_of(&self, author: &PubKey) -> usize {
        self.world.inbox(US).iter().filter(|message| message.peer == *author && message.read_at.is_none()).count()
    }

    fn comes(&mut self, author: PubKey, id: MessageId, event_id: EventId, form: Form, body: Body, relay: usize) {
        let (recipient, written_at) = (self.world.nodes[US].me, self.world.now);
        let (reply_to, subject, chain) = (None, None, None);
        let envelope = Envelope {
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
        };
        let (relay, facts) = (url(RELAYS[relay]), Facts::default());
        self.world.input(US, Input::EventOpened { relay, opened: Opened::Direct(envelope), facts });
    }

    /// What the agent gets when it asks now.
    fn handed_out(&self) -> Vec<MessageId> {
        self.world.inbox(US).iter().filter(|message| message.read_at.is_none() && !message.held).map(|message| message.id).collect()
    }

    fn look(&mut self) {
        for (_, input, step) in self.world.watched.replace(Vec::new()).unwrap() {
            self.step(&input, &step);
        }
        let out: BTreeSet<MessageId> = self.handed_out().into_iter().collect();
        for (id, known) in &self.known {
            let times = usize::from(known.kept);
            assert_eq!((known.stored, known.announced), (times, times), "stored and announced once, or dropped: {known:?}");
            let waits = self.policy == InboxPolicy::Ask && !self.trust(&known.from).is_accepted();
            if known.refused {
                assert!(!out.contains(id), "handed out after its author was blocked");
            } else if known.read {
                assert!(!out.contains(id), "handed out after it was acknowledged");
            } else if known.kept && !waits {
                assert!(out.contains(id), "not handed out: {known:?}");
            }
            // One for "stored", one for "read", and one again for each time it came after that.
            assert!(known.receipts <= 1 + known.came + usize::from(known.read), "receipts without end: {known:?}");
        }
        assert!(out.iter().all(|id| self.known.contains_key(id)), "handed out, and never came");
    }

    fn step(&mut self, input: &Input, step: &Step) {
        for change in &step.changes {
            if let Change::AddMessage(message) = change {
                let known = self.known.get_mut(&message.id).expect("a message that came");
                assert_eq!((message.peer, known.kept), (known.from, true), "not to be kept, or another author");
                let accepted = self.world.nodes[US].mesh.as_ref().unwrap().peer(&message.peer).is_some_and(|peer| peer.trust.is_accepted());
                assert!(self.policy != InboxPolicy::Ask || message.held != accepted, "held is for those who are not accepted");
                known.stored += 1;
            }
        }
        for notice in &step.notices {
            if let Notice::MessageArrived { id, .. } = notice {
                self.known.get_mut(id).expect("a message that came").announced += 1;
            }
        }
        for effect in &step.effects {
            if let Effect::Seal {
                draft: Draft::Direct(DirectDraft { to, body: DraftBody::Delivered(id) | DraftBody::Read(id), .. }), ..
            } = effect
            {
                let trust = self.trust(to);
                assert!(trust.is_accepted(), "a receipt to somebody who is {trust:?}");
                let known = self.known.get_mut(id).expect("a receipt of a message that came");
                assert_eq!(*to, known.from, "a receipt to another than the author");
                assert!(known.kept, "a receipt of a message that was dropped");
                known.receipts += 1;
                let came_again =
                    matches!(input, Input::EventOpened { opened: Opened::Direct(envelope), .. } if envelope.id == *id) && known.came > 1;
                if came_again {
                    let now = self.world.now;
                    assert!(known.repeated_at.is_none_or(|at| now.since(at) >= REPEAT_MS), "repeated too soon: {known:?}");
                    known.repeated_at = Some(now);
                }
            }
            if let Effect::Seal { draft: Draft::Direct(DirectDraft { body: DraftBody::Read(id), .. }), .. } = effect {
                assert!(self.known[id].read, "told as read, and not read");
            }
        }
    }
}

/// A message in NIP-17 has one id in every wrap; in kind 4 the event is the message.
fn ids(from: u8, number: u8, form: Form, wrap: u8) -> (MessageId, EventId) {
    let id = |last: [u8; 4]| {
        let mut bytes = [0xee; 32];
        bytes[..4].copy_from_slice(&last);
        EventId::from_bytes(bytes)
    };
    match form {
        Form::Nip17 => (id([from, number, 17, 0]), id([from, number, 17, wrap + 1])),
        Form::Nip44 => (id([from, number, 44, 0]), id([from, number, 44, 0])),
        Form::Nip04 => (id([from, number, 4, 0]), id([from, number, 4, 0])),
    }
}

proptest! {
    #![proptest_config(config("tests/properties/inbox.regressions"))]

    #[test]
    fn whatever_comes_a_message_is_handed_out_once_and_confirmed_to_friends_alone(policy in policies(), ops in ops()) {
        let mut trial = Trial::new(policy);
        for op in &ops {
            trial.run(op);
            trial.look();
        }
    }
}
