//! `ocmesh connect openclaw` with a played OpenClaw: settings in its file, patches through its standard input, secrets redacted.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    thread,
};

use serde_json::{Value, json};

use crate::support::User;

/// Reads JSON with `//` comments, writes plain JSON with a mark of its own, as the real one does.
const OPENCLAW: &str = r#"exec python3 - "$@" 3<&0 <<'PY'
import json, os, re, sys
home = os.environ["HOME"]
path = os.path.join(home, ".openclaw", "openclaw.json")
argv = sys.argv[1:]
open(os.path.join(home, "calls"), "a").write(" ".join(argv) + "\n")
def read():
    return json.loads(re.sub(r"(?m)^\s*//.*$", "", open(path).read())) if os.path.exists(path) else {}
def redacted(value, key=""):
    if isinstance(value, dict): return {k: redacted(v, k) for k, v in value.items()}
    return "__OPENCLAW_REDACTED__" if key == "token" else value
def merge(into, patch):
    for key, value in patch.items():
        if value is None: into.pop(key, None)
        elif isinstance(value, dict): into[key] = merge(into.get(key) if isinstance(into.get(key), dict) else {}, value)
        else: into[key] = value
    return into
if argv == ["--version"]: print(os.environ.get("PLAYED_VERSION", "OpenClaw 2026.9.6 (eb377ac)"))
elif argv == ["config", "file", "--json"]: print(json.dumps({"path": path}))
elif argv[:2] == ["config", "get"]:
    value = read().get(argv[2])
    if value is None:
        print(json.dumps({"ok": False, "error": {"message": "Config path is valid but unset: " + argv[2]}})); sys.exit(1)
    print(json.dumps(redacted(value)))
elif argv == ["config", "patch", "--stdin"]:
    patch = json.load(os.fdopen(3))
    if os.path.exists(os.path.join(home, "read-only")):
        print("Config is read-only; token was " + patch.get("hooks", {}).get("token", "none"), file=sys.stderr); sys.exit(1)
    settings = merge(read(), patch)
    settings["meta"] = {"lastTouchedVersion": "2026.9.6"}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(json.dumps(settings, indent=2) + "\n")
elif argv == ["mcp", "show", "ocmesh", "--json"]:
    entry = read().get("mcp", {}).get("servers", {}).get("ocmesh")
    if entry is None: print('{"ok":false}'); sys.exit(1)
    print(json.dumps(entry))
else: sys.exit("what? " + " ".join(argv))
PY"#;

/// Settings as a person writes them.
const SETTINGS: &str = "// mine\n{\n  \"gateway\": {\"port\": PORT, \"auth\": {\"token\": \"gateway-t0ken-of-mine\"}},\n  \"z\": 1.0\n}\n";
/// A configuration as a person writes it.
const CONFIG: &str = "# who I am\nname = \"Ada\"   # hm\n";

struct World {
    user: User,
    gateway: Option<TcpListener>,
}

impl World {
    /// OpenClaw is installed; nobody listens where its gateway would.
    fn new() -> Self {
        let user = User::new();
        user.program("openclaw", OPENCLAW);
        let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
        fs::create_dir(user.home().join(".openclaw")).unwrap();
        fs::write(user.home().join(".openclaw/openclaw.json"), SETTINGS.replace("PORT", &gateway.local_addr().unwrap().port().to_string()))
            .unwrap();
        fs::create_dir(user.data()).unwrap();
        fs::write(user.data().join("config.toml"), CONFIG).unwrap();
        Self { user, gateway: Some(gateway) }
    }

    /// The gateway takes only this token, and answers everything with what a real one says to a wake without a text.
    fn gateway_takes(&mut self, token: Option<String>) {
        let listener = self.gateway.take().unwrap();
        let file = self.token_file();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let token = token.clone().unwrap_or_else(|| fs::read_to_string(&file).unwrap());
                let good =
                    request.starts_with("POST /hooks/wake HTTP/1.1\r\n") && request.contains(&format!("Authorization: Bearer {token}\r\n"));
                let status = if good { "400 Bad Request" } else { "401 Unauthorized" };
                // In pieces, as `write!` makes them, and as a gateway under load may too.
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            }
        });
    }

    fn settings_file(&self) -> PathBuf {
        self.user.home().join(".openclaw/openclaw.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.settings_file()).unwrap()
    }

    fn settings(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    fn config(&self) -> String {
        fs::read_to_string(self.user.data().join("config.toml")).unwrap()
    }

    fn token_file(&self) -> PathBuf {
        self.user.data().join("wake-openclaw.token")
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.user.home().join("calls")).unwrap_or_default()
    }
}

