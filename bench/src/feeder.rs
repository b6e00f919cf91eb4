//! A relay that only feeds: it brings events that were made before, as fast as they are taken, takes what it is sent, and counts bytes. It
//! checks nothing, so that what is measured is the contestant. The sockets are in `connection.rs`, the frames in `frame.rs`.

mod connection;
mod frame;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::Result;
use ocmesh_proto::kind;
use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle, time::Instant};

/// What a subscription asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Announcements of agents.
    Presence,
    /// Gift wraps.
    Wraps,
    /// Kind 4.
    Legacy,
}

impl Topic {
    /// The topic of a live or whole REQ; pages that look further back, and look-ups of one author, have none.
    fn of(filters: &[Value]) -> Option<Self> {
        let first = filters.first()?;
        if first.get("until").is_some() || first.get("authors").is_some() || first.get("ids").is_some() {
            return None;
        }
        let kinds: Vec<u64> = first.get("kinds")?.as_array()?.iter().filter_map(Value::as_u64).collect();
        let asks = |number: u16| kinds.contains(&u64::from(number));
        if asks(kind::GIFT_WRAP) {
            Some(Self::Wraps)
        } else if asks(kind::LEGACY_DIRECT) {
            Some(Self::Legacy)
        } else {
            (asks(kind::NOTE) || asks(kind::PRESENCE)).then_some(Self::Presence)
        }
    }
}

/// Events in the order they are to come.
pub(crate) type Corpus = Arc<[Arc<str>]>;

/// What all connections share.
#[derive(Debug)]
struct Shared {
    /// Brought to every whole REQ of a topic, before its EOSE.
    stored: Mutex<Vec<(Topic, Corpus)>>,
    /// Brought to subscriptions that are open.
    live: broadcast::Sender<(Topic, Corpus)>,
    read: AtomicU64,
    written: AtomicU64,
    /// When stored events were first brought.
    began: OnceLock<Instant>,
    /// New connections are refused.
    closed: AtomicBool,
    cut: broadcast::Sender<()>,
}

impl Shared {
    fn stored(&self, topic: Topic) -> Option<Corpus> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.iter().find(|(of, _)| *of == topic).map(|(_, corpus)| Arc::clone(corpus))
    }
}

/// A running one. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Feeder {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Feeder {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = format!("ws://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            stored: Mutex::default(),
            live: broadcast::Sender::new(16),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            began: OnceLock::new(),
            closed: AtomicBool::new(false),
            cut: broadcast::Sender::new(1),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, task })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on whoever asks for the topic gets these first, as what the relay has stored.
    pub(crate) fn store(&self, topic: Topic, corpus: Corpus) {
        let mut stored = self.shared.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.retain(|(of, _)| *of != topic);
        stored.push((topic, corpus));
    }

    /// Brings these to every open subscription of the topic.
    pub(crate) fn feed(&self, topic: Topic, corpus: Corpus) {
        // Nobody connected means nobody to bring them to.
        let _ = self.shared.live.send((topic, corpus));
    }

    /// Drops every connection and refuses new ones until [`Self::open`].
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// Lets connections in again.
    pub(crate) fn open(&self) {
        self.shared.closed.store(false, Ordering::Relaxed);
    }

    fn cut(&self) {
        let _ = self.shared.cut.send(());
    }

    /// Bytes of every connection so far, both ways, websocket frames and upgrades included, TCP and IP headers not.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.read.load(Ordering::Relaxed).saturating_add(self.shared.written.load(Ordering::Relaxed))
    }

    /// When stored events were first brought.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.shared.began.get().copied()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        if shared.closed.load(Ordering::Relaxed) {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut cut = shared.cut.subscribe();
            tokio::select! {
                // A contestant that goes away is no error of ours.
                _ = connection::serve(stream, &shared) => {}
                _ = cut.recv() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_whole_requests_have_a_topic() {
        let topic = |filter: Value| Topic::of(&[filter]);
        assert_eq!(topic(json!({"kinds": [1059], "#p": ["a"], "since": 4})), Some(Topic::Wraps));
        assert_eq!(topic(json!({"kinds": [4], "#p": ["a"]})), Some(Topic::Legacy));
        assert_eq!(topic(json!({"kinds": [1], "#t": ["ocmesh"]})), Some(Topic::Presence));
        assert_eq!(topic(json!({"kinds": [1], "#t": ["ocmesh"], "until": 9})), None);
        assert_eq!(topic(json!({"kinds": [0, 10002], "authors": ["a"]})), None);
        assert_eq!(topic(json!({"ids": ["a"]})), None);
    }
}
