//! Stores with many messages and peers, made once through the contestants' own code, kept, and copied for each use.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use ocmesh_proto::{
    At, Change, Direction, EventId, Form, MessageRecord, PeerRecord, PeerSource, PeerStatus, PubKey, ReceiptsSent, RelayUrl, Status, Trust,
};
use ocmesh_store::{Store, StoreKey};

use crate::{
    contestant::{Places, Who},
    forge, say,
};

/// Rises when what is written here changes, so that kept stores are made anew.
const VERSION: u32 = 1;
/// Changes of one transaction.
const BATCH: u64 = 10_000;
/// Peers that messages come from.
const AUTHORS: u64 = 1_000;

/// A copy of a home with so many messages and peers, for one use.
pub(crate) async fn home(places: &Places, who: Who, messages: u64, peers: u64, name: &str) -> Result<PathBuf> {
    let kept = places.work.join("stores").join(format!("v{VERSION}-{}-{messages}-{peers}", who.kind()));
    if !kept.join("done").exists() {
        say::note(format!("    making a store of {messages} messages and {peers} peers for {}", who.kind()));
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        match who {
            Who::Ocmesh => fill_ours(places, &kept, messages, peers).await?,
            Who::NodeJs | Who::NodeWasm => fill_node(places, &kept, messages, peers)?,
            Who::RustLmdb | Who::RustBare => bail!("the bare client has no store of messages"),
        }
        fs::write(kept.join("done"), b"")?;
    }
    let home = places.fresh_home(name)?;
    for entry in fs::read_dir(&kept)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != "done" {
            fs::copy(entry.path(), home.join(entry.file_name()))?;
        }
    }
    Ok(home)
}

fn fill_node(places: &Places, home: &Path, messages: u64, peers: u64) -> Result<()> {
    let script = places.node.join("seed.mjs");
    let status = Command::new("node").arg(script).arg(home).args([messages.to_string(), peers.to_string()]).status()?;
    ensure!(status.success(), "seed.mjs ended with {status}");
    Ok(())
}

/// The daemon makes its home; then its store is filled as the daemon would fill it.
async fn fill_ours(places: &Places, home: &Path, messages: u64, peers: u64) -> Result<()> {
    let (running, _) = places.start(Who::Ocmesh, home, &["ws://127.0.0.1:9"]).await?;
    running.stop().await?;
    let key = StoreKey::from_hex(&fs::read_to_string(home.join("db.key")).context("the daemon made no db.key")?)?;
    let mut store = Store::open(&home.join("ocmesh.db"), &key)?;
    let now = forge::now();
    // An hour ago and on from there, a message every millisecond or so.
    let began = now.minus(3_600_000);
    in_batches(&mut store, peers, now, |n| Change::PutPeer(Box::new(peer(n, began))))?;
    in_batches(&mut store, messages, now, |n| Change::AddMessage(Box::new(message(n, began))))?;
    Ok(store.close()?)
}

fn in_batches(store: &mut Store, count: u64, now: At, change: impl Fn(u64) -> Change) -> Result<()> {
    let mut next = 0;
    while next < count {
        let end = count.min(next.saturating_add(BATCH));
        store.begin()?;
        for n in next..end {
            store.apply(&change(n), now)?;
        }
        store.commit()?;
        next = end;
    }
    Ok(())
}

/// The key of a made-up peer: spread over the whole space, as real keys are, by a multiplication that mixes (splitmix64).
fn spread(family: u64, n: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (part, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mut mixed =
            n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(family.wrapping_mul(0xD1B5_4A32_D192_ED03)).wrapping_add(part as u64);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    bytes
}

fn peer(n: u64, began: At) -> PeerRecord {
    let at = began.plus(n.checked_div(100).unwrap_or(0));
    let record = PeerRecord::new(PubKey::from_bytes(spread(1, n)), PeerSource::Presence, at);
    PeerRecord {
        name: Some(format!("agent {n}")),
        version: Some("0.3.0".to_owned()),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        forms: vec![Form::Nip17, Form::Nip04],
        status: PeerStatus::Online,
        presence_relays: RelayUrl::parse("wss://relay.example.com").into_iter().collect(),
        presence_at: at,
        lease_until: at,
        trust: if n < AUTHORS { Trust::Known } else { Trust::Unknown },
        ..record
    }
}

fn message(n: u64, began: At) -> MessageRecord {
    let id = EventId::from_bytes(spread(2, n));
    let at = began.plus(n.checked_div(1_000).unwrap_or(0));
    MessageRecord {
        id,
        direction: Direction::In,
        peer: PubKey::from_bytes(spread(1, n.checked_rem(AUTHORS).unwrap_or(0))),
        content: forge::text(n),
        kind: "text".to_owned(),
        form: Form::Nip17,
        written_at: at,
        stored_at: at,
        read_at: Some(at.plus(1)),
        thread: id,
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        receipts: ReceiptsSent { delivered: true, read: true },
    }
}

/// For everything a daemon does at its first start on a copied home to be over.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
