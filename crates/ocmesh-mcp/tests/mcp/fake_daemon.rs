//! A daemon that is played: the part of the Local API that the tools use, over loopback TCP, with a memory that tests look into.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use ocmesh_api::{ApiError, Endpoint, ErrorBody, ErrorCode, Event, Message, MessageDetail, Peer, SendRequest, Sent, StatusReport};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::JoinHandle,
};

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
        while !self.with(|state| look(state)) {
            asked.changed().await.unwrap();
        }
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
    let answer = if target.starts_with("/events") { None } else { answer(&mut state.lock().unwrap(), &method, &target, &body) };
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

type Answer = (u16, Value, Option<String>);

fn answer(state: &mut State, method: &str, target: &str, body: &Value) -> Option<Answer> {
    if let Some(error) = state.refuse_once.take() {
        return Some((error.code.status(), json!(ErrorBody { error }), None));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["status"]) => good(json!(StatusReport { unread_count: unread(state).count() as u64, ..StatusReport::example() })),
        ("GET", ["peers"]) => {
            let wanted = parameter("q").unwrap_or_default().to_lowercase();
            let named = |peer: &&Peer| [&peer.name, &peer.petname].into_iter().flatten().any(|name| name.to_lowercase().contains(&wanted));
            let online = |peer: &&Peer| parameter("online").is_none_or(|online| online == peer.online.to_string());
            let trusted = |peer: &&Peer| parameter("trust").is_none_or(|trust| trust == peer.trust);
            let found: Vec<&Peer> =
                state.peers.iter().filter(|peer| wanted.is_empty() || named(peer)).filter(online).filter(trusted).collect();
            page(state.page, "/peers", parameter("cursor"), &found)
        }
        ("POST", ["peers"]) => {
            let key = body["peer"].as_str().unwrap().to_owned();
            let peer = Peer { npub: key.clone(), trust: "known".to_owned(), name: None, source: "added".to_owned(), ..Peer::example() };
            state.added.push(key);
            state.peers.push(peer.clone());
            good(json!(peer))
        }
        ("GET", ["peers", key]) => match state.peers.iter().find(|peer| peer.pubkey == *key || peer.npub == *key) {
            Some(peer) => good(json!(peer)),
            None => refusal(ErrorCode::NotFound, "no such peer is known"),
        },
        ("PATCH", ["peers", key]) => {
            state.patches.push(((*key).to_owned(), body.clone()));
            let peer = state.peers.iter_mut().find(|peer| peer.pubkey == *key).unwrap();
            if let Some(trust) = body["trust"].as_str() {
                trust.clone_into(&mut peer.trust);
            }
            if let Some(petname) = body["petname"].as_str() {
                peer.petname = Some(petname.to_owned());
            }
            good(json!(peer))
        }
        ("GET", ["messages"]) => {
            let decoded = |text: &str| text.replace("%3A", ":");
            let wanted = |message: &&Message| {
                let direction = parameter("direction").unwrap_or("in");
                (direction == "any" || direction == message.direction)
                    && parameter("unread").is_none_or(|unread| unread != message.read.to_string())
                    && parameter("from").is_none_or(|from| from == message.from)
                    && parameter("thread").is_none_or(|thread| thread == message.thread)
                    && parameter("since").is_none_or(|since| message.stored_at >= decoded(since))
                    && (parameter("held") == Some("true") || !message.held)
            };
            let found: Vec<&Message> = state.messages.iter().filter(wanted).collect();
            page(state.page, "/messages", parameter("cursor"), &found)
        }
        ("POST", ["messages", "read"]) => {
            let ids: Vec<String> = serde_json::from_value(body["ids"].clone()).unwrap();
            let mut marked = 0;
            for message in state.messages.iter_mut().filter(|message| ids.contains(&message.id) && !message.read) {
                message.read = true;
                marked += 1;
            }
            state.marked.extend(ids);
            good(json!({"marked": marked}))
        }
        ("GET", ["messages", id]) => match state.messages.iter().find(|message| message.id == *id) {
            Some(message) => {
                let history = if message.direction == "out" { MessageDetail::example().history } else { Vec::new() };
                good(json!(MessageDetail { message: message.clone(), history, ..MessageDetail::example() }))
            }
            None => refusal(ErrorCode::NotFound, "no such message"),
        },
        ("POST", ["send"]) => send(state, body),
        _ => refusal(ErrorCode::NotFound, "no such call"),
    }
}

fn send(state: &mut State, body: &Value) -> Option<Answer> {
    let request: SendRequest = serde_json::from_value(body.clone()).unwrap();
    let Some(peer) =
        state.peers.iter().find(|peer| peer.npub == request.to || peer.pubkey == request.to || peer.name.as_ref() == Some(&request.to))
    else {
        return refusal(ErrorCode::PeerUnknown, &format!("no peer \"{}\" is known", request.to));
    };
    let sent = Sent { to: peer.pubkey.clone(), ..Sent::example() };
    let known = state.sent.iter().any(|old| old.idempotency_key == request.idempotency_key);
    if !known {
        let ours = Message {
            id: sent.id.clone(),
            from: StatusReport::example().pubkey,
            to: peer.pubkey.clone(),
            content: request.content.clone(),
            direction: "out".to_owned(),
            status: "queued".to_owned(),
            thread: sent.id.clone(),
            ..Message::example()
        };
        state.messages.insert(0, ours);
    }
    state.sent.push(request);
    if std::mem::take(&mut state.drop_send_once) {
        return None;
    }
    good(json!(sent))
}

fn unread(state: &State) -> impl Iterator<Item = &Message> {
    state.messages.iter().filter(|message| message.direction == "in" && !message.read)
}

#[expect(clippy::unnecessary_wraps, reason = "an answer can get lost")]
fn good(value: Value) -> Option<Answer> {
    Some((200, value, None))
}

#[expect(clippy::unnecessary_wraps, reason = "an answer can get lost")]
fn refusal(code: ErrorCode, message: &str) -> Option<Answer> {
    Some((code.status(), json!(ErrorBody { error: ApiError::new(code, message) }), None))
}

/// One page; the cursor is the number of entries before it.
fn page<T: serde::Serialize>(size: Option<usize>, path: &str, cursor: Option<&str>, found: &[&T]) -> Option<Answer> {
    let (start, size) = (cursor.map_or(0, |cursor| cursor.parse().unwrap()), size.unwrap_or(found.len()));
    let items: Vec<&&T> = found.iter().skip(start).take(size).collect();
    let end = start + items.len();
    let link = (end < found.len()).then(|| format!("<{path}?cursor={end}>; rel=\"next\""));
    Some((200, json!(items), link))
}
