//! The pool: one task for each relay, one channel of events. Decides nothing about which relays to use.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Authenticator, Holdings, Lane, PoolEvent, PublishOutcome, RelayStatus, Tuning,
    backoff::Dice,
    connection::{self, Surroundings},
    desk::{Desk, Wanted},
    dial::Dialer,
    publish::Parcel,
    status::Board,
};

/// What a pool is started with.
#[derive(Clone)]
pub struct PoolConfig {
    /// Signs for NIP-42.
    pub authenticator: Arc<dyn Authenticator>,
    /// Says what is there already, for NIP-77.
    pub holdings: Arc<dyn Holdings>,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Times and caps.
    pub tuning: Tuning,
    /// When the runtime began: all connections ping at the same moments, which are counted from there. See [`next_edge`].
    ///
    /// [`next_edge`]: crate::next_edge
    pub began: tokio::time::Instant,
}

/// How a relay may be reached and what it may learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectOptions {
    /// Private, loopback and other addresses that are not global may be dialled. Otherwise they are refused after the name was
    /// looked up, and the very address that was checked is dialled.
    pub private_ok: bool,
    /// NIP-42 challenges are answered, which shows our key to the relay.
    pub auth: bool,
}

/// Longest name of a subscription, in bytes: leaves room for `:p` and a page number within the 64 of NIP-01.
const NAME_BYTES_MAX: usize = 48;

/// All connections. Clones are handles to the same pool; when the last is dropped, every connection ends.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    surroundings: Arc<Surroundings>,
    relays: Mutex<Relays>,
    refusals: Arc<Refusals>,
    /// The desks that work was left on since [`Pool::hold`]; `None` where nobody holds.
    held: Mutex<Option<Vec<Arc<Desk>>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    runtime: Handle,
    _guard: DropGuard,
}

/// The relays by address.
struct Relays {
    by_url: HashMap<Arc<str>, Relay>,
    /// A disconnected relay's task may still be saying goodbye; its successor waits for it.
    leaving: HashMap<Arc<str>, CancellationToken>,
    dice: Dice,
}

struct Relay {
    desk: Arc<Desk>,
    board: Arc<Board>,
    cancel: CancellationToken,
    ended: CancellationToken,
}

/// Answers to calls that never reached a connection. One for each such call, so it is bounded by what the owner asks.
#[derive(Default)]
struct Refusals {
    waiting: Mutex<VecDeque<PoolEvent>>,
    bell: Notify,
}

impl Refusals {
    fn push(&self, event: PoolEvent) {
        self.waiting().push_back(event);
        self.bell.notify_one();
    }

