//! What a relay's frames do to a session.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Lost, Session};
use crate::{
    PoolEvent,
    frame::{BadFrame, Claim, Frame},
    text::clean,
};

/// The time over which malformed frames are counted.
const BAD_WINDOW: std::time::Duration = std::time::Duration::from_secs(60);

impl Session<'_> {
    /// One websocket message came.
    pub(super) fn read(&mut self, message: Message) -> Result<(), Lost> {
        match message {
            Message::Text(text) => match self.frame(&text) {
                Ok(()) => Ok(()),
                Err(BadFrame) => self.bad_frame(),
            },
            Message::Binary(_) => self.bad_frame(),
            Message::Pong(payload) => {
                if let Some(latency) = self.pulse.pong(&payload, Instant::now()) {
                    self.link.board.facts().latency = Some(latency);
                }
                Ok(())
            }
            Message::Close(Some(close)) if !close.reason.is_empty() => Err(clean(&format!("closed by the relay: {}", close.reason))),
            Message::Close(_) => Err("closed by the relay".to_owned()),
            // The library answers pings by itself.
            Message::Ping(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn frame(&mut self, text: &str) -> Result<(), BadFrame> {
        let (surroundings, now) = (&self.link.surroundings, Instant::now());
        match Frame::parse(text, surroundings.tuning.event_bytes_max)? {
            Frame::Event { sub, claim } => self.event(&sub, &claim, now),
            Frame::Ok { id, accepted, said } => {
                if let Some(step) = self.auth.answered(&id, accepted, &said, now) {
                    self.auth_step(step, now);
                } else {
                    let may_auth = self.signs && !self.auth.is_done() && !self.auth.is_refused();
                    let answers = self.flights.answered(&id, accepted, said, may_auth);
                    self.answer(answers);
                }
            }
            Frame::Eose { sub, finish } => {
                let mut outs = Vec::new();
                self.memory.subscriptions.eose(&sub, finish, now, &mut outs);
                self.act(outs);
            }
            Frame::Closed { sub, said } => {
                let mut outs = Vec::new();
                self.memory.subscriptions.closed(&sub, said, now, self.auth_view(), &mut outs);
                self.act(outs);
            }
            Frame::NegMsg { sub, hex } => {
                let mut outs = Vec::new();
                self.memory.subscriptions.neg_msg(&sub, &hex, now, &mut outs);
                self.act(outs);
            }
            Frame::NegErr { sub, said } => {
                let auth = self.auth_view();
                self.memory.subscriptions.neg_err(&sub, &said, now, auth);
            }
            Frame::Notice(said) => self.notice(said, now),
            Frame::Auth(challenge) => {
                self.memory.challenges = true;
                self.auth.challenged(&challenge, now);
            }
            Frame::Other => {}
        }
        Ok(())
    }

    fn event(&mut self, id: &str, claim: &Claim<'_>, now: Instant) {
        let Some(sub) = self.memory.subscriptions.event(id, claim, now) else {
            self.link.board.facts().events_dropped += 1;
            return;
        };
        self.link.board.facts().events += 1;
        let relay = Arc::clone(&self.link.relay);
        let (json, id, kind, created_at) = (claim.text.into(), claim.id.to_owned(), claim.kind, claim.created_at);
        self.outlet.emit(PoolEvent::Event { relay, sub, json, id, kind, created_at });
    }

    fn notice(&mut self, said: String, now: Instant) {
        let every = self.link.surroundings.tuning.notice_every;
        if self.memory.noticed_at.is_none_or(|at| now.saturating_duration_since(at) >= every) {
            self.memory.noticed_at = Some(now);
            self.outlet.emit(PoolEvent::Notice { relay: Arc::clone(&self.link.relay), said });
        }
    }

    /// Junk is counted and ignored; a flood of it ends the connection.
    fn bad_frame(&mut self) -> Result<(), Lost> {
        self.link.board.facts().bad_frames += 1;
        let (count, since) = &mut self.bad;
        if since.elapsed() >= BAD_WINDOW {
            (*count, *since) = (0, Instant::now());
        }
        *count += 1;
        if *count > self.link.surroundings.tuning.bad_frames_max {
            return Err("the relay sent too many malformed frames".to_owned());
        }
        Ok(())
    }
}
