//! An event that comes in and goes no further.

use std::{hint::black_box, sync::Arc};

use ocmesh_daemon::engine::benching::Opener;
use ocmesh_relay::PoolEvent;
use ocmesh_wire::{OpenError, event_head, open};

use super::{NIP17, NOW, PRESENCE, Work, keys, ready};

/// A presence that is over: it is read and its proof is checked, and that is all.
pub(super) fn checked() -> Work {
    let (keys, later) = (keys(2), NOW.plus(86_400_000));
    ready(move || assert_eq!(black_box(open(&keys, black_box(PRESENCE), later)), Err(OpenError::Expired)))
}

/// One word is another one: the hash shows it, and no signature is checked.
pub(super) fn forged() -> Work {
    let (keys, forged) = (keys(2), PRESENCE.replace("agent mesh", "agent mess"));
    ready(move || assert_eq!(black_box(open(&keys, black_box(&forged), NOW)), Err(OpenError::BadId)))
}

/// A message that one relay has brought, brought by another.
pub(super) fn duplicate() -> Work {
    let mut opener = Opener::new(keys(2), NOW);
    let head = event_head(NIP17).unwrap();
    let (sub, json): (Arc<str>, Arc<str>) = ("wraps".into(), NIP17.into());
    let from = move |relay: &str| PoolEvent::Event {
        relay: relay.into(),
        sub: Arc::clone(&sub),
        json: Arc::clone(&json),
        id: head.id.to_hex(),
        kind: head.kind,
        created_at: head.created_at.secs(),
    };
    assert!(opener.hear(from("wss://relay.example.com")));
    let again = from("wss://relay.example.org");
    ready(move || assert!(!opener.hear(black_box(again.clone()))))
}
