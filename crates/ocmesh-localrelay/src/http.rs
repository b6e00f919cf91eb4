//! The head of an HTTP request, and the few answers a relay gives without a websocket.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

/// Longer heads belong to no Nostr client.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Time for a client to send its head.
const HEAD_SECONDS_MAX: u64 = 10;

/// The bytes of a request's head, and whatever came with them.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A websocket.
    Upgrade,
    /// The NIP-11 document.
    Info,
    /// A browser asks whether it may ask for the document.
    Preflight,
    /// A person with a browser.
    Page,
    /// Something else.
    Other,
}

impl Head {
    /// Reads up to the empty line.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let read = async {
            let mut bytes = Vec::with_capacity(1024);
            while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                if bytes.len() >= HEAD_BYTES_MAX {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                }
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
            }
            Ok(Self { bytes })
        };
        timeout(Duration::from_secs(HEAD_SECONDS_MAX), read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    pub(crate) fn request(&self) -> Request {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut lines = text.split("\r\n");
        let method = lines.next().unwrap_or_default().split(' ').next().unwrap_or_default();
        let header = |wanted: &str| {
            let fields = lines.clone().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
            fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_ascii_lowercase()).next()
        };
        match method {
            "GET" if header("upgrade").is_some_and(|value| value == "websocket") => Request::Upgrade,
            "GET" if header("accept").is_some_and(|value| value.contains("application/nostr+json")) => Request::Info,
            "GET" => Request::Page,
            "OPTIONS" => Request::Preflight,
            _ => Request::Other,
        }
    }
}

/// "Relays MUST accept CORS requests" for the document, says NIP-11. Nothing else gets these headers.
const CORS: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: Accept\r\nAccess-Control-Allow-Methods: GET\r\n";

pub(crate) fn info(document: &str) -> String {
    response("200 OK", "application/nostr+json", CORS, document)
}

pub(crate) fn preflight() -> String {
    response("204 No Content", "text/plain", CORS, "")
}

pub(crate) fn page(name: &str) -> String {
    let body = format!("{name}\n\nThis is a Nostr relay. Give its address to a Nostr client: ws:// and then the same host and port.\n");
    response("200 OK", "text/plain; charset=utf-8", "", &body)
}

pub(crate) fn not_allowed() -> String {
    response("405 Method Not Allowed", "text/plain; charset=utf-8", "Allow: GET, OPTIONS\r\n", "only GET\n")
}

pub(crate) fn full() -> String {
    response("503 Service Unavailable", "text/plain; charset=utf-8", "Retry-After: 30\r\n", "too many connections\n")
}

fn response(status: &str, content_type: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        for (head, wanted) in [
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUPGRADE: WebSocket\r\n\r\n", Request::Upgrade),
            ("GET / HTTP/1.1\r\naccept: text/html, application/nostr+json\r\n\r\n", Request::Info),
            ("GET / HTTP/1.1\r\n\r\nAccept: application/nostr+json\r\n", Request::Page),
            ("OPTIONS / HTTP/1.1\r\n\r\n", Request::Preflight),
            ("POST / HTTP/1.1\r\n\r\n", Request::Other),
            ("\u{0}\r\n\r\n", Request::Other),
        ] {
            assert_eq!(Head { bytes: head.as_bytes().to_vec() }.request(), wanted, "{head}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let endless = "GET / HTTP/1.1\r\n".repeat(10_000);
        let error = Head::read(&mut endless.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
