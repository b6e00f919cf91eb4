//! One client's websocket, the honest relay's behind it, and the faults between them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::broadcast,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    fault::Fault,
    serve::Shared,
    writer::{self, Out, Queue},
};

/// How exact faults with a rhythm are.
const TICK: Duration = Duration::from_millis(10);

/// Which events are never shown: one of so many, and always the same ones.
#[derive(Debug, Default)]
pub(crate) struct Withheld(Mutex<HashMap<String, bool>>);

impl Withheld {
    pub(crate) fn is(&self, id: &str, every: usize) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = known.len() + 1;
        *known.entry(id.to_owned()).or_insert(number.is_multiple_of(every.max(1)))
    }
}

pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) out: Queue,
    pub(crate) honest: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Open subscriptions with their filters.
    pub(crate) subs: BTreeMap<String, Vec<Value>>,
    /// Subscriptions whose EOSE went out before its time.
    pub(crate) early: BTreeSet<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) authenticated: bool,
    born: Instant,
    /// When each fault with a rhythm struck last.
    struck: BTreeMap<&'static str, Instant>,
}

/// Serves one client to the end.
pub(crate) async fn run(stream: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let (read, write) = stream.into_split();
    // Clients of a test may say what they like.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (honest, _) = connect_async_with_config(format!("ws://{}", shared.inner), Some(config), true).await?;
    // Answers of the library (pongs, closes) go nowhere: the writer speaks, or keeps silent.
    let client = WebSocketStream::from_raw_socket(tokio::io::join(read, tokio::io::sink()), Role::Server, Some(config)).await;
    let (out, queue) = Queue::new(shared.faults.clone());
    let born = Instant::now();
    let words = shared.words.subscribe();
    {
        let mut log = shared.log.write();
        log.connections += 1;
        log.open += 1;
    }
    let open = Open(Arc::clone(&shared));
    let writing = writer::run(write, queue, shared.faults.clone(), born);
    let mut link = Link {
        shared,
        out,
        honest,
        subs: BTreeMap::new(),
        early: BTreeSet::new(),
        challenge: None,
        authenticated: false,
        born,
        struck: BTreeMap::new(),
    };
    let talking = async move {
        // The link goes when talking ends, and with it the queue: then the writer ends too.
        link.talk(client, words).await
    };
    tokio::pin!(talking, writing);
    let ended = tokio::select! {
        // A conversation that ended well has its last words written, any other is cut.
        said = &mut talking => match said {
            Ok(()) => writing.await,
            Err(error) => Err(error),
        },
        wrote = &mut writing => wrote,
    };
    drop(open);
    ended
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.log.write().open -= 1;
    }
}

type Client = WebSocketStream<tokio::io::Join<OwnedReadHalf, tokio::io::Sink>>;

impl Link {
    async fn talk(&mut self, mut client: Client, mut words: broadcast::Receiver<String>) -> Result<()> {
        self.greet().await?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            writer::until_audible(&self.shared.faults, self.born).await;
            tokio::select! {
                message = client.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear_client(&text).await?,
                    Some(Ok(Message::Ping(payload))) => self.out.put(Out::Pong(payload.to_vec())).await?,
                    Some(Ok(Message::Close(_))) => return self.out.put(Out::Close).await,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => bail!("the client is gone"),
                },
                message = self.honest.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear_honest(&text).await?,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return self.out.put(Out::Close).await,
                },
                word = words.recv() => self.out.text(word?).await?,
                _ = tick.tick() => self.rhythm().await?,
            }
        }
    }

    /// To the honest relay.
    pub(crate) async fn forward(&mut self, frame: &Value) -> Result<()> {
        Ok(self.honest.send(Message::text(frame.to_string())).await?)
    }

    /// Sends a new challenge; the one before is void.
    pub(crate) async fn ask_who(&mut self) -> Result<()> {
        let challenge = ocmesh_localrelay::nip42::challenge()?;
        self.out.text(json!(["AUTH", challenge])).await?;
        self.challenge = Some(challenge);
        Ok(())
    }

    /// Closes a subscription on both sides.
    pub(crate) async fn close_sub(&mut self, sub: &str, why: &str) -> Result<()> {
        self.subs.remove(sub);
        self.out.text(json!(["CLOSED", sub, why])).await?;
        self.forward(&json!(["CLOSE", sub])).await
    }

    async fn greet(&mut self) -> Result<()> {
        for fault in self.shared.faults.all().iter() {
            match fault {
                Fault::AuthOnConnect => self.ask_who().await?,
                Fault::ChallengeFlood { n } => {
                    for _ in 0..*n {
                        self.ask_who().await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Faults that strike by the clock.
    async fn rhythm(&mut self) -> Result<()> {
        for fault in self.shared.faults.all().iter() {
            match fault {
                Fault::DropConnectionEvery(every) if self.born.elapsed() >= *every => bail!("cut, as told"),
                Fault::ClosedEvery(every) if self.is_due("closed", *every) > 0 => {
                    for sub in self.subs.keys().cloned().collect::<Vec<_>>() {
                        self.close_sub(&sub, "error: closed for no reason").await?;
                    }
                }
                Fault::NewChallengeEvery(every) if self.is_due("challenge", *every) > 0 => self.ask_who().await?,
                Fault::NoticeSpam { per_s } => {
                    let every = Duration::from_secs(1) / (*per_s).max(1);
                    for _ in 0..self.is_due("notice", every) {
                        self.out.text(json!(["NOTICE", "buy one, get one"])).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How often a rhythm is to strike now.
    fn is_due(&mut self, name: &'static str, every: Duration) -> u32 {
        let now = Instant::now();
        let last = self.struck.entry(name).or_insert(now);
        let mut times = 0;
        // A second's worth at most, however long the test machine slept.
        while *last + every <= now && times < 1_000 {
            *last += every;
            times += 1;
        }
        times
    }
}
