//! Faults of size and shape.

use anyhow::{Result, bail};
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient, raw::Heard};

use crate::filter;

async fn first(fault: Fault) -> Result<(Heard, RawClient)> {
    let relay = MisbehavingRelay::start_with(&[fault]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    let heard = client.hear().await?;
    // The rest of the answer stands, where the client can read on.
    if !matches!(heard, Heard::Ended(_)) {
        client.hear_until("EOSE").await?;
    }
    Ok((heard, client))
}

fn text(heard: Heard) -> Result<String> {
    match heard {
        Heard::Text(text) => Ok(text),
        other => bail!("expected text, heard {other:?}"),
    }
}

#[tokio::test]
async fn a_huge_frame_comes_whole() -> Result<()> {
    let bytes = 20_000_003;
    assert_eq!(text(first(Fault::HugeFrame { bytes }).await?.0)?.len(), 20_000_003);
    Ok(())
}

#[tokio::test]
async fn a_huge_header_is_followed_by_nothing_good() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::HugeHeader { bytes: 1 << 30 }]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    // The client waits for a gigabyte; the EOSE after it is taken for part of that.
    client.hear_within(std::time::Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(relay.reqs(), 1);
    Ok(())
}

#[tokio::test]
async fn fragments_make_one_message() -> Result<()> {
    assert_eq!(text(first(Fault::Fragments { n: 100_000 }).await?.0)?, "x".repeat(100_000));
    Ok(())
}

#[tokio::test]
async fn deep_json_is_deep() -> Result<()> {
    let text = text(first(Fault::DeepJson { levels: 100_000 }).await?.0)?;
    assert_eq!(text.matches('[').count(), 100_001);
    assert_eq!(text.matches(']').count(), 100_001);
    Ok(())
}

#[tokio::test]
async fn many_tags_are_many() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::ManyTags { n: 10_000 }]).await?;
    let events = RawClient::connect(relay.url()).await?.stored(&filter()).await?;
    assert_eq!(events[0]["tags"].as_array().map(Vec::len), Some(10_001));
    nostr::event::Event::from_json(events[0].to_string())?.verify()?;
    Ok(())
}

#[tokio::test]
async fn invalid_utf8_ends_a_careful_client() -> Result<()> {
    let (heard, _) = first(Fault::InvalidUtf8).await?;
    let Heard::Ended(why) = heard else { bail!("heard {heard:?}") };
    assert!(why.to_lowercase().contains("utf-8"), "{why}");
    Ok(())
}

#[tokio::test]
async fn a_lone_surrogate_is_no_json_string() -> Result<()> {
    assert!(text(first(Fault::LoneSurrogate).await?.0)?.contains(r"\ud800"));
    Ok(())
}
