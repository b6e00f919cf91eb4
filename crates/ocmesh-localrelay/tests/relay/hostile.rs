//! Clients that do not behave.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use nostr::key::Keys;
use ocmesh_localrelay::{Limits, LocalRelay, RelayOptions};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, note};

#[tokio::test]
async fn a_message_over_the_cap_ends_the_connection_only() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let mut good = Client::connect(relay.url()).await;
    let mut bad = Client::connect(relay.url()).await;
    bad.say(&"x".repeat(400_000)).await;
    assert_eq!(bad.hear().await.unwrap()[0], "NOTICE", "within the cap: nonsense, answered");
    let _ = bad.socket.send(Message::text("x".repeat(600_000))).await;
    while bad.hear().await.is_some() {}
    assert_eq!(good.stored("{}").await, [""; 0]);
}

#[tokio::test]
async fn binary_messages_get_a_notice() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let mut client = Client::connect(relay.url()).await;
    client.socket.send(Message::binary(vec![0xff, 0xfe])).await.unwrap();
    assert_eq!(client.hear().await.unwrap()[0], "NOTICE");
}

/// A reader that stops reading is cut off; the others get everything meanwhile.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let limits = Limits { events_max: 50, write_ms_max: 500, ..Limits::default() };
    let relay = LocalRelay::start(RelayOptions { limits, ..RelayOptions::default() }).await.unwrap();
    let mut stuck = Client::connect(relay.url()).await;
    stuck.say(r#"["REQ","s",{"kinds":[1]}]"#).await;
    assert_eq!(stuck.hear().await.unwrap()[0], "EOSE");
    let mut reader = Client::connect(relay.url()).await;
    reader.say(r#"["REQ","s",{"kinds":[1]}]"#).await;
    assert_eq!(reader.hear().await.unwrap()[0], "EOSE");

    let keys = Keys::generate();
    let mut writer = Client::connect(relay.url()).await;
    let content = "x".repeat(100_000);
    // Socket buffers swallow some megabytes; then a write gets stuck.
    let flood = async {
        let mut n = 0;
        while relay.stats().connections == 3 {
            let event = note(&keys, &format!("{n}{content}"), &[]);
            assert_eq!(writer.publish(&event).await[2], true);
            let heard = reader.hear().await.expect("the reader is served");
            assert_eq!(heard[2]["id"], event.id.to_hex());
            n += 1;
        }
    };
    timeout(Duration::from_secs(60), flood).await.expect("the stuck client is never cut off");
    while stuck.socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(relay.stats().subscriptions, 1, "its subscription is gone too");
}
