//! What is changed in settings of many kinds.

use super::*;

fn facts(settings: Value) -> Facts {
    Facts { file: "/home/ada/.openclaw/openclaw.json".into(), settings }
}

fn entry() -> Entry {
    Entry { command: "/bin/ocmesh".to_owned(), args: vec!["mcp".to_owned()] }
}

fn planned(settings: Value, wish: Wish) -> Plan {
    plan(&facts(settings), &entry(), wish).unwrap()
}

fn refused(settings: Value, wish: Wish) -> String {
    plan(&facts(settings), &entry(), wish).unwrap_err().to_json().unwrap()["error"].to_string()
}

#[test]
fn a_fresh_openclaw_gets_the_tools_hooks_of_our_own_and_a_heartbeat_that_goes_nowhere() {
    let plan = planned(json!({}), Wish::default());
    assert_eq!(
        plan.patch,
        json!({
            "mcp": {"servers": {"ocmesh": {"command": "/bin/ocmesh", "args": ["mcp"]}}},
            "hooks": {"enabled": true, "token": REDACTED, "path": "/hooks", "allowedAgentIds": ["main"], "defaultSessionKey": "hook:ocmesh"},
            "agents": {"defaults": {"heartbeat": {"target": "none"}}},
        })
    );
    assert_eq!(plan.wake, Some(Wake { url: "http://127.0.0.1:18789".to_owned(), mode: "main", agent: None }));
    assert!(plan.notes[0].contains("can reach no peer"), "{:?}", plan.notes);
    let only = planned(json!({}), Wish { no_wake: true, ..Wish::default() });
    assert_eq!((only.patch["hooks"].clone(), only.wake, only.notes.len()), (Value::Null, None, 0));
}

#[test]
fn what_is_so_already_is_not_changed_again() {
    let first = planned(json!({}), Wish::default());
    let again = planned(first.patch, Wish { token_given: true, ..Wish::default() });
    assert_eq!(again.patch, json!({}));
}

#[test]
fn the_owners_hooks_are_neither_broken_nor_guessed() {
    let theirs = json!({"hooks": {"enabled": true, "token": REDACTED, "path": "/in/", "mappings": [{"id": "gmail"}]}});
    assert!(refused(theirs.clone(), Wish::default()).contains("--hook-token-file"));
    let plan = planned(theirs, Wish { token_given: true, ..Wish::default() });
    assert_eq!(plan.patch.get("hooks"), None);
    assert_eq!(plan.wake.unwrap().url, "http://127.0.0.1:18789/in");
    let off = json!({"hooks": {"token": REDACTED}});
    assert!(refused(off, Wish { token_given: true, ..Wish::default() }).contains("hooks_off"));
    // Internal hooks are no door: switching the HTTP ones on beside them is ours to do.
    let internal = planned(json!({"hooks": {"internal": {"enabled": true}}}), Wish::default());
    assert_eq!(internal.patch["hooks"]["token"], REDACTED);
}

#[test]
fn only_a_gateway_of_this_machine_is_woken() {
    assert!(refused(json!({"gateway": {"mode": "remote"}}), Wish::default()).contains("gateway_elsewhere"));
    assert!(refused(json!({"gateway": {"tls": {"enabled": true}}}), Wish::default()).contains("gateway_tls"));
    planned(json!({"gateway": {"mode": "remote"}}), Wish { no_wake: true, ..Wish::default() });
    assert_eq!(planned(json!({"gateway": {"port": 19001}}), Wish::default()).wake.unwrap().url, "http://127.0.0.1:19001");
}

