//! Where the pool leaves work for a connection: wanted subscriptions, events to publish, wake-ups. Holds no socket.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    ConnectOptions, Lane,
    publish::{Lanes, Parcel},
};

/// A subscription as the owner wants it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) filters: Vec<Value>,
    pub(crate) live: bool,
    /// What to compare with the relay's set, where it can.
    pub(crate) reconcile: Option<Value>,
}

/// What lies on a desk.
#[derive(Debug)]
pub(crate) struct Papers {
    pub(crate) options: ConnectOptions,
    /// Newest wish for each name; `None` takes the subscription away. Bounded by the names in use.
    pub(crate) wishes: BTreeMap<Arc<str>, Option<Wanted>>,
    /// Filled only while the relay is open.
    pub(crate) lanes: Lanes,
    /// The relay is open: publishing makes sense.
    pub(crate) open: bool,
    /// The host woke up, or its network changed.
    pub(crate) woken: bool,
    /// The last challenge is to be answered once more.
    pub(crate) sign_in_again: bool,
}

/// Shared by the pool, which writes, and one connection, which reads.
#[derive(Debug)]
pub(crate) struct Desk {
    papers: Mutex<Papers>,
    bell: Notify,
}

impl Desk {
    pub(crate) fn new(options: ConnectOptions) -> Self {
        let papers = Papers { options, wishes: BTreeMap::new(), lanes: Lanes::default(), open: false, woken: false, sign_in_again: false };
        Self { papers: Mutex::new(papers), bell: Notify::new() }
    }

    /// The papers, for a short look or change; never held over an await.
    pub(crate) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the connection that something was left.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until it rings, or has rung since the last time.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn wish(&self, name: &str, wanted: Option<Wanted>) {
        self.papers().wishes.insert(name.into(), wanted);
    }

    pub(crate) fn wake(&self) {
        self.papers().woken = true;
    }

    pub(crate) fn sign_in_again(&self) {
        self.papers().sign_in_again = true;
    }

    /// Takes the wish to sign in again.
    pub(crate) fn is_to_sign_in_again(&self) -> bool {
        std::mem::take(&mut self.papers().sign_in_again)
    }

    /// Takes the wishes, and whether a wake-up came.
    pub(crate) fn collect(&self) -> (BTreeMap<Arc<str>, Option<Wanted>>, bool) {
        let mut papers = self.papers();
        (std::mem::take(&mut papers.wishes), std::mem::take(&mut papers.woken))
    }

    pub(crate) fn set_options(&self, options: ConnectOptions) {
        self.papers().options = options;
    }

    /// Queues an event, or says why not.
    pub(crate) fn publish(&self, lane: Lane, parcel: Parcel, max: usize) -> Result<(), (Parcel, &'static str)> {
        let mut papers = self.papers();
        if !papers.open {
            return Err((parcel, "not connected"));
        }
        papers.lanes.push(lane, parcel, max).map_err(|parcel| (parcel, "queue full"))
    }

    /// Opens for publishing.
    pub(crate) fn open(&self) {
        self.papers().open = true;
    }

    /// Closes for publishing and gives back what was not sent.
    pub(crate) fn close(&self) -> Lanes {
        let mut papers = self.papers();
        papers.open = false;
        std::mem::take(&mut papers.lanes)
    }
}
