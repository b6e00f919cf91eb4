//! Waiting, within bounds, for something to happen at the daemon: its events only wake us, the store tells what is true.

use std::time::Duration;

use ocmesh_api::{Client, Event, EventStream};
use tokio::time::{Instant, sleep_until};

use crate::mesh::Mesh;

/// Longest wait of one call: clients give up on a call after about 60 s, and the answer must still travel.
pub(crate) const WAIT_SECONDS_MAX: u64 = 45;
/// While waiting we look again at least so often, should an event be missed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Without events (the daemon restarts) we look this often, and try to listen again.
const LOOK_DEAF: Duration = Duration::from_secs(1);

/// A wait under way.
pub(crate) struct Watch<'a> {
    mesh: &'a Mesh,
    events: Option<EventStream>,
    deadline: Instant,
}

impl<'a> Watch<'a> {
    /// Starts to listen; do this before the act whose effect is waited for.
    pub(crate) async fn start(mesh: &'a Mesh, client: &Client, seconds: u64) -> Self {
        let deadline = Instant::now() + Duration::from_secs(seconds.clamp(1, WAIT_SECONDS_MAX));
        Self { mesh, events: client.events(None).await.ok(), deadline }
    }

    /// Comes back with `true` when it is time to look again, and with `false` when the time is up or nobody waits any more.
    pub(crate) async fn next(&mut self) -> bool {
        let pause = if self.events.is_some() { LOOK_EVERY } else { LOOK_DEAF };
        let look_at = self.deadline.min(Instant::now() + pause);
        let happened = async {
            match &mut self.events {
                Some(stream) => interesting(stream).await,
                None => std::future::pending().await,
            }
        };
        let mut lost = false;
        tokio::select! {
            () = self.mesh.caller_gone() => return false,
            () = sleep_until(look_at) => {}
            heard = happened => lost = !heard,
        }
        if lost {
            // Looking at once would spin while the daemon is away.
            self.events = None;
            tokio::select! {
                () = self.mesh.caller_gone() => return false,
                () = sleep_until(self.deadline.min(Instant::now() + LOOK_DEAF)) => {}
            }
        }
        if self.events.is_none()
            && let Ok(client) = self.mesh.dial()
        {
            self.events = client.events(None).await.ok();
        }
        Instant::now() < self.deadline
    }
}

/// Waits for an event that can change a message; `false` when the stream is over.
pub(crate) async fn interesting(stream: &mut EventStream) -> bool {
    loop {
        match stream.next().await {
            Ok(Some(Event::Message(_) | Event::Receipt(_) | Event::Resync(_))) => return true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}
