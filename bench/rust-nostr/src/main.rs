//! A bare `nostr-sdk` client: it knows who announced itself, opens messages and answers each with a receipt. With `REFERENCE_STORE=lmdb` it
//! keeps what relays bring in the SDK's own database, else nothing. Written to be measured against. It has no outbox, no Local API, no limits
//! against strangers: the three calls below are only what the laboratory needs to start it and to read its counts.

use std::{
    collections::HashMap,
    env,
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, patch, post},
};
use nostr_lmdb::NostrLMDB;
use nostr_sdk::prelude::*;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, broadcast::error::RecvError, mpsc},
};

/// Messages opened and answered at a time.
const AT_WORK_MAX: usize = 64;
const PRESENCE_BACK_S: u64 = 15 * 60;
const WRAPS_BACK_S: u64 = 3 * 24 * 3600;
const RECEIPT: u16 = 78;

/// What it knows of the others.
#[derive(Default)]
struct Known {
    /// The newest announcement of each agent: its name and its date.
    peers: Mutex<HashMap<PublicKey, (String, Timestamp)>>,
    /// Who gets receipts.
    trusted: Mutex<Vec<PublicKey>>,
    unread: AtomicU64,
}

/// The client with its key.
struct Agent {
    client: Client,
    keys: Keys,
    known: Known,
}

impl Agent {
    fn presence(&self, event: &Event) {
        let tag = |name: &str| event.tags.iter().find(|tag| tag.kind() == TagKind::custom(name)).and_then(Tag::content);
        if tag("app") != Some("ocmesh") || event.pubkey == self.keys.public_key() {
            return;
        }
        let mut peers = self.known.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = peers.get(&event.pubkey).is_none_or(|(_, at)| *at < event.created_at);
        if newest {
            peers.insert(event.pubkey, (tag("name").unwrap_or_default().to_owned(), event.created_at));
        }
    }

    async fn message(&self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        let private = event.kind == Kind::GiftWrap;
        let (from, id, content) = if private {
            let UnwrappedGift { sender, mut rumor } = UnwrappedGift::from_gift_wrap(&self.keys, event).await?;
            (sender, rumor.id(), rumor.content)
        } else {
            (event.pubkey, event.id, nip04::decrypt(self.keys.secret_key(), &event.pubkey, &event.content)?)
        };
        if from == self.keys.public_key() || content.is_empty() {
            return Ok(());
        }
        if self.known.trusted.lock().unwrap_or_else(PoisonError::into_inner).contains(&from) {
            let receipt = json!({ "type": "delivered", "msgId": id, "ts": Timestamp::now().as_secs() * 1000, "v": "0.3.0" }).to_string();
            let answer = if private {
                let rumor =
                    EventBuilder::new(Kind::Custom(RECEIPT), receipt).tag(Tag::parse(["app", "ocmesh"])?).build(self.keys.public_key());
                EventBuilder::gift_wrap(&self.keys, &from, rumor, []).await?
            } else {
                let sealed = nip04::encrypt(self.keys.secret_key(), &from, receipt)?;
                EventBuilder::new(Kind::EncryptedDirectMessage, sealed).tag(Tag::public_key(from)).sign(&self.keys).await?
            };
            self.client.send_event(&answer).await?;
        }
        self.known.unread.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

async fn listen(agent: Arc<Agent>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut notices = agent.client.notifications();
    agent.client.connect().await;
    let (now, me) = (Timestamp::now(), agent.keys.public_key());
    let presence = Filter::new().kinds([Kind::TextNote, Kind::Custom(31_337)]).hashtag("ocmesh").since(now - PRESENCE_BACK_S);
    agent.client.subscribe(presence, None).await?;
    for kind in [Kind::GiftWrap, Kind::EncryptedDirectMessage] {
        agent.client.subscribe(Filter::new().kind(kind).pubkey(me).since(now - WRAPS_BACK_S), None).await?;
    }
    // The SDK skips what is not taken at once: messages wait elsewhere.
    let taking = async {
        loop {
            match notices.recv().await {
                Ok(RelayPoolNotification::Event { event, .. }) => match event.kind {
                    Kind::GiftWrap | Kind::EncryptedDirectMessage => tell.send(event)?,
                    _ => agent.presence(&event),
                },
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(closed) => return Err(closed.into()),
            }
        }
    };
    let at_work = Arc::new(Semaphore::new(AT_WORK_MAX));
    let working = async {
        while let Some(event) = told.recv().await {
            let (permit, agent) = (Arc::clone(&at_work).acquire_owned().await?, Arc::clone(&agent));
            tokio::spawn(async move {
                // What cannot be opened is nobody's message.
                let _ = agent.message(&event).await;
                drop(permit);
            });
        }
        Ok(())
    };
    tokio::select! {
        ended = taking => ended,
        ended = working => ended,
    }
}

async fn status(State(agent): State<Arc<Agent>>) -> Json<Value> {
    let peers = agent.known.peers.lock().unwrap_or_else(PoisonError::into_inner).len();
    Json(
        json!({ "pubkey": agent.keys.public_key().to_hex(), "peer_count": peers, "unread_count": agent.known.unread.load(Ordering::Relaxed) }),
    )
}

async fn befriend(State(agent): State<Arc<Agent>>, Path(key): Path<String>) -> Json<Value> {
    let key = PublicKey::parse(&key).ok();
    agent.known.trusted.lock().unwrap_or_else(PoisonError::into_inner).extend(key);
    Json(json!({ "trusted": key.is_some() }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let var = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let keys = Keys::generate();
    let mut builder = Client::builder().signer(keys.clone());
    if var("REFERENCE_STORE").is_ok_and(|store| store == "lmdb") {
        builder = builder.database(NostrLMDB::open(format!("{}/lmdb", var("OCMESH_HOME")?))?);
    }
    let client = builder.build();
    for url in var("OCMESH_RELAYS")?.split(',') {
        client.add_relay(url).await?;
    }
    let agent = Arc::new(Agent { client, keys, known: Known::default() });
    let calls = Router::new()
        .route("/status", get(status))
        .route("/peers", post(|| async { Json(json!({})) }))
        .route("/peers/{key}", patch(befriend))
        .with_state(Arc::clone(&agent));
    let listener = TcpListener::bind(("127.0.0.1", var("OCMESH_API_PORT")?.parse()?)).await?;
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        served = async { axum::serve(listener, calls).await } => Ok(served?),
        ended = listen(agent) => ended,
        _ = term.recv() => Ok(()),
    }
}
