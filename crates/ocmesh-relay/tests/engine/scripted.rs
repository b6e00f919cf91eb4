//! A relay that does what a test says, and an owner that remembers what the engine told. Has no behaviour of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use ocmesh_relay::{Authenticator, ConnectOptions, HeldEvent, HeldSet, Holdings, Pool, PoolConfig, PoolEvent, Tuning};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// Longest wait for anything: generous, as a loaded machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// May private addresses be dialled, without AUTH: what most tests want.
pub(crate) const LOCAL: ConnectOptions = ConnectOptions { private_ok: true, auth: false };

/// The same, with AUTH.
pub(crate) const LOCAL_AUTH: ConnectOptions = ConnectOptions { private_ok: true, auth: true };

/// A listening relay.
pub(crate) struct Relay {
    pub(crate) url: String,
    connections: mpsc::Receiver<Conn>,
    /// Answered to requests that are no upgrade.
    pub(crate) document: Arc<Mutex<Option<String>>>,
    /// How many there were of those.
    pub(crate) documents_asked: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let document = Arc::new(Mutex::new(None));
        let documents_asked = Arc::new(AtomicU32::new(0));
        let (sender, connections) = mpsc::channel(1_000);
        let task = tokio::spawn(accept_all(listener, sender, Arc::clone(&document), Arc::clone(&documents_asked)));
        Self { url, connections, document, documents_asked, task }
    }

    /// The next websocket.
    pub(crate) async fn accept(&mut self) -> Conn {
        timeout(PATIENCE, self.connections.recv()).await.expect("a connection in time").unwrap()
    }

    /// A websocket that is already there.
    pub(crate) fn accepted(&mut self) -> Option<Conn> {
        self.connections.try_recv().ok()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_all(listener: TcpListener, sender: mpsc::Sender<Conn>, document: Arc<Mutex<Option<String>>>, asked: Arc<AtomicU32>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (sender, document, asked) = (sender.clone(), document.lock().unwrap().clone(), Arc::clone(&asked));
        tokio::spawn(async move {
            if is_upgrade(&stream).await {
                let roomy = WebSocketConfig::default();
                if let Ok(socket) = tokio_tungstenite::accept_async_with_config(stream, Some(roomy)).await {
                    let _ = sender.send(Conn { socket }).await;
                }
            } else {
                asked.fetch_add(1, Ordering::Relaxed);
                serve_document(stream, document).await;
            }
        });
    }
}

/// Looks at the request without taking it.
async fn is_upgrade(stream: &TcpStream) -> bool {
    let mut head = vec![0; 4_096];
    loop {
        let read = stream.peek(&mut head).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&head[..read]).to_lowercase();
        if read == 0 || text.contains("\r\n\r\n") {
            return text.contains("upgrade: websocket");
        }
        tokio::task::yield_now().await;
    }
}

async fn serve_document(mut stream: TcpStream, document: Option<String>) {
    let answer = document.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned());
    let _ = stream.write_all(answer.as_bytes()).await;
    // Read the request, so that closing is no reset.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await;
}

/// One websocket, seen from the relay.
pub(crate) struct Conn {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Conn {
    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        // The engine may have hung up, which is what some tests are about.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// The next frame, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a frame in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("well-formed JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame with that label; others are skipped.
    pub(crate) async fn expect(&mut self, label: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("closed before {label}"));
            if frame[0] == label {
                return frame;
            }
        }
    }

    /// The id of the next REQ.
    pub(crate) async fn req(&mut self) -> String {
        self.expect("REQ").await[1].as_str().unwrap().to_owned()
    }

    pub(crate) async fn event(&mut self, sub: &str, event: &Value) {
        self.send(json!(["EVENT", sub, event])).await;
    }

    pub(crate) async fn eose(&mut self, sub: &str) {
        self.send(json!(["EOSE", sub])).await;
    }

    pub(crate) async fn ok(&mut self, id: &str, accepted: bool, said: &str) {
        self.send(json!(["OK", id, accepted, said])).await;
    }
}

/// An event with a number for an id.
pub(crate) fn event(number: u64, created_at: u64, kind: u16) -> Value {
    let id = format!("{number:032x}{number:032x}");
    json!({"id": id, "pubkey": "p", "kind": kind, "created_at": created_at, "tags": [], "content": "", "sig": ""})
}

