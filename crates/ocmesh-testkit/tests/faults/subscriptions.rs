//! Faults in the answer to a REQ.

use std::time::Duration;

use anyhow::Result;
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient, fixture, wait};
use serde_json::json;

use crate::{fill, filter, note, words};

async fn with(fault: Fault) -> Result<(MisbehavingRelay, RawClient)> {
    let relay = MisbehavingRelay::start_with(&[fault]).await?;
    fill(relay.honest().url(), &["one", "two", "three"]).await?;
    let client = RawClient::connect(relay.url()).await?;
    Ok((relay, client))
}

/// Neither stored nor live events come on a closed subscription.
async fn is_deaf(relay: &MisbehavingRelay, client: &mut RawClient) -> Result<()> {
    wait::until("the end of the subscription", wait::PATIENCE, async || (relay.honest().stats().subscriptions == 0).then_some(())).await?;
    fill(relay.honest().url(), &["news"]).await?;
    client.hear_within(Duration::from_millis(200)).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn closed_at_once() -> Result<()> {
    let (relay, mut client) = with(Fault::ClosedAtOnce("blocked: not you".to_owned())).await?;
    client.req("s", &filter()).await?;
    assert_eq!(client.hear_json().await?, json!(["CLOSED", "s", "blocked: not you"]));
    is_deaf(&relay, &mut client).await
}

#[tokio::test]
async fn closed_after_eose() -> Result<()> {
    let (relay, mut client) = with(Fault::ClosedAfterEose("error: shutting down idle subscription".to_owned())).await?;
    client.req("s", &filter()).await?;
    let heard = client.hear_until("CLOSED").await?;
    assert_eq!(words(&heard), ["EVENT", "EVENT", "EVENT", "EOSE", "CLOSED"]);
    is_deaf(&relay, &mut client).await
}

#[tokio::test]
async fn closed_every_so_often() -> Result<()> {
    let (_relay, mut client) = with(Fault::ClosedEvery(Duration::from_millis(50))).await?;
    for _ in 0..3 {
        client.req("s", &filter()).await?;
        client.hear_until("CLOSED").await?;
    }
    Ok(())
}

#[tokio::test]
async fn eose_never_twice_early_and_with_a_third_word() -> Result<()> {
    let (relay, mut client) = with(Fault::NeverEose).await?;
    client.req("s", &filter()).await?;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(client.hear_json().await?);
    }
    assert_eq!(words(&heard), ["EVENT", "EVENT", "EVENT"]);
    client.hear_within(Duration::from_millis(200)).await.unwrap_err();

    relay.lift_all();
    relay.set(Fault::EoseTwice, true);
    client.req("s", &json!({ "ids": [] })).await?;
    assert_eq!([client.hear_json().await?, client.hear_json().await?], [json!(["EOSE", "s"]), json!(["EOSE", "s"])]);

    relay.lift_all();
    relay.set(Fault::EoseEarly, true);
    client.req("s", &filter()).await?;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(client.hear_json().await?);
    }
    assert_eq!(words(&heard), ["EOSE", "EVENT", "EVENT", "EVENT"]);
    client.hear_within(Duration::from_millis(200)).await.unwrap_err();

    relay.lift_all();
    relay.set(Fault::EoseThird("more".to_owned()), true);
    client.req("s", &json!({ "ids": [] })).await?;
    assert_eq!(client.hear_json().await?, json!(["EOSE", "s", "more"]));
    Ok(())
}

#[tokio::test]
async fn direct_messages_are_left_out_of_mixed_reqs_only() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::SilentDmFilter]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    for (kind, content) in [(1, "note"), (4, "direct")] {
        client.publish_ok(&fixture::event(&fixture::keys(1)?, kind, content, &[], fixture::now())?).await?;
    }
    let kinds = |heard: Vec<serde_json::Value>| heard.iter().map(|event| event["kind"].as_u64()).collect::<Vec<_>>();
    assert_eq!(kinds(client.stored(&json!({ "kinds": [1, 4] })).await?), [Some(1)]);
    assert_eq!(kinds(client.stored(&json!({ "kinds": [4] })).await?), [Some(4)]);
    client.say(r#"["REQ","two",{"kinds":[4]},{"kinds":[1]}]"#).await?;
    let heard = client.hear_until("EOSE").await?;
    assert_eq!(words(&heard), ["EVENT", "EOSE"]);
    // Live ones too.
    client.publish(&fixture::event(&fixture::keys(1)?, 4, "live", &[], fixture::now())?).await?;
    assert_eq!(words(&[client.hear_json().await?]), ["OK"]);
    client.hear_within(Duration::from_millis(200)).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn page_cap_bounds_every_answer() -> Result<()> {
    let (_relay, mut client) = with(Fault::PageCap(2)).await?;
    for limit in [json!({ "#t": ["faults"] }), json!({ "#t": ["faults"], "limit": 100 })] {
        assert_eq!(client.stored(&limit).await?.len(), 2);
    }
    assert_eq!(client.stored(&json!({ "#t": ["faults"], "limit": 1 })).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn notice_spam_goes_on_and_stops() -> Result<()> {
    let (relay, mut client) = with(Fault::NoticeSpam { per_s: 1_000 }).await?;
    let started = tokio::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(client.hear_json().await?[0], "NOTICE");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    relay.lift_all();
    client.req("s", &json!({ "ids": [] })).await?;
    client.hear_until("EOSE").await?;
    client.hear_within(Duration::from_millis(200)).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn anything_can_be_said_to_all() -> Result<()> {
    let (relay, mut client) = with(Fault::NoOk).await?;
    client.publish(&note("unanswered")?).await?;
    client.req("s", &json!({ "ids": [] })).await?;
    client.hear_until("EOSE").await?;
    relay.say(r#"["OK"]"#);
    assert_eq!(client.hear_json().await?, json!(["OK"]));
    Ok(())
}
