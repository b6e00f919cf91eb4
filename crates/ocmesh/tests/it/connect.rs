//! `ocmesh connect` with played agent programs that write down how they were called.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::support::User;

/// Writes its arguments down, one call a line, then does as the real program does with an entry in a file.
const AGENT: &str = r#"
printf '%s|' "$@" >> "$HOME/calls-NAME"; echo >> "$HOME/calls-NAME"
state="$HOME/state-NAME"
"#;

fn agent(user: &User, name: &str, script: &str) {
    user.program(name, &format!("{}{script}", AGENT.replace("NAME", name)));
}

/// Claude Code, as far as we meet it.
fn claude(user: &User) {
    agent(
        user,
        "claude",
        r#"case "$1 $2" in
        "mcp get") [ -f "$state" ] || { echo 'No MCP server named "ocmesh".' >&2; exit 1; }; cat "$state" ;;
        "mcp add") [ ! -f "$state" ] || { echo 'MCP server ocmesh already exists in user config' >&2; exit 1; }
            shift 6; printf 'ocmesh:\n  Type: stdio\n  Command: %s\n' "$1" > "$state"; shift; printf '  Args: %s\n' "$*" >> "$state" ;;
        "mcp remove") rm "$state" ;;
        esac"#,
    );
}

/// Codex CLI: its entry as JSON.
fn codex(user: &User) {
    agent(
        user,
        "codex",
        r#"case "$1 $2" in
        "mcp get") [ -f "$state" ] || { echo "Error: No MCP server named 'ocmesh' found." >&2; exit 1; }; echo WARNING >&2; cat "$state" ;;
        "mcp add") printf '{"name":"ocmesh","transport":{"type":"stdio","command":"%s","args":["mcp"],"env":null}}' "$5" > "$state" ;;
        "mcp remove") rm "$state" ;;
        esac"#,
    );
}

/// Gemini CLI: a list on standard error, never a failure.
fn gemini(user: &User) {
    agent(
        user,
        "gemini",
        r#"case "$1 $2" in
        "mcp list") if [ -f "$state" ]; then printf 'Configured MCP servers:\n\n○ other: x (stdio) - Disabled\n'; cat "$state"; else echo 'No MCP servers configured.'; fi >&2 ;;
        "mcp add") shift 5; printf '\033[32m✓\033[0m ocmesh: %s (stdio) - Connected\n' "$*" > "$state" ;;
        "mcp remove") rm "$state" ;;
        esac"#,
    );
}

fn calls(user: &User, name: &str) -> Vec<String> {
    let text = fs::read_to_string(user.home().join(format!("calls-{name}"))).unwrap_or_default();
    text.lines().map(|line| line.trim_end_matches('|').to_owned()).collect()
}

