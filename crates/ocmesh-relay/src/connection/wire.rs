//! The websocket as one thing to wait on: reads, writes and flushes without one blocking the other.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Sink, Stream as _};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, error::CapacityError},
};

use crate::dial::Stream;

/// One websocket.
pub(super) struct Wire {
    socket: WebSocketStream<Stream>,
    unflushed: bool,
}

/// What the socket is ready for.
#[derive(Debug)]
pub(super) enum Turn {
    /// A message came.
    Read(Message),
    /// One message may be sent.
    Writable,
    /// The socket is no more, for this reason.
    Lost(String),
}

impl Wire {
    pub(super) fn new(socket: WebSocketStream<Stream>) -> Self {
        Self { socket, unflushed: false }
    }

    /// Waits until the socket can do what is wanted. Cancel-safe.
    pub(super) async fn turn(&mut self, read: bool, write: bool) -> Turn {
        poll_fn(|cx| self.poll_turn(cx, read, write)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, read: bool, write: bool) -> Poll<Turn> {
        if write {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Turn::Writable),
                Poll::Ready(Err(error)) => return Poll::Ready(Turn::Lost(why(&error))),
                Poll::Pending => {}
            }
        } else if self.unflushed {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Turn::Lost(why(&error))),
                Poll::Pending => {}
            }
        }
        if !read {
            return Poll::Pending;
        }
        match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(Turn::Read(message)),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Turn::Lost(why(&error))),
            Poll::Ready(None) => Poll::Ready(Turn::Lost("closed by the relay".to_owned())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sends one message after [`Turn::Writable`].
    pub(super) fn send(&mut self, message: Message) -> Result<(), String> {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(message).map_err(|error| why(&error))
    }

    /// Something was sent and has not left.
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Writes the rest, and a close frame behind it.
    pub(super) async fn close(&mut self) {
        // A failure means that the socket is closed already.
        let _ = self.socket.close(None).await;
    }
}

/// A socket's end in words.
fn why(error: &Error) -> String {
    let text = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "closed by the relay".to_owned(),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => "the relay sent a message that is too long".to_owned(),
        other => other.to_string(),
    };
    crate::text::clean(&text)
}