#[test]
fn one_command_connects_and_one_gives_everything_back_to_the_byte() {
    let mut world = World::new();
    world.gateway_takes(None);
    let (before, port) = (world.text(), world.text().split("\"port\": ").nth(1).unwrap().split(',').next().unwrap().to_owned());
    let dry = world.user.run(&["connect", "openclaw", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry["steps"][0]["run"], json!(["openclaw", "config", "patch", "--stdin"]));
    assert_eq!(dry["steps"][0]["stdin"]["hooks"]["token"], "__OPENCLAW_REDACTED__");
    assert_eq!((world.text(), world.config(), world.token_file().exists()), (before.clone(), CONFIG.to_owned(), false));
    assert!(!world.calls().contains("patch"), "a dry run only looks");

    let done = world.user.run(&["connect", "openclaw", "--json"]).expect(0);
    let answer = done.json();
    assert_eq!((&answer["connected"], &answer["changed"], &answer["wake"]), (&json!(true), &json!(true), &json!("ready")));
    let token = fs::read_to_string(world.token_file()).unwrap();
    assert_eq!((token.len(), std::os::unix::fs::MetadataExt::mode(&world.token_file().metadata().unwrap()) & 0o777), (64, 0o600));
    let settings = world.settings();
    assert_eq!((&settings["hooks"]["token"], &settings["hooks"]["enabled"]), (&json!(token), &json!(true)));
    assert_eq!(settings["mcp"]["servers"]["ocmesh"]["args"], json!(["mcp"]));
    assert_eq!(settings["agents"]["defaults"]["heartbeat"]["target"], "none");
    assert_eq!(settings["gateway"]["auth"]["token"], "gateway-t0ken-of-mine");
    let config = world.config();
    assert!(config.starts_with(&format!("{CONFIG}\n# Made by")), "{config}");
    assert!(config.contains(&format!("[[wake]]\nid = \"openclaw\"\nkind = \"openclaw\"\nurl = \"http://127.0.0.1:{port}\"\n")), "{config}");

    let again = world.user.run(&["connect", "openclaw", "--json"]).expect(0);
    assert_eq!((&again.json()["changed"], &again.json()["wake"]), (&json!(false), &json!("ready")));
    assert_eq!((world.config(), fs::read_to_string(world.token_file()).unwrap()), (config, token.clone()));
    let list = world.user.run(&["connect", "--json"]).expect(0).json();
    assert_eq!((&list[0]["connected"], &list[0]["wake"]), (&json!(true), &json!(true)));

    let dry = world.user.run(&["connect", "openclaw", "--undo", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry["steps"][0]["restore"], json!(world.settings_file()));
    let undone = world.user.run(&["connect", "openclaw", "--undo", "--json"]).expect(0);
    assert_eq!(undone.json(), json!({"agent": "openclaw", "connected": false, "changed": true, "left": []}));
    assert_eq!((world.text(), world.config()), (before, CONFIG.to_owned()));
    let rest = |directory: PathBuf| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(rest(world.user.home().join(".openclaw")), ["openclaw.json"]);
    assert_eq!(rest(world.user.data()), ["config.toml"]);
    assert_eq!(world.user.run(&["connect", "openclaw", "--undo", "--json"]).expect(0).json()["changed"], false);
    for said in [done, again, undone] {
        assert!(!format!("{said:?}").contains(&token), "the token is never printed");
    }
    assert!(!world.calls().contains(&token), "nor in the arguments of a program");
}

#[test]
fn what_was_changed_since_is_not_taken_back() {
    let world = World::new();
    let done = world.user.run(&["connect", "openclaw", "--json"]).expect(0).json();
    assert_eq!(done["wake"], "not_running", "nobody answers there; wakes wait");
    let mut settings = world.settings();
    settings["theirs"] = json!(2);
    settings["hooks"]["allowedAgentIds"] = json!(["main", "other"]);
    fs::write(world.settings_file(), settings.to_string()).unwrap();
    let undone = world.user.run(&["connect", "openclaw", "--undo", "--json"]).expect(0).json();
    assert_eq!(undone["left"], json!(["hooks.allowedAgentIds"]));
    let mut after = world.settings();
    after.as_object_mut().unwrap().remove("meta");
    after.as_object_mut().unwrap().remove("gateway");
    assert_eq!(after, json!({"z": 1.0, "theirs": 2, "hooks": {"allowedAgentIds": ["main", "other"]}}));
    let copy = fs::read_to_string(world.settings_file().with_file_name("openclaw.json.before-ocmesh")).unwrap();
    assert!(copy.starts_with("// mine"), "remarks that OpenClaw took out are not lost");
}

#[test]
fn an_agent_for_the_mesh_comes_and_goes_and_stays_whole_when_it_was_changed() {
    let world = World::new();
    let before = world.text();
    world.user.run(&["connect", "openclaw", "--isolated"]).expect(0);
    let ours = world.settings()["agents"].clone();
    assert_eq!(ours["entries"]["mesh"]["tools"]["alsoAllow"], json!(["ocmesh__*"]));
    world.user.run(&["connect", "openclaw", "--undo"]).expect(0);
    assert_eq!((world.text(), world.config()), (before, CONFIG.to_owned()));

    for by_hand in [json!({"model": "small"}), json!({"tools": {"deny": []}})] {
        world.user.run(&["connect", "openclaw", "--isolated"]).expect(0);
        let mut settings = world.settings();
        for (key, value) in by_hand.as_object().unwrap() {
            settings["agents"]["entries"]["mesh"][key] = value.clone();
        }
        fs::write(world.settings_file(), settings.to_string()).unwrap();
        let undone = world.user.run(&["connect", "openclaw", "--undo", "--json"]).expect(0).json();
        assert_eq!(undone["left"], json!(["agents.entries", "agents.ownership", "agents.defaults.heartbeat.agentId"]));
        let after = world.settings();
        assert_eq!(after["agents"]["entries"], settings["agents"]["entries"], "half an agent would be one without its restrictions");
        assert_eq!((after["agents"].get("ownership"), after.get("hooks"), after.get("mcp")), (Some(&json!("explicit")), None, None));
        assert_eq!(world.config(), CONFIG);
        fs::write(world.settings_file(), SETTINGS.replace("PORT", "1")).unwrap();
        let _ = fs::remove_file(world.settings_file().with_file_name("openclaw.json.before-ocmesh"));
    }
}

#[test]
fn only_the_tools_means_only_the_tools() {
    let world = World::new();
    let before = world.text();
    world.user.run(&["connect", "openclaw", "--no-wake"]).expect(0);
    assert_eq!((world.settings().get("hooks"), world.token_file().exists(), world.config()), (None, false, CONFIG.to_owned()));
    let list = world.user.run(&["connect", "--json"]).expect(0).json();
    assert_eq!((&list[0]["connected"], &list[0]["wake"]), (&json!(true), &json!(false)));
    // Later with a wake; the undo takes both back.
    world.user.run(&["connect", "openclaw"]).expect(0);
    assert_eq!(world.settings()["hooks"]["enabled"], true);
    world.user.run(&["connect", "openclaw", "--undo"]).expect(0);
    assert_eq!((world.text(), world.config()), (before, CONFIG.to_owned()));
    world.user.run(&["connect", "claude", "--no-wake"]).expect(2);
}

#[test]
fn hooks_that_are_in_use_keep_their_token() {
    let mut world = World::new();
    let mut settings: Value = serde_json::from_str(world.text().trim_start_matches("// mine")).unwrap();
    settings["hooks"] = json!({"enabled": true, "token": "the-owners-hook-token", "mappings": [{"id": "gmail"}]});
    fs::write(world.settings_file(), settings.to_string()).unwrap();
    let error = world.user.run(&["connect", "openclaw", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "hooks_in_use");
    assert!(error["hint"].as_str().unwrap().contains("--hook-token-file"), "{error}");
    assert_eq!((world.text(), world.config()), (settings.to_string(), CONFIG.to_owned()), "nothing was changed");

    world.gateway_takes(Some("the-owners-hook-token".to_owned()));
    let file = world.user.home().join("hook-token");
    fs::write(&file, "not-the-right-one\n").unwrap();
    let wrong = world.user.run(&["connect", "openclaw", "--hook-token-file", file.to_str().unwrap()]).expect(1);
    assert!(wrong.stderr.contains("does not take the hook token"), "{wrong:?}");
    fs::write(&file, "the-owners-hook-token\n").unwrap();
    let done = world.user.run(&["connect", "openclaw", "--hook-token-file", file.to_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!(done["wake"], "ready");
    assert_eq!(world.settings()["hooks"]["mappings"], json!([{"id": "gmail"}]));
    world.user.run(&["connect", "openclaw", "--undo"]).expect(0);
    assert_eq!(world.text(), settings.to_string());
}

#[test]
fn a_change_that_openclaw_refuses_leaves_nothing_behind() {
    let world = World::new();
    let before = world.text();
    fs::write(world.user.home().join("read-only"), "").unwrap();
    let error = world.user.run(&["connect", "openclaw", "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "agent_refused");
    assert!(error.to_string().contains("token was (hidden)"), "{error}");
    assert_eq!((world.text(), world.config()), (before, CONFIG.to_owned()));
    assert!(!world.settings_file().with_file_name("openclaw.json.before-ocmesh").exists());
    assert!(!world.token_file().exists());
}

#[test]
fn an_openclaw_that_is_too_old_is_told_so() {
    let world = World::new();
    let mut command = world.user.ocmesh(&["connect", "openclaw", "--json"]);
    command.env("PLAYED_VERSION", "OpenClaw 2026.3.2");
    let error = crate::support::Ended::of(&mut command).expect(1).error_json();
    assert_eq!(error["code"], "agent_too_old");
}

#[test]
fn a_configuration_that_does_not_fit_stays_as_it_was() {
    let world = World::new();
    let before = world.text();
    fs::write(world.user.data().join("config.toml"), "wake = 1\n").unwrap();
    world.user.run(&["connect", "openclaw"]).expect(1);
    assert_eq!((world.config().as_str(), world.text(), world.token_file().exists()), ("wake = 1\n", before, false));
}
