//! Two engines with real stores, real keys and a real relay: found, handshaken, messages both ways, receipts, restarts.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ocmesh_daemon::{
    clock::Clock,
    engine::{Ask, AskError, Engine, EngineEnd, EngineParts, MeshHandle, Told},
    shutdown::StopToken,
};
use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_proto::{
    At, Change, EncryptionPolicy, HistoryEntry, MessageId, Notice, Origin, PeerRecord, PeerSource, Policy, PubKey, Refusal, RelayUrl,
    Trust, kind, time::HOUR,
};
use ocmesh_store::{MessageQuery, PeerQuery, PruneLimits, Reader, Store, StoreKey};
use ocmesh_testkit::wait;
use ocmesh_wire::Keys;
use tempfile::TempDir;

/// One agent whose store outlives its engine.
struct Agent {
    name: &'static str,
    dir: TempDir,
    key: StoreKey,
    secret: [u8; 32],
    running: Option<Running>,
}

struct Running {
    engine: Engine,
    mesh: MeshHandle,
    reader: Reader,
    stop: StopToken,
}

impl Agent {
    fn new(name: &'static str, relay: &str) -> Self {
        let secret = *Keys::generate().secret_bytes();
        let mut agent = Self { name, dir: TempDir::new().unwrap(), key: StoreKey::generate().unwrap(), secret, running: None };
        agent.start(relay);
        agent
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ocmesh.db")
    }

    fn start(&mut self, relay: &str) {
        self.start_by(relay, Clock::system());
    }

    fn start_by(&mut self, relay: &str, clock: Clock) {
        let policy = Policy { name: self.name.to_owned(), relays: vec![RelayUrl::parse(relay).unwrap()], ..Policy::default() };
        self.start_with(policy, clock);
    }

    fn start_with(&mut self, policy: Policy, clock: Clock) {
        let store = Store::open(&self.path(), &self.key).unwrap();
        let reader = store.reader();
        let stop = StopToken::new();
        let parts = EngineParts {
            keys: Arc::new(Keys::from_secret_bytes(&self.secret).unwrap()),
            store,
            policy,
            clock,
            stop: stop.clone(),
            version: "0.0.0-test",
            wakes: Vec::new(),
            home: self.dir.path().to_owned(),
            started: Instant::now(),
        };
        let engine = Engine::start(parts).unwrap();
        self.running = Some(Running { mesh: engine.handle(), engine, reader, stop });
    }

