//! Takes TCP connections, answers plain HTTP, and turns upgrades into a [`Connection`].

use std::{
    io::{self, Cursor},
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::Connection,
    http::{self, Head, Request},
    info, nip42,
    options::RelayOptions,
    session::Session,
    store::Store,
};

/// Time for the websocket handshake, and for reading a plain HTTP answer.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Per connection and direction: enough for a few events, small enough for 512 connections.
const BUFFER_BYTES: usize = 16 * 1024;

/// What every connection shares.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) options: Arc<RelayOptions>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) subscriptions: Arc<AtomicUsize>,
}

/// Accepts until cancelled.
pub(crate) async fn run(listener: TcpListener, shared: Shared) {
    let places = Arc::new(Semaphore::new(shared.options.limits.connections_max));
    loop {
        let accepted = tokio::select! {
            () = shared.cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to be closed.
                tracing::warn!(%error, "could not accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let _ = stream.try_write(http::full().as_bytes());
            continue;
        };
        let shared = shared.clone();
        shared.tasks.clone().spawn(async move {
            if let Err(error) = serve(stream, shared).await {
                tracing::debug!(%error, "a connection failed");
            }
            drop(place);
        });
    }
}

async fn serve(mut stream: TcpStream, shared: Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let head = tokio::select! {
        () = shared.cancel.cancelled() => return Ok(()),
        head = Head::read(&mut stream) => head?,
    };
    let answer = match head.request() {
        Request::Upgrade => return upgrade(stream, head, local, shared).await,
        Request::Info => http::info(&info::document(&shared.options)),
        Request::Preflight => http::preflight(),
        Request::Page => http::page(&shared.options.name),
        Request::Other => http::not_allowed(),
    };
    let write = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(HANDSHAKE_MAX, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn upgrade(stream: TcpStream, head: Head, local: SocketAddr, shared: Shared) -> io::Result<()> {
    let (read, write) = stream.into_split();
    // The handshake reads the head again, so it is put back in front.
    let stream = tokio::io::join(Cursor::new(head.bytes).chain(read), write);
    let frame_max = Some(shared.options.limits.frame_bytes_max);
    let config = WebSocketConfig::default()
        .max_message_size(frame_max)
        .max_frame_size(frame_max)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    let handshake = timeout(HANDSHAKE_MAX, accept_async_with_config(stream, Some(config))).await;
    let socket = handshake.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(io::Error::other)?;
    let challenge = nip42::challenge().map_err(io::Error::other)?;
    let urls = addresses(local, shared.options.public_url.as_deref());
    let session = Session::new(Arc::clone(&shared.store), Arc::clone(&shared.options), urls, challenge);
    let (news, subscriptions) = (shared.store.listen(), Arc::clone(&shared.subscriptions));
    shared.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let write_max = Duration::from_millis(shared.options.limits.write_ms_max);
    let ended = Connection { socket, session, news, cancel: shared.cancel, subscriptions, write_max }.run().await;
    shared.connections.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    tracing::debug!(?ended, "a connection ended");
    Ok(())
}

/// The addresses a client of this socket may know us by. Not taken from its `Host` header: a relay in the middle could write that.
fn addresses(local: SocketAddr, public: Option<&str>) -> Vec<String> {
    let port = local.port();
    let mut urls = vec![format!("ws://{local}")];
    if local.ip().is_loopback() {
        urls.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("ws://{host}:{port}")));
    }
    urls.extend(public.map(str::to_owned));
    urls
}
