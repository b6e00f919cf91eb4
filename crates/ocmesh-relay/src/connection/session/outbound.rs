//! What a session writes, and in which order.

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Lost, Session, Turn};
use crate::frame::client_event;

impl Session<'_> {
    /// Something waits to be written.
    pub(super) fn has_mail(&self) -> bool {
        !self.control.is_empty() || self.flights.has_relaunches() || self.may_launch()
    }

    fn may_launch(&self) -> bool {
        self.flights.len() < self.link.surroundings.tuning.in_flight_max && !self.link.desk.papers().lanes.is_empty()
    }

    /// Writes one message: ours first, then events sent again after AUTH, then the lanes.
    pub(super) fn write(&mut self) -> Result<(), Lost> {
        if let Some(message) = self.control.pop_front() {
            return self.wire.send(message);
        }
        let now = Instant::now();
        if let Some(json) = self.flights.relaunch(now) {
            return self.wire.send(Message::text(client_event(&json)));
        }
        if !self.may_launch() {
            return Ok(());
        }
        let parcel = self.link.desk.papers().lanes.pop();
        match parcel {
            Some(parcel) if self.flights.launch(&parcel, now) => self.wire.send(Message::text(client_event(&parcel.json))),
            _ => Ok(()),
        }
    }

    /// Writes what waits, and closes.
    pub(super) async fn goodbye(&mut self) {
        while self.has_mail() {
            match self.wire.turn(false, true).await {
                Turn::Writable if self.write().is_ok() => {}
                _ => return,
            }
        }
        self.wire.close().await;
    }
}
