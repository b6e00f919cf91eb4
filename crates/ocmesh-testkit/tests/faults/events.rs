//! Faults in the events themselves.

use anyhow::Result;
use nostr::event::Event;
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient};
use serde_json::Value;

use crate::{fill, filter, note, words};

async fn stored(fault: Fault) -> Result<(Vec<Value>, Event)> {
    let relay = MisbehavingRelay::start_with(&[fault]).await?;
    let event = fill(relay.honest().url(), &["honest"]).await?.remove(0);
    Ok((RawClient::connect(relay.url()).await?.stored(&filter()).await?, event))
}

fn event(value: &Value) -> Result<Event> {
    Ok(Event::from_json(value.to_string())?)
}

#[tokio::test]
async fn forged_copies_come_before_the_honest_event() -> Result<()> {
    for (fault, id_holds, signature_holds, same_id) in [
        (Fault::BadSignature, true, false, true),
        (Fault::BadId, false, false, false),
        // The signature is over the id alone: only the id gives the content away.
        (Fault::SameIdOtherContent, false, true, true),
    ] {
        let (events, honest) = stored(fault.clone()).await?;
        assert_eq!(events.len(), 2, "{fault:?}");
        let forged = event(&events[0])?;
        assert_eq!((forged.verify_id(), forged.verify_signature()), (id_holds, signature_holds), "{fault:?}");
        assert_eq!(forged.id == honest.id, same_id, "{fault:?}");
        assert_eq!(event(&events[1])?, honest, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn forged_copies_come_live_too() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::SameIdOtherContent]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    client.hear_until("EOSE").await?;
    fill(relay.honest().url(), &["live"]).await?;
    let contents = [client.hear_json().await?, client.hear_json().await?].map(|frame| frame[2]["content"].clone());
    assert_eq!(contents, ["live forged", "live"]);
    Ok(())
}

#[tokio::test]
async fn events_nobody_asked_for_are_valid_and_do_not_match() -> Result<()> {
    let (events, honest) = stored(Fault::NonMatching).await?;
    assert_eq!(event(&events[0])?, honest);
    let unwanted = event(&events[1])?;
    unwanted.verify()?;
    assert!(unwanted.tags.iter().all(|tag| tag.kind() != "t"));
    Ok(())
}

#[tokio::test]
async fn future_events_match_and_are_valid() -> Result<()> {
    let (events, _) = stored(Fault::FutureDated).await?;
    let future = event(&events[1])?;
    future.verify()?;
    assert_eq!(future.created_at.as_secs(), 4_102_444_800);
    assert_eq!(events[1]["tags"][0][1], "faults");
    Ok(())
}

#[tokio::test]
async fn dates_can_be_odd() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::OddDates]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    let mut texts = Vec::new();
    for _ in 0..5 {
        texts.push(format!("{:?}", client.hear().await?));
    }
    // 1e400 is not even JSON to most readers.
    assert!(texts[2].starts_with("Text(") && texts[2].contains("1e400"), "{}", texts[2]);
    for (text, date) in texts.iter().zip(["Number(-1)", "9007199254740993", "1e400", "0.5", "now"]) {
        assert!(text.contains(date), "{text} has no {date}");
    }
    client.hear_until("EOSE").await?;
    Ok(())
}

#[tokio::test]
async fn replay_repeats_each_event() -> Result<()> {
    let (events, honest) = stored(Fault::Replay { times: 4 }).await?;
    assert_eq!(events.len(), 5);
    for value in &events {
        assert_eq!(event(value)?, honest);
    }
    Ok(())
}

#[tokio::test]
async fn withheld_events_stay_withheld() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::WithholdEvery(3)]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    for n in 0..9 {
        assert!(client.publish_ok(&note(&n.to_string())?).await?.0);
    }
    let first = client.stored(&filter()).await?;
    assert_eq!(first.len(), 6);
    assert_eq!(client.stored(&filter()).await?, first);
    relay.lift_all();
    assert_eq!(client.stored(&filter()).await?.len(), 9);
    Ok(())
}

#[tokio::test]
async fn a_flood_is_of_valid_events_by_many_keys() -> Result<()> {
    let (events, _) = stored(Fault::Flood { n: 300 }).await?;
    assert_eq!(events.len(), 301);
    let mut keys = std::collections::BTreeSet::new();
    for value in &events {
        let event = event(value)?;
        event.verify()?;
        keys.insert(event.pubkey);
    }
    assert_eq!(keys.len(), 301);
    Ok(())
}

#[tokio::test]
async fn faults_go_together() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::EoseTwice, Fault::Replay { times: 1 }, Fault::BadSignature]).await?;
    fill(relay.honest().url(), &["one"]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    let mut heard = client.hear_until("EOSE").await?;
    heard.push(client.hear_json().await?);
    assert_eq!(words(&heard), ["EVENT", "EVENT", "EVENT", "EOSE", "EOSE"]);
    Ok(())
}
