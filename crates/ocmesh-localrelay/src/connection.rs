//! One websocket: carries text between the client and its [`Session`], keeps it alive, and cuts it off when it reads too slowly.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{clock, frame::RelayFrame, session::Session, store::News};

/// Under the 55 to 70 s at which public relays ping, and under every NAT's patience.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Two pings unanswered and some grace.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// A close frame is a courtesy.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// News taken from the queue before they are flushed.
const NEWS_AT_ONCE: usize = 64;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    ByClient,
    ByShutdown,
    Slow,
    Silent,
    TooLarge,
}

pub(crate) struct Connection<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) session: Session,
    pub(crate) news: Receiver<News>,
    pub(crate) cancel: CancellationToken,
    pub(crate) subscriptions: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    /// How long one write may wait.
    pub(crate) write_max: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Serves the client until one side ends it.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = self.serve().await;
        self.count(self.session.subscriptions(), 0);
        let (code, reason) = match ended {
            Ended::ByClient => return ended,
            Ended::ByShutdown => (CloseCode::Away, "shutting down"),
            Ended::Slow => (CloseCode::Policy, "reading too slowly"),
            Ended::Silent => (CloseCode::Policy, "no answer to pings"),
            Ended::TooLarge => (CloseCode::Size, "message too large"),
        };
        let _ = timeout(CLOSE_MAX, self.socket.close(Some(CloseFrame { code, reason: reason.into() }))).await;
        ended
    }

    async fn serve(&mut self) -> Ended {
        if let Some(greeting) = self.session.greet()
            && let Err(ended) = self.send(vec![greeting]).await
        {
            return ended;
        }
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let step = tokio::select! {
                () = self.cancel.cancelled() => Err(Ended::ByShutdown),
                message = self.socket.next() => {
                    heard_at = Instant::now();
                    self.hear(message).await
                }
                news = self.news.recv() => self.tell(news).await,
                _ = ping.tick() => {
                    if heard_at.elapsed() > SILENCE_MAX { Err(Ended::Silent) } else { self.write(Message::Ping(Vec::new().into())).await }
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), Ended> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let before = self.session.subscriptions();
                let answer = self.session.hear(&text, clock::now());
                self.count(before, self.session.subscriptions());
                self.send(answer).await
            }
            Some(Ok(Message::Binary(_))) => self.send(vec![RelayFrame::notice("invalid: binary messages are not Nostr")]).await,
            // Pongs are written by the library with the next write or read.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Err(tungstenite::Error::Capacity(_))) => {
                self.send(vec![RelayFrame::notice("invalid: the message is too large")]).await?;
                Err(Ended::TooLarge)
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Ended::ByClient),
        }
    }

    async fn tell(&mut self, first: Result<News, RecvError>) -> Result<(), Ended> {
        let mut frames = Vec::new();
        match first {
            Ok(news) => frames.extend(self.session.tell(&news)),
            Err(RecvError::Lagged(_)) => return Err(Ended::Slow),
            Err(RecvError::Closed) => return Err(Ended::ByShutdown),
        }
        for _ in 1..NEWS_AT_ONCE {
            // A lag met here is met again by the next `recv`.
            let Ok(news) = self.news.try_recv() else { break };
            frames.extend(self.session.tell(&news));
        }
        self.send(frames).await
    }

    async fn send(&mut self, frames: Vec<RelayFrame>) -> Result<(), Ended> {
        if frames.is_empty() {
            return Ok(());
        }
        for frame in frames {
            // Each write has its own time: a long answer to a slow but reading client is fine.
            let feed = self.socket.feed(Message::text(frame.into_text()));
            in_time(feed, self.write_max, &self.cancel).await?;
        }
        in_time(self.socket.flush(), self.write_max, &self.cancel).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Ended> {
        in_time(self.socket.send(message), self.write_max, &self.cancel).await
    }

    fn count(&self, before: usize, after: usize) {
        use std::sync::atomic::Ordering::Relaxed;
        if after > before {
            self.subscriptions.fetch_add(after - before, Relaxed);
        } else {
            self.subscriptions.fetch_sub(before - after, Relaxed);
        }
    }
}

async fn in_time(
    write: impl Future<Output = Result<(), tungstenite::Error>>,
    write_max: Duration,
    cancel: &CancellationToken,
) -> Result<(), Ended> {
    tokio::select! {
        () = cancel.cancelled() => Err(Ended::ByShutdown),
        written = timeout(write_max, write) => written.map_err(|_| Ended::Slow)?.map_err(|_| Ended::ByClient),
    }
}

#[cfg(test)]
mod tests;
