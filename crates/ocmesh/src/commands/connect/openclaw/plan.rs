//! What has to change in OpenClaw so that it has the mesh's tools and can be woken; decided from what it holds, without touching anything.

use serde_json::{Value, json};

use super::{
    facts::{Facts, REDACTED},
    isolated,
    patch::set,
};
use crate::{commands::connect::entry::Entry, error::CliError, ui::safe};

/// Channels whose other end is an agent: nothing that our agent says by itself may go there.
const AGENT_CHANNELS: [&str; 5] = ["a2a", "reef", "raft", "nostr", "buzz"];
/// Where the gateway listens unless its settings say otherwise.
const PORT: u64 = 18_789;

/// How the owner wants it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    /// Only the tools.
    pub(super) no_wake: bool,
    /// A restricted agent of its own for the mesh.
    pub(super) isolated: bool,
    /// The owner gave the hook token that is in use.
    pub(super) token_given: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// What is merged into the settings. The hook token is [`REDACTED`] in it.
    pub(super) patch: Value,
    /// Whom to wake.
    pub(super) wake: Option<Wake>,
    /// What the owner should know.
    pub(super) notes: Vec<String>,
}

/// Where and how the gateway is woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wake {
    /// The gateway, with its hooks' path where that is not `/hooks`.
    pub(super) url: String,
    /// `main` or `isolated`.
    pub(super) mode: &'static str,
    /// The agent, where there are several.
    pub(super) agent: Option<String>,
}

/// Decides.
pub(super) fn plan(facts: &Facts, entry: &Entry, wish: Wish) -> Result<Plan, CliError> {
    let mut plan = Plan { patch: json!({}), wake: None, notes: Vec::new() };
    match facts.entry() {
        None => set(&mut plan.patch, &["mcp", "servers", "ocmesh"], Facts::entry_value(entry)),
        Some(Some(found)) if found == *entry => {}
        Some(other) => return Err(taken(other)),
    }
    if wish.no_wake {
        return Ok(plan);
    }
    let address = address(facts)?;
    hooks(facts, wish, &mut plan)?;
    let own = own_agent(facts)?;
    if wish.isolated {
        isolated::plan(facts, &own, &mut plan);
    } else {
        heartbeat(facts, &own, &mut plan);
    }
    let several = facts.get(&["agents", "entries"]).and_then(Value::as_object).is_some_and(|entries| entries.len() > 1);
    let agent = (several && !wish.isolated).then_some(own);
    plan.wake = Some(Wake { url: address, mode: if wish.isolated { "isolated" } else { "main" }, agent });
    Ok(plan)
}

fn taken(other: Option<Entry>) -> CliError {
    CliError::could_not("already_registered", "OpenClaw has another entry named ocmesh")
        .why(format!("it starts {}", safe(&other.map_or_else(|| "something else".to_owned(), |entry| entry.command))))
        .hint("to replace it: ocmesh connect openclaw --undo, then: ocmesh connect openclaw")
}

fn no_wake(code: &str, what: &str) -> CliError {
    CliError::could_not(code, what.to_owned())
}

/// Where the gateway's hooks are. Only a gateway of this machine can be woken: its token goes there in the clear.
fn address(facts: &Facts) -> Result<String, CliError> {
    let gateway = |path: &[&str]| facts.get(&[&["gateway"], path].concat());
    if gateway(&["mode"]).and_then(Value::as_str) == Some("remote") {
        return Err(no_wake("gateway_elsewhere", "OpenClaw's gateway runs on another machine")
            .why("a wake goes to this machine alone")
            .hint("run ocmesh there too; or only the tools: ocmesh connect openclaw --no-wake"));
    }
    if gateway(&["tls", "enabled"]) == Some(&Value::Bool(true)) {
        return Err(no_wake("gateway_tls", "OpenClaw's gateway speaks TLS with a certificate of its own")
            .why("a wake goes by plain HTTP on this machine")
            .hint("only the tools: ocmesh connect openclaw --no-wake"));
    }
    let port = gateway(&["port"]).and_then(Value::as_u64).unwrap_or(PORT);
    let path = facts.get(&["hooks", "path"]).and_then(Value::as_str).unwrap_or("/hooks").trim_end_matches('/');
    let path = if path == "/hooks" { "" } else { path };
    Ok(format!("http://127.0.0.1:{port}{path}"))
}

