//! An engine put together: everything in its place, and no thread of the mesh yet.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use ocmesh_proto::{At, Door, EventId, Mesh, Snapshot, Sub, kind};
use ocmesh_relay::{Authenticator, HeldEvent, HeldSet, Holdings, HookClient, Pool, PoolConfig, PoolEvent, Tuning};
use ocmesh_store::Reader;
use ocmesh_wire::Keys;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
};

use super::{
    EngineError, EngineParts, Pulse,
    ask::MeshHandle,
    forgeries::Forgeries,
    ingest::Ingest,
    journal::Crowd,
    recent::{Generations, Recent},
    recover::Failures,
    seed,
    task::MeshTask,
    view,
    worker::Worker,
};
use crate::{
    clock::Clock,
    limit::{FORGED_MAX, HELD_MAX, INPUTS_MAX, NOTICES_MAX, QUESTIONS_MAX},
    wake::{Dispatcher, Tools},
};

/// What the threads are started with.
pub(super) struct Assembled {
    pub(super) task: MeshTask,
    pub(super) ingest: Ingest,
    pub(super) events: mpsc::Receiver<PoolEvent>,
    pub(super) handle: MeshHandle,
    pub(super) working: JoinHandle<()>,
}

struct AuthKeys {
    keys: Arc<Keys>,
    clock: Clock,
}

impl Authenticator for AuthKeys {
    fn sign_auth(&self, relay: &str, challenge: &str) -> Option<String> {
        Some(ocmesh_wire::sign_auth(&self.keys, relay, challenge, self.clock.now()))
    }
}

/// What the store has handled, for comparing sets with relays: one set is read at a time, so that all relays that come back together cost one
/// connection's memory, and leave the Local API's alone.
pub(super) struct Shelf(pub(super) Reader);

impl Holdings for Shelf {
    fn held(&self, sub: &str, since: Option<u64>) -> Option<HeldSet> {
        let kind = match sub.parse() {
            Ok(Sub::Wraps) => kind::GIFT_WRAP,
            Ok(Sub::Legacy) => kind::LEGACY_DIRECT,
            _ => return None,
        };
        let since = At::from_secs(since.unwrap_or(0));
        let event = |dated: At, id: EventId| HeldEvent { created_at: dated.secs(), id: *id.as_bytes() };
        let held = self.0.held(kind, since, HELD_MAX, event);
        held.inspect_err(|error| tracing::warn!(%error, "cannot tell a relay what is here")).ok()?
    }
}

/// Puts an engine together. The mesh knows ourselves alone until the store is read. Call within a tokio runtime.
///
/// # Errors
/// The store cannot be read, or the system gives no thread.
pub(super) fn assemble(parts: EngineParts) -> Result<Assembled, EngineError> {
    let EngineParts { keys, store, policy, clock, stop, version, wakes, home, started } = parts;
    let now = clock.now();
    let ourselves = Snapshot { own: store.own()?, ..Snapshot::default() };
    let mesh = Mesh::new(keys.public(), policy.clone(), ourselves, seed(now), now);
    let authenticator = Arc::new(AuthKeys { keys: Arc::clone(&keys), clock: clock.clone() });
    let user_agent = format!("ocmesh/{version}");
    let holdings = Arc::new(Shelf(store.slow_reader()));
    let (pool, events) = Pool::start(PoolConfig { authenticator, holdings, user_agent, tuning: Tuning::default(), began: started.into() });
    let npub = ocmesh_wire::npub(&keys.public());
    let tools = Tools { client: HookClient::new(format!("ocmesh/{version}")), reader: store.reader(), npub, clock: clock.clone(), home };
    let (wakes, woken) = Dispatcher::new(&wakes, tools, Handle::current(), stop.clone());
    let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
    let (inputs_in, inputs) = mpsc::channel(INPUTS_MAX);
    let (notices, _) = broadcast::channel(NOTICES_MAX);
    let first_view = Arc::new(view::opening(&mesh));
    let (view, seen) = watch::channel(first_view);
    let recent = Arc::new(Mutex::new(Recent::default()));
    let accepted = Arc::new(Mutex::new(Arc::clone(mesh.accepted_peers())));
    let (worker, worked, working) = Worker::start(Arc::clone(&keys), clock.clone())?;
    let handle = MeshHandle::new(ask, seen, notices.clone());
    let ingest = Ingest {
        keys: Arc::clone(&keys),
        clock: clock.clone(),
        recent: Arc::clone(&recent),
        door: Door::new(policy.inbox_work),
        accepted: Arc::clone(&accepted),
        forgeries: Forgeries::default(),
        forged: Generations::of(FORGED_MAX),
        inputs: inputs_in,
    };
    let task = MeshTask {
        pulse: Pulse::new(),
        mesh,
        store,
        keys,
        policy,
        version,
        clock,
        pool,
        recent,
        accepted,
        worker,
        worked,
        questions,
        inputs,
        heard: VecDeque::new(),
        wakes,
        woken,
        local_ahead_ms: None,
        view,
        notices,
        stop,
        waiting: BTreeMap::new(),
        next_command: 0,
        told_to_stop: false,
        finish_by: None,
        failed_messages: 0,
        prune_at: now,
        finished: false,
        later: VecDeque::new(),
        failures: Failures::default(),
        crowd: Crowd::default(),
        gave_up: false,
    };
    Ok(Assembled { task, ingest, events, handle, working })
}
