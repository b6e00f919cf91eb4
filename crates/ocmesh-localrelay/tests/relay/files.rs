//! Events on disk over restarts.

use std::{fs, io::Write as _};

use nostr::key::Keys;
use ocmesh_localrelay::{JournalError, LocalRelay, RelayOptions, StartError, Storage};

use crate::client::{Client, note};

#[tokio::test]
async fn events_survive_a_restart_and_a_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let options = || RelayOptions { storage: Storage::File(path.clone()), ..RelayOptions::default() };
    let keys = Keys::generate();
    let (kept, gone) = (note(&keys, "kept", &[]), note(&keys, "gone", &[]));

    let relay = LocalRelay::start(options()).await.unwrap();
    let mut client = Client::connect(relay.url()).await;
    client.publish(&kept).await;
    client.publish(&gone).await;
    // On an OK the event is in the file, before any stop.
    assert!(fs::read_to_string(&path).unwrap().contains(&gone.id.to_hex()));
    let delete = {
        use nostr::event::{EventBuilder, FinalizeEvent as _, Kind, Tag};
        EventBuilder::new(Kind::from_u16(5), "").tag(Tag::event(gone.id)).finalize(&keys).unwrap()
    };
    client.publish(&delete).await;
    relay.shutdown().await;

    // As a power cut may leave it.
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(br#"{"id":"torn"#).unwrap();
    let mut notes = vec![kept.id.to_hex()];
    for round in 0..3 {
        let relay = LocalRelay::start(options()).await.unwrap();
        let mut client = Client::connect(relay.url()).await;
        let mut stored = client.stored(r#"{"kinds":[1]}"#).await;
        stored.sort_unstable();
        assert_eq!(stored, notes, "round {round}");
        let fresh = note(&keys, &format!("round {round}"), &[]);
        client.publish(&fresh).await;
        notes.push(fresh.id.to_hex());
        notes.sort_unstable();
        relay.shutdown().await;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn one_file_serves_one_relay() {
    let dir = tempfile::tempdir().unwrap();
    let options = RelayOptions { storage: Storage::File(dir.path().join("events.jsonl")), ..RelayOptions::default() };
    let first = LocalRelay::start(options.clone()).await.unwrap();
    let error = LocalRelay::start(options.clone()).await.unwrap_err();
    assert!(matches!(error, StartError::Storage(JournalError::InUse(_))), "{error}");
    first.shutdown().await;
    LocalRelay::start(options).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let first = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let second = LocalRelay::start(RelayOptions { bind: first.local_addr(), ..RelayOptions::default() }).await;
    assert!(matches!(second, Err(StartError::Bind(..))));
}

/// Twelve thousand versions of one status leave one line.
#[tokio::test]
async fn history_is_tidied_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let keys = Keys::generate();
    let line = note(&keys, "again", &[]).as_json();
    let kept = note(&keys, "kept", &[]);
    let mut text = format!("{line}\n").repeat(12_000);
    text.push_str(&kept.as_json());
    fs::write(&path, text).unwrap();
    let options = RelayOptions { storage: Storage::File(path.clone()), ..RelayOptions::default() };
    let relay = LocalRelay::start(options.clone()).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    // The new file is the one written to, and the one locked.
    let mut client = Client::connect(relay.url()).await;
    client.publish(&note(&keys, "more", &[])).await;
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    assert!(LocalRelay::start(options).await.is_err());
}
