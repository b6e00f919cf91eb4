//! Everything that waits in an engine, filled past its bound. Nothing is connected, and the mesh turns when the test says so.

use std::{pin::Pin, thread, time::Instant};

use ocmesh_proto::{Body, Envelope, EventId, Facts, Form, Link, MessageId, Origin, RelayUrl, Sub, kind, limit::IN_FLIGHT_PER_RELAY_MAX};
use ocmesh_relay::{Holdings, PoolEvent};
use ocmesh_store::StoreKey;
use ocmesh_testkit::wait;
use tokio::{runtime::Runtime, sync::broadcast::error::TryRecvError};

use super::*;
use crate::{
    engine::{
        Ask, EngineParts, MeshHandle,
        assembled::{Assembled, Shelf, assemble},
    },
    limit::{HELD_MAX, INPUTS_MAX, NOTICES_MAX, QUESTIONS_MAX, TAKEN_MAX},
};

/// Nobody is there.
const NOWHERE: &str = "ws://127.0.0.1:9";

type Asked = Pin<Box<dyn Future<Output = Result<Told, AskError>>>>;

/// An engine whose threads are the test's own.
struct Still {
    runtime: Runtime,
    engine: Assembled,
    _home: tempfile::TempDir,
}

impl Still {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let parts = EngineParts {
            keys: Arc::new(Keys::generate()),
            store: Store::open(&home.path().join("ocmesh.db"), &StoreKey::from_bytes([7; 32])).unwrap(),
            policy: Policy { relays: vec![nowhere()], agent_sends_per_hour: u32::MAX, ..Policy::default() },
            clock: Clock::system(),
            stop: StopToken::new(),
            version: "0.0.0-test",
            wakes: Vec::new(),
            home: home.path().to_owned(),
            started: Instant::now(),
        };
        let inside = runtime.enter();
        let mut engine = assemble(parts).unwrap();
        drop(inside);
        engine.task.batch(heard(Input::Started)).unwrap();
        Self { runtime, engine, _home: home }
    }

    /// Asks, and waits for nothing; an answer comes only where it is refused at once.
    fn ask(&self, ask: Ask) -> Result<Asked, AskError> {
        let mesh: MeshHandle = self.engine.handle.clone();
        let mut asked: Asked = Box::pin(async move { mesh.ask(ask).await });
        match (&mut asked).now_or_never() {
            None => Ok(asked),
            Some(refused) => Err(refused.unwrap_err()),
        }
    }

    /// One transaction, which begins with whatever is there; `false` when nothing is.
    fn turn(&mut self) -> bool {
        let next = self.engine.task.try_next();
        next.map(|next| self.engine.task.batch(next).unwrap()).is_some()
    }

    fn answered(asked: &mut Asked) -> Option<Told> {
        asked.now_or_never().map(Result::unwrap)
    }

    /// Asks, lets the mesh turn, and takes the answer.
    fn done(&mut self, ask: Ask) -> Told {
        let mut asked = self.ask(ask).unwrap();
        self.turn();
        Self::answered(&mut asked).unwrap()
    }
}

fn nowhere() -> RelayUrl {
    RelayUrl::parse(NOWHERE).unwrap()
}

fn name(n: usize) -> Ask {
    Ask::SetIdentity { name: Some(format!("ada {n}")), about: None, features: None, status: None }
}

#[test]
fn one_question_too_many_is_told_that_the_daemon_is_busy_and_the_others_are_answered() {
    let mut still = Still::new();
    let mut asked: Vec<Asked> = (0..QUESTIONS_MAX).map(|_| still.ask(Ask::MarkAllRead).unwrap()).collect();
    assert!(matches!(still.ask(Ask::MarkAllRead), Err(AskError::Busy)));
    // One transaction answers so many, and nobody waits after it.
    assert!(still.turn());
    let waiting = asked.iter_mut().map(Still::answered).filter(Option::is_none).count();
    assert_eq!((QUESTIONS_MAX - waiting, still.engine.task.waiting.len()), (BATCH_MAX, 0));
    assert!(still.ask(Ask::MarkAllRead).is_ok(), "there is room again");
}

#[test]
fn events_that_the_mesh_does_not_take_wait_before_the_thread_that_opens_them_and_none_is_skipped() {
    let still = Still::new();
    let Assembled { ingest, mut task, .. } = still.engine;
    let (pool, events) = mpsc::channel(2 * INPUTS_MAX);
    let relay = |n: usize| format!("wss://r{n}.example.com");
    (0..2 * INPUTS_MAX).for_each(|n| pool.try_send(PoolEvent::Authenticated { relay: relay(n).into() }).unwrap());
    let opening = thread::spawn(move || ingest.run(events));
    let full = wait::until("the way to the mesh to be full", wait::PATIENCE, async || (task.inputs.capacity() == 0).then_some(()));
    still.runtime.block_on(full).unwrap();
    assert_eq!(task.inputs.len(), INPUTS_MAX);
    let left = pool.max_capacity() - pool.capacity();
    assert!(left >= INPUTS_MAX - TAKEN_MAX, "the rest waits where the sockets feel it: {left}");
    drop(pool);
    let mut came = Vec::new();
    while let Some(Heard { input, .. }) = still.runtime.block_on(next_heard(&mut task.heard, &mut task.inputs)) {
        assert!(task.heard.len() < HEARD_MAX, "{}", task.heard.len());
        came.extend(input);
    }
    let sent = (0..2 * INPUTS_MAX).map(|n| Input::Authenticated { relay: RelayUrl::parse(&relay(n)).unwrap() });
    assert!(came.into_iter().eq(sent));
    opening.join().unwrap();
}

