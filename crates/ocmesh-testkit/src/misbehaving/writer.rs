//! Writes websocket frames by hand, so that slow, silent, huge and broken ones can be written too.

use std::time::Duration;

use anyhow::Result;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::fault::{Fault, Faults};

/// Frames waiting for a client. When full, the connection waits, as TCP would.
const QUEUE_MAX: usize = 1_024;
/// Slow writing goes in so many portions a second.
const PORTIONS_PER_S: usize = 20;

/// Something to write.
#[derive(Debug)]
pub(crate) enum Out {
    Text(String),
    Pong(Vec<u8>),
    Close,
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// `head`, then `unit` so many times, then `tail`.
    Fill {
        head: Vec<u8>,
        unit: &'static [u8],
        times: u64,
        tail: &'static [u8],
    },
}

/// The way to a client's writer.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<(Instant, Out)>,
    faults: Faults,
}

impl Queue {
    pub(crate) fn new(faults: Faults) -> (Self, mpsc::Receiver<(Instant, Out)>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { sender, faults }, receiver)
    }

    pub(crate) async fn put(&self, out: Out) -> Result<()> {
        let latency = self.faults.find(|fault| if let Fault::Latency(span) = fault { Some(*span) } else { None });
        let due = Instant::now() + latency.unwrap_or_default();
        Ok(self.sender.send((due, out)).await?)
    }

    pub(crate) async fn text(&self, text: impl ToString) -> Result<()> {
        self.put(Out::Text(text.to_string())).await
    }
}

/// Whether a connection of this age is to be dead to the world.
pub(crate) fn is_silent(faults: &Faults, born: Instant) -> bool {
    faults
        .find(|fault| match fault {
            Fault::AcceptThenSilent => Some(true),
            Fault::Blackhole(after) => (born.elapsed() >= *after).then_some(true),
            _ => None,
        })
        .unwrap_or(false)
}

/// Comes back when the connection is alive (again).
pub(crate) async fn until_audible(faults: &Faults, born: Instant) {
    let mut changes = faults.watch();
    while is_silent(faults, born) {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Writes until the queue is closed or the client is gone.
pub(crate) async fn run(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<(Instant, Out)>,
    faults: Faults,
    born: Instant,
) -> Result<()> {
    while let Some((due, out)) = queue.recv().await {
        sleep_until(due).await;
        until_audible(&faults, born).await;
        let last = matches!(out, Out::Close);
        match out {
            Out::Text(text) => write(&mut stream, &frame(0x81, text.as_bytes()), &faults).await?,
            Out::Pong(payload) => write(&mut stream, &frame(0x8a, &payload), &faults).await?,
            Out::Close => write(&mut stream, &frame(0x88, &1000_u16.to_be_bytes()), &faults).await?,
            Out::Raw(bytes) => write(&mut stream, &bytes, &faults).await?,
            Out::Fill { head, unit, times, tail } => {
                write(&mut stream, &head, &faults).await?;
                let per_chunk = (64 * 1024 / unit.len().max(1)).max(1);
                let mut left = times;
                while left > 0 {
                    let now = left.min(per_chunk as u64);
                    write(&mut stream, &unit.repeat(usize::try_from(now)?), &faults).await?;
                    left -= now;
                }
                write(&mut stream, tail, &faults).await?;
            }
        }
        stream.flush().await?;
        if last {
            break;
        }
    }
    Ok(stream.shutdown().await?)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8], faults: &Faults) -> Result<()> {
    let rate = || faults.find(|fault| if let Fault::Slow { bytes_per_s } = fault { Some((*bytes_per_s).max(1)) } else { None });
    while !bytes.is_empty() {
        let Some(rate) = rate() else { return Ok(stream.write_all(bytes).await?) };
        let (portion, rest) = bytes.split_at((rate / PORTIONS_PER_S).clamp(1, bytes.len()));
        stream.write_all(portion).await?;
        bytes = rest;
        let pause = Duration::from_secs_f64(portion.len() as f64 / rate as f64);
        let mut changes = faults.watch();
        // A lifted fault is felt at once.
        let _ = timeout_at(Instant::now() + pause, async {
            while changes.changed().await.is_ok() {
                if faults.find(|fault| matches!(fault, Fault::Slow { .. }).then_some(())).is_none() {
                    return;
                }
            }
            sleep(pause).await;
        })
        .await;
    }
    Ok(())
}

/// The header of an unmasked frame (RFC 6455, section 5.2).
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => bytes.push(short),
        (_, Ok(medium)) => {
            bytes.push(126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}
