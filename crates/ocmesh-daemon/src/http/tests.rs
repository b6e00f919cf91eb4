//! The Local API over real sockets, with a real store and a mesh that answers as each test says.

mod calls;
mod document;
mod events;
mod guard;
mod limits;
mod mcp;
mod poll;
mod refusals;
mod tokens;
mod wake;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ocmesh_api::{Client, Endpoint};
use ocmesh_proto::{
    At, Change, Direction, Form, MessageId, MessageRecord, Notice, PeerRecord, PeerSource, PubKey, ReceiptsSent, RelayUrl, Status,
    WakeTarget,
};
use ocmesh_store::{Store, StoreKey};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

use super::{Api, ApiParts, Listeners, bind_tcp, bind_unix, serve};
use crate::{
    clock::Clock,
    engine::{Ask, AskError, MeshHandle, NumberedNotice, RelayView, Told, View},
    home::Home,
    secrets::OwnSecrets,
    shutdown::StopToken,
    token::Tokens,
    wake::{Adapter, Dispatcher, Program, WakeConfig},
};

/// A moment in 2026.
const NOW: At = At(1_790_000_000_000);
/// Generous: only a broken daemon reaches it.
const BOUND: Duration = Duration::from_secs(20);
/// Real keys: a path takes no others.
const OWN: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const ADA: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

type Answer = dyn Fn(&Ask) -> Result<Told, AskError> + Send + Sync;

/// A Local API that runs, with everything around it in the test's hands.
struct Daemon {
    home: tempfile::TempDir,
    port: u16,
    store: Mutex<Store>,
    view: watch::Sender<Arc<View>>,
    notices: broadcast::Sender<Arc<NumberedNotice>>,
    asked: Arc<Mutex<Vec<Ask>>>,
    clock_breaks: Arc<AtomicBool>,
    api: Arc<Api>,
    stop: StopToken,
    serving: Option<JoinHandle<()>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A program that is not there.
fn unreachable_target() -> WakeConfig {
    let target = WakeTarget { id: "agent".into(), budget_per_hour: 12, quiet: None, urgent_passes_quiet: true };
    WakeConfig { target, adapter: Adapter::Command(Program { path: PathBuf::from("/nowhere/at/all"), args: Vec::new() }) }
}

impl Daemon {
    /// A mesh that says "done" to everything.
    async fn new() -> Self {
        Self::answering(|_| Ok(Told::Done)).await
    }

    async fn answering(answer: impl Fn(&Ask) -> Result<Told, AskError> + Send + Sync + 'static) -> Self {
        Self::start(Box::new(answer), false).await
    }

    async fn with_token() -> Self {
        Self::start(Box::new(|_| Ok(Told::Done)), true).await
    }

    async fn start(answer: Box<Answer>, token: bool) -> Self {
        // More than any test asks, but the one about it.
        Self::start_with(answer, token, 5_000).await
    }

