//! Every collection that others can fill, filled past its bound: what is held never passes what `limit.rs` allows. Gaps are in `gaps.rs`.

#[path = "bounds/ours.rs"]
mod ours;

use std::{collections::BTreeMap, sync::Arc};

use ocmesh_proto::{
    At, Body, Chain, Command, CommandId, Draft, Effect, Envelope, EventId, Facts, Form, InboundFacts, Input, InviteId, InviteSecret,
    LineId, Link, Mesh, Opened, Origin, Policy, Presence, PubKey, ReceiptsSent, Recipient, RelayUrl, Sealed, SendRequest, SignedEvent,
    Size, Snapshot, Sub, Trust, kind, limit,
    time::{DAY, SECOND},
};

use super::{
    A, blank, presence_of,
    world::{key, url},
};

/// A core that others flood. Its relay takes everything and answers nothing.
struct Flooded {
    mesh: Mesh,
    now: At,
    fresh: u64,
    /// The most that was ever held of each collection.
    most: BTreeMap<&'static str, usize>,
}

fn id(family: u8, n: u64) -> [u8; 32] {
    let mut bytes = [family; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn peer(n: u64) -> PubKey {
    PubKey::from_bytes(id(9, n))
}

impl Flooded {
    fn new() -> Self {
        Self::at(vec![url(A)])
    }

    fn at(relays: Vec<RelayUrl>) -> Self {
        let now = At::from_secs(1_800_000_000);
        let policy = Policy { relays: relays.clone(), agent_sends_per_hour: u32::MAX, ..Policy::default() };
        let mut flooded = Self { mesh: Mesh::new(key(1), policy, Snapshot::default(), 1, now), now, fresh: 0, most: BTreeMap::new() };
        flooded.take(Input::Started);
        for relay in relays {
            flooded.take(Input::RelayChanged { relay, link: Link::Open });
        }
        flooded
    }

    fn fresh(&mut self) -> EventId {
        self.fresh += 1;
        EventId::from_bytes(id(77, self.fresh))
    }

    /// One input; what is to be sealed is sealed.
    fn take(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in self.mesh.handle(input, self.now).effects {
                if let Effect::Seal { job, draft } = effect {
                    let message_id = self.fresh();
                    let event = SignedEvent { id: message_id, kind: kind::GIFT_WRAP, json: Arc::from("{}") };
                    let chain = matches!(draft, Draft::Direct(_)).then_some(Chain { id: message_id, hops: 0 });
                    inputs.push(Input::DraftSealed { job, sealed: Ok(Sealed { message_id, event, own_copy: None, rumor: None, chain }) });
                }
            }
        }
        self.fresh += 1;
        self.look();
    }

    fn look(&mut self) {
        for Size { what, held, most } in self.mesh.sizes() {
            assert!(held <= most, "{held} {what}, {most} at most");
            let entry = self.most.entry(what).or_default();
            *entry = held.max(*entry);
        }
    }

    fn presence(&mut self, presence: Presence) {
        self.take(Input::EventOpened { relay: url(A), opened: Opened::Presence(presence), facts: Facts::default() });
    }

    fn appears(&mut self, n: u64) {
        self.presence(Presence { author: peer(n), ..presence_of(2, self.now) });
    }

    fn writes(&mut self, n: u64, body: Body, facts: Facts) {
        let (id, event_id) = (self.fresh(), self.fresh());
        let opened = Opened::Direct(Envelope {
            id,
            event_id,
            author: peer(n),
            recipient: key(1),
            form: Form::Nip17,
            written_at: self.now,
            reply_to: None,
            subject: None,
            chain: Some(Chain { id, hops: 1 }),
            place: None,
            urgent: false,
            work: 0,
            body,
        });
        self.take(Input::EventOpened { relay: url(A), opened, facts });
    }

    fn command(&mut self, command: Command) {
        let id = CommandId(self.fresh);
        self.take(Input::Commanded { id, command });
    }

    fn trust(&mut self, n: u64) {
        self.command(Command::AddPeer { peer: peer(n), hints: Vec::new(), petname: None });
        self.command(Command::SetTrust { peer: peer(n), trust: Trust::Trusted });
    }

    fn to_send(&self, n: u64, origin: Origin) -> Command {
        let content = format!("number {}", self.fresh);
        Command::Send(SendRequest { to: Recipient::Key(peer(n)), content, origin, ..blank() })
    }

    fn send(&mut self, n: u64, origin: Origin) {
        let command = self.to_send(n, origin);
        self.command(command);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.take(Input::Ticked);
    }

    /// It was filled, and no further: else the flood proves nothing.
    #[track_caller]
    fn was_full(&self, what: &str) {
        let size = self.mesh.sizes().into_iter().find(|size| size.what == what).unwrap();
        assert_eq!(self.most[what], size.most, "the most {what}: this test does not fill them");
    }
}

#[test]
fn a_flood_of_agents_fills_no_more_than_the_bounds() {
    let mut flooded = Flooded::new();
    (0..limit::PEERS_MAX as u64 + 1_000).for_each(|n| flooded.appears(n));
    for what in ["peers", "peers online", "peers that wait for a hello"] {
        flooded.was_full(what);
    }
}

#[test]
fn a_flood_of_strangers_that_write_fills_no_more_than_the_bounds() {
    let mut flooded = Flooded::new();
    for n in 0..limit::STRANGERS_ANSWERED_MAX as u64 + 500 {
        flooded.writes(n, Body::Ping, Facts::default());
    }
    flooded.was_full("strangers answered");
    flooded.was_full("look-ups in flight");
    // As fast as one relay may bring strangers' messages.
    for n in 0..limit::HEARD_MAX as u64 + 200 {
        flooded.pass(7 * SECOND);
        flooded.writes(50_000 + n, Body::Text("hello".to_owned()), Facts::default());
    }
    flooded.was_full("peers who wrote");
}

#[test]
fn a_flood_of_those_we_know_fills_no_more_than_the_bounds() {
    let mut flooded = Flooded::new();
    for n in 0..limit::ANSWERED_MAX.max(limit::GIVEN_PEERS_MAX) as u64 + 500 {
        flooded.trust(n);
        flooded.writes(n, Body::Ping, Facts::default());
        flooded.writes(n, Body::Missing { line: LineId(7), numbers: vec![1] }, Facts::default());
    }
    flooded.was_full("peers answered");
    flooded.was_full("peers that asked again");
    for n in 0..limit::RECEIPTED_MAX as u64 + 500 {
        let (message, from) = (EventId::from_bytes(id(4, n)), peer(n % 100));
        let resent = InboundFacts { id: message, from, form: Form::Nip17, is_read: false, receipts: ReceiptsSent::default() };
        let facts = Facts { seen: true, resent: Some(Box::new(resent)), ..Facts::default() };
        flooded.writes(n % 100, Body::Text("again".to_owned()), facts);
    }
    flooded.was_full("receipts repeated");
}

#[test]
fn receipts_that_no_relay_takes_fill_no_more_than_their_part_of_the_outbox() {
    let mut flooded = Flooded::new();
    flooded.trust(0);
    for _ in 0..limit::FRAMES_PER_PEER_MAX + 500 {
        flooded.writes(0, Body::Text("and another".to_owned()), Facts::default());
    }
    flooded.was_full("frames to one peer");
    for n in 1..(limit::FRAMES_MAX / limit::FRAMES_PER_PEER_MAX) as u64 + 3 {
        flooded.trust(n);
        for _ in 0..limit::FRAMES_PER_PEER_MAX {
            flooded.writes(n, Body::Text("and another".to_owned()), Facts::default());
        }
    }
    flooded.was_full("frames");
}

#[test]
fn our_own_agent_fills_no_more_than_the_bounds() {
    let mut flooded = Flooded::new();
    let peers = limit::CHAINS_MAX as u64 + 500;
    for n in 0..peers {
        // Some read where nobody else does, and some ask for work.
        let relays = if n < 200 { vec![url(&format!("wss://relay-{n}.example.net"))] } else { Vec::new() };
        let work_asked = if (1_000..1_200).contains(&n) { 16 } else { 0 };
        let forms = vec![Form::Nip17];
        flooded.presence(Presence { author: peer(n), relays, work_asked, forms, ..presence_of(2, flooded.now) });
    }
    (0..peers).for_each(|n| flooded.send(n, Origin::Agent));
    flooded.was_full("runs of messages");
    flooded.was_full("peers we wrote to");
    let relays = flooded.most["relays"];
    assert_eq!(relays, limit::ROUTE_CONNECTIONS_MAX + 1, "connections to peers' relays beside our own");
    for n in 0..limit::OUTBOX_MAX as u64 {
        flooded.send(n % peers, Origin::Owner);
    }
    let held = flooded.most["parcels"];
    assert!((limit::OUTBOX_MAX..=limit::OUTBOX_MAX + 1).contains(&held), "{held} parcels");
}

#[test]
fn look_ups_are_remembered_of_no_more_than_so_many_peers() {
    let mut flooded = Flooded::new();
    for n in 0..limit::LOOKED_UP_MAX as u64 + 500 {
        flooded.command(Command::AddPeer { peer: peer(n), hints: Vec::new(), petname: None });
        // The relay answers at once, so that nothing but the memory of it is left.
        flooded.take(Input::CaughtUp { relay: url(A), sub: Sub::Lookup(n), cut: None });
    }
    flooded.was_full("look-ups remembered");
}
