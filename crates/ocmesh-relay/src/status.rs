//! The public face of a relay's state: cheap to read, never awaited.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// How the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// Not begun, or disconnected.
    Idle,
    /// Dialling.
    Connecting,
    /// Open.
    Open,
    /// Pausing before the next dial.
    Waiting,
}

impl LinkState {
    /// `idle`, `connecting`, `open` or `waiting`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Waiting => "waiting",
        }
    }
}

/// How NIP-42 stands on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthState {
    /// The relay did not ask.
    None,
    /// The relay asked; not answered, or the answer is not confirmed.
    Challenged,
    /// The relay knows us.
    Done,
    /// The relay, or we, refused.
    Refused,
}

impl AuthState {
    /// `none`, `challenged`, `done` or `refused`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Challenged => "challenged",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// One relay at one moment.
#[derive(Debug, Clone)]
pub struct RelayStatus {
    /// Its address.
    pub relay: Arc<str>,
    /// How the connection stands.
    pub state: LinkState,
    /// How NIP-42 stands.
    pub auth: AuthState,
    /// When `state` began.
    pub since: SystemTime,
    /// Why the connection was last lost or not made; kept while open, for the curious.
    pub last_error: Option<String>,
    /// Round trip of the newest ping, in milliseconds.
    pub latency_ms: Option<u64>,
    /// How long until the next dial, while [`LinkState::Waiting`].
    pub retry_in: Option<Duration>,
    /// Subscriptions kept.
    pub subscriptions: usize,
    /// Events published and not answered yet, queued ones included.
    pub in_flight: usize,
    /// Connections made.
    pub connects: u64,
    /// Events handed out.
    pub events: u64,
    /// Events dropped: no such subscription, no match, a repetition within a catch-up.
    pub events_dropped: u64,
    /// Frames that made no sense.
    pub bad_frames: u64,
    /// Bytes received over TCP.
    pub bytes_in: u64,
    /// Bytes sent over TCP.
    pub bytes_out: u64,
}

/// Where a connection writes its state and [`RelayStatus`] is read from.
#[derive(Debug)]
pub(crate) struct Board {
    relay: Arc<str>,
    facts: Mutex<Facts>,
    traffic: Arc<Traffic>,
}

/// The changing part of a [`Board`].
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) state: LinkState,
    pub(crate) since: SystemTime,
    pub(crate) auth: AuthState,
    pub(crate) last_error: Option<String>,
    pub(crate) latency: Option<Duration>,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) subscriptions: usize,
    pub(crate) in_flight: usize,
    pub(crate) connects: u64,
    pub(crate) events: u64,
    pub(crate) events_dropped: u64,
    pub(crate) bad_frames: u64,
}

/// Bytes over TCP, counted below TLS.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) read: AtomicU64,
    pub(crate) written: AtomicU64,
}

impl Board {
    pub(crate) fn new(relay: Arc<str>) -> Self {
        let facts = Facts {
            state: LinkState::Idle,
            since: SystemTime::now(),
            auth: AuthState::None,
            last_error: None,
            latency: None,
            retry_at: None,
            subscriptions: 0,
            in_flight: 0,
            connects: 0,
            events: 0,
            events_dropped: 0,
            bad_frames: 0,
        };
        Self { relay, facts: Mutex::new(facts), traffic: Arc::default() }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// The facts, for a short look or change; never held over an await.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to another state; `retry_at` belongs to waiting alone.
    pub(crate) fn enter(&self, state: LinkState, retry_at: Option<Instant>) {
        let mut facts = self.facts();
        if facts.state != state {
            facts.state = state;
            facts.since = SystemTime::now();
        }
        facts.retry_at = retry_at;
    }

    /// The state now; `queued` events wait in the lanes.
    pub(crate) fn read(&self, queued: usize) -> RelayStatus {
        let facts = self.facts();
        RelayStatus {
            relay: Arc::clone(&self.relay),
            state: facts.state,
            auth: facts.auth,
            since: facts.since,
            last_error: facts.last_error.clone(),
            latency_ms: facts.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            retry_in: facts.retry_at.map(|at| at.saturating_duration_since(Instant::now())),
            subscriptions: facts.subscriptions,
            in_flight: facts.in_flight.saturating_add(queued),
            connects: facts.connects,
            events: facts.events,
            events_dropped: facts.events_dropped,
            bad_frames: facts.bad_frames,
            bytes_in: self.traffic.read.load(Ordering::Relaxed),
            bytes_out: self.traffic.written.load(Ordering::Relaxed),
        }
    }
}
