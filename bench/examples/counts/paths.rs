//! The paths that are counted and measured: what a daemon does again and again, prepared so that only the path itself is run. A work may be
//! run any number of times; nothing in it is random but keys of a message.

// By their places, as `benches/paths.rs` takes this file in by its own.
#[path = "paths/arriving.rs"]
mod arriving;
#[path = "paths/http.rs"]
mod http;
#[path = "paths/sent.rs"]
mod sent;

use std::hint::black_box;

use ocmesh_api::Peer;
use ocmesh_proto::{
    At, Change, DirectDraft, Direction, Draft, DraftBody, EventId, Facts, Form, HandshakeMode, Input, Link, Mesh, MessageRecord, Opened,
    PeerRecord, PeerSource, PeerStatus, Policy, Presence, PubKey, ReceiptsSent, RelayUrl, Snapshot, Status,
};
use ocmesh_store::{MessageQuery, PeerQuery, Store, StoreKey};
use ocmesh_wire::{Keys, event_head, npub, open, seal};

const NOW: At = At::from_secs(1_800_000_000);

// Events of the key 03… for the key 02…, made by our own `seal` and kept: how long a signature takes to check depends on the signature.
const PRESENCE: &str = include_str!("presence.json").trim_ascii();
const NIP17: &str = include_str!("nip17.json").trim_ascii();
const NIP44: &str = include_str!("nip44.json").trim_ascii();
const NIP04: &str = include_str!("nip04.json").trim_ascii();

/// Rows of a store: an index of several levels.
const ROWS: u64 = 1_000;
/// Peers of a core.
const PEERS: u64 = 2_000;
/// Agents whose presences are handled at once.
const HEARD: u64 = 100;

/// What was prepared, and is then done.
pub(crate) type Work = Box<dyn FnMut()>;