    /// Hands them out until the pool ends, and then those for which there is room.
    async fn deliver(&self, events: mpsc::Sender<PoolEvent>, cancel: CancellationToken) {
        let endless = async {
            loop {
                self.bell.notified().await;
                while let Ok(permit) = events.reserve().await {
                    let Some(event) = self.waiting().pop_front() else { break };
                    permit.send(event);
                }
            }
        };
        cancel.run_until_cancelled(endless).await;
        while let Ok(permit) = events.try_reserve() {
            let Some(event) = self.waiting().pop_front() else { break };
            permit.send(event);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<PoolEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Starts a pool without relays. Must be called within a tokio runtime.
    ///
    /// The channel is bounded: while the owner is slow, connections stop reading their sockets. Nothing is skipped.
    #[must_use]
    pub fn start(config: PoolConfig) -> (Self, mpsc::Receiver<PoolEvent>) {
        let (events, receiver) = mpsc::channel(config.tuning.events_queued_max.max(1));
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let refusals = Arc::new(Refusals::default());
        let runtime = Handle::current();
        {
            let (refusals, events, cancel) = (Arc::clone(&refusals), events.clone(), cancel.clone());
            tasks.spawn_on(async move { refusals.deliver(events, cancel).await }, &runtime);
        }
        let dice = Dice::new(config.tuning.seed);
        let surroundings = Arc::new(Surroundings {
            authenticator: config.authenticator,
            holdings: config.holdings,
            dialer: Dialer::new(config.user_agent, &config.tuning),
            tuning: Arc::new(config.tuning),
            events,
            began: config.began,
        });
        let relays = Mutex::new(Relays { by_url: HashMap::new(), leaving: HashMap::new(), dice });
        let guard = cancel.clone().drop_guard();
        let shared = Shared { surroundings, relays, refusals, held: Mutex::new(None), tasks, cancel, runtime, _guard: guard };
        (Self { shared: Arc::new(shared) }, receiver)
    }

    /// Until the hold is dropped, no connection is told of what is left for it; then all are, one right after the other. Told one by one,
    /// each would find the runtime asleep again.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.shared.held().get_or_insert_default();
        Hold(Arc::clone(&self.shared))
    }

    /// Keeps a connection to a relay from now on, in a task of its own. For a relay already kept, only the options change:
    /// `private_ok` from the next dial, `auth` from the next connection.
    pub fn connect(&self, relay: &str, options: ConnectOptions) {
        let mut relays = self.relays();
        if let Some(known) = relays.by_url.get(relay) {
            known.desk.set_options(options);
            return;
        }
        if self.shared.cancel.is_cancelled() {
            return;
        }
        let url: Arc<str> = relay.into();
        let (desk, board) = (Arc::new(Desk::new(options)), Arc::new(Board::new(Arc::clone(&url))));
        let (cancel, ended) = (self.shared.cancel.child_token(), CancellationToken::new());
        let predecessor = relays.leaving.remove(&url);
        let link = connection::Link {
            relay: Arc::clone(&url),
            desk: Arc::clone(&desk),
            board: Arc::clone(&board),
            cancel: cancel.clone(),
            dice: relays.dice.split(),
            surroundings: Arc::clone(&self.shared.surroundings),
        };
        let done = ended.clone().drop_guard();
        let task = async move {
            let _done = done;
            if let Some(predecessor) = predecessor {
                predecessor.cancelled().await;
            }
            Box::pin(connection::run(link)).await;
        };
        self.shared.tasks.spawn_on(task, &self.shared.runtime);
        relays.by_url.insert(url, Relay { desk, board, cancel, ended });
    }

    /// Drops a connection and forgets its subscriptions. What is in flight is answered first, and a last `Down` is told.
    pub fn disconnect(&self, relay: &str) {
        let mut relays = self.relays();
        if let Some((url, known)) = relays.by_url.remove_entry(relay) {
            known.cancel.cancel();
            relays.leaving.retain(|_, ended| !ended.is_cancelled());
            relays.leaving.insert(url, known.ended);
        }
    }

    /// Opens a subscription, pages its stored events past every cap, and reports [`PoolEvent::CaughtUp`]. It is kept over
    /// reconnects and over every CLOSED; one that is not `live` ends once caught up. Replaces one of the same name.
    /// A filter's `limit` bounds what is paged for that filter.
    ///
    /// A name over 48 bytes, or one too many, is answered with [`PoolEvent::Closed`] and not kept. On a relay that is not
    /// connected this does nothing.
    pub fn subscribe(&self, relay: &str, sub: &str, filters: Vec<Value>, live: bool) {
        self.wish(relay, sub, Wanted { filters, live, reconcile: None });
    }

    /// As [`Self::subscribe`], live; where the relay lists NIP-77, the catch-up compares sets instead of paging: `reconcile` against
    /// what [`Holdings`] has. It must match at least what `filters` match of what is stored, and may look back much further.
    pub fn subscribe_reconciled(&self, relay: &str, sub: &str, filters: Vec<Value>, reconcile: Value) {
        self.wish(relay, sub, Wanted { filters, live: true, reconcile: Some(reconcile) });
    }

    fn wish(&self, relay: &str, sub: &str, wanted: Wanted) {
        if sub.len() > NAME_BYTES_MAX || sub.is_empty() {
            let said = "not opened: the name of a subscription has 1 to 48 bytes".to_owned();
            self.shared.refusals.push(PoolEvent::Closed { relay: relay.into(), sub: sub.into(), said });
            return;
        }
        match self.relays().by_url.get(relay) {
            Some(known) => {
                known.desk.wish(sub, Some(wanted));
                self.shared.ring(&known.desk);
            }
            None => tracing::debug!(relay, sub, "subscription for a relay that is not connected"),
        }
    }

    /// Answers the relay's last challenge once more, within the allowance of signatures. Nothing where the relay never asked, or is not open.
    pub fn sign_in_again(&self, relay: &str) {
        if let Some(known) = self.relays().by_url.get(relay) {
            known.desk.sign_in_again();
            self.shared.ring(&known.desk);
        }
    }

    /// Closes a subscription.
    pub fn unsubscribe(&self, relay: &str, sub: &str) {
        if let Some(known) = self.relays().by_url.get(relay) {
            known.desk.wish(sub, None);
            self.shared.ring(&known.desk);
        }
    }

    /// Sends an event; answered by exactly one [`PoolEvent::Answered`]. A relay that is not open answers
    /// [`PublishOutcome::NotConnected`] at once, as does a full lane (`said` is then `queue full`).
    pub fn publish(&self, relay: &str, event_id: &str, event_json: Arc<str>, lane: Lane) {
        let parcel = Parcel { id: event_id.to_owned(), json: event_json };
        let lane_max = self.shared.surroundings.tuning.lane_max;
        let refused = match self.relays().by_url.get(relay) {
            Some(known) => known.desk.publish(lane, parcel, lane_max).map(|()| self.shared.ring(&known.desk)),
            None => Err((parcel, "not connected")),
        };
        if let Err((parcel, said)) = refused {
            let outcome = PublishOutcome::NotConnected;
            let answer = PoolEvent::Answered { relay: relay.into(), event_id: parcel.id, outcome, said: said.to_owned() };
            self.shared.refusals.push(answer);
        }
    }

    /// Every relay at this moment, by address.
    #[must_use]
    pub fn status(&self) -> Vec<RelayStatus> {
        let relays = self.relays();
        let mut all: Vec<RelayStatus> = relays.by_url.values().map(|known| known.board.read(known.desk.papers().lanes.len())).collect();
        drop(relays);
        all.sort_by(|a, b| a.relay.cmp(&b.relay));
        all
    }

    /// The host woke up or its network changed: waiting relays are dialled at once, open sockets must prove they live.
    pub fn wake(&self) {
        for known in self.relays().by_url.values() {
            known.desk.wake();
            self.shared.ring(&known.desk);
        }
    }

    /// Says goodbye to every relay, within `Tuning::shutdown_wait`, and ends every task. Keep reading the events meanwhile.
    pub async fn shutdown(self) {
        self.shared.cancel.cancel();
        self.relays().by_url.clear();
        self.shared.tasks.close();
        // Twice: one wait for the socket's goodbye, one for the last events to be taken.
        let wait = self.shared.surroundings.tuning.shutdown_wait.saturating_mul(2);
        if tokio::time::timeout(wait, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("relay connections did not end in time");
        }
    }

    fn relays(&self) -> MutexGuard<'_, Relays> {
        self.shared.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn ring(&self, desk: &Arc<Desk>) {
        match &mut *self.held() {
            None => desk.ring(),
            Some(held) if held.iter().any(|known| Arc::ptr_eq(known, desk)) => {}
            Some(held) => held.push(Arc::clone(desk)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Arc<Desk>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Pool::hold`].
pub struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        let held = self.0.held().take();
        held.into_iter().flatten().for_each(|desk| desk.ring());
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("relays", &self.relays().by_url.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::HeldSet;

    struct Nobody;

    impl Authenticator for Nobody {
        fn sign_auth(&self, _: &str, _: &str) -> Option<String> {
            None
        }
    }

    impl Holdings for Nobody {
        fn held(&self, _: &str, _: Option<u64>) -> Option<HeldSet> {
            None
        }
    }

    // One thread, and nothing is awaited: no connection takes what is left for it.
    #[tokio::test]
    async fn what_is_left_meanwhile_is_told_when_the_hold_goes() {
        const RELAYS: [&str; 2] = ["ws://127.0.0.1:1", "ws://127.0.0.1:2"];
        let (pool, _events) = Pool::start(PoolConfig {
            authenticator: Arc::new(Nobody),
            holdings: Arc::new(Nobody),
            user_agent: "ocmesh/test".to_owned(),
            tuning: Tuning::default(),
            began: tokio::time::Instant::now(),
        });
        let options = ConnectOptions { private_ok: true, auth: false };
        RELAYS.into_iter().for_each(|relay| pool.connect(relay, options));
        let rung = || RELAYS.map(|relay| pool.relays().by_url[relay].desk.rung().now_or_never().is_some());

        let hold = pool.hold();
        for sub in ["a", "b"] {
            RELAYS.into_iter().for_each(|relay| pool.subscribe(relay, sub, Vec::new(), true));
        }
        assert_eq!(rung(), [false, false]);
        drop(hold);
        assert_eq!(rung(), [true, true]);
        pool.unsubscribe(RELAYS[0], "a");
        assert_eq!(rung(), [true, false], "nobody holds any more");
    }
}
