//! The only place that dials, relays and hooks: name, address check, TCP, TLS, websocket upgrade, each within one deadline. Follows no redirects.

mod address;
mod meter;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error as WsError,
        client::IntoClientRequest,
        http::{
            HeaderMap, HeaderValue,
            header::{DATE, USER_AGENT},
        },
        protocol::WebSocketConfig,
    },
};
use url::{Host, Url};

use crate::{Tuning, status::Traffic};
use meter::Metered;
use tls::Tls;

/// A byte stream to a relay, with or without TLS, counted below it.
pub(crate) type Stream = MaybeTlsStream<Metered<TcpStream>>;

/// Head start of one address before the next is tried as well
/// ([RFC 8305](https://www.rfc-editor.org/rfc/rfc8305) recommends 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses tried for one name; more is a list that somebody made for us.
const ADDRESSES_MAX: usize = 8;

/// Buffers of a websocket, in bytes: several usual events; the library's 128 KiB would be 1 MiB for four relays.
const BUFFER_BYTES: usize = 16 << 10;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The address is no `ws://` or `wss://` address without credentials.
    #[error("not a relay address")]
    Address,
    /// The name has no address.
    #[error("the name could not be looked up")]
    Lookup(#[source] std::io::Error),
    /// The name leads into a private network.
    #[error("the address is private")]
    Private,
    /// The name leads to another machine.
    #[error("the name does not lead to this machine")]
    Elsewhere,
    /// No TCP connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// TLS failed.
    #[error("TLS failed")]
    Tls(#[source] std::io::Error),
    /// The relay answered the upgrade with something else.
    #[error("refused with HTTP {0}")]
    Refused(u16),
    /// The upgrade failed.
    #[error("the websocket upgrade failed")]
    Upgrade(#[source] Box<WsError>),
    /// It took too long.
    #[error("{0} took too long")]
    TimedOut(&'static str),
}

impl DialError {
    /// The relay does not want us: no reason to come back soon.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(401..=403))
    }

    /// In words, with the cause behind it, cleaned.
    pub(crate) fn why(&self) -> String {
        let cause = std::error::Error::source(self).map(|cause| format!(": {cause}")).unwrap_or_default();
        crate::text::clean(&format!("{self}{cause}"))
    }
}

/// A relay's address, taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
    secure: bool,
}

impl Target {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`DialError::Address`] when it is no websocket address.
    pub(crate) fn parse(relay: &str) -> Result<Self, DialError> {
        let mut url = Url::parse(relay).map_err(|_| DialError::Address)?;
        url.set_fragment(None);
        let secure = match url.scheme() {
            "wss" => true,
            "ws" => false,
            _ => return Err(DialError::Address),
        };
        Self::of(url, secure)
    }

    /// Takes apart the address of a hook; see [`crate::HookUrl`].
    pub(crate) fn of_hook(url: Url) -> Result<Self, DialError> {
        let secure = url.scheme() == "https";
        Self::of(url, secure)
    }

    fn of(url: Url, secure: bool) -> Result<Self, DialError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DialError::Address);
        }
        let host = url.host().ok_or(DialError::Address)?.to_owned();
        let port = url.port_or_known_default().ok_or(DialError::Address)?;
        Ok(Self { url, host, port, secure })
    }

    /// Path and query, for a request line.
    pub(crate) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// Host, and the port where it is not the usual one.
    pub(crate) fn authority(&self) -> String {
        self.url.port().map_or_else(|| self.host.to_string(), |port| format!("{}:{port}", self.host))
    }

    fn server_name(&self) -> Result<ServerName<'static>, DialError> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| DialError::Address),
            Host::Ipv4(ip) => Ok(ServerName::from(IpAddr::V4(*ip))),
            Host::Ipv6(ip) => Ok(ServerName::from(IpAddr::V6(*ip))),
        }
    }
}

/// Which addresses may be dialled.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// None of a private network.
    Public,
    /// All.
    Anywhere,
    /// Loopback alone.
    ThisMachine,
}

impl Reach {
    const fn of_relay(private_ok: bool) -> Self {
        if private_ok { Self::Anywhere } else { Self::Public }
    }

    fn includes(self, ip: IpAddr) -> bool {
        match self {
            Self::Public => address::is_global(ip),
            Self::Anywhere => true,
            Self::ThisMachine => ip.is_loopback(),
        }
    }
}

/// Dials relays. One for a pool: the TLS roots are loaded once.
pub(crate) struct Dialer {
    tls: Tls,
    user_agent: String,
    wait: Duration,
    websocket: WebSocketConfig,
}

