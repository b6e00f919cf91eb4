//! Faults in the answer to an EVENT.

use std::time::Duration;

use anyhow::Result;
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient};
use serde_json::json;

use crate::{filter, note};

async fn with(fault: Fault) -> Result<(MisbehavingRelay, RawClient)> {
    let relay = MisbehavingRelay::start_with(&[fault]).await?;
    let client = RawClient::connect(relay.url()).await?;
    Ok((relay, client))
}

async fn kept(relay: &MisbehavingRelay) -> Result<usize> {
    Ok(RawClient::connect(relay.honest().url()).await?.stored(&filter()).await?.len())
}

#[tokio::test]
async fn ok_then_drop_says_yes_and_forgets() -> Result<()> {
    let (relay, mut client) = with(Fault::OkThenDrop).await?;
    assert_eq!(client.publish_ok(&note("lost")?).await?, (true, String::new()));
    assert_eq!((kept(&relay).await?, relay.events_published()), (0, 1));
    relay.lift_all();
    client.publish_ok(&note("kept")?).await?;
    assert_eq!(kept(&relay).await?, 1);
    Ok(())
}

#[tokio::test]
async fn ok_false_says_no_in_any_words() -> Result<()> {
    let (relay, mut client) = with(Fault::OkFalse(String::new())).await?;
    for words in ["", "blocked: no", "ERROR: auth-required: please", &"x".repeat(65_536)] {
        relay.set(Fault::OkFalse(words.to_owned()), true);
        assert_eq!(client.publish_ok(&note("refused")?).await?, (false, words.to_owned()));
    }
    assert_eq!(kept(&relay).await?, 0);
    Ok(())
}

#[tokio::test]
async fn no_ok_takes_the_event_and_says_nothing() -> Result<()> {
    let (relay, mut client) = with(Fault::NoOk).await?;
    client.publish(&note("silently kept")?).await?;
    client.hear_within(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(kept(&relay).await?, 1);
    Ok(())
}

#[tokio::test]
async fn ok_twice_and_ok_for_another_id() -> Result<()> {
    let (relay, mut client) = with(Fault::OkTwice).await?;
    let event = note("twice")?;
    client.publish(&event).await?;
    let ok = json!(["OK", event.id.to_hex(), true, ""]);
    assert_eq!([client.hear_json().await?, client.hear_json().await?], [ok.clone(), ok]);
    relay.lift_all();
    relay.set(Fault::OkOtherId, true);
    client.publish(&note("another")?).await?;
    let heard = client.hear_json().await?;
    assert_eq!((&heard[0], &heard[2]), (&json!("OK"), &json!(true)));
    assert_ne!(heard[1], note("another")?.id.to_hex());
    assert_eq!(heard[1].as_str().map(str::len), Some(64));
    Ok(())
}

#[tokio::test]
async fn rate_limited_refuses_the_first_ones() -> Result<()> {
    let (relay, mut client) = with(Fault::RateLimited { first_n: 2 }).await?;
    let event = note("patience")?;
    for _ in 0..2 {
        assert_eq!(client.publish_ok(&event).await?, (false, "rate-limited: slow down".to_owned()));
    }
    assert_eq!(client.publish_ok(&event).await?, (true, String::new()));
    assert_eq!(kept(&relay).await?, 1);
    Ok(())
}
