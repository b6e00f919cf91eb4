//! `mesh_wait`: at once, in time, too late, over a restart, and not for strangers.

use std::time::{Duration, Instant};

use anyhow::Result;
use ocmesh_api::Message;
use serde_json::json;

use crate::{caller::Caller, fake_daemon::FakeDaemon, tools::message};

/// Far less than the wait that is asked for, far more than an answer takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

async fn start() -> Result<(FakeDaemon, Caller)> {
    let daemon = FakeDaemon::start().await?;
    let caller = Caller::start(daemon.home()).await?;
    Ok((daemon, caller))
}

#[tokio::test]
async fn what_is_there_already_ends_the_wait() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    daemon.receive(Message::example());
    let started = Instant::now();
    let (value, text) = caller.good("mesh_wait", json!({"seconds": 45})).await?;
    assert!(started.elapsed() < SOON);
    assert_eq!((&value["messages"][0]["id"], &value["timed_out"]), (&json!(Message::example().id), &json!(false)));
    assert_eq!(value["newest"], json!(Message::example().stored_at));
    assert!(text.contains("---- peer words "), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_message_ends_the_wait_when_it_comes() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    caller.begin("tools/call", json!({"name": "mesh_wait", "arguments": {"seconds": 45}})).await?;
    daemon.listened_to().await;
    let started = Instant::now();
    daemon.receive(Message::example());
    let result = caller.next().await?["result"].clone();
    assert!(started.elapsed() < SOON);
    assert_eq!(result["structuredContent"]["messages"].as_array().unwrap().len(), 1);
    Ok(())
}

#[tokio::test]
async fn nothing_in_time_is_no_error() -> Result<()> {
    let (_daemon, mut caller) = start().await?;
    let (value, text) = caller.good("mesh_wait", json!({"seconds": 1})).await?;
    assert_eq!((&value["timed_out"], &value["messages"], value.get("newest")), (&json!(true), &json!([]), None));
    assert!(text.starts_with("No message came"), "{text}");
    Ok(())
}

#[tokio::test]
async fn what_was_seen_before_does_not_end_the_wait_again() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    daemon.receive(Message::example());
    let after = Message::example().stored_at;
    let (value, _) = caller.good("mesh_wait", json!({"seconds": 1, "after": after})).await?;
    assert_eq!(value["timed_out"], true);
    daemon.receive(Message { stored_at: "2026-11-23T13:00:00.000Z".to_owned(), ..message('a', "newer") });
    let (value, _) = caller.good("mesh_wait", json!({"seconds": 45, "after": after})).await?;
    assert_eq!((value["messages"].as_array().unwrap().len(), &value["messages"][0]["body"]), (1, &json!("newer")));
    Ok(())
}

#[tokio::test]
async fn strangers_wake_nobody_unless_asked_for() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    let stranger = Message { trust: "unknown".to_owned(), from: "f".repeat(64), ..message('a', "psst") };
    daemon.receive(stranger.clone());
    let (value, text) = caller.good("mesh_wait", json!({"seconds": 1})).await?;
    assert_eq!((&value["timed_out"], &value["stranger_count"]), (&json!(true), &json!(1)));
    assert!(text.contains("1 unread message of strangers") && !text.contains("psst"), "{text}");
    for asked in [json!({"strangers": true}), json!({"from": stranger.from})] {
        assert_eq!(caller.good("mesh_wait", asked).await?.0["messages"][0]["body"], "psst");
    }
    Ok(())
}

#[tokio::test]
async fn a_flood_of_strangers_hides_nobody() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    daemon.receive(Message::example());
    let flood = (0..900).map(|n| Message { trust: "unknown".to_owned(), id: format!("{n:064}"), ..Message::example() });
    flood.for_each(|message| daemon.receive(message));
    daemon.with(|state| state.page = Some(200));
    let (value, _) = caller.good("mesh_wait", json!({"seconds": 45})).await?;
    assert_eq!((&value["messages"][0]["id"], &value["stranger_count"]), (&json!(Message::example().id), &json!(900)));
    Ok(())
}

#[tokio::test]
async fn a_restart_of_the_daemon_does_not_end_the_wait() -> Result<()> {
    let (mut daemon, mut caller) = start().await?;
    caller.begin("tools/call", json!({"name": "mesh_wait", "arguments": {"seconds": 45}})).await?;
    daemon.listened_to().await;
    // The first look is over when the second one begins; from then on the daemon may go.
    daemon.receive(Message { trust: "unknown".to_owned(), ..message('a', "psst") });
    daemon.until(|state| state.asked.iter().filter(|line| line.starts_with("GET /messages")).count() > 1).await;
    daemon.stop()?;
    daemon.with(|state| state.asked.clear());
    daemon.run().await?;
    daemon.listened_to().await;
    daemon.receive(Message::example());
    let result = caller.next().await?["result"].clone();
    assert_eq!(result["structuredContent"]["messages"].as_array().unwrap().len(), 1, "{result}");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_wait_leaves_the_server_well() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    let id = caller.begin("tools/call", json!({"name": "mesh_wait", "arguments": {"seconds": 45}})).await?;
    daemon.listened_to().await;
    caller.write(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await?;
    let (value, _) = caller.good("mesh_status", json!({})).await?;
    assert_eq!(value["state"], "ok");
    Ok(())
}

#[tokio::test]
async fn calls_do_not_wait_for_one_another() -> Result<()> {
    let (daemon, mut caller) = start().await?;
    let wait = caller.begin("tools/call", json!({"name": "mesh_wait", "arguments": {"seconds": 45}})).await?;
    daemon.listened_to().await;
    caller.good("mesh_status", json!({})).await?;
    daemon.receive(Message::example());
    assert_eq!(caller.next().await?["id"], json!(wait));
    Ok(())
}
