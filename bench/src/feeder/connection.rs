//! One connection of a feeding relay: the upgrade, then frames until either side goes.

use std::{collections::VecDeque, sync::atomic::Ordering};

use anyhow::{Context as _, Result, bail};
use ocmesh_proto::kind;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{broadcast, mpsc},
    time::Instant,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Corpus, Shared, Topic, frame};

/// Bytes of one write: as many frames as fit.
const WRITE_BYTES: usize = 64 * 1024;
/// Longest head of an upgrade.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Frames read and not yet acted on.
const HEARD_MAX: usize = 256;

/// What this relay says it is: it keeps NIP-40, as most relays do.
const INFO: &str = r#"{"name":"feeder","software":"ocmesh-bench","supported_nips":[1,11,40]}"#;

pub(super) async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let mut open = Connection { write, shared, subs: Vec::new(), people: Vec::new(), loads: VecDeque::new() };
    let head = read_head(&mut reader).await?;
    shared.read.fetch_add(head.len() as u64, Ordering::Relaxed);
    let Some(key) = header(&head, "sec-websocket-key") else {
        let length = INFO.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/nostr+json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{INFO}"
        );
        return open.write(answer.as_bytes()).await;
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade =
        format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n");
    open.write(upgrade.as_bytes()).await?;
    let mut live = shared.live.subscribe();
    let (tell, mut told) = mpsc::channel(HEARD_MAX);
    let reading = async {
        loop {
            let (heard, bytes) = frame::read(&mut reader).await?;
            shared.read.fetch_add(bytes, Ordering::Relaxed);
            if tell.send(heard).await.is_err() {
                return anyhow::Ok(());
            }
        }
    };
    let writing = async {
        loop {
            // What the contestant says goes first: a relay answers while it brings events.
            tokio::select! {
                biased;
                Some(heard) = told.recv() => open.heard(heard).await?,
                news = live.recv() => match news {
                    Ok((topic, corpus)) => open.take_live(topic, corpus),
                    Err(broadcast::error::RecvError::Lagged(missed)) => bail!("{missed} feeds were missed"),
                    Err(broadcast::error::RecvError::Closed) => return anyhow::Ok(()),
                },
                () = std::future::ready(()), if !open.loads.is_empty() => open.bring().await?,
            }
        }
    };
    tokio::select! {
        done = reading => done,
        done = writing => done,
    }
}

async fn read_head(reader: &mut BufReader<OwnedReadHalf>) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        head.push(reader.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

struct Connection<'a> {
    write: OwnedWriteHalf,
    shared: &'a Shared,
    /// Open subscriptions with a topic.
    subs: Vec<(String, Topic)>,
    /// Keys that subscribed to gift wraps here.
    people: Vec<String>,
    /// What is being brought.
    loads: VecDeque<Load>,
}

/// Events on their way to a subscription.
struct Load {
    sub: String,
    corpus: Corpus,
    next: usize,
    /// They are stored ones: say EOSE after them.
    is_stored: bool,
}

impl Connection<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.shared.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(self.write.write_all(bytes).await?)
    }

    async fn say(&mut self, text: &str) -> Result<()> {
        let mut out = Vec::new();
        frame::write_text(&mut out, &[text]);
        self.write(&out).await
    }

    async fn heard(&mut self, heard: frame::Heard) -> Result<()> {
        match heard {
            frame::Heard::Text(text) => self.command(&text).await,
            frame::Heard::Ping(payload) => {
                let mut out = Vec::new();
                frame::write_pong(&mut out, &payload);
                self.write(&out).await
            }
            frame::Heard::Other => Ok(()),
            frame::Heard::Close => bail!("the contestant closed"),
        }
    }

    async fn command(&mut self, text: &str) -> Result<()> {
        let frame: Value = serde_json::from_str(text)?;
        let parts = frame.as_array().context("a frame that is no array")?;
        let word = |at: usize| parts.get(at).and_then(Value::as_str);
        match (word(0), word(1)) {
            (Some("REQ"), Some(sub)) => self.request(sub, parts.get(2..).unwrap_or_default()).await,
            (Some("CLOSE"), Some(sub)) => {
                self.end(sub);
                Ok(())
            }
            (Some("EVENT"), _) => self.event(parts.get(1).context("an EVENT without an event")?, text).await,
            _ => Ok(()),
        }
    }

    async fn request(&mut self, sub: &str, filters: &[Value]) -> Result<()> {
        if let Some(topic) = Topic::of(filters) {
            self.end(sub);
            self.subs.push((sub.to_owned(), topic));
            if topic == Topic::Wraps {
                self.people.extend(filters.iter().filter_map(|filter| filter.get("#p")?.get(0)?.as_str().map(ToOwned::to_owned)));
            }
            if let Some(corpus) = self.shared.stored(topic) {
                self.shared.began.get_or_init(Instant::now);
                self.loads.push_back(Load { sub: sub.to_owned(), corpus, next: 0, is_stored: true });
                return Ok(());
            }
        }
        self.say(&json!(["EOSE", sub]).to_string()).await
    }

    /// A subscription is over, and what was on its way to it.
    fn end(&mut self, sub: &str) {
        self.subs.retain(|(open, _)| open != sub);
        self.loads.retain(|load| load.sub != sub);
    }

    /// Takes an event; a wrap to somebody who subscribed here is brought, as a contestant may test its inbox with one.
    async fn event(&mut self, event: &Value, text: &str) -> Result<()> {
        let id = event.get("id").and_then(Value::as_str).context("an event without an id")?;
        self.say(&json!(["OK", id, true, ""]).to_string()).await?;
        let is_wrap = event.get("kind").and_then(Value::as_u64) == Some(u64::from(kind::GIFT_WRAP));
        if is_wrap && self.people.iter().any(|key| text.contains(&format!("[\"p\",\"{key}\"]"))) {
            let sub = self.subs.iter().find(|(_, topic)| *topic == Topic::Wraps).map(|(sub, _)| sub.clone());
            if let Some(sub) = sub {
                self.say(&json!(["EVENT", sub, event]).to_string()).await?;
            }
        }
        Ok(())
    }

    fn take_live(&mut self, topic: Topic, corpus: Corpus) {
        if let Some((sub, _)) = self.subs.iter().find(|(_, of)| *of == topic) {
            self.loads.push_back(Load { sub: sub.clone(), corpus, next: 0, is_stored: false });
        }
    }

    /// Brings as many events as one write holds.
    async fn bring(&mut self) -> Result<()> {
        let Some(load) = self.loads.front_mut() else { return Ok(()) };
        let begin = format!("[\"EVENT\",{},", json!(load.sub));
        let mut out = Vec::with_capacity(WRITE_BYTES.saturating_mul(2));
        while let Some(event) = load.corpus.get(load.next).filter(|_| out.len() < WRITE_BYTES) {
            frame::write_text(&mut out, &[&begin, event, "]"]);
            load.next = load.next.saturating_add(1);
        }
        if load.next >= load.corpus.len() {
            if load.is_stored {
                frame::write_text(&mut out, &[&json!(["EOSE", load.sub]).to_string()]);
            }
            self.loads.pop_front();
        }
        self.write(&out).await
    }
}