/// Signs with a number, and counts.
#[derive(Default)]
pub(crate) struct Signer {
    pub(crate) signed: AtomicU32,
    pub(crate) refuses: bool,
}

impl Authenticator for Signer {
    fn sign_auth(&self, relay: &str, challenge: &str) -> Option<String> {
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        let tags = json!([["relay", relay], ["challenge", challenge]]);
        (!self.refuses).then(|| json!({"id": format!("{number:064x}"), "kind": 22_242, "tags": tags}).to_string())
    }
}

/// What the owner has, as told; `None` when it cannot tell.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) held: Mutex<Option<Vec<HeldEvent>>>,
}

impl Holdings for Shelf {
    fn held(&self, _: &str, since: Option<u64>) -> Option<HeldSet> {
        let held = self.held.lock().unwrap().clone()?;
        Some(held.into_iter().filter(|event| since.is_none_or(|since| event.created_at >= since)).collect())
    }
}

/// Times short enough for tests, and long enough for a loaded machine.
pub(crate) fn quick() -> Tuning {
    Tuning {
        redial_base: Duration::from_millis(20),
        redial_max: Duration::from_millis(200),
        reopen_base: Duration::from_millis(20),
        reopen_max: Duration::from_millis(200),
        unproven_base: Duration::from_millis(50),
        seed: Some(1),
        ..Tuning::default()
    }
}

/// A pool, and everything it told.
pub(crate) struct Owner {
    pub(crate) pool: Pool,
    pub(crate) events: mpsc::Receiver<PoolEvent>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) shelf: Arc<Shelf>,
}

impl Owner {
    pub(crate) fn start(tuning: Tuning) -> Self {
        Self::with(tuning, Signer::default())
    }

    pub(crate) fn with(tuning: Tuning, signer: Signer) -> Self {
        let signer = Arc::new(signer);
        let authenticator: Arc<dyn Authenticator> = Arc::<Signer>::clone(&signer);
        let shelf = Arc::new(Shelf { held: Mutex::new(Some(Vec::new())) });
        let holdings: Arc<dyn Holdings> = Arc::<Shelf>::clone(&shelf);
        let config = PoolConfig { authenticator, holdings, user_agent: "ocmesh/test".to_owned(), tuning, began: Instant::now() };
        let (pool, events) = Pool::start(config);
        Self { pool, events, signer, shelf }
    }

    pub(crate) async fn next(&mut self) -> PoolEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the pool lives")
    }

    /// The first that fits; others are skipped.
    pub(crate) async fn until<T>(&mut self, mut fits: impl FnMut(&PoolEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = fits(&self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn open(&mut self) {
        self.until(|event| matches!(event, PoolEvent::Open { .. }).then_some(())).await;
    }

    pub(crate) async fn down(&mut self) -> String {
        self.until(|event| if let PoolEvent::Down { why, .. } = event { Some(why.clone()) } else { None }).await
    }

    /// The next answer to a publish: which event, what, and the words.
    pub(crate) async fn answer(&mut self) -> (String, ocmesh_relay::PublishOutcome, String) {
        self.until(|event| match event {
            PoolEvent::Answered { event_id, outcome, said, .. } => Some((event_id.clone(), *outcome, said.clone())),
            _ => None,
        })
        .await
    }

    /// The ids of the events until everything was delivered.
    pub(crate) async fn caught_up(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            match self.next().await {
                PoolEvent::Event { id, .. } => ids.push(id),
                PoolEvent::CaughtUp { .. } => return ids,
                _ => {}
            }
        }
    }

    /// The next event's id.
    pub(crate) async fn event(&mut self) -> String {
        self.until(|event| if let PoolEvent::Event { id, .. } = event { Some(id.clone()) } else { None }).await
    }

    pub(crate) fn status(&self) -> ocmesh_relay::RelayStatus {
        self.pool.status().first().expect("one relay").clone()
    }

    /// Waits until the status is as wanted.
    pub(crate) async fn status_until(&self, wanted: impl Fn(&ocmesh_relay::RelayStatus) -> bool) -> ocmesh_relay::RelayStatus {
        let look = async {
            loop {
                let status = self.status();
                if wanted(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("status stayed {:?}", self.status()))
    }
}
