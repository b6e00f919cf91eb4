//! A relay that misbehaves as told: a real websocket server in front of an honest relay, with faults between that can be switched while
//! it runs. Plain TCP and HTTP only, no TLS.

mod fault;
mod forge;
mod inbound;
mod link;
mod negentropy;
mod outbound;
mod seen;
mod serve;
mod writer;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use ocmesh_localrelay::{Limits, LocalRelay, RelayOptions};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{fault::Faults, seen::Log, serve::Shared};
pub use self::{
    fault::{Fault, Nip11, Nip77},
    seen::Seen,
};

/// Words said to all clients that one of them has not taken yet. A client further behind is cut off.
const WORDS_MAX: usize = 1_024;

/// An honest relay behind faults. With none switched on it is just the honest relay. Dropping it stops it.
#[derive(Debug)]
pub struct MisbehavingRelay {
    honest: LocalRelay,
    shared: Arc<Shared>,
}

impl MisbehavingRelay {
    /// Starts one without faults on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with these faults on.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_with(faults: &[Fault]) -> Result<Self> {
        // The honest relay must never be the one that cuts a slow client off.
        let limits = Limits { write_ms_max: 3_600_000, ..Limits::default() };
        Self::start_around(RelayOptions { limits, ..RelayOptions::default() }, faults).await
    }

    /// Starts one around an honest relay of your own making.
    ///
    /// # Errors
    /// When a port or the relay's file cannot be had.
    pub async fn start_around(options: RelayOptions, faults: &[Fault]) -> Result<Self> {
        let honest = LocalRelay::start(options).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            url: format!("ws://{}", listener.local_addr()?),
            inner: honest.local_addr(),
            faults: Faults::new(),
            log: Log::default(),
            cut: watch::Sender::new(0),
            words: broadcast::Sender::new(WORDS_MAX),
            withheld: link::Withheld::default(),
            tells: Mutex::new(None),
            withheld_wraps: link::Withheld::default(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for fault in faults {
            shared.faults.set(fault.clone(), true);
        }
        shared.tasks.spawn(serve::run(listener, Arc::clone(&shared)));
        Ok(Self { honest, shared })
    }

    /// The address for clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The honest relay behind: its address leads past all faults.
    #[must_use]
    pub const fn honest(&self) -> &LocalRelay {
        &self.honest
    }

    /// Switches a fault on or off. One of its sort that is on already is replaced; switching off looks at the sort only.
    pub fn set(&self, fault: Fault, on: bool) {
        self.shared.faults.set(fault, on);
    }

    /// Switches all faults off. Connections stay.
    pub fn lift_all(&self) {
        self.shared.faults.lift_all();
    }

    /// From now on each answer to a websocket upgrade tells the time: the machine's, and so many seconds more. Without this it tells none.
    pub fn tell_time(&self, shift_secs: i64) {
        *self.shared.tells.lock().unwrap_or_else(PoisonError::into_inner) = Some(shift_secs);
    }

    /// Cuts every connection, without a goodbye.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cut| *cut += 1);
    }

    /// Says this text to every client, as it is.
    pub fn say(&self, text: impl Into<String>) {
        // Fails only when there is no client to hear it.
        let _ = self.shared.words.send(text.into());
    }

    /// A copy of everything seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.shared.log.write().clone()
    }

    /// Forgets the events and requests seen so far, for runs of hours.
    pub fn forget(&self) {
        let mut log = self.shared.log.write();
        (log.events, log.reqs, log.auths) = Default::default();
    }

    /// Websockets opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.log.write().connections
    }

    /// Websockets open now.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.shared.log.write().open
    }

    /// REQs heard so far.
    #[must_use]
    pub fn reqs(&self) -> usize {
        self.shared.log.write().reqs.len()
    }

    /// EVENTs heard so far, whatever was answered.
    #[must_use]
    pub fn events_published(&self) -> usize {
        self.shared.log.write().events.len()
    }

    /// EVENTs of one kind heard so far.
    #[must_use]
    pub fn events_of_kind(&self, kind: u16) -> Vec<Value> {
        let log = self.shared.log.write();
        log.events.iter().filter(|event| event.get("kind").and_then(Value::as_u64) == Some(u64::from(kind))).cloned().collect()
    }

    /// AUTHs heard so far, good or not.
    #[must_use]
    pub fn auths(&self) -> usize {
        self.shared.log.write().auths.len()
    }

    /// Stops it, and the honest relay behind.
    pub async fn shutdown(self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        // `Drop` forbids moving the honest relay out; dropping cancels it.
    }
}

impl Drop for MisbehavingRelay {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
    }
}
