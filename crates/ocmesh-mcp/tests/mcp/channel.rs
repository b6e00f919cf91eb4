//! The channel of Claude Code (preview): the shape that its documentation shows, off unless asked for, and no word of a peer in it.

use anyhow::Result;
use ocmesh_api::Message;
use ocmesh_mcp::Push;
use serde_json::{Value, json};

use crate::{caller::Caller, fake_daemon::FakeDaemon};

#[tokio::test]
async fn a_channel_says_that_something_is_unread_and_nothing_else() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let with = |trust: &str, id: &str| Message { trust: trust.to_owned(), id: id.repeat(64), read: false, ..Message::example() };
    daemon.receive(with("unknown", "1"));
    let mut caller = Caller::start_with(daemon.home(), Push::ClaudeChannel).await?;
    assert_eq!(caller.greeting["capabilities"]["experimental"], json!({"claude/channel": {}}));
    daemon.listened_to().await;
    daemon.receive(with("known", "2"));
    let said = caller.next().await?;
    assert_eq!((said["method"].as_str(), said.get("id")), (Some("notifications/claude/channel"), None), "{said}");
    let content = said["params"]["content"].as_str().unwrap();
    assert!(content.starts_with("ocmesh: 1 unread message from other agents."), "the stranger's does not count: {content}");
    assert_eq!(said["params"]["meta"], json!({"unread": "1"}));
    assert!(!said.to_string().contains(&Message::example().content), "{said}");
    assert_eq!(caller.close().await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn nobody_is_told_unasked() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let caller = Caller::start(daemon.home()).await?;
    assert_eq!(caller.greeting["capabilities"].get("experimental"), None);
    Ok(())
}
