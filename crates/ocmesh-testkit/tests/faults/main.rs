//! Each fault does what its name says, seen by a raw websocket client.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod auth;
mod bulk;
mod comparing;
mod events;
mod info;
mod oks;
mod subscriptions;
mod tcp;

use anyhow::Result;
use nostr::event::Event;
use ocmesh_testkit::{RawClient, fixture};
use serde_json::{Value, json};

/// A note nobody else wrote.
fn note(content: &str) -> Result<Event> {
    fixture::note(&fixture::keys(1)?, content, &[&["t", "faults"]])
}

/// Puts events into a relay, past its faults if the address is the honest one.
async fn fill(url: &str, contents: &[&str]) -> Result<Vec<Event>> {
    let mut client = RawClient::connect(url).await?;
    let mut events = Vec::new();
    for content in contents {
        let event = note(content)?;
        assert_eq!(client.publish_ok(&event).await?, (true, String::new()));
        events.push(event);
    }
    client.close().await;
    Ok(events)
}

fn filter() -> Value {
    json!({ "#t": ["faults"] })
}

/// The first words of messages.
fn words(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame[0].as_str()).collect()
}
