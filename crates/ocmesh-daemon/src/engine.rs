//! The mesh task: one owner of the core and of the writing store, fed by the relay pool and the Local API.

mod ask;
mod assembled;
#[cfg(feature = "benching")]
pub mod benching;
mod copies;
mod effects;
mod facts;
mod forgeries;
mod ingest;
mod journal;
mod parked;
mod recent;
mod recover;
mod task;
mod view;
mod worker;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use ocmesh_proto::{At, Policy, time::MINUTE};
use ocmesh_relay::Pool;
use ocmesh_store::{ReadError, Store};
use ocmesh_wire::Keys;
use tokio::runtime::Handle;

pub use ask::{Ask, AskError, MeshHandle, NumberedNotice, RelayView, Told, View};

use self::assembled::Assembled;
use crate::{
    clock::Clock,
    shutdown::StopToken,
    wake::{Dispatcher, WakeConfig},
};

/// A mesh task that was not seen for longer hangs: it wakes at least once a minute, and no transaction takes as long as another.
const PULSE_MS_MAX: u64 = 2 * MINUTE;

/// What an engine is made of.
pub struct EngineParts {
    /// Our key.
    pub keys: Arc<Keys>,
    /// The writing store.
    pub store: Store,
    /// The owner's wishes.
    pub policy: Policy,
    /// The clock.
    pub clock: Clock,
    /// Ends the engine, with a goodbye.
    pub stop: StopToken,
    /// Our version, as presence tells it.
    pub version: &'static str,
    /// Who is woken, and how.
    pub wakes: Vec<WakeConfig>,
    /// Where the daemon lives, for programs that wake.
    pub home: PathBuf,
    /// When the daemon, and the runtime it lives in, started.
    pub started: Instant,
}

/// A running engine.
pub struct Engine {
    handle: MeshHandle,
    wakes: Dispatcher,
    pool: Pool,
    pulse: Pulse,
    mesh: JoinHandle<Result<(), EngineEnd>>,
    others: [JoinHandle<()>; 2],
}

/// Why an engine ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum EngineEnd {
    /// The store could not be read when it began.
    #[error("the database cannot be read")]
    Unreadable(#[from] ReadError),
    /// A thread panicked, which it has said in the log.
    #[error("a part of the daemon failed")]
    Panicked,
    /// The disk did not confirm, again and again, that it keeps what is written.
    #[error("the disk does not confirm that it keeps what is written")]
    NotSynced,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store cannot be read.
    #[error("the database cannot be read")]
    Store(#[from] ReadError),
    /// No thread.
    #[error("the system gives no thread")]
    Thread(#[from] io::Error),
}

/// Shows that the mesh task still turns: it comes round at least once a minute.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    fn new() -> Self {
        Self { began: Instant::now(), beat_ms: Arc::new(AtomicU64::new(0)) }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn beat(&self) {
        self.beat_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// The mesh task came round within the last two minutes.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.elapsed_ms().saturating_sub(self.beat_ms.load(Ordering::Relaxed)) <= PULSE_MS_MAX
    }
}

/// Tells the relay engine that the machine slept or the network changed. Cheap to clone.
#[derive(Clone)]
pub struct Waker(Pool);

impl Waker {
    /// Looks at every connection now: dials at once, and probes what seems open.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl Engine {
    /// Starts the threads. What is known of peers is read by the mesh's own; see [`MeshHandle::opened`]. Call within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read, or the system gives no thread.
    pub fn start(parts: EngineParts) -> Result<Self, EngineError> {
        let Assembled { task, ingest, events, handle, working } = assembled::assemble(parts)?;
        let ended = task.stop.clone().drop_guard(); // However the mesh ends, the daemon ends with it.
        let (wakes, pool, pulse) = (task.wakes.clone(), task.pool.clone(), task.pulse.clone());
        let runtime = Handle::current();
        let ingesting = thread::Builder::new().name("ingest".to_owned()).spawn(move || ingest.run(events))?;
        let mesh = thread::Builder::new().name("mesh".to_owned()).spawn(move || {
            let _ended = ended;
            task.run(&runtime)
        })?;
        Ok(Self { handle, wakes, pool, pulse, mesh, others: [working, ingesting] })
    }

    /// The Local API's way in.
    #[must_use]
    pub fn handle(&self) -> MeshHandle {
        self.handle.clone()
    }

    /// The way to the targets that are woken.
    #[must_use]
    pub fn wakes(&self) -> Dispatcher {
        self.wakes.clone()
    }

    /// Whether the mesh task still turns.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// The way to say that the machine slept.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.pool.clone())
    }

    /// Waits until the goodbye is said and the store is closed. Ends only after the stop token is cancelled.
    ///
    /// # Errors
    /// The engine did not end because it was told to.
    pub fn join(self) -> Result<(), EngineEnd> {
        drop(self.pool);
        let ended = self.mesh.join();
        if self.others.into_iter().map(JoinHandle::join).filter(Result::is_err).count() > 0 {
            return Err(EngineEnd::Panicked);
        }
        ended.unwrap_or(Err(EngineEnd::Panicked))
    }
}

/// Jitter's seed: different for every agent and start, so that a fleet does not move in step. Falls back to the time.
fn seed(now: At) -> u64 {
    let mut bytes = [0u8; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return now.0;
    }
    u64::from_le_bytes(bytes)
}
