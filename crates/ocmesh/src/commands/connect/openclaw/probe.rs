//! Whether the gateway takes our hook token: a wake without a text, which a gateway that knows the token refuses as such, and wakes nobody.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// A gateway reads its changed settings within seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(300);
/// One answer of a busy gateway.
const ANSWER: Duration = Duration::from_secs(5);
/// Enough for the first line.
const LINE_BYTES: u64 = 256;

/// What the gateway says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gateway {
    /// It knows the token.
    Ready,
    /// It runs and does not take the token.
    Refused,
    /// It runs without hooks.
    NoHooks,
    /// Nothing that answers.
    NotRunning,
}

impl Gateway {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Refused => "refused",
            Self::NoHooks => "no_hooks",
            Self::NotRunning => "not_running",
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Self::Ready => "Its gateway takes our hook token; messages of peers you accepted wake it.",
            Self::Refused => "Its gateway does not take the hook token.",
            Self::NoHooks => "Its gateway has not taken the new settings yet: restart it, then run this again to see.",
            Self::NotRunning => "Its gateway does not run now; wakes wait for it.",
        }
        .to_owned()
    }
}

/// Asks until it is ready, or clearly will not be.
pub(super) async fn probe(url: &str, token: &str) -> Gateway {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = match timeout(ANSWER, status(url, token)).await {
            Ok(Ok(Some(400))) => return Gateway::Ready,
            Ok(Ok(Some(401 | 403))) => Gateway::Refused,
            Ok(Ok(_)) => Gateway::NoHooks,
            Ok(Err(_)) => return Gateway::NotRunning,
            Err(_) => Gateway::NotRunning,
        };
        if Instant::now() >= end {
            return found;
        }
        sleep(PAUSE).await;
    }
}

/// The status of the answer to an empty wake.
async fn status(url: &str, token: &str) -> std::io::Result<Option<u16>> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').map_or((rest, "/hooks".to_owned()), |(host, path)| (host, format!("/{path}")));
    let mut stream = TcpStream::connect(host).await?;
    let request = zeroize::Zeroizing::new(format!(
        "POST {path}/wake HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    ));
    stream.write_all(request.as_bytes()).await?;
    code(stream).await
}

/// The code in the first line of an answer, which may come in pieces.
async fn code(answer: impl AsyncRead + Unpin) -> std::io::Result<Option<u16>> {
    let mut line = Vec::new();
    BufReader::new(answer).take(LINE_BYTES).read_until(b'\n', &mut line).await?;
    let code = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_in_pieces_is_read_whole_and_an_endless_one_is_not() {
        // Room for four bytes at a time.
        for (answer, expected) in
            [("HTTP/1.1 401 Unauthorized\r\n\r\n", Some(401)), ("HTTP/1.1 40", None), ("SSH-2.0\r\n", None), (&"x".repeat(10_000), None)]
        {
            let (ours, mut theirs) = tokio::io::duplex(4);
            let (code, _) = tokio::join!(code(ours), async {
                // Who reads no further has closed.
                let _ = theirs.write_all(answer.as_bytes()).await;
                drop(theirs);
            });
            assert_eq!(code.unwrap(), expected, "{answer:.20}");
        }
    }
}
