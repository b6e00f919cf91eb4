//! Listening: loopback TCP and the Unix socket, with bounds on connections, headers and patience. The only place that accepts.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, handler::Handler};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt;

use super::{Api, guard::Caller, router, stall::Impatient, turned_away};
use crate::{
    limit::{CONNECTIONS_MAX, STRANGERS_MAX},
    shutdown::StopToken,
};

/// A request's head comes at once from a program on this machine; this also ends idle connections.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Other users get less patience.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest head, in bytes: a page's cursor and a token fit many times.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most header lines; a browser sends about 20.
const HEADERS_MAX: usize = 64;
/// A reader that takes nothing for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Requests under way at a stop may take this long; the whole stop has 5 s.
const GRACE: Duration = Duration::from_secs(2);
/// After an accept that failed (out of file handles), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the Local API listens.
#[derive(Debug)]
pub struct Listeners {
    /// Loopback TCP.
    pub tcp: TcpListener,
    /// The Unix socket and its path, unless it is switched off.
    #[cfg(unix)]
    pub unix: Option<(tokio::net::UnixListener, PathBuf)>,
}

/// Binds `127.0.0.1:port`; port 0 picks one. Call within a tokio runtime.
///
/// # Errors
/// `AddrInUse` when the port is taken.
pub async fn bind_tcp(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Binds the Unix socket, mode 0600, in place of one that a crash left behind. Only for the holder of the home's lock. Call within a tokio
/// runtime.
///
/// # Errors
/// `AlreadyExists` when something else than a socket is in the way; `InvalidInput` when the path is too long for a socket (about 100 bytes).
#[cfg(unix)]
pub fn bind_unix(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = tokio::net::UnixListener::bind(path)?;
    // The directory is 0700: nobody else could come in before this line either.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until the stop token is cancelled, then lets requests under way finish for a moment, and removes the socket file.
pub async fn serve(api: Arc<Api>, listeners: Listeners) {
    let stop = api.parts.stop.clone();
    let router = router(&api);
    // Each transport has places of its own.
    let gate = || Gate::new(&api, &router);
    #[cfg(unix)]
    let unix = async {
        if let Some((listener, path)) = listeners.unix {
            accept_unix(listener, gate(), &stop).await;
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, "the socket file could not be removed");
            }
        }
    };
    #[cfg(not(unix))]
    let unix = std::future::ready(());
    tokio::join!(accept_tcp(listeners.tcp, gate(), &stop), unix);
}

async fn accept_tcp(listener: TcpListener, gate: Gate, stop: &StopToken) {
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, client)) => {
                let gate = gate.clone();
                tasks.spawn(async move { gate.tcp(stream, client).await });
            }
            Err(error) => pause(&error).await,
        }
    }
    drop(listener);
    tasks.join_all().await;
}

#[cfg(unix)]
async fn accept_unix(listener: tokio::net::UnixListener, gate: Gate, stop: &StopToken) {
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let gate = gate.clone();
                tasks.spawn(async move { gate.unix(stream).await });
            }
            Err(error) => pause(&error).await,
        }
    }
    drop(listener);
    tasks.join_all().await;
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// What decides about a connection.
#[derive(Clone)]
struct Gate {
    api: Arc<Api>,
    router: Router,
    stop: StopToken,
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Gate {
    fn new(api: &Arc<Api>, router: &Router) -> Self {
        let (places, strangers) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(Semaphore::new(STRANGERS_MAX)));
        Self { api: Arc::clone(api), router: router.clone(), stop: api.parts.stop.clone(), places, strangers }
    }

    async fn tcp(self, stream: TcpStream, client: SocketAddr) {
        // Full: closing at once is the only answer that costs nothing.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        // Answers are short and awaited: waiting to fill a packet only adds delay.
        let _ = stream.set_nodelay(true);
        if client.ip().is_loopback() && is_same_user(&stream, client).await {
            self.welcome(stream, Caller::Tcp, place).await;
        } else {
            drop(place);
            self.turn_away(stream).await;
        }
    }

    #[cfg(unix)]
    async fn unix(self, stream: tokio::net::UnixStream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let own_uid = rustix::process::geteuid().as_raw();
        let allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == own_uid || peer.uid() == 0);
        if allowed {
            self.welcome(stream, Caller::Unix, place).await;
        } else {
            drop(place);
            self.turn_away(stream).await;
        }
    }

    async fn welcome<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, caller: Caller, place: OwnedSemaphorePermit) {
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            self.router.clone().oneshot(request)
        });
        let connection = http(HEAD_TIMEOUT, true).serve_connection(TokioIo::new(Impatient::new(stream, WRITE_PATIENCE)), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(GRACE, connection).await.unwrap_or(Ok(()))
            }
        };
        drop(place);
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// Says no to another user, once; one who comes again and again is not answered at all.
    async fn turn_away<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Ok(_place) = self.strangers.try_acquire_owned() else { return };
        if !self.api.paces.stranger(Instant::now()) {
            return;
        }
        let service = service_fn(|request: Request<Incoming>| turned_away.with_state(()).oneshot(request.map(Body::new)));
        let connection = http(STRANGER_TIMEOUT, false).serve_connection(TokioIo::new(stream), service);
        // However it ends: it is refused.
        let _ = timeout(STRANGER_TIMEOUT, connection).await;
    }
}

pub(super) fn http(head_timeout: Duration, keep_alive: bool) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(keep_alive);
    http
}

/// On Linux the kernel says who owns the other end. Elsewhere the home's mode keeps the token and the socket to the owner, and TCP stays
/// open to all users of the machine unless `api.auth = "token"`.
#[cfg(target_os = "linux")]
async fn is_same_user(stream: &TcpStream, client: SocketAddr) -> bool {
    let Ok(server) = stream.local_addr() else { return false };
    let own_uid = rustix::process::geteuid().as_raw();
    super::same_user::owner(client, server).await.may_call(own_uid)
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_async)] // One signature on every system.
async fn is_same_user(_stream: &TcpStream, _client: SocketAddr) -> bool {
    true
}