fn exe() -> String {
    PathBuf::from(env!("CARGO_BIN_EXE_ocmesh")).canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn each_program_is_told_by_its_own_command_and_told_again_to_forget() {
    let exe = exe();
    for (name, make, show, add, remove) in [
        (
            "claude",
            claude as fn(&User),
            "mcp|get|ocmesh",
            format!("mcp|add|--scope|user|ocmesh|--|{exe}|mcp"),
            "mcp|remove|--scope|user|ocmesh",
        ),
        ("codex", codex, "mcp|get|ocmesh|--json", format!("mcp|add|ocmesh|--|{exe}|mcp"), "mcp|remove|ocmesh"),
        ("gemini", gemini, "mcp|list", format!("mcp|add|--scope|user|ocmesh|{exe}|mcp"), "mcp|remove|--scope|user|ocmesh"),
    ] {
        let user = User::new();
        make(&user);
        let dry = user.run(&["connect", name, "--dry-run"]).expect(0).stdout;
        assert_eq!(dry, format!("run {name} {}\n", add.replace('|', " ")));
        assert_eq!(calls(&user, name), [show], "a dry run only looks");

        let done = user.run(&["connect", name, "--json"]).expect(0).json();
        assert_eq!(done, json!({"agent": name, "connected": true, "changed": true, "mesh": "no_daemon"}));
        assert_eq!(calls(&user, name)[1..], [show, &add, show]);
        let again = user.run(&["connect", name]).expect(0).stdout;
        assert!(again.contains("connected already. The daemon does not run yet"), "{again}");
        assert_eq!(user.run(&["connect", name, "--json"]).expect(0).json()["changed"], false);
        assert_eq!(calls(&user, name).iter().filter(|call| **call == add).count(), 1, "once is enough");

        let dry = user.run(&["connect", name, "--undo", "--dry-run", "--json"]).expect(0).json();
        assert_eq!(dry["steps"][0]["run"], json!(format!("{name}|{remove}").split('|').collect::<Vec<_>>()));
        assert_eq!(user.run(&["connect", name, "--undo", "--json"]).expect(0).json()["connected"], false);
        assert_eq!(calls(&user, name).iter().filter(|call| *call == remove).count(), 1);
        assert!(user.run(&["connect", name, "--undo"]).expect(0).stdout.contains("is not connected"));
    }
}

#[test]
fn the_list_says_what_is_here_and_what_is_connected() {
    let user = User::new();
    claude(&user);
    gemini(&user);
    agent(&user, "codex", "sleep 0; exit 1");
    fs::create_dir(user.home().join(".cursor")).unwrap();
    user.run(&["connect", "claude"]).expect(0);
    let list = user.run(&["connect", "--json"]).expect(0).json();
    let state = |name: &str| {
        let found = list.as_array().unwrap().iter().find(|agent| agent["agent"] == name).unwrap();
        (found["found"].as_bool().unwrap(), found["connected"].clone())
    };
    assert_eq!(list.as_array().unwrap().len(), 6);
    assert_eq!(state("openclaw"), (false, json!(false)));
    assert_eq!(state("claude"), (true, json!(true)));
    assert_eq!(state("codex"), (true, json!(false)));
    assert_eq!(state("gemini"), (true, json!(false)));
    assert_eq!(state("cursor"), (true, json!(false)));
    assert_eq!(state("opencode"), (false, json!(false)));
    let shown = user.run(&["connect"]).expect(0).stdout;
    assert!(shown.contains("Claude Code") && shown.contains("not connected: ocmesh connect gemini"), "{shown}");
    assert_eq!(calls(&user, "gemini"), ["mcp|list"; 2], "listing only looks");
}

#[test]
fn a_program_that_is_not_here_or_not_known_is_told() {
    let user = User::new();
    let error = user.run(&["connect", "claude", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "agent_not_found");
    assert!(error["hint"].as_str().unwrap().contains("ocmesh connect"), "{error}");
    user.run(&["connect", "emacs"]).expect(2);
    user.run(&["connect", "--undo"]).expect(2);
    // A file that is no program does not count.
    fs::create_dir_all(user.bin()).unwrap();
    fs::write(user.bin().join("claude"), "").unwrap();
    user.run(&["connect", "claude"]).expect(1);
}

#[test]
fn a_failure_is_told_without_the_secrets_in_it() {
    let user = User::new();
    agent(&user, "codex", r#"[ "$2" = add ] && echo "bad key sk-live-0123456789abcdefghij in config" >&2; exit 1"#);
    let error = user.run(&["connect", "codex", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "agent_refused");
    let text = error.to_string();
    assert!(text.contains("bad key (hidden) in config") && !text.contains("sk-live"), "{text}");
}

#[test]
fn a_change_that_did_not_stick_is_no_success() {
    let user = User::new();
    agent(&user, "codex", r#"[ "$2" = add ]"#);
    let error = user.run(&["connect", "codex", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "not_kept");
    assert!(error["hint"].as_str().unwrap().contains("codex mcp get ocmesh --json"), "{error}");
}

#[test]
fn somebody_elses_entry_of_our_name_is_not_overwritten() {
    let user = User::new();
    codex(&user);
    let other = r#"{"name":"ocmesh","transport":{"command":"npx","args":["x","--token","secret-0123456789abcdef"]}}"#;
    fs::write(user.home().join("state-codex"), other).unwrap();
    let error = user.run(&["connect", "codex", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "already_registered");
    let text = error.to_string();
    assert!(text.contains("npx") && text.contains("--undo") && !text.contains("secret-"), "{text}");
    assert_eq!(fs::read_to_string(user.home().join("state-codex")).unwrap(), other);
    user.run(&["connect", "codex", "--undo"]).expect(0);
    user.run(&["connect", "codex"]).expect(0);
}

#[test]
fn a_moved_home_is_written_down() {
    let user = User::new();
    claude(&user);
    let home = user.home().join("else where");
    let mut command = user.ocmesh(&["connect", "claude", "--json"]);
    command.env("OCMESH_HOME", &home);
    crate::support::Ended::of(&mut command).expect(0);
    assert_eq!(calls(&user, "claude")[1], format!("mcp|add|--scope|user|ocmesh|--|{}|mcp|--home|{}", exe(), home.display()));
    let dry = user.run(&["--home", "/x y", "connect", "openclaw"]).expect(1);
    assert!(dry.stderr.contains("not found"), "{dry:?}");
}

#[test]
fn a_link_on_the_path_outlives_an_update_and_is_preferred() {
    let user = User::new();
    claude(&user);
    let link = user.bin().join("ocmesh");
    std::os::unix::fs::symlink(exe(), &link).unwrap();
    let dry = user.run(&["connect", "claude", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry["steps"][0]["run"][7], json!(link));
}

#[test]
fn cursor_is_told_by_its_file_and_the_file_is_given_back() {
    let user = User::new();
    let file = user.home().join(".cursor").join("mcp.json");
    fs::create_dir(user.home().join(".cursor")).unwrap();
    let before = "{\n  \"mcpServers\": {\n    \"other\": {\"command\": \"x\", \"env\": {\"TOKEN\": \"t0ken\"}}\n  },\n  \"z\": 1.0\n}";
    fs::write(&file, before).unwrap();

    let dry = user.run(&["connect", "cursor", "--dry-run"]).expect(0).stdout;
    assert!(dry.contains("mcpServers.ocmesh") && dry.contains(&exe()) && !dry.contains("t0ken"), "{dry}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    user.run(&["connect", "cursor"]).expect(0);
    let after: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(after["mcpServers"]["ocmesh"], json!({"command": exe(), "args": ["mcp"]}));
    assert_eq!(after["mcpServers"]["other"]["env"]["TOKEN"], "t0ken");
    assert_eq!(user.run(&["connect", "cursor", "--json"]).expect(0).json()["changed"], false);

    user.run(&["connect", "cursor", "--undo"]).expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn opencode_is_told_in_its_own_form_and_comments_are_not_destroyed() {
    let user = User::new();
    user.program("opencode", "exit 7");
    let directory = user.home().join(".config").join("opencode");
    user.run(&["connect", "opencode"]).expect(0);
    let text = fs::read_to_string(directory.join("opencode.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, json!({"mcp": {"ocmesh": {"type": "local", "command": [exe(), "mcp"], "enabled": true}}}));
    user.run(&["connect", "opencode", "--undo"]).expect(0);
    assert!(!directory.join("opencode.json").exists());

    let commented = directory.join("opencode.jsonc");
    fs::write(&commented, "{\n  // mine\n}").unwrap();
    let error = user.run(&["connect", "opencode", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "file_not_understood");
    assert!(error["hint"].as_str().unwrap().contains("by hand"), "{error}");
    assert_eq!(fs::read_to_string(&commented).unwrap(), "{\n  // mine\n}");
    // Wanting to look must not fail because of one odd file.
    let list = user.run(&["connect", "--json"]).expect(0).json();
    assert_eq!(list[5]["connected"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_round_trip_reaches_the_mesh_through_what_was_registered() {
    let user = User::new();
    claude(&user);
    let daemon =
        ocmesh_testkit::TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&["ws://127.0.0.1:9"]).start().await.unwrap();
    let home = daemon.home().to_str().unwrap();
    let done = user.run(&["connect", "claude", "--home", home, "--json"]).expect(0).json();
    assert_eq!(done, json!({"agent": "claude", "connected": true, "changed": true, "mesh": "answers"}));
    assert!(user.run(&["connect", "claude", "--home", home]).expect(0).stdout.contains("the mesh answers"));
}
