//! The relay that is not ours starts, keeps a gift wrap dated back, and asks for authentication when told to. Needs Python and PyPI.
#![allow(clippy::indexing_slicing, reason = "a test")]

use anyhow::{Context as _, Result};
use ocmesh_testkit::{ForeignOptions, ForeignRelay, RawClient, fixture};
use serde_json::json;

#[tokio::test]
#[ignore = "installs a Python package"]
async fn it_keeps_a_gift_wrap_dated_back() -> Result<()> {
    let relay = ForeignRelay::start(ForeignOptions::default()).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    let (writer, reader) = (fixture::keys(1)?, fixture::keys(2)?.public_key().to_hex());
    let wrap = fixture::event(&writer, 1059, "sealed", &[&["p", &reader]], fixture::now() - 47 * 3600)?;
    assert!(client.publish_ok(&wrap).await?.0);
    let stored = client.stored(&json!({ "kinds": [1059], "#p": [reader] })).await?;
    assert_eq!(stored[0]["id"], wrap.id.to_hex());
    Ok(())
}

#[tokio::test]
#[ignore = "installs a Python package"]
async fn it_authenticates_granted_keys_only() -> Result<()> {
    let relay = ForeignRelay::start(ForeignOptions { auth: true, ..ForeignOptions::default() }).await?;
    let (friend, stranger) = (fixture::keys(1)?, fixture::keys(2)?);
    relay.grant(&friend.public_key()).await?;
    for (keys, may) in [(&friend, true), (&stranger, false)] {
        let mut client = RawClient::connect(relay.url()).await?;
        let challenge = client.hear_json().await?[1].as_str().map(str::to_owned).context("no challenge")?;
        client.say(format!(r#"["AUTH",{}]"#, fixture::auth(keys, &challenge, relay.url())?.as_json())).await?;
        client.publish(&fixture::note(keys, "hello", &[])?).await?;
        assert_eq!(client.hear_until("OK").await?.last().map(|ok| ok[2].clone()), Some(json!(may)));
    }
    Ok(())
}
