//! What the server says it offers: the listing every model sees, and the rules every tool keeps.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{caller::Caller, fake_daemon::FakeDaemon};

async fn list(method: &str) -> Result<Value> {
    let home = FakeDaemon::stopped()?;
    Caller::start(home.home()).await?.request(method, json!({})).await
}

#[tokio::test]
async fn the_greeting_names_us_and_the_rule() -> Result<()> {
    let home = FakeDaemon::stopped()?;
    let caller = Caller::start(home.home()).await?;
    let greeting = &caller.greeting;
    assert_eq!(greeting["serverInfo"]["name"], "ocmesh");
    assert_eq!(greeting["protocolVersion"], "2025-11-25");
    assert!(greeting["instructions"].as_str().unwrap().contains("untrusted data"), "{greeting}");
    for capability in ["tools", "resources", "prompts"] {
        assert!(greeting["capabilities"].get(capability).is_some(), "{greeting}");
    }
    assert_eq!(caller.close().await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn the_listing_of_tools() -> Result<()> {
    insta::assert_snapshot!(serde_json::to_string_pretty(&list("tools/list").await?)?);
    Ok(())
}

#[tokio::test]
async fn the_listing_of_resources_and_prompts() -> Result<()> {
    let all = [list("resources/list").await?, list("resources/templates/list").await?, list("prompts/list").await?];
    insta::assert_snapshot!(serde_json::to_string_pretty(&all)?);
    Ok(())
}

#[tokio::test]
async fn every_tool_is_described_for_a_model_and_for_a_client() -> Result<()> {
    let listed = list("tools/list").await?;
    let tools = listed["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 8);
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        // The longest prefix a client puts before a name has 30 characters, of 64 in all.
        assert!(name.starts_with("mesh_") && name.len() <= 34, "{name}");
        // Clients cut descriptions at 1,024 characters or more.
        assert!((80..1_024).contains(&tool["description"].as_str().unwrap().len()), "{name}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name} {hint}");
        }
        for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
            assert_eq!(schema["type"], "object", "{name}");
            let text = schema.to_string();
            assert!(!text.contains("$ref") && !text.contains("uint"), "{name}: {text}");
        }
        for (field, schema) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name}.{field} is not described");
            assert!(schema["examples"].as_array().is_some_and(|examples| !examples.is_empty()), "{name}.{field} has no example");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_an_error_and_not_the_end() -> Result<()> {
    let home = FakeDaemon::stopped()?;
    let mut caller = Caller::start(home.home()).await?;
    let error = caller.call("mesh_teleport\u{1b}", json!({})).await.unwrap_err().to_string();
    assert!(error.contains("there is no tool") && !error.contains('\u{1b}') && error.contains("-32602"), "{error}");
    caller.request("no/such/method", json!({})).await.unwrap_err();
    caller.request("prompts/get", json!({"name": "other"})).await.unwrap_err();
    caller.request("resources/read", json!({"uri": "file:///etc/passwd"})).await.unwrap_err();
    caller.write(&json!({"jsonrpc": "2.0", "nonsense": true})).await?;
    assert_eq!(caller.next().await?["error"]["code"], -32600);
    caller.request("ping", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_to_the_model() -> Result<()> {
    let daemon = FakeDaemon::start().await?;
    let mut caller = Caller::start(daemon.home()).await?;
    for (tool, arguments) in [
        ("mesh_send", json!({"to": "ada"})),
        ("mesh_send", json!({"to": "ada", "text": "x", "colour": "red"})),
        ("mesh_trust", json!({"peer": "ada", "trust": "adored"})),
        ("mesh_read", json!({"ids": []})),
        ("mesh_read", json!({"ids": "x"})),
        ("mesh_wait", json!({"seconds": -1})),
        ("mesh_peers", json!({"online": "yes"})),
    ] {
        let text = caller.bad(tool, arguments).await?;
        assert!(text.contains("bad_arguments"), "{tool}: {text}");
    }
    // Unused fields that a client fills with null are as good as absent.
    caller.good("mesh_peers", json!({"online": null, "query": null, "limit": null})).await?;
    assert!(daemon.with(|state| state.sent.is_empty()));
    Ok(())
}
