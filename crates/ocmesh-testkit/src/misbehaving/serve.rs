//! The port: opens and shuts it, answers plain HTTP, and hands websockets to a [`super::link`].

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{broadcast, watch},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    fault::{Fault, Faults, Nip11},
    link,
    seen::Log,
};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: String,
    pub(crate) inner: SocketAddr,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    /// Rises when every connection is to be cut.
    pub(crate) cut: watch::Sender<u64>,
    /// Words for every client.
    pub(crate) words: broadcast::Sender<String>,
    pub(crate) withheld: link::Withheld,
    /// The time it tells, in seconds ahead of the machine's; `None` when it tells none.
    pub(crate) tells: Mutex<Option<i64>>,
    pub(crate) withheld_wraps: link::Withheld,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    /// The header field that tells the time, if it tells any.
    fn date(&self) -> String {
        let told = *self.tells.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shift) = told else { return String::new() };
        let (now, by) = (SystemTime::now(), Duration::from_secs(shift.unsigned_abs()));
        let time = if shift < 0 { now - by } else { now + by };
        format!("Date: {}\r\n", httpdate::fmt_http_date(time))
    }
}

enum Port {
    Open(TcpListener),
    /// Bound, so that nobody else takes it, but not listening: connections are refused.
    Shut(TcpSocket),
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Serves until cancelled.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let addr = listener.local_addr()?;
    let mut port = Port::Open(listener);
    let mut changes = shared.faults.watch();
    loop {
        let refuse = shared.faults.has(&Fault::RefuseTcp);
        port = match port {
            Port::Open(listener) if refuse => {
                drop(listener);
                Port::Shut(bind(addr)?)
            }
            Port::Shut(socket) if !refuse => Port::Open(socket.listen(1_024)?),
            other => other,
        };
        if refuse {
            shared.cut.send_modify(|cut| *cut += 1);
        }
        let accepted = tokio::select! {
            () = shared.cancel.cancelled() => return Ok(()),
            changed = changes.changed() => { if changed.is_err() { return Ok(()) } continue }
            accepted = accept(&port) => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let shared = Arc::clone(&shared);
        shared.tasks.clone().spawn(async move {
            let mut cut = shared.cut.subscribe();
            cut.mark_unchanged();
            tokio::select! {
                () = shared.cancel.cancelled() => {}
                _ = cut.changed() => {}
                // A client that goes away in the middle is no news for a test.
                _ = serve(stream, Arc::clone(&shared)) => {}
            }
        });
    }
}

async fn accept(port: &Port) -> io::Result<(TcpStream, SocketAddr)> {
    match port {
        Port::Open(listener) => listener.accept().await,
        Port::Shut(_) => std::future::pending().await,
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Result<()> {
    shared.log.write().tcp += 1;
    stream.set_nodelay(true)?;
    if shared.faults.has(&Fault::ResetTcp) {
        stream.set_zero_linger()?;
        return Ok(());
    }
    let mut changes = shared.faults.watch();
    while shared.faults.has(&Fault::NoHandshake) {
        changes.changed().await?;
    }
    let head = read_head(&mut stream).await?;
    let text = String::from_utf8_lossy(&head).into_owned();
    if let Some(status) = shared.faults.find(|fault| if let Fault::HttpStatus(status) = fault { Some(*status) } else { None }) {
        return answer(&mut stream, &format!("{status} As Told"), "", "go away\n").await;
    }
    if let Some(key) = field(&text, "sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        let date = shared.date();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{date}\r\n"
        );
        stream.write_all(answer.as_bytes()).await?;
        return link::run(stream, shared).await;
    }
    if field(&text, "accept").is_some_and(|accept| accept.contains("application/nostr+json")) {
        shared.log.write().infos += 1;
        if let Some(wrong) = shared.faults.find(|fault| if let Fault::Nip11(wrong) = fault { Some(wrong.clone()) } else { None }) {
            return document(&mut stream, &wrong).await;
        }
    }
    // Anything else is the honest relay's to answer.
    let mut inner = TcpStream::connect(shared.inner).await?;
    inner.write_all(&head).await?;
    if shared.faults.has(&Fault::NoNegentropy) {
        return without_negentropy(inner, &mut stream).await;
    }
    tokio::io::copy(&mut inner, &mut stream).await?;
    Ok(stream.shutdown().await?)
}

/// The honest relay's answer with 77 taken out of the list, wherever it stands in it.
async fn without_negentropy(mut inner: TcpStream, stream: &mut TcpStream) -> Result<()> {
    let mut text = String::new();
    inner.read_to_string(&mut text).await?;
    // The length of the document stays as it was announced.
    stream.write_all(text.replace(",77]", "   ]").as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

async fn document(stream: &mut TcpStream, wrong: &Nip11) -> Result<()> {
    const JSON: &str = "Content-Type: application/nostr+json\r\n";
    match wrong {
        Nip11::Absent => answer(stream, "404 Not Found", "", "nothing here\n").await,
        Nip11::Redirect(url) => answer(stream, "302 Found", &format!("Location: {url}\r\n"), "").await,
        Nip11::Lying => {
            let lies = r#"{"name":7,"supported_nips":[1,"two",40,77,-1,99999],"limitation":{"max_limit":0,"max_subscriptions":-5,
                "max_message_length":"big","auth_required":"no","payment_required":true,"min_pow_difficulty":255}}"#;
            answer(stream, "200 OK", JSON, lies).await
        }
        Nip11::Huge { bytes } => {
            let (open, close) = (r#"{"name":""#, r#""}"#);
            let fill = bytes.saturating_sub((open.len() + close.len()) as u64);
            let length = fill + (open.len() + close.len()) as u64;
            let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {length}\r\nConnection: close\r\n\r\n{open}");
            stream.write_all(head.as_bytes()).await?;
            tokio::io::copy(&mut tokio::io::repeat(b'x').take(fill), stream).await?;
            stream.write_all(close.as_bytes()).await?;
            Ok(stream.shutdown().await?)
        }
    }
}

async fn answer(stream: &mut TcpStream, status: &str, more: &str, body: &str) -> Result<()> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < 16 * 1024, "a head without end");
        // Byte by byte: what follows the head belongs to the websocket. Tests can afford it.
        head.push(stream.read_u8().await.context("no whole head")?);
    }
    Ok(head)
}

fn field(head: &str, wanted: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
}
