//! One POST to a place that the owner named: dialled like a relay, no redirects, certificates checked, every part of the answer bounded.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use url::{Host, Url};

use crate::{
    Tuning,
    dial::{self, Dialer, Target},
    text::clean,
};

/// Headers of an answer in bytes: a few hundred are usual.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Of the answer's body so much is read, to say what went wrong.
const BODY_BYTES_MAX: usize = 4 << 10;

/// Where a hook listens: `https://`, or `http://` on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

/// Why an address is not one of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookUrlError {
    /// Not an address at all, or one with another scheme.
    #[error("it is no http:// or https:// address")]
    NotHttp,
    /// What is sent could be read on the way.
    #[error("http:// is for this machine alone (127.0.0.1, [::1] or localhost); elsewhere it must be https://")]
    InTheClear,
    /// A name or a password would end up in logs.
    #[error("it holds a name or a password")]
    Credentials,
    /// A query or fragment.
    #[error("it has a query or a fragment")]
    Query,
}

impl HookUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// See [`HookUrlError`].
    pub fn parse(text: &str) -> Result<Self, HookUrlError> {
        let url = Url::parse(text).map_err(|_| HookUrlError::NotHttp)?;
        let here = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(HookUrlError::NotHttp),
        };
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => return Err(HookUrlError::InTheClear),
            _ => return Err(HookUrlError::NotHttp),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HookUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(HookUrlError::Query);
        }
        Ok(Self(url))
    }

    /// The path, without a slash at its end: empty for the root.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// The same place with another path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        Self(url)
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// What a hook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks us to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of its body, cleaned and bounded.
    pub said: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Nothing was sent: there is no connection.
    #[error("{0}")]
    NoConnection(String),
    /// It was sent, in whole or in part, and the connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
}

/// Posts to hooks. The roots of TLS are loaded once.
pub struct HookClient(Dialer);

impl HookClient {
    /// A client that calls itself so.
    #[must_use]
    pub fn new(user_agent: String) -> Self {
        Self(Dialer::new(user_agent, &Tuning::default()))
    }

    /// Posts a JSON body and waits for the answer, all within `wait`.
    ///
    /// # Errors
    /// [`HookError`]; whether the hook saw the request is known for [`HookError::NoConnection`] alone.
    pub async fn post(&self, url: &HookUrl, headers: HeaderMap, json: String, wait: Duration) -> Result<HookAnswer, HookError> {
        let until = Instant::now() + wait;
        let (head, body) =
            tokio::time::timeout_at(until, self.exchange(url, headers, json)).await.map_err(|_| HookError::TimedOut(wait))??;
        // What it means is in the head; a body that drips or is huge changes nothing.
        let said = tokio::time::timeout_at(until, body.read()).await.unwrap_or_default();
        Ok(HookAnswer { status: head.status, retry_after: head.retry_after, said })
    }

    async fn exchange(&self, url: &HookUrl, mut headers: HeaderMap, json: String) -> Result<(Head, Body), HookError> {
        let no_connection = |error: dial::DialError| HookError::NoConnection(error.why());
        let target = Target::of_hook(url.0.clone()).map_err(no_connection)?;
        let stream = self.0.stream_to_hook(&target).await.map_err(no_connection)?;
        let broken = |error: hyper::Error| HookError::Broken(clean(&error.to_string()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in [(header::HOST, target.authority()), (header::USER_AGENT, self.0.user_agent().to_owned())] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        let mut request = Request::new(Full::new(Bytes::from(json)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path().parse().map_err(|_| HookError::NoConnection("not an address".to_owned()))?;
        *request.headers_mut() = headers;
        let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(broken)?;
        // Ends with the exchange: whoever drops the body drops the connection.
        let connection = Driven(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(broken)?;
        let head = Head { status: response.status().as_u16(), retry_after: retry_after(response.headers()) };
        Ok((head, Body { body: response.into_body(), _sender: sender, _connection: connection }))
    }
}

struct Head {
    status: u16,
    retry_after: Option<Duration>,
}

struct Body {
    body: Incoming,
    _sender: http1::SendRequest<Full<Bytes>>,
    _connection: Driven,
}

impl Body {
    async fn read(self) -> String {
        match Limited::new(self.body, BODY_BYTES_MAX).collect().await {
            Ok(body) => clean(&String::from_utf8_lossy(&body.to_bytes())),
            Err(_) => String::new(),
        }
    }
}

/// The task that moves a connection's bytes, for as long as somebody wants them.
struct Driven(tokio::task::JoinHandle<Result<(), hyper::Error>>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `Retry-After` in seconds, or as a date beside the date of the answer itself, so that no clock but the hook's counts.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(secs) = text.parse() {
        return Some(Duration::from_secs(secs));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(dial::date(headers)?).ok()
}

#[cfg(test)]
mod tests;
