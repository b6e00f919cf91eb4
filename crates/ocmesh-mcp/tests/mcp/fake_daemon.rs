//! A daemon that is played: the part of the Local API that the tools use, over loopback TCP, with a memory that tests look into.

mod answer;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Result;
use ocmesh_api::{ApiError, Endpoint, Event, Message, Peer, SecretSeen, SendRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::JoinHandle,
};

/// Longer than any tool waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// Events a slow reader may lag behind; tests send a handful.
const EVENTS_MAX: usize = 64;

/// What the daemon knows and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) peers: Vec<Peer>,
    /// Newest first.
    pub(crate) messages: Vec<Message>,
    pub(crate) sent: Vec<SendRequest>,
    pub(crate) marked: Vec<String>,
    pub(crate) patches: Vec<(String, Value)>,
    pub(crate) added: Vec<String>,
    /// Every request line.
    pub(crate) asked: Vec<String>,
    /// Answer of the next call that is not `/events`.
    pub(crate) refuse_once: Option<ApiError>,
    /// The answer of the next send gets lost.
    pub(crate) drop_send_once: bool,
    /// What looks like a secret in everything that is sent.
    pub(crate) seen_in_sends: Vec<SecretSeen>,
    /// Entries of a page, whatever was asked for.
    pub(crate) page: Option<usize>,
}

/// The played daemon. Dropping it ends it.
pub(crate) struct FakeDaemon {
    pub(crate) home: TempDir,
    pub(crate) state: Arc<Mutex<State>>,
    events: broadcast::Sender<Event>,
    /// Counts what was asked, so that tests can wait for it.
    asked: watch::Sender<u64>,
    server: Option<JoinHandle<()>>,
}

impl FakeDaemon {
    /// Starts one in a home of its own.
    pub(crate) async fn start() -> Result<Self> {
        let mut daemon = Self::stopped()?;
        daemon.run().await?;
        Ok(daemon)
    }

    /// A home without a daemon.
    pub(crate) fn stopped() -> Result<Self> {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        Ok(Self { home: TempDir::new()?, state: Arc::default(), events, asked: watch::Sender::new(0), server: None })
    }

    /// Comes up, on a new port.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = Endpoint { address: "127.0.0.1".to_owned(), port: listener.local_addr()?.port(), pid: 1, socket: None };
        std::fs::write(self.home().join("api.json"), serde_json::to_vec(&endpoint)?)?;
        let (state, events, asked) = (Arc::clone(&self.state), self.events.clone(), self.asked.clone());
        self.server = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&state), events.subscribe(), asked.clone()));
            }
        }));
        Ok(())
    }

    /// Goes away as a clean stop does: with `api.json`.
    pub(crate) fn stop(&mut self) -> Result<()> {
        std::fs::remove_file(self.home().join("api.json"))?;
        self.server.take().unwrap().abort();
        Ok(())
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A look at, or a change of, what the daemon knows.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// A message comes in.
    pub(crate) fn receive(&self, message: Message) {
        self.with(|state| state.messages.insert(0, message.clone()));
        // Nobody may be listening.
        let _ = self.events.send(Event::Message(Box::new(message)));
    }

    /// Comes back when what was asked so far makes `look` true.
    pub(crate) async fn until(&self, look: impl Fn(&State) -> bool) {
        let mut asked = self.asked.subscribe();
        let watch = async {
            while !self.with(|state| look(state)) {
                asked.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, watch).await.expect("nobody asked for it");
    }

    /// Comes back when somebody listens to the events.
    pub(crate) async fn listened_to(&self) {
        self.until(|state| state.asked.iter().any(|line| line.starts_with("GET /events"))).await;
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, events: broadcast::Receiver<Event>, asked: watch::Sender<u64>) {
    let Some((method, target, body)) = read(&mut stream).await else { return };
    state.lock().unwrap().asked.push(format!("{method} {target}"));
    let answer = if target.starts_with("/events") { None } else { answer::answer(&mut state.lock().unwrap(), &method, &target, &body) };
    asked.send_modify(|count| *count += 1);
    if target.starts_with("/events") {
        return stream_events(stream, events).await;
    }
    let Some((status, value, link)) = answer else { return };
    let (text, link) = (value.to_string(), link.map(|link| format!("link: {link}\r\n")).unwrap_or_default());
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{link}content-length: {}\r\n\r\n", text.len());
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
}

async fn stream_events(mut stream: TcpStream, mut events: broadcast::Receiver<Event>) {
    let mut text = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n".to_owned();
    while stream.write_all(text.as_bytes()).await.is_ok() {
        let Ok(event) = events.recv().await else { return };
        text = format!("event: {}\ndata: {}\n\n", event.name(), event.data().unwrap());
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let mut words = head.split(' ');
                let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
                return Some((method, target, serde_json::from_str(body).unwrap_or(Value::Null)));
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}
