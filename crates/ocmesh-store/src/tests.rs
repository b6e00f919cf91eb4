//! The store's tests, by what they prove; each works on a real encrypted file in a directory of its own.

mod at_rest;
mod atomic;
mod copy;
mod damage;
#[cfg(target_os = "linux")]
mod disk;
mod facts;
mod files;
mod full;
mod held;
mod invites;
mod lines;
#[cfg(unix)]
mod log;
mod pages;
mod plans;
mod prune;
mod round_trip;
mod tools;
mod wakes;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use ocmesh_proto::{
    At, Change, Direction, EventId, Form, Hop, HopState, MessageId, MessageRecord, Parcel, ParcelClass, PeerRecord, PeerSource, PubKey,
    ReceiptsSent, RelayUrl, RouteReason, SignedEvent, Status,
};

use crate::{Store, StoreKey};

/// A moment in 2026.
pub(crate) const NOW: At = At(1_790_000_000_000);

/// A directory that goes away, with a store in it.
pub(crate) struct Home {
    pub(crate) directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ocmesh.db")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path(), &key()).unwrap()
    }

    /// Every file of the directory with its bytes.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

pub(crate) fn key() -> StoreKey {
    StoreKey::from_bytes([0x5a; 32])
}

/// An id or key that is `n` in its last bytes and spread in its first ones, as real ones are.
pub(crate) fn bytes(n: u64) -> [u8; 32] {
    let mut out = [7u8; 32];
    let (head, tail) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), n.to_be_bytes());
    out[..8].copy_from_slice(&head);
    out[24..].copy_from_slice(&tail);
    out
}

pub(crate) fn id(n: u64) -> EventId {
    EventId::from_bytes(bytes(n))
}

pub(crate) fn peer_key(n: u64) -> PubKey {
    PubKey::from_bytes(bytes(n))
}

pub(crate) fn relay(n: u64) -> RelayUrl {
    RelayUrl::parse(&format!("wss://relay{n}.example.com")).unwrap()
}

pub(crate) fn inbound(n: u64, peer: u64, stored_at: At) -> MessageRecord {
    MessageRecord {
        id: id(n),
        direction: Direction::In,
        peer: peer_key(peer),
        content: format!("message {n}"),
        kind: "text".to_owned(),
        form: Form::Nip17,
        written_at: stored_at.minus(1_000),
        stored_at,
        read_at: None,
        thread: id(n),
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        receipts: ReceiptsSent::default(),
    }
}

pub(crate) fn outbound(n: u64, peer: u64, stored_at: At) -> MessageRecord {
    MessageRecord { direction: Direction::Out, status: Status::Queued, ..inbound(n, peer, stored_at) }
}

pub(crate) fn peer(n: u64, last_seen: At) -> PeerRecord {
    PeerRecord { name: Some(format!("Peer {n}")), last_seen, ..PeerRecord::new(peer_key(n), PeerSource::Presence, last_seen) }
}

pub(crate) fn parcel(message: u64, class: ParcelClass, event: u64) -> Parcel {
    Parcel {
        work: 0,
        message: id(message),
        class,
        to: peer_key(1),
        form: Form::Nip17,
        event: id(event),
        kind: 1059,
        wrapped_at: NOW,
        queued_at: NOW,
        expires_at: NOW.plus(1_000_000),
        why: RouteReason::DmRelayList,
        hops: vec![Hop { relay: relay(1), state: HopState::Waiting { tries: 0, next_at: NOW, last_error: None } }],
        resend: None,
    }
}

pub(crate) fn sealed(message: u64, event: u64) -> Change {
    let json = format!("{{\"event\":{event}}}").into();
    Change::PutSealed { message: id(message), event: SignedEvent { id: id(event), kind: 1059, json } }
}

pub(crate) fn rumor(message: u64) -> Change {
    Change::PutRumor { message: id(message), json: format!("{{\"rumor\":{message}}}").into() }
}

/// Runs `look` with 0, 1, 2 and so on, while another thread calls `writes` so, until there were `count` writes and ten looks.
pub(crate) fn while_writing(count: u64, mut writes: impl FnMut(u64) + Send, mut look: impl FnMut(u64)) {
    /// Ends the writing also when a look panics.
    struct Ended<'a>(&'a AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (ended, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let over = Ended(&ended);
        let writer = scope.spawn(|| {
            for n in (0..).take_while(|_| !ended.load(Ordering::Relaxed)) {
                writes(n);
                written.store(n, Ordering::Relaxed);
            }
        });
        for n in (0..).take_while(|n| *n < 10 || written.load(Ordering::Relaxed) < count) {
            look(n);
            assert!(!writer.is_finished(), "the writer failed");
        }
        drop(over);
    });
}

/// Writes changes in one committed transaction at [`NOW`].
pub(crate) fn write(store: &mut Store, changes: &[Change]) {
    write_at(store, NOW, changes);
}

pub(crate) fn write_at(store: &mut Store, now: At, changes: &[Change]) {
    store.begin().unwrap();
    for change in changes {
        store.apply(change, now).unwrap();
    }
    store.commit().unwrap();
}

pub(crate) fn add(record: MessageRecord) -> Change {
    Change::AddMessage(Box::new(record))
}

pub(crate) fn put_peer(record: PeerRecord) -> Change {
    Change::PutPeer(Box::new(record))
}

pub(crate) fn put_parcel(parcel: Parcel) -> Change {
    Change::PutParcel(Box::new(parcel))
}

pub(crate) fn drop_parcel(message: u64, class: ParcelClass) -> Change {
    Change::DropParcel { message: id(message), class }
}

pub(crate) fn set_status(message: MessageId, status: Status) -> Change {
    Change::SetStatus { id: message, status }
}