#[test]
fn what_the_agent_says_by_itself_reaches_no_peer() {
    let heartbeat = |settings: Value| {
        let plan = planned(settings, Wish::default());
        (plan.patch.pointer("/agents/defaults/heartbeat/target").cloned(), plan.notes)
    };
    let owner = json!({"ownerAllowFrom": ["telegram:1"]});
    // Nothing to do: a person gets it, or nobody.
    for settings in [
        json!({"commands": owner, "channels": {"a2a": {}, "telegram": {}}}),
        json!({"channels": {"telegram": {"allowFrom": [1]}}}),
        json!({"agents": {"defaults": {"heartbeat": {"target": "none"}}}, "channels": {"a2a": {}}}),
        json!({"agents": {"entries": {"main": {"heartbeat": {"target": "telegram"}}}}, "channels": {"a2a": {}}}),
    ] {
        assert_eq!(heartbeat(settings.clone()), (None, Vec::new()), "{settings}");
    }
    // Without an owner the first of the channel would get it, and that is a peer.
    for settings in [
        json!({"channels": {"a2a": {}, "telegram": {}}}),
        json!({"channels": {"reef": {}, "defaults": {}}}),
        json!({"channels": {"a2a": {"enabled": false}}}),
    ] {
        assert_eq!(heartbeat(settings.clone()).0, Some(json!("none")), "{settings}");
    }
    // What the owner decided stays, and is told.
    for settings in [
        json!({"agents": {"defaults": {"heartbeat": {"target": "last"}}}}),
        json!({"agents": {"defaults": {"heartbeat": {"target": "a2a"}}}}),
        json!({"commands": {"ownerAllowFrom": ["a2a:peer"]}}),
        json!({"agents": {"defaults": {"heartbeat": {"target": "owner"}}}, "channels": {"a2a": {}}}),
    ] {
        let (target, notes) = heartbeat(settings.clone());
        assert_eq!((target, notes.len()), (None, 1), "{settings}");
    }
}

#[test]
fn the_isolated_agent_has_the_meshs_tools_alone_and_the_first_keeps_everything() {
    let settings = json!({"channels": {"telegram": {}, "slack": {}}, "bindings": [{"agentId": "x", "match": {"channel": "slack"}}]});
    let plan = planned(settings, Wish { isolated: true, ..Wish::default() });
    let at = |path: &str| plan.patch.pointer(path).cloned().unwrap_or_default();
    assert_eq!(
        (at("/agents/entries/mesh/tools/profile"), at("/agents/entries/mesh/tools/alsoAllow")),
        (json!("minimal"), json!(["ocmesh__*"]))
    );
    assert_eq!(at("/agents/entries/mesh/workspace"), "/home/ada/.openclaw/workspace-mesh");
    assert_eq!((at("/agents/entries/main"), at("/agents/ownership")), (json!({}), json!("explicit")));
    assert_eq!(at("/agents/defaults/heartbeat"), json!({"agentId": "main"}));
    assert_eq!(at("/bindings/1"), json!({"agentId": "main", "match": {"channel": "telegram", "accountId": "*"}}));
    assert_eq!(at("/bindings/2"), Value::Null);
    assert_eq!(at("/hooks/allowedAgentIds"), json!(["main", "mesh"]));
    assert_eq!(at("/hooks/mappings/0/match/path"), "ocmesh");
    assert_eq!(at("/hooks/mappings/0/agentId"), "mesh");
    assert_eq!(plan.wake.unwrap().mode, "isolated");
    let again = planned(plan.patch, Wish { isolated: true, token_given: true, ..Wish::default() });
    assert_eq!(again.patch, json!({}));
}

#[test]
fn who_has_several_agents_has_them_named() {
    let entries = |entries: Value| facts(json!({"agents": {"entries": entries}}));
    assert_eq!(own_agent(&entries(json!({"work": {}, "main": {}}))).unwrap(), "main");
    assert_eq!(own_agent(&entries(json!({"work": {"default": true}, "main": {}}))).unwrap(), "work");
    assert_eq!(own_agent(&entries(json!({"work": {}, "mesh": {}}))).unwrap(), "work");
    assert!(own_agent(&entries(json!({"a": {}, "b": {}}))).is_err());
    let plan = plan(&entries(json!({"work": {}, "main": {}})), &entry(), Wish::default()).unwrap();
    assert_eq!(plan.wake.unwrap().agent.as_deref(), Some("main"));
    let marked = planned(json!({"agents": {"entries": {"work": {"default": true}}}}), Wish { isolated: true, ..Wish::default() });
    assert_eq!(marked.patch["agents"].get("ownership"), None, "a marked default and explicit ownership exclude each other");
}

#[test]
fn another_entry_of_our_name_is_not_overwritten() {
    let text = refused(json!({"mcp": {"servers": {"ocmesh": {"command": "npx", "args": ["--token", "s3cret"]}}}}), Wish::default());
    assert!(text.contains("already_registered") && text.contains("npx") && !text.contains("s3cret"), "{text}");
}
