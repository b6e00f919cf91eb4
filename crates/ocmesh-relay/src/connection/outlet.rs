//! The way to the owner of the events: straight when there is room, in order when there is not. Never skips.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::PoolEvent;

/// Events on their way. While something waits here the connection stops reading, so that it grows no further than the answers to
/// what is in flight.
pub(super) struct Outlet {
    events: mpsc::Sender<PoolEvent>,
    waiting: VecDeque<PoolEvent>,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<PoolEvent>) -> Self {
        Self { events, waiting: VecDeque::new() }
    }

    /// Hands an event out, now or in turn.
    pub(super) fn emit(&mut self, event: PoolEvent) {
        if self.waiting.is_empty() {
            match self.events.try_reserve() {
                Ok(permit) => return permit.send(event),
                Err(_) => tracing::trace!("event channel full"),
            }
        }
        self.waiting.push_back(event);
    }

    /// The owner is slow.
    pub(super) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands out the first that waits; false when nobody listens any more. Cancel-safe.
    pub(super) async fn pass(&mut self) -> bool {
        let Ok(permit) = self.events.reserve().await else { return false };
        if let Some(event) = self.waiting.pop_front() {
            permit.send(event);
        }
        true
    }

    /// What still waits.
    pub(super) fn into_waiting(self) -> Vec<PoolEvent> {
        self.waiting.into()
    }
}
