//! The relay as its owner sees it: start, address, numbers, stop.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    accept::{self, Shared},
    clock,
    journal::JournalError,
    options::RelayOptions,
    store::Store,
};

/// How often the file is synced and expired events are forgotten: what a power cut may cost.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// Connections get this long to close.
const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

/// The relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The event file cannot be used.
    #[error(transparent)]
    Storage(#[from] JournalError),
}

/// What a relay holds at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Open websockets.
    pub connections: usize,
    /// Open subscriptions, all connections together.
    pub subscriptions: usize,
    /// Events kept.
    pub events: usize,
}

/// A running relay. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct LocalRelay {
    addr: SocketAddr,
    url: String,
    shared: Shared,
}

impl LocalRelay {
    /// Starts to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address or the event file cannot be had; nothing is left running.
    pub async fn start(options: RelayOptions) -> Result<Self, StartError> {
        let store = Arc::new(Store::open(&options.storage, options.limits, clock::now())?);
        let failed = |error| StartError::Bind(options.bind, error);
        let listener = TcpListener::bind(options.bind).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let url = options.public_url.clone().unwrap_or_else(|| format!("ws://{}", reachable(addr)));
        let shared = Shared {
            store,
            options: Arc::new(options),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            connections: Arc::new(AtomicUsize::new(0)),
            subscriptions: Arc::new(AtomicUsize::new(0)),
        };
        shared.tasks.spawn(accept::run(listener, shared.clone()));
        shared.tasks.spawn(tidy(Arc::clone(&shared.store), shared.cancel.clone()));
        Ok(Self { addr, url, shared })
    }

    /// The address for clients: `ws://127.0.0.1:PORT`, or the public one from the options.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.shared.connections.load(Ordering::Relaxed),
            subscriptions: self.shared.subscriptions.load(Ordering::Relaxed),
            events: self.shared.store.len(),
        }
    }

    /// Stops listening, closes every connection, syncs the file. Takes at most a few seconds.
    pub async fn shutdown(self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        if timeout(SHUTDOWN_MAX, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
    }
}

impl Drop for LocalRelay {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
    }
}

/// A client cannot connect to "any address".
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Sweeps and syncs until cancelled, and once more at the end.
async fn tidy(store: Arc<Store>, cancel: CancellationToken) {
    let mut ticks = interval(TIDY_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            () = cancel.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let held = Arc::clone(&store);
        // Files block: not on the runtime's own threads.
        let synced = tokio::task::spawn_blocking(move || {
            held.sweep(clock::now());
            held.file().map_or(Ok(()), |file| file.sync_data())
        });
        match synced.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "could not sync the event file"),
            Err(error) => tracing::error!(%error, "tidying failed"),
        }
        if last {
            return;
        }
    }
}