    async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.cancel();
        tokio::task::spawn_blocking(move || running.engine.join()).await.unwrap().unwrap();
    }

    fn key(&self) -> PubKey {
        Keys::from_secret_bytes(&self.secret).unwrap().public()
    }

    fn mesh(&self) -> &MeshHandle {
        &self.running.as_ref().unwrap().mesh
    }

    fn reader(&self) -> &Reader {
        &self.running.as_ref().unwrap().reader
    }

    fn handshaked_with(&self, other: &Self) -> Option<()> {
        let peer = self.reader().peer(&other.key()).unwrap()?;
        (peer.handshake.as_str() == "handshaked" && peer.is_online(Clock::system().now())).then_some(())
    }

    fn inbox(&self) -> Vec<(MessageId, String)> {
        let query = MessageQuery { direction: Some(ocmesh_proto::Direction::In), limit: 100, ..MessageQuery::default() };
        self.reader().messages(&query).unwrap().items.into_iter().map(|row| (row.record.id, row.record.content)).collect()
    }

    fn status(&self, id: &MessageId) -> String {
        self.reader().message(id).unwrap().unwrap().record.status.as_str().to_owned()
    }

    async fn send(&self, to: &str, content: &str) -> MessageId {
        match self.mesh().ask(send(to, content, None)).await.unwrap() {
            Told::Queued { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }
}

fn send(to: &str, content: &str, idempotency_key: Option<&str>) -> Ask {
    Ask::Send {
        to: to.to_owned(),
        content: content.to_owned(),
        reply_to: None,
        subject: None,
        idempotency_key: idempotency_key.map(str::to_owned),
        origin: Origin::Unsaid,
        secrets: Vec::new(),
        allow_secret: false,
        urgent: false,
        dry_run: false,
    }
}

const LIMIT: Duration = Duration::from_secs(30);

async fn relay() -> LocalRelay {
    LocalRelay::start(RelayOptions::default()).await.unwrap()
}

async fn pair(relay: &LocalRelay) -> (Agent, Agent) {
    let (ada, bob) = (Agent::new("ada", relay.url()), Agent::new("bob", relay.url()));
    wait::until("ada to shake hands with bob", LIMIT, async || ada.handshaked_with(&bob)).await.unwrap();
    wait::until("bob to shake hands with ada", LIMIT, async || bob.handshaked_with(&ada)).await.unwrap();
    (ada, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_meet_and_a_message_is_read_with_its_history() {
    let relay = relay().await;
    let (mut ada, mut bob) = pair(&relay).await;
    assert_eq!(
        ada.mesh()
            .ask(Ask::SetPeer { peer: bob.key(), trust: Some(Trust::Trusted), petname: Some(Some("Bobby".to_owned())) })
            .await
            .unwrap(),
        Told::Peer(bob.key())
    );
    bob.mesh().ask(Ask::SetPeer { peer: ada.key(), trust: Some(Trust::Known), petname: None }).await.unwrap();

    let id = ada.send("bobby", "hello by petname").await;
    wait::until("the message", LIMIT, async || (bob.inbox() == [(id, "hello by petname".to_owned())]).then_some(())).await.unwrap();
    wait::until("the delivery receipt", LIMIT, async || (ada.status(&id) == "delivered").then_some(())).await.unwrap();
    assert_eq!(bob.mesh().ask(Ask::MarkRead(vec![id, id])).await.unwrap(), Told::Marked(1));
    assert_eq!(bob.mesh().ask(Ask::MarkAllRead).await.unwrap(), Told::Marked(0));
    wait::until("the read receipt", LIMIT, async || (ada.status(&id) == "read").then_some(())).await.unwrap();
    let history: Vec<HistoryEntry> = ada.reader().history(&id).unwrap().into_iter().map(|(_, entry)| entry).collect();
    let words: Vec<&str> = history
        .iter()
        .map(|entry| match entry {
            HistoryEntry::Queued { .. } => "queued",
            HistoryEntry::Sent { .. } => "sent",
            HistoryEntry::Accepted { .. } => "accepted",
            HistoryEntry::Delivered => "delivered",
            HistoryEntry::Read => "read",
            _ => "other",
        })
        .collect();
    assert_eq!(words, ["queued", "sent", "accepted", "delivered", "read"]);
    let page = ada.reader().peers(&PeerQuery { limit: 10, ..PeerQuery::new(Clock::system().now()) }).unwrap();
    assert_eq!(page.items.len(), 1);
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_ourselves_counts_as_handled_before_a_relay_brings_it_back() {
    // Nobody is there, so nothing comes back.
    let mut ada = Agent::new("ada", "ws://127.0.0.1:9");
    ada.stop().await;
    let relays = vec![RelayUrl::parse("ws://127.0.0.1:9").unwrap()];
    ada.start_with(Policy { encryption: EncryptionPolicy::Nip17, relays, ..Policy::default() }, Clock::system());
    let held = || ada.reader().held::<Vec<_>, _>(kind::GIFT_WRAP, At(0), 10, |_, id| id).unwrap().unwrap();
    assert_eq!(held(), []);
    let bob = Keys::generate().public().to_hex();
    ada.mesh().ask(Ask::AddPeer { peer: bob.clone(), petname: None }).await.unwrap();
    let id = ada.send(&bob, "kept for ourselves").await;
    let handled = held();
    assert!(handled.len() == 1 && handled != [id], "the wrap of the copy, and nothing else: {handled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything_and_catches_up_once() {
    let relay = relay().await;
    let (mut ada, mut bob) = pair(&relay).await;
    let first = ada.send(&bob.key().to_hex(), "before").await;
    wait::until("the first message", LIMIT, async || (bob.inbox().len() == 1).then_some(())).await.unwrap();
    bob.stop().await;
    wait::until("bob to be offline", LIMIT, async || {
        let peer = ada.reader().peer(&bob.key()).unwrap().unwrap();
        (!peer.is_online(Clock::system().now())).then_some(())
    })
    .await
    .unwrap();
    let second = ada.send(&ocmesh_wire::npub(&bob.key()), "while away").await;
    bob.start(relay.url());
    wait::until("the second message", LIMIT, async || (bob.inbox().len() >= 2).then_some(())).await.unwrap();
    let mut ids: Vec<MessageId> = bob.inbox().into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    let mut expected = vec![first, second];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert!(bob.reader().peer(&ada.key()).unwrap().is_some());
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_cannot_be_answered_say_why_and_change_nothing() {
    let relay = relay().await;
    let (mut ada, mut bob) = pair(&relay).await;
    let ask = async |ask: Ask| ada.mesh().ask(ask).await.unwrap_err();
    assert!(matches!(ask(send("npub1nonsense", "x", None)).await, AskError::NotAKey(_)));
    let secret = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    let error = ask(send(secret, "x", None)).await;
    assert!(!error.to_string().contains("vl029"), "a pasted secret never comes back: {error}");
    assert!(matches!(ask(send("nobody", "x", None)).await, AskError::Refused(Refusal::PeerUnknown(_))));
    assert!(matches!(ask(send(&"ab".repeat(32), "x", None)).await, AskError::Refused(Refusal::PeerUnknown(_))));
    assert!(matches!(ask(send("bob", "", None)).await, AskError::Refused(Refusal::ContentEmpty)));
    let missing = MessageId::from_bytes([7; 32]);
    let reply = Ask::Send {
        to: "bob".into(),
        content: "x".into(),
        reply_to: Some(missing),
        subject: None,
        idempotency_key: None,
        origin: Origin::Unsaid,
        secrets: Vec::new(),
        allow_secret: false,
        urgent: false,
        dry_run: false,
    };
    assert!(matches!(ask(reply).await, AskError::ParentUnknown(id) if id == missing));
    assert!(matches!(ask(Ask::Cancel(missing)).await, AskError::Refused(Refusal::MessageUnknown)));

    let first = ada.mesh().ask(send("bob", "once", Some("k"))).await.unwrap();
    let again = ada.mesh().ask(send("bob", "once", Some("k"))).await.unwrap();
    let (Told::Queued { id: first, .. }, Told::Queued { id: again, .. }) = (first, again) else { panic!() };
    assert_eq!(first, again);
    assert!(matches!(ask(send("bob", "other", Some("k"))).await, AskError::Refused(Refusal::IdempotencyConflict)));
    wait::until("the message", LIMIT, async || (bob.inbox().len() == 1).then_some(())).await.unwrap();
    ada.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_old_rows_is_forgotten_in_seconds_not_hours() {
    const LEFT_BEHIND: u64 = 2_600;
    let relay = relay().await;
    let mut agent = Agent::new("ada", relay.url());
    agent.stop().await;
    let mut store = Store::open(&agent.path(), &agent.key).unwrap();
    let (first, limits) = (store.reader().newest_notice_seq().unwrap(), PruneLimits::default());
    store.begin().unwrap();
    for _ in 0..limits.notices_max + LEFT_BEHIND {
        store.add_notice(Clock::system().now(), &Notice::OwnChanged).unwrap();
    }
    store.commit().unwrap();
    store.close().unwrap();
    // Nothing is forgotten before the time is sure, as it is after an hour that nobody contradicts.
    let slept = Arc::new(AtomicU64::new(0));
    let (system, wall, steady) = (Clock::system(), Arc::clone(&slept), Arc::clone(&slept));
    let (told, ran) = (system.clone(), system);
    agent.start_by(
        relay.url(),
        Clock::of(move || told.now().plus(wall.load(Ordering::Relaxed)), move || ran.steady_ms() + steady.load(Ordering::Relaxed)),
    );
    slept.store(2 * HOUR, Ordering::Relaxed);
    // Wakes the mesh, which sleeps for a minute at most.
    agent.mesh().ask(Ask::MarkAllRead).await.unwrap();
    wait::until("the oldest notices to be forgotten", LIMIT, async || {
        let oldest = agent.reader().notices_since(0, 1).unwrap();
        (oldest[0].seq > first + LEFT_BEHIND).then_some(())
    })
    .await
    .unwrap();
    agent.stop().await;
}

/// What is known of peers is read after the Local API answers, so its damage is found by a thread.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_cannot_read_its_peers_ends_with_that_reason_and_leaves_nobody_waiting() {
    let mut agent = Agent::new("Ada", "ws://127.0.0.1:9");
    agent.stop().await;
    let mut store = Store::open(&agent.path(), &agent.key).unwrap();
    store.begin().unwrap();
    for n in 1..=1_000u16 {
        let mut key = [7; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        let record = PeerRecord { about: Some("a".repeat(200)), ..PeerRecord::new(PubKey::from_bytes(key), PeerSource::Presence, At(1)) };
        store.apply(&Change::PutPeer(Box::new(record)), At(1)).unwrap();
    }
    store.commit().unwrap();
    store.close().unwrap();
    // Peers came last, so the second half of the file is theirs.
    let mut file = std::fs::read(agent.path()).unwrap();
    let half = file.len() / 2;
    file[half..].iter_mut().step_by(1_000).for_each(|byte| *byte ^= 1);
    std::fs::write(agent.path(), file).unwrap();
    agent.start("ws://127.0.0.1:9");
    let Running { engine, mesh, stop, .. } = agent.running.take().unwrap();
    let answer = tokio::time::timeout(LIMIT, mesh.ask(Ask::MarkAllRead)).await.expect("nobody waits for ever");
    assert!(matches!(answer, Err(AskError::Stopping)), "{answer:?}");
    tokio::time::timeout(LIMIT, stop.cancelled()).await.expect("the daemon ends with its mesh");
    let end = tokio::task::spawn_blocking(move || engine.join()).await.unwrap();
    assert!(matches!(&end, Err(EngineEnd::Unreadable(error)) if error.is_damage()), "{end:?}");
}
