//! Faults around NIP-42.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient, fixture};
use serde_json::{Value, json};

use crate::{filter, note};

async fn challenge(client: &mut RawClient) -> Result<String> {
    let heard = client.hear_json().await?;
    assert_eq!(heard[0], "AUTH", "{heard}");
    heard[1].as_str().map(str::to_owned).context("no challenge")
}

async fn answer(client: &mut RawClient, challenge: &str, relay: &str) -> Result<Value> {
    let event = fixture::auth(&fixture::keys(1)?, challenge, relay)?;
    client.say(format!(r#"["AUTH",{}]"#, event.as_json())).await?;
    client.hear_json().await
}

#[tokio::test]
async fn a_challenge_on_connect_needs_no_answer() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::AuthOnConnect]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    challenge(&mut client).await?;
    assert_eq!(client.publish_ok(&note("free")?).await?, (true, String::new()));
    assert_eq!(relay.auths(), 0);
    Ok(())
}

#[tokio::test]
async fn reading_needs_authentication_in_the_words_told() -> Result<()> {
    let text = "ERROR: auth-required: we only serve people we know".to_owned();
    let relay = MisbehavingRelay::start_with(&[Fault::AuthRequiredRead { text: text.clone() }]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    let challenge = challenge(&mut client).await?;
    assert_eq!(client.hear_json().await?, json!(["CLOSED", "s", text]));
    assert_eq!(client.publish_ok(&note("writing is free")?).await?, (true, String::new()));

    assert_eq!(answer(&mut client, "another", relay.url()).await?[2], false);
    assert_eq!(answer(&mut client, &challenge, "ws://127.0.0.1:1").await?[2], false);
    client.req("s", &filter()).await?;
    assert_eq!(client.hear_json().await?[0], "CLOSED", "no proof yet");
    assert_eq!(answer(&mut client, &challenge, relay.url()).await?[2], true);
    assert_eq!(client.stored(&filter()).await?.len(), 1);
    assert_eq!(relay.auths(), 3);
    Ok(())
}

#[tokio::test]
async fn writing_needs_authentication() -> Result<()> {
    let text = "auth-required: who are you".to_owned();
    let relay = MisbehavingRelay::start_with(&[Fault::AuthRequiredWrite { text: text.clone() }]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    assert_eq!(client.stored(&filter()).await?.len(), 0);
    let event = note("mine")?;
    client.publish(&event).await?;
    let challenge = challenge(&mut client).await?;
    assert_eq!(client.hear_json().await?, json!(["OK", event.id.to_hex(), false, text]));
    assert_eq!(answer(&mut client, &challenge, relay.url()).await?[2], true);
    assert_eq!(client.publish_ok(&event).await?, (true, String::new()));
    Ok(())
}

#[tokio::test]
async fn a_new_challenge_voids_the_old() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::NewChallengeEvery(Duration::from_millis(50))]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    let (first, second) = (challenge(&mut client).await?, challenge(&mut client).await?);
    assert_ne!(first, second);
    relay.lift_all();
    client.say(format!(r#"["AUTH",{}]"#, fixture::auth(&fixture::keys(1)?, &first, relay.url())?.as_json())).await?;
    assert_eq!(client.hear_until("OK").await?.last().map(|ok| ok[2].clone()), Some(json!(false)));
    Ok(())
}

#[tokio::test]
async fn a_flood_of_challenges() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::ChallengeFlood { n: 10_000 }]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    let mut last = String::new();
    for _ in 0..10_000 {
        last = challenge(&mut client).await?;
    }
    assert_eq!(answer(&mut client, &last, relay.url()).await?[2], true);
    Ok(())
}