impl Dialer {
    pub(crate) fn new(user_agent: String, tuning: &Tuning) -> Self {
        let websocket = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_message_size(Some(tuning.message_bytes_max))
            .max_frame_size(Some(tuning.message_bytes_max));
        Self { tls: Tls::new(), user_agent, wait: tuning.dial_wait, websocket }
    }

    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Opens a websocket; gives with it the time that the relay told.
    ///
    /// # Errors
    /// [`DialError`] says what failed; all but [`DialError::Address`] are worth another try later.
    pub(crate) async fn websocket(
        &self,
        relay: &str,
        private_ok: bool,
        traffic: Arc<Traffic>,
    ) -> Result<(WebSocketStream<Stream>, Option<SystemTime>), DialError> {
        let deadline = Instant::now() + self.wait;
        let target = Target::parse(relay)?;
        let stream = self.stream_by(&target, Reach::of_relay(private_ok), Some(traffic), deadline).await?;
        let mut request = target.url.as_str().into_client_request().map_err(|_| DialError::Address)?;
        if let Ok(agent) = HeaderValue::from_str(&self.user_agent) {
            request.headers_mut().insert(USER_AGENT, agent);
        }
        let upgrade = tokio_tungstenite::client_async_with_config(request, stream, Some(self.websocket));
        match within(deadline, "the websocket upgrade", Box::pin(upgrade)).await? {
            Ok((socket, response)) => Ok((socket, date(response.headers()))),
            Err(WsError::Http(response)) => Err(DialError::Refused(response.status().as_u16())),
            Err(error) => Err(DialError::Upgrade(Box::new(error))),
        }
    }

    /// Opens a byte stream, with TLS for `wss`.
    ///
    /// # Errors
    /// As [`Self::websocket`].
    pub(crate) async fn stream(&self, target: &Target, private_ok: bool, traffic: Option<Arc<Traffic>>) -> Result<Stream, DialError> {
        self.stream_by(target, Reach::of_relay(private_ok), traffic, Instant::now() + self.wait).await
    }

    /// Opens a byte stream to a hook: with TLS anywhere, without it on this machine alone, whatever the name leads to.
    ///
    /// # Errors
    /// As [`Self::websocket`].
    pub(crate) async fn stream_to_hook(&self, target: &Target) -> Result<Stream, DialError> {
        let reach = if target.secure { Reach::Anywhere } else { Reach::ThisMachine };
        self.stream_by(target, reach, None, Instant::now() + self.wait).await
    }

    async fn stream_by(
        &self,
        target: &Target,
        reach: Reach,
        traffic: Option<Arc<Traffic>>,
        deadline: Instant,
    ) -> Result<Stream, DialError> {
        let addresses = within(deadline, "the name look-up", addresses(target, reach)).await??;
        let tcp = within(deadline, "the connection", first_to_connect(addresses)).await??;
        // Small frames must not wait for each other; a failure here costs delay alone.
        let _ = tcp.set_nodelay(true);
        let tcp = Metered::new(tcp, traffic.unwrap_or_default());
        if !target.secure {
            return Ok(MaybeTlsStream::Plain(tcp));
        }
        let name = target.server_name()?;
        let handshake = async { self.tls.connector().await.map_err(std::io::Error::other)?.connect(name, tcp).await };
        let stream = within(deadline, "TLS", Box::pin(handshake)).await?.map_err(DialError::Tls)?;
        Ok(MaybeTlsStream::Rustls(stream))
    }
}

/// The `Date` of an answer, where there is one that can be read.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

async fn within<T>(deadline: Instant, what: &'static str, work: impl Future<Output = T>) -> Result<T, DialError> {
    tokio::time::timeout_at(deadline, work).await.map_err(|_| DialError::TimedOut(what))
}

/// The addresses of a target that may be dialled, families taking turns.
async fn addresses(target: &Target, reach: Reach) -> Result<Vec<SocketAddr>, DialError> {
    let found: Vec<SocketAddr> = match &target.host {
        Host::Domain(name) => tokio::net::lookup_host((name.as_str(), target.port)).await.map_err(DialError::Lookup)?.collect(),
        Host::Ipv4(ip) => vec![(*ip, target.port).into()],
        Host::Ipv6(ip) => vec![(*ip, target.port).into()],
    };
    if found.is_empty() {
        return Err(DialError::Lookup(std::io::ErrorKind::NotFound.into()));
    }
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().filter(|found| reach.includes(found.ip())).partition(SocketAddr::is_ipv6);
    let mut turns: Vec<(usize, SocketAddr)> = v6.into_iter().enumerate().chain(v4.into_iter().enumerate()).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    let turns: Vec<SocketAddr> = turns.into_iter().map(|(_, address)| address).take(ADDRESSES_MAX).collect();
    match reach {
        _ if !turns.is_empty() => Ok(turns),
        Reach::ThisMachine => Err(DialError::Elsewhere),
        Reach::Public | Reach::Anywhere => Err(DialError::Private),
    }
}

/// Connects to the first address that answers; each has a head start before the next.
async fn first_to_connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
    let mut waiting = addresses.into_iter();
    let mut dials = FuturesUnordered::new();
    let mut failure = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            dials.push(TcpStream::connect(address));
        } else if dials.is_empty() {
            return Err(DialError::Connect(failure));
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some(dialled) = dials.next() => match dialled {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
}

#[cfg(test)]
mod tests;