/// A path's name, and what prepares it.
pub(crate) type Path = (&'static str, fn() -> Work);

/// Every path. New ones at the end: what one leaves of the heap moves the counts of those after it.
pub(crate) const PATHS: &[Path] = &[
    ("frame: an EVENT is read", || {
        let frame = format!("[\"EVENT\",\"presence\",{PRESENCE}]");
        Box::new(move || drop(black_box(ocmesh_relay::fuzzing::read_frame(black_box(&frame), 256 << 10))))
    }),
    ("wire: the head of an event is read", || Box::new(move || _ = black_box(event_head(black_box(PRESENCE)).unwrap()))),
    ("wire: a presence is checked and opened", || opening(PRESENCE)),
    ("wire: a NIP-17 message is opened", || opening(NIP17)),
    ("wire: a NIP-44 message is opened", || opening(NIP44)),
    ("wire: a NIP-04 message is opened", || opening(NIP04)),
    ("wire: a NIP-17 message is sealed", || sealing(Form::Nip17)),
    ("wire: a NIP-44 message is sealed", || sealing(Form::Nip44)),
    ("wire: a NIP-04 message is sealed", || sealing(Form::Nip04)),
    ("mesh: presences of 100 new agents", || {
        let (mut mesh, mut next) = (mesh(), PEERS);
        Box::new(move || {
            (next..next + HEARD).for_each(|agent| handle(&mut mesh, heard(agent, NOW), NOW));
            next += HEARD;
        })
    }),
    ("mesh: presences of 100 known agents", || {
        let (mut mesh, mut now) = (mesh(), NOW);
        Box::new(move || {
            now = now.plus(60_000);
            (0..HEARD).for_each(|agent| handle(&mut mesh, heard(agent, now), now));
        })
    }),
    ("mesh: a message comes in", || {
        let (mut mesh, mut now) = (mesh(), NOW);
        let Ok(Opened::Direct(first)) = open(&keys(2), NIP17, NOW) else { unreachable!() };
        let mut number = 0;
        Box::new(move || {
            let mut envelope = first.clone();
            number += 1;
            (envelope.id, envelope.event_id) = (EventId::from_bytes(spread(3, number)), EventId::from_bytes(spread(4, number)));
            // As fast as one relay may bring strangers' messages.
            now = now.plus(6_000);
            handle(&mut mesh, Input::EventOpened { relay: url(), opened: Opened::Direct(envelope), facts: Facts::default() }, now);
        })
    }),
    ("store: a message is written", || {
        let (mut store, folder) = store();
        let mut next = ROWS;
        Box::new(move || {
            next += 1;
            write(&mut store, &[message(next)]);
            black_box(&folder);
        })
    }),
    ("store: 100 presences are written", || {
        let (mut store, folder) = store();
        let mut now = NOW;
        Box::new(move || {
            now = now.plus(60_000);
            let changes: Vec<Change> = (0..HEARD).map(|n| peer(n, now)).collect();
            write(&mut store, &changes);
            black_box(&folder);
        })
    }),
    ("store: a page of 100 messages", || {
        let (store, folder) = store();
        let (reader, query) = (store.reader(), MessageQuery { limit: 100, ..MessageQuery::default() });
        let work = move || assert_eq!(black_box(reader.messages(&query)).unwrap().items.len(), 100);
        ready(move || {
            work();
            black_box((&folder, &store));
        })
    }),
    ("store: a page of 50 peers", || {
        let (store, folder) = store();
        let (reader, query) = (store.reader(), PeerQuery { limit: 50, ..PeerQuery::new(NOW) });
        let work = move || assert_eq!(black_box(reader.peers(&query)).unwrap().items.len(), 50);
        ready(move || {
            work();
            black_box((&folder, &store));
        })
    }),
    ("api: the JSON of a page of 50 peers", || {
        let page: Vec<Peer> = (0..50).map(shown).collect();
        Box::new(move || drop(black_box(ocmesh_api::json::to_string(black_box(&page)).unwrap())))
    }),
    ("http: a page of 50 peers", || http::page("/peers?limit=50", 50)),
    ("http: a page of 100 messages", || http::page("/messages?limit=100", 100)),
    ("mesh: a message goes out", sent::message),
    ("engine: a duplicate is dropped", arriving::duplicate),
    ("wire: an event's id and signature are checked", arriving::checked),
    ("wire: a forged id is refused", arriving::forged),
];

/// Done once before: tables of the curve, prepared statements and pages in memory are made in the first run of a process.
fn ready(mut work: impl FnMut() + 'static) -> Work {
    work();
    Box::new(work)
}

fn keys(secret: u8) -> Keys {
    Keys::from_secret_bytes(&[secret; 32]).unwrap()
}

fn url() -> RelayUrl {
    RelayUrl::parse("wss://relay.example.com").unwrap()
}

fn message_draft(form: Form) -> Draft {
    Draft::Direct(DirectDraft {
        to: keys(2).public(),
        form,
        body: DraftBody::Text("lorem ipsum dolor sit amet ".repeat(8)),
        written_at: NOW,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        own_copy: false,
    })
}

fn opening(json: &'static str) -> Work {
    let keys = keys(2);
    ready(move || drop(black_box(open(&keys, black_box(json), NOW).unwrap())))
}

fn sealing(form: Form) -> Work {
    let (keys, draft) = (keys(3), message_draft(form));
    ready(move || drop(black_box(seal(&keys, "0.3.0", black_box(&draft), None, NOW).unwrap())))
}

/// 32 bytes that look random and are the same for the same number (splitmix64).
fn spread(family: u64, n: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (part, chunk) in (0_u64..).zip(bytes.chunks_exact_mut(8)) {
        let mut z = (n * 8 + family).wrapping_add(part << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes());
    }
    bytes
}

fn agent(n: u64) -> PubKey {
    PubKey::from_bytes(spread(1, n))
}

fn heard(n: u64, at: At) -> Input {
    let presence = Presence {
        author: agent(n),
        created_at: at,
        version: Some("0.3.0".to_owned()),
        name: Some(format!("agent {n}")),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        forms: vec![Form::Nip17, Form::Nip04],
        status: PeerStatus::Online,
        next_at: Some(at.plus(300_000)),
        relays: vec![url()],
        work_asked: 0,
    };
    Input::EventOpened { relay: url(), opened: Opened::Presence(presence), facts: Facts::default() }
}

/// A core that knows [`PEERS`] agents and has a relay.
fn mesh() -> Mesh {
    let policy = Policy { name: "me".to_owned(), relays: vec![url()], handshake: HandshakeMode::Off, ..Policy::default() };
    let mut mesh = Mesh::new(keys(2).public(), policy, Snapshot::default(), 1, NOW);
    handle(&mut mesh, Input::Started, NOW);
    handle(&mut mesh, Input::RelayChanged { relay: url(), link: Link::Open }, NOW);
    (0..PEERS).for_each(|n| handle(&mut mesh, heard(n, NOW), NOW));
    mesh
}

fn handle(mesh: &mut Mesh, input: Input, now: At) {
    drop(black_box(mesh.handle(input, now)));
}

fn peer(n: u64, at: At) -> Change {
    let record = PeerRecord::new(agent(n), PeerSource::Presence, at);
    Change::PutPeer(Box::new(PeerRecord { name: Some(format!("agent {n}")), presence_at: at, lease_until: at.plus(900_000), ..record }))
}

fn message(n: u64) -> Change {
    let id = EventId::from_bytes(spread(2, n));
    Change::AddMessage(Box::new(MessageRecord {
        id,
        direction: Direction::In,
        peer: agent(n % 100),
        content: "lorem ipsum dolor sit amet ".repeat(8),
        kind: "text".to_owned(),
        form: Form::Nip17,
        written_at: NOW,
        stored_at: NOW.plus(n),
        read_at: None,
        thread: id,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        urgent: false,
        receipts: ReceiptsSent::default(),
    }))
}

/// A store with [`ROWS`] messages and as many peers.
fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("ocmesh.db"), &StoreKey::from_hex(&"a7".repeat(32)).unwrap()).unwrap();
    let changes: Vec<Change> = (0..ROWS).flat_map(|n| [peer(n, NOW), message(n)]).collect();
    write(&mut store, &changes);
    (store, folder)
}

/// One transaction.
fn write(store: &mut Store, changes: &[Change]) {
    store.begin().unwrap();
    changes.iter().for_each(|change| store.apply(change, NOW).unwrap());
    store.commit().unwrap();
}

/// A peer as the Local API shows it.
fn shown(n: u64) -> Peer {
    let time = "2027-01-15T08:00:00Z".to_owned();
    Peer {
        pubkey: agent(n).to_hex(),
        npub: npub(&agent(n)),
        name: Some(format!("agent {n} <no mark>")),
        petname: None,
        online: true,
        last_seen: time.clone(),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        status: "online".to_owned(),
        handshake: "handshaked".to_owned(),
        trust: "unknown".to_owned(),
        first_seen: time,
        dm: vec!["nip17".to_owned(), "nip04".to_owned()],
        relays: vec![url().to_string()],
        work_asked: 0,
        seen_on: vec![url().to_string()],
        source: "presence".to_owned(),
        about: Some("answers questions about the weather".to_owned()),
        version: Some("0.3.0".to_owned()),
        missing: 0,
        lost: 0,
        chain_breaks: 0,
        name_warning: None,
        untrusted: true,
    }
}
