//! Without a daemon, or with one that fails, every tool still answers: with the reason and the command that helps.

use anyhow::Result;
use ocmesh_api::{ApiError, ErrorCode};
use serde_json::{Value, json};

use crate::{caller::Caller, fake_daemon::FakeDaemon};

/// Every tool with arguments that fit.
pub(crate) fn every_tool() -> Vec<(&'static str, Value)> {
    let id = "5c83da77af1dec6d7289834998ad7aafbd9e2191396d75ec3cc27f5a77226f36";
    vec![
        ("mesh_status", json!({})),
        ("mesh_peers", json!({})),
        ("mesh_peer", json!({"peer": "ada"})),
        ("mesh_send", json!({"to": "ada", "text": "hi"})),
        ("mesh_inbox", json!({})),
        ("mesh_read", json!({"ids": [id]})),
        ("mesh_wait", json!({"seconds": 1})),
        ("mesh_trust", json!({"peer": "ada", "trust": "known"})),
    ]
}

#[tokio::test]
async fn without_a_daemon_every_tool_tells_how_to_start_it() -> Result<()> {
    let mut daemon = FakeDaemon::stopped()?;
    let mut caller = Caller::start(daemon.home()).await?;
    for (tool, arguments) in every_tool() {
        let text = caller.bad(tool, arguments).await?;
        assert!(
            text.contains("not_running") && text.contains("ocmesh service install") && text.contains("ocmesh daemon"),
            "{tool}: {text}"
        );
    }
    let error = caller.request("resources/read", json!({"uri": "ocmesh://inbox"})).await.unwrap_err().to_string();
    assert!(error.contains("ocmesh service install"), "{error}");
    let prompt = caller.request("prompts/get", json!({"name": "mesh"})).await?;
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("ocmesh service install"), "{prompt}");
    // It comes up, and the same server finds it.
    daemon.run().await?;
    caller.good("mesh_status", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_died_is_told_as_one_that_does_not_run() -> Result<()> {
    let mut daemon = FakeDaemon::start().await?;
    let mut caller = Caller::start(daemon.home()).await?;
    let api_file = std::fs::read(daemon.home().join("api.json"))?;
    daemon.stop()?;
    // After kill -9 the file stays behind.
    std::fs::write(daemon.home().join("api.json"), api_file)?;
    for (tool, arguments) in every_tool() {
        let text = caller.bad(tool, arguments).await?;
        assert!(text.contains("ocmesh service install"), "{tool}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_broken_api_file_is_no_crash() -> Result<()> {
    let daemon = FakeDaemon::stopped()?;
    std::fs::write(daemon.home().join("api.json"), "{")?;
    let mut caller = Caller::start(daemon.home()).await?;
    let text = caller.bad("mesh_status", json!({})).await?;
    assert!(text.contains("bad_answer"), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_daemons_refusals_come_with_what_to_do() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let mut caller = Caller::start(daemon.home()).await?;
    for (code, hint) in [
        (ErrorCode::PeerUnknown, "mesh_peers"),
        (ErrorCode::PeerBlocked, "owner"),
        (ErrorCode::ContentTooLong, "split it"),
        (ErrorCode::IdempotencyConflict, "idempotency_key"),
        (ErrorCode::Stopping, "ocmesh service install"),
        (ErrorCode::DiskFull, "make room"),
    ] {
        daemon.with(|state| state.refuse_once = Some(ApiError::new(code, "because")));
        let text = caller.bad("mesh_send", json!({"to": "ada", "text": "hi"})).await?;
        assert!(text.contains(code.as_str()) && text.contains(hint), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_server_even_in_a_wait() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let mut caller = Caller::start(daemon.home()).await?;
    let started = std::time::Instant::now();
    let id = caller.begin("tools/call", json!({"name": "mesh_wait", "arguments": {"seconds": 45}})).await?;
    daemon.listened_to().await;
    let rest = caller.close().await?;
    assert!(started.elapsed().as_secs() < 20, "it waited for its own patience: {:?}", started.elapsed());
    // It was told, not cut off: the wait came to its own end.
    assert_eq!((rest.len(), &rest[0]["id"], &rest[0]["result"]["structuredContent"]["timed_out"]), (1, &json!(id), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn a_pipe_that_closes_at_once_still_gets_its_answers() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let mut caller = Caller::start(daemon.home()).await?;
    let id = caller.begin("tools/call", json!({"name": "mesh_status", "arguments": {}})).await?;
    let rest = caller.close().await?;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["id"], json!(id));
    assert_eq!(rest[0]["result"]["structuredContent"]["state"], "ok");
    Ok(())
}
