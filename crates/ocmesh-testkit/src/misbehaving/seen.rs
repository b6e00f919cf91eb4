//! What a misbehaving relay saw of its clients.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Everything seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Websockets opened.
    pub connections: usize,
    /// Websockets open now.
    pub open: usize,
    /// TCP connections accepted, plain HTTP and refused ones included.
    pub tcp: usize,
    /// The EVENTs clients sent, in order, whatever was answered.
    pub events: Vec<Value>,
    /// The REQs, each as the whole message.
    pub reqs: Vec<Value>,
    /// The NEG-OPENs, each as the whole message.
    pub comparisons: Vec<Value>,
    /// The AUTH events clients sent, good or not.
    pub auths: Vec<Value>,
    /// Requests for the NIP-11 document.
    pub infos: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Seen>);

impl Log {
    pub(crate) fn write(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
