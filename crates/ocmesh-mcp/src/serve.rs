//! Runs the server over a pair of streams until the caller closes its end. Nothing but the protocol is ever written.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use rmcp::{ServiceExt as _, service::ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{channel, mesh::Mesh, server::MeshServer};

/// Why the server ended other than by its caller's wish.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What came first was no MCP greeting.
    #[error("the caller does not speak MCP")]
    Greeting(#[source] Box<ServerInitializeError>),
    /// A fault of ours.
    #[error("the server stopped")]
    Stopped(#[source] tokio::task::JoinError),
}

/// What is said to the caller without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// Nothing.
    Off,
    /// Over a channel of Claude Code, that something is unread (preview).
    ClaudeChannel,
}

/// Serves on standard input and output, for the daemon of `home`. Comes back when standard input ends.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(home: PathBuf, push: Push) -> Result<(), ServeError> {
    let (read, write) = rmcp::transport::stdio();
    serve_on(home, push, read, write).await
}

/// Serves on any pair of streams.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve_on<R, W>(home: PathBuf, push: Push, read: R, write: W) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let gone = CancellationToken::new();
    let is_channel = push == Push::ClaudeChannel;
    let mesh = Mesh::of_home(home.clone(), gone.clone());
    let server = MeshServer::of_home(home, gone.clone(), is_channel);
    let running = match server.serve((Listening { inner: read, gone }, write)).await {
        Ok(running) => running,
        // A caller that never said a word owes us none.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError::Greeting(Box::new(error))),
    };
    // Ends when the caller is gone, and with this task at the latest.
    let bell = is_channel.then(|| AbortOnDropHandle::new(tokio::spawn(channel::run(mesh, running.peer().clone()))));
    running.waiting().await.map_err(ServeError::Stopped)?;
    drop(bell);
    Ok(())
}

/// A reader that tells at once when its other end is closed, so that calls that wait end too.
struct Listening<R> {
    inner: R,
    gone: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for Listening<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let ended = match &polled {
            Poll::Ready(Ok(())) => buf.filled().len() == before && buf.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.gone.cancel();
        }
        polled
    }
}
