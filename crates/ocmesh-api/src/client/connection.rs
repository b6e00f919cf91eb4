//! One request on one connection, over the Unix socket or loopback TCP, or inside the process; bounded in time and size.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::{
    ClientError,
    carry::{CarriedRequest, CarriedResponse, Carry},
};
use crate::Endpoint;

/// Largest answer read. A page of 1,000 long messages is about 30 MiB at most.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A daemon on this machine accepts at once, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the daemon.
#[derive(Debug, Clone)]
pub(super) struct Line {
    endpoint: Endpoint,
    carry: Option<Arc<dyn Carry>>,
}

impl Line {
    pub(super) const fn dialled(endpoint: Endpoint) -> Self {
        Self { endpoint, carry: None }
    }

    pub(super) const fn carried(endpoint: Endpoint, carry: Arc<dyn Carry>) -> Self {
        Self { endpoint, carry: Some(carry) }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// A request to make.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) token: Option<String>,
    pub(super) after: Option<u64>,
}

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) next: Option<String>,
    pub(super) body: Bytes,
}

/// The task that drives a connection; ends with it.
pub(super) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes a request and reads the whole answer.
pub(super) async fn exchange(line: &Line, ask: Ask, limit: Duration) -> Result<Answer, ClientError> {
    timeout(limit, async {
        let (response, _driver) = begin(line, ask).await?;
        let status = response.status().as_u16();
        let next = response.headers().get(header::LINK).and_then(|value| value.to_str().ok()).and_then(next_cursor);
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(io::Error::other).map_err(ClientError::Io)?;
        Ok(Answer { status, next, body: body.to_bytes() })
    })
    .await
    .map_err(|_| ClientError::Io(io::ErrorKind::TimedOut.into()))?
}

/// Makes a request and reads the head of the answer.
pub(super) async fn begin(line: &Line, ask: Ask) -> Result<(CarriedResponse, Option<Driver>), ClientError> {
    let Line { endpoint, carry } = line;
    let mut request = Request::builder().method(ask.method).uri(ask.target).header(header::HOST, host(endpoint));
    if ask.body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(token) = ask.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(after) = ask.after {
        request = request.header("last-event-id", after);
    }
    let request = request.body(Full::new(Bytes::from(ask.body.unwrap_or_default()))).map_err(io::Error::other).map_err(ClientError::Io)?;
    if let Some(carry) = carry {
        return Ok((carry.carry(request).await, None));
    }
    #[cfg(unix)]
    if let Some(path) = &endpoint.socket {
        // No falling back to TCP: after a crash anybody may listen on the port, but only the owner in the home.
        return send(connect(tokio::net::UnixStream::connect(path)).await?, request).await;
    }
    send(connect(TcpStream::connect((endpoint.address.as_str(), endpoint.port))).await?, request).await
}

fn host(endpoint: &Endpoint) -> String {
    let Endpoint { address, port, .. } = endpoint;
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

async fn connect<S>(dial: impl Future<Output = io::Result<S>>) -> Result<S, ClientError> {
    match timeout(CONNECT_TIMEOUT, dial).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Err(ClientError::NotRunning)
        }
        Ok(Err(error)) => Err(ClientError::Io(error)),
        Err(_) => Err(ClientError::Io(io::ErrorKind::TimedOut.into())),
    }
}

async fn send<S>(stream: S, request: CarriedRequest) -> Result<(CarriedResponse, Option<Driver>), ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let other = |error: hyper::Error| ClientError::Io(io::Error::other(error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
    let driver = Driver(tokio::spawn(async move {
        // An error here reaches the caller through the response.
        let _ended = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(other)?;
    Ok((response.map(|body| body.map_err(io::Error::other).boxed_unsync()), Some(driver)))
}

/// The `cursor` in `Link: <…cursor=C>; rel="next"`. Cursors need no decoding: they are unreserved characters.
fn next_cursor(link: &str) -> Option<String> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    if !rest.contains("rel=\"next\"") {
        return None;
    }
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_link() {
        assert_eq!(next_cursor("</messages?limit=2&cursor=abc_-1>; rel=\"next\"").as_deref(), Some("abc_-1"));
        assert_eq!(next_cursor("</messages?cursor=abc>; rel=\"prev\""), None);
        assert_eq!(next_cursor("nonsense"), None);
    }
}