/// Hooks with a token of our own; or with the owner's, who has other programs that use it.
fn hooks(facts: &Facts, wish: Wish, plan: &mut Plan) -> Result<(), CliError> {
    let held = |key: &str| facts.get(&["hooks", key]);
    let enabled = held("enabled") == Some(&Value::Bool(true));
    if held("token").is_some() && !wish.token_given {
        return Err(CliError::could_not("hooks_in_use", "OpenClaw has a hook token already")
            .why("other programs of yours may use it, and it keeps it secret")
            .hint(
                "put that token into a file that only you can read, then: ocmesh connect openclaw --hook-token-file FILE; or only the tools: --no-wake",
            ));
    }
    if held("token").is_some() && !enabled {
        return Err(CliError::could_not("hooks_off", "OpenClaw's hooks are set up and switched off")
            .why("switching them on lets in every program that has their token")
            .hint("openclaw config set hooks.enabled true; or only the tools: ocmesh connect openclaw --no-wake"));
    }
    if held("token").is_none() {
        set(&mut plan.patch, &["hooks", "token"], json!(REDACTED));
        if held("allowedAgentIds").is_none() {
            set(&mut plan.patch, &["hooks", "allowedAgentIds"], json!([own_agent(facts)?]));
        }
        if held("defaultSessionKey").is_none() {
            set(&mut plan.patch, &["hooks", "defaultSessionKey"], json!("hook:ocmesh"));
        }
    }
    if !enabled {
        set(&mut plan.patch, &["hooks", "enabled"], json!(true));
    }
    if held("path").is_none() {
        set(&mut plan.patch, &["hooks", "path"], json!("/hooks"));
    }
    Ok(())
}

/// The agent that is woken: the one marked as default, else `main`, else the only one.
pub(super) fn own_agent(facts: &Facts) -> Result<String, CliError> {
    let none = serde_json::Map::new();
    let entries = facts.get(&["agents", "entries"]).and_then(Value::as_object).unwrap_or(&none);
    let marked = entries.iter().find(|(_, agent)| agent.get("default") == Some(&Value::Bool(true)));
    let mut others = entries.keys().filter(|id| *id != isolated::AGENT);
    match (marked, entries.contains_key("main"), others.next(), others.next()) {
        (Some((id, _)), ..) => Ok(id.clone()),
        (None, true, ..) | (None, _, None, _) => Ok("main".to_owned()),
        (None, false, Some(only), None) => Ok(only.clone()),
        _ => Err(CliError::could_not("agent_unclear", "OpenClaw has several agents, and none is called main or marked as default")
            .hint("name it in a [[wake]] block of config.toml, and connect the tools: ocmesh connect openclaw --no-wake")),
    }
}

/// What the agent says by itself after a wake goes to OpenClaw's heartbeat target. That must never be a peer.
fn heartbeat(facts: &Facts, own: &str, plan: &mut Plan) {
    let of_agent = facts.get(&["agents", "entries", own, "heartbeat", "target"]);
    let target = of_agent.or_else(|| facts.get(&["agents", "defaults", "heartbeat", "target"])).and_then(Value::as_str);
    let owner = facts.get(&["commands", "ownerAllowFrom", "0"]).or_else(|| facts.get(&["commands", "ownerAllowFrom"])?.get(0));
    let owner = owner.and_then(Value::as_str);
    let to_agent = |name: &str| AGENT_CHANNELS.iter().any(|channel| name == *channel || name.starts_with(&format!("{channel}:")));
    match (target, owner) {
        (Some("none"), _) => {}
        (Some("last"), _) => plan.notes.push(
            "OpenClaw's heartbeat target is \"last\": what the agent says by itself after a wake goes to whoever it talked to last. \
             Safer: openclaw config set agents.defaults.heartbeat.target none"
                .to_owned(),
        ),
        (None | Some("owner"), Some(owner)) if to_agent(owner) => plan.notes.push(format!(
            "OpenClaw takes {} for its owner, and that looks like another agent: what yours says by itself after a wake goes there. \
             Put yourself first in commands.ownerAllowFrom",
            safe(owner)
        )),
        (None | Some("owner"), Some(_)) => {}
        (None | Some("owner"), None) => without_owner(facts, target, plan),
        (Some(channel), _) if to_agent(channel) => plan.notes.push(format!(
            "OpenClaw's heartbeat target is {}, where other agents are: what yours says by itself after a wake goes there. \
             Safer: openclaw config set agents.defaults.heartbeat.target none",
            safe(channel)
        )),
        (Some(_), _) => {}
    }
}

/// Without an owner OpenClaw takes the first that a channel lets in; where that may be an agent, or nobody yet, nothing is sent by itself.
fn without_owner(facts: &Facts, target: Option<&str>, plan: &mut Plan) {
    let channels = isolated::channels(facts);
    let agents: Vec<&String> = channels.iter().filter(|channel| AGENT_CHANNELS.contains(&channel.as_str())).collect();
    if target.is_none() && (channels.is_empty() || !agents.is_empty()) {
        set(&mut plan.patch, &["agents", "defaults", "heartbeat", "target"], json!("none"));
        plan.notes.push(
            "OpenClaw's heartbeat target becomes \"none\": what the agent says by itself after a wake stays in its session, and can reach no peer. \
             To hear it, name yourself: openclaw config set commands.ownerAllowFrom '[\"CHANNEL:YOU\"]', and take the target out"
                .to_owned(),
        );
    } else if !agents.is_empty() {
        plan.notes.push("OpenClaw has no owner and has channels to other agents: set commands.ownerAllowFrom, or what yours says by itself may go to one".to_owned());
    }
}

#[cfg(test)]
mod tests;