#[test]
fn a_listener_that_is_too_far_behind_is_told_so_and_the_store_has_what_it_missed() {
    let mut still = Still::new();
    let before = still.engine.task.store.reader().newest_notice_seq().unwrap();
    let mut slow = still.engine.handle.notices();
    // As many as find room, and one more.
    let mut asked = Vec::new();
    for n in 0..=NOTICES_MAX {
        asked.push(still.ask(name(n)).unwrap());
        if asked.len().is_multiple_of(BATCH_MAX) {
            still.turn();
        }
    }
    while still.turn() {}
    assert!(matches!(slow.try_recv(), Err(TryRecvError::Lagged(1))));
    let kept: Vec<u64> = std::iter::from_fn(|| slow.try_recv().ok()).map(|notice| notice.seq).collect();
    let (mut stored, reader) = (Vec::new(), still.engine.task.store.reader());
    while stored.len() <= NOTICES_MAX {
        let page = reader.notices_since(stored.last().copied().unwrap_or(before), 200).unwrap();
        assert!(!page.is_empty(), "{} are stored", stored.len());
        stored.extend(page.into_iter().map(|notice| notice.seq));
    }
    assert_eq!((kept.len(), stored.len()), (NOTICES_MAX, NOTICES_MAX + 1));
    assert_eq!(kept, stored[1..]);
}

#[test]
fn an_inbox_with_more_events_than_are_compared_is_paged() {
    let mut still = Still::new();
    let store = &mut still.engine.task.store;
    let hold = |store: &mut Store, numbers: std::ops::Range<usize>| {
        store.begin().unwrap();
        for n in numbers {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            store.hold(kind::GIFT_WRAP, At::from_secs(1_800_000_000), &EventId::from_bytes(id)).unwrap();
        }
        store.commit().unwrap();
    };
    let shelf = Shelf(store.slow_reader());
    let held = || shelf.held(&Sub::Wraps.to_string(), None).map(|set| set.len());
    hold(store, 0..HELD_MAX);
    assert_eq!(held(), Some(HELD_MAX));
    hold(store, HELD_MAX..HELD_MAX + 1);
    assert_eq!(held(), None);
}

#[test]
fn what_a_transaction_leaves_behind_is_no_more_than_the_publishes_in_flight() {
    const SENT: usize = IN_FLIGHT_PER_RELAY_MAX + 30;
    let mut still = Still::new();
    let bob = Keys::generate().public();
    still.done(Ask::AddPeer { peer: bob.to_hex(), petname: None });
    let ids: Vec<MessageId> = (0..SENT)
        .map(|n| match still.done(send(bob, n)) {
            Told::Queued { id, .. } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    // In one transaction the relay is there, what waits for it goes out, and another relay brings the word that all of it was read.
    still.engine.task.heard.extend(ids.into_iter().map(|id| read(bob, id)));
    still.engine.task.batch(heard(Input::RelayChanged { relay: nowhere(), link: Link::Open })).unwrap();
    assert!(still.engine.task.heard.is_empty());
    assert_eq!(still.engine.task.later.len(), IN_FLIGHT_PER_RELAY_MAX);
    while still.turn() {
        assert!(still.engine.task.later.len() <= IN_FLIGHT_PER_RELAY_MAX);
    }
    assert_eq!(still.engine.task.later.len(), 0);
}

/// The peer's agent read our message.
fn read(peer: PubKey, message: MessageId) -> Heard {
    let id = EventId::from_bytes(message.as_bytes().map(|byte| !byte));
    let envelope = Envelope {
        id,
        event_id: id,
        author: peer,
        recipient: peer,
        form: Form::Nip04,
        written_at: Clock::system().now(),
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        work: 0,
        body: Body::Read(message),
    };
    Input::EventOpened { relay: nowhere(), opened: Opened::Direct(envelope), facts: Facts::default() }.into()
}

fn send(to: PubKey, n: usize) -> Ask {
    Ask::Send {
        to: to.to_hex(),
        content: format!("number {n}"),
        reply_to: None,
        subject: None,
        idempotency_key: None,
        origin: Origin::Owner,
        secrets: Vec::new(),
        allow_secret: false,
        urgent: false,
        dry_run: false,
    }
}
