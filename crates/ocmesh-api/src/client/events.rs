//! The stream of server-sent events, read line by line with bounds. It does not reconnect: the caller does, with `last_id`.

use std::{io, time::Duration};

use http_body_util::BodyExt;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::{
    ClientError,
    carry::CarriedBody,
    connection::{Answer, Ask, Driver, Line, begin},
    refusal,
};
use crate::Event;

/// The daemon sends a heartbeat every 15 s: after three missing ones it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Largest event. A message of 128 KiB may grow sixfold when every character is escaped.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Events as they come. Dropping it closes the connection.
pub struct EventStream {
    body: CarriedBody,
    _driver: Option<Driver>,
    parser: Parser,
    last_id: Option<u64>,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

impl EventStream {
    pub(super) async fn open(line: &Line, ask: Ask, limit: Duration) -> Result<Self, ClientError> {
        let last_id = ask.after;
        timeout(limit, async {
            let (response, driver) = begin(line, ask).await?;
            let status = response.status().as_u16();
            if status != 200 {
                let body = http_body_util::Limited::new(response.into_body(), EVENT_BYTES_MAX).collect().await;
                let body = body.map_err(io::Error::other).map_err(ClientError::Io)?.to_bytes();
                return Err(refusal(&Answer { status, next: None, body }));
            }
            Ok(Self { body: response.into_body(), _driver: driver, parser: Parser::default(), last_id })
        })
        .await
        .map_err(|_| ClientError::Io(io::ErrorKind::TimedOut.into()))?
    }

    /// The next event; `None` when the daemon closed the stream. Cancel safe.
    ///
    /// # Errors
    /// The connection broke or fell silent, or an event does not fit this version: open a new stream after [`Self::last_id`].
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            while let Some(raw) = self.parser.take().map_err(ClientError::Io)? {
                if let Some(id) = raw.id {
                    self.last_id = Some(id);
                }
                if let Some(event) = Event::parse(&raw.name, &raw.data).map_err(ClientError::Decode)? {
                    return Ok(Some(event));
                }
            }
            let frame = timeout(SILENCE_MAX, self.body.frame()).await.map_err(|_| ClientError::Io(io::ErrorKind::TimedOut.into()))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(ClientError::Io(error)),
                Some(Ok(frame)) => self.parser.feed(&frame.into_data().unwrap_or_else(|_| Bytes::new())),
            }
        }
    }

    /// The number of the last event seen.
    #[must_use]
    pub const fn last_id(&self) -> Option<u64> {
        self.last_id
    }
}

/// One event, unread.
#[derive(Debug, Default, PartialEq, Eq)]
struct Raw {
    id: Option<u64>,
    name: String,
    data: String,
}

/// Splits the stream into events (the HTML standard's event stream format, as far as our daemon uses it).
#[derive(Debug, Default)]
struct Parser {
    pending: Vec<u8>,
    event: Raw,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole event; `None` when more bytes are needed.
    fn take(&mut self) -> io::Result<Option<Raw>> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.pending.drain(..=end).collect();
            line.truncate(end);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                // Without data it is no event, but its number counts all the same.
                if !event.data.is_empty() || event.id.is_some() {
                    return Ok(Some(event));
                }
                continue;
            }
            self.field(&String::from_utf8_lossy(&line));
        }
        if self.pending.len().saturating_add(self.event.data.len()) > EVENT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too large"));
        }
        Ok(None)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.event.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments (heartbeats), `retry`, and what a newer daemon may add.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_any_pieces() {
        let stream = b": hello\nid: 6\n\nid: 7\nevent: peer\ndata: {\"a\":1}\n\nid:8\r\ndata:x\r\ndata: y\r\n\r\n";
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for byte in stream {
            parser.feed(&[*byte]);
            events.extend(parser.take().unwrap());
        }
        assert_eq!(
            events,
            [
                Raw { id: Some(6), name: String::new(), data: String::new() },
                Raw { id: Some(7), name: "peer".to_owned(), data: "{\"a\":1}".to_owned() },
                Raw { id: Some(8), name: String::new(), data: "x\ny".to_owned() }
            ]
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        parser.feed(&vec![b'a'; EVENT_BYTES_MAX + 1]);
        assert!(parser.take().is_err());
    }
}
