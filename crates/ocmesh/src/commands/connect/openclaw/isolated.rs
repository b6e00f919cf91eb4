//! `--isolated`: an agent of its own for the mesh, which has the mesh's tools and nothing else, and the hook that wakes it.

use serde_json::{Value, json};

use super::{
    facts::Facts,
    patch::{Reverse, set, unset},
    plan::Plan,
};
use crate::commands::connect::entry::NAME;

/// The agent's id.
pub(super) const AGENT: &str = "mesh";
/// Keys of `channels` that are no channels.
const NOT_CHANNELS: [&str; 2] = ["defaults", "modelByChannel"];

/// The channels that are set up.
pub(super) fn channels(facts: &Facts) -> Vec<String> {
    let channels = facts.get(&["channels"]).and_then(Value::as_object);
    let named = channels.into_iter().flatten().filter(|(id, _)| !NOT_CHANNELS.contains(&id.as_str()));
    named.filter(|(_, channel)| channel.get("enabled") != Some(&Value::Bool(false))).map(|(id, _)| id.clone()).collect()
}

/// Adds the agent and its hook. A second agent changes who owns what in OpenClaw; all of it is left with the first.
pub(super) fn plan(facts: &Facts, own: &str, plan: &mut Plan) {
    let patch = &mut plan.patch;
    if facts.get(&["agents", "entries", AGENT]).is_none() {
        let workspace = facts.file.with_file_name("workspace-mesh");
        // The smallest profile hides the tools of MCP servers, and `allow` only narrows a profile: they come back by `alsoAllow`. What else is in
        // the profile is denied.
        let tools = json!({
            "profile": "minimal", "alsoAllow": [format!("{NAME}__*")],
            "deny": ["group:fs", "group:runtime", "group:web", "browser", "cron", "gateway", "nodes", "session_status"],
        });
        set(patch, &["agents", "entries", AGENT], json!({"workspace": workspace, "tools": tools}));
        alone(facts, own, patch);
    }
    let allowed = with(facts.get(&["hooks", "allowedAgentIds"]), &[json!(own), json!(AGENT)]);
    if facts.get(&["hooks", "allowedAgentIds"]) != Some(&allowed) {
        set(patch, &["hooks", "allowedAgentIds"], allowed);
    }
    let mappings = facts.get(&["hooks", "mappings"]);
    let there = mappings.and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| one.get("id") == Some(&json!(NAME))));
    if !there {
        // A run of its own for each wake: what one peer wrote is not in the way when another is answered.
        let ours = json!({
            "id": NAME, "match": {"path": NAME}, "action": "agent", "agentId": AGENT, "name": NAME, "wakeMode": "next-heartbeat",
            "sessionMode": "isolated", "deliver": false, "messageTemplate": "{{text}}",
        });
        set(patch, &["hooks", "mappings"], with(mappings, &[ours]));
    }
    plan.notes
        .push(format!("an agent \"{AGENT}\" that has the mesh's tools and no others answers the mesh; \"{own}\" keeps everything it has"));
}

/// What stands and falls with the agent, by its path.
const WITH_THE_AGENT: [&[&str]; 4] =
    [&["agents", "entries"], &["agents", "ownership"], &["agents", "defaults", "heartbeat", "agentId"], &["bindings"]];

/// An agent that somebody changed is not ours to take away, and half of it would be an agent without its restrictions: it stays as it is,
/// with what says who owns what beside it. Takes all that out of what was `set`, and names it.
pub(super) fn keep_changed(set: &mut Value, reverse: &Reverse, now: &Value) -> Vec<String> {
    let path = format!("/agents/entries/{AGENT}");
    let goes = reverse.patch.as_ref().and_then(|patch| patch.pointer(&path)).is_some_and(Value::is_null);
    if goes || set.pointer(&path).is_none() || now.pointer(&path).is_none() {
        return Vec::new();
    }
    WITH_THE_AGENT.iter().filter(|path| unset(set, path)).map(|path| path.join(".")).collect()
}

/// Where there was one agent, everything becomes its own by name.
fn alone(facts: &Facts, own: &str, patch: &mut Value) {
    let entries = facts.get(&["agents", "entries"]).and_then(Value::as_object);
    if entries.is_some_and(|entries| entries.len() > 1) || facts.get(&["agents", "entries", own, "default"]).is_some() {
        return;
    }
    if facts.get(&["agents", "ownership"]).is_none() {
        set(patch, &["agents", "ownership"], json!("explicit"));
    }
    // OpenClaw shows the agent that it runs without being told; beside a second one it has to be told.
    set(patch, &["agents", "entries", own], json!({}));
    if facts.get(&["agents", "defaults", "heartbeat", "agentId"]).is_none() {
        set(patch, &["agents", "defaults", "heartbeat", "agentId"], json!(own));
    }
    let bindings = facts.get(&["bindings"]);
    let bound = |channel: &str| {
        let named = |one: &Value| one.pointer("/match/channel").and_then(Value::as_str) == Some(channel);
        bindings.and_then(Value::as_array).is_some_and(|list| list.iter().any(named))
    };
    let missing: Vec<Value> = channels(facts)
        .into_iter()
        .filter(|channel| !bound(channel))
        .map(|channel| json!({"agentId": own, "match": {"channel": channel, "accountId": "*"}}))
        .collect();
    if !missing.is_empty() {
        set(patch, &["bindings"], with(bindings, &missing));
    }
}

/// A list with what it lacks.
fn with(list: Option<&Value>, wanted: &[Value]) -> Value {
    let mut all = list.and_then(Value::as_array).cloned().unwrap_or_default();
    for value in wanted {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    Value::Array(all)
}
