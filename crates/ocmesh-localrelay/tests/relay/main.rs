//! The relay over real sockets: many clients, plain HTTP, caps, restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod client;
mod files;
mod hostile;
mod http;

use client::{Client, note};
use nostr::{key::Keys, types::Timestamp};
use ocmesh_localrelay::{AuthMode, LocalRelay, RelayOptions};
use serde_json::json;

#[tokio::test]
async fn an_event_reaches_every_subscriber_once() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let mut readers = Vec::new();
    for n in 0..20 {
        let mut reader = Client::connect(relay.url()).await;
        reader.say(&format!(r##"["REQ","r{n}",{{"#t":["{}"]}}]"##, if n % 2 == 0 { "even" } else { "odd" })).await;
        assert_eq!(reader.hear().await, Some(json!(["EOSE", format!("r{n}")])));
        readers.push(reader);
    }
    assert_eq!((relay.stats().connections, relay.stats().subscriptions), (20, 20));
    let keys = Keys::generate();
    let mut writer = Client::connect(relay.url()).await;
    let mut sent = Vec::new();
    for n in 0..100 {
        let event = note(&keys, &n.to_string(), &[&["t", if n % 2 == 0 { "even" } else { "odd" }]]);
        assert_eq!(writer.publish(&event).await, json!(["OK", event.id.to_hex(), true, ""]));
        sent.push(event.id.to_hex());
    }
    for (n, reader) in readers.iter_mut().enumerate() {
        for id in sent.iter().skip(n % 2).step_by(2) {
            let frame = reader.hear().await.unwrap();
            assert_eq!((&frame[1], &frame[2]["id"]), (&json!(format!("r{n}")), &json!(id)));
        }
    }
    for reader in &mut readers {
        // Nothing more was queued: the next thing heard is the answer to the next question.
        reader.say(r#"["COUNT","done",{}]"#).await;
        assert_eq!(reader.hear().await, Some(json!(["COUNT", "done", { "count": 100 }])));
    }
    drop(readers);
    relay.shutdown().await;
    assert_eq!(writer.hear().await, None);
}

#[tokio::test]
async fn an_expired_event_is_gone() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let mut client = Client::connect(relay.url()).await;
    let soon = (Timestamp::now().as_secs() + 2).to_string();
    let event = note(&Keys::generate(), "", &[&["expiration", &soon]]);
    client.publish(&event).await;
    assert_eq!(client.stored("{}").await, [event.id.to_hex()]);
    let deadline = tokio::time::Instant::now() + client::PATIENCE;
    while relay.stats().events > 0 {
        assert!(tokio::time::Instant::now() < deadline, "never swept");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.stored("{}").await, [""; 0]);
}

#[tokio::test]
async fn authentication_over_a_socket() {
    let relay = LocalRelay::start(RelayOptions { auth: AuthMode::Required, ..RelayOptions::default() }).await.unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("ws://{host}:{}", relay.local_addr().port());
        let mut client = Client::connect(&url).await;
        let challenge = client.hear().await.unwrap()[1].as_str().unwrap().to_owned();
        client.say(r#"["REQ","s",{}]"#).await;
        assert!(client.hear().await.unwrap()[2].as_str().unwrap().starts_with("auth-required:"));
        let keys = Keys::generate();
        let tags = [vec!["relay", &url], vec!["challenge", &challenge]];
        let answer = {
            use nostr::event::{EventBuilder, FinalizeEvent as _, Kind, Tag};
            let tags = tags.into_iter().map(|tag| Tag::parse(tag).unwrap());
            EventBuilder::new(Kind::from_u16(22_242), "").tags(tags).finalize(&keys).unwrap()
        };
        client.say(&format!(r#"["AUTH",{}]"#, answer.as_json())).await;
        assert_eq!(client.hear().await, Some(json!(["OK", answer.id.to_hex(), true, ""])));
        client.say(r#"["REQ","s",{}]"#).await;
        assert_eq!(client.hear().await, Some(json!(["EOSE", "s"])));
    }
}