    async fn start_with(answer: Box<Answer>, token: bool, requests_per_second: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("ocmesh.db"), &StoreKey::from_bytes([7; 32])).unwrap();
        let (questions, mut inbox) = mpsc::channel(16);
        let (view, seen) = watch::channel(Arc::new(healthy_view()));
        // Small, so that a test can overrun it.
        let (notices, _) = broadcast::channel(8);
        let mesh = MeshHandle::new(questions, seen, notices.clone());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(question) = inbox.recv().await {
                let told = answer(&question.ask);
                record.lock().unwrap().push(question.ask);
                let _ = question.answer.send(told);
            }
        });
        let tcp = bind_tcp(0).await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let socket = home.path().join("ocmesh.sock");
        let unix = Some((bind_unix(&socket).unwrap(), socket));
        let stop = StopToken::new();
        let clock_breaks = Arc::new(AtomicBool::new(false));
        let breaks = Arc::clone(&clock_breaks);
        let clock = Clock::from_fn(|| NOW);
        let wakes = Dispatcher::for_tests(&[unreachable_target()], store.reader(), clock, stop.clone());
        let api = Api::new(ApiParts {
            mesh,
            reader: store.reader(),
            wakes,
            pubkey: OWN.parse().unwrap(),
            version: "0.3.0",
            started: Instant::now(),
            port,
            tokens: token.then(|| Tokens::of(&Home::locate(|_| Some(home.path().into())).unwrap())),
            requests_per_second,
            own_secrets: OwnSecrets::default(),
            clock: Clock::from_fn(move || if breaks.load(Ordering::Relaxed) { panic!("the clock broke") } else { NOW }),
            stop: stop.clone(),
        });
        let serving = Some(tokio::spawn(serve(Arc::clone(&api), Listeners { tcp, unix })));
        Self { home, port, store: Mutex::new(store), view, notices, asked, clock_breaks, api, stop, serving }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("ocmesh.sock")
    }

    fn endpoint(&self, over_socket: bool) -> Endpoint {
        let socket = over_socket.then(|| self.socket().to_str().unwrap().to_owned());
        Endpoint { address: "127.0.0.1".to_owned(), port: self.port, pid: std::process::id(), socket }
    }

    fn client(&self) -> Client {
        Client::at(self.endpoint(true))
    }

    /// Changes and a notice in one transaction, as the engine writes them; then the notice goes out.
    fn write(&self, changes: &[Change], notices: &[Notice]) -> Vec<u64> {
        let numbered = self.write_silently(changes, notices);
        for notice in &numbered {
            let _ = self.notices.send(Arc::new(notice.clone()));
        }
        numbered.iter().map(|notice| notice.seq).collect()
    }

    fn write_silently(&self, changes: &[Change], notices: &[Notice]) -> Vec<NumberedNotice> {
        let mut store = self.store.lock().unwrap();
        store.begin().unwrap();
        for change in changes {
            store.apply(change, NOW).unwrap();
        }
        let number = |notice: &Notice| NumberedNotice { seq: store.add_notice(NOW, notice).unwrap(), at: NOW, notice: notice.clone() };
        let numbered = notices.iter().map(number).collect();
        store.commit().unwrap();
        numbered
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|ask| format!("{ask:?}")).collect()
    }

    /// One raw request over TCP, with a good `Host`, and its answer.
    async fn get(&self, target: &str) -> Reply {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)).await
    }

    async fn json(&self, method: &str, target: &str, body: &str) -> Reply {
        let length = body.len();
        self.raw(&format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.port
        ))
        .await
    }

    async fn raw(&self, request: &str) -> Reply {
        talk(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap(), request).await
    }

    async fn raw_unix(&self, request: &str) -> Reply {
        talk(UnixStream::connect(self.socket()).await.unwrap(), request).await
    }
}

/// An answer, taken apart.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(&self) -> String {
        self.value()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Reply {
    // A daemon that refuses early may close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    read_reply(&mut stream).await
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> Reply {
    let mut bytes = Vec::new();
    // A reset after the answer is no matter.
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Reply { status, head: head.to_owned(), body }
}

fn unchunk(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let (chunk, rest) = rest.split_at_checked(usize::from_str_radix(size, 16).unwrap()).unwrap();
        out.push_str(chunk);
        text = rest.trim_start_matches("\r\n");
    }
    out
}

fn relay(url: &str, state: &str) -> RelayView {
    RelayView {
        url: RelayUrl::parse(url).unwrap(),
        own: true,
        origin: "config",
        state: state.to_owned(),
        since: NOW,
        last_error: None,
        latency_ms: Some(12),
        is_inbox: true,
        good_at: Some(NOW),
        is_deaf: state == "deaf",
        cut_at: None,
        note: None,
    }
}

fn healthy_view() -> View {
    View {
        name: "quiet-heron".to_owned(),
        features: vec!["messaging".to_owned()],
        relays: vec![relay("wss://a.example.com", "ready"), relay("wss://b.example.com", "waiting")],
        dm_relays: vec![RelayUrl::parse("wss://a.example.com").unwrap()],
        outbox_waiting: 1,
        outbox_relayed: 2,
        outbox_failed: 3,
        ..View::default()
    }
}

fn ada() -> PubKey {
    ADA.parse().unwrap()
}

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 32])
}

fn peer(pubkey: PubKey, name: &str) -> PeerRecord {
    PeerRecord { name: Some(name.to_owned()), ..PeerRecord::new(pubkey, PeerSource::Presence, NOW) }
}

fn put_peer(record: PeerRecord) -> Change {
    Change::PutPeer(Box::new(record))
}

/// A message from Ada, stored `n` seconds after [`NOW`].
fn inbound(n: u8) -> MessageRecord {
    MessageRecord {
        id: id(n),
        direction: Direction::In,
        peer: ada(),
        content: format!("message {n}"),
        kind: "text".to_owned(),
        form: Form::Nip17,
        written_at: NOW,
        stored_at: NOW.plus(u64::from(n) * 1_000),
        read_at: None,
        thread: id(n),
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        receipts: ReceiptsSent::default(),
    }
}

fn outbound(n: u8) -> MessageRecord {
    MessageRecord { direction: Direction::Out, status: Status::Queued, ..inbound(n) }
}

fn add(record: MessageRecord) -> Change {
    Change::AddMessage(Box::new(record))
}

fn arrived(n: u8) -> Notice {
    Notice::MessageArrived { id: id(n), from: ada(), trust: ocmesh_proto::Trust::Unknown, held: false }
}
