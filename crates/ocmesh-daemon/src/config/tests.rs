//! The configuration as an owner meets it: layers, mistakes, and what the messages say.

use ocmesh_proto::{EncryptionPolicy, InboxPolicy, NotePolicy};

use super::*;

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let home = home_at(dir.path());
    if !file.is_empty() {
        fs::write(home.config(), file).unwrap();
    }
    let flags: Vec<_> = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::load(&home, environment.iter().map(|(name, value)| (name.into(), value.into())), &flags)
}

fn home_at(path: &std::path::Path) -> Home {
    Home::locate(|name| (name == "OCMESH_HOME").then(|| path.as_os_str().to_owned())).unwrap()
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment, &[]).unwrap_err().to_string()
}

#[test]
fn with_nothing_configured_the_defaults_are_those_of_the_core_and_the_specification() {
    let config = load("", &[], &[]).unwrap();
    let urls = |hosts: &[&str]| hosts.iter().map(|host| ocmesh_proto::RelayUrl::parse(&format!("wss://{host}")).unwrap()).collect();
    let expected = Policy {
        relays: urls(&["relay.damus.io", "nos.lol", "relay.primal.net", "relay.snort.social", "nostr.wine"]),
        substitutes: urls(&["offchain.pub", "nostr.mom", "nostr.oxtr.dev", "relay.ditto.pub"]),
        ..Policy::default()
    };
    assert_eq!(config.policy, expected);
    assert_eq!((config.api.port, config.api.auth), (7432, ApiAuth::SameUser));
    assert_eq!(config.log, LogConfig { level: LogLevel::Info, keep_days: 14, keep_mb: 64 });
    assert!(config.warnings.is_empty());
    assert!(config.explain().iter().all(|line| line.source == Place::Default));
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let file = "name = \"from file\"\n[api]\nport = 1\n[log]\nlevel = \"debug\"";
    let config = load(file, &[("OCMESH_API_PORT", "2"), ("OCMESH_NAME", "from environment")], &[("api.port", "3")]).unwrap();
    assert_eq!(config.api.port, 3);
    assert_eq!(config.policy.name, "from environment");
    assert_eq!(config.log.level, LogLevel::Debug);
    let source = |key: &str| config.explain().iter().find(|line| line.key == key).unwrap().source.clone();
    assert_eq!(source("api.port"), Place::Flag);
    assert_eq!(source("name"), Place::Environment("OCMESH_NAME".into()));
    assert!(source("log.level").to_string().ends_with("config.toml:5"));
    assert_eq!(source("about"), Place::Default);
}

#[test]
fn every_key_can_be_set_from_the_environment_and_changes_something() {
    let other = [
        ("name", "Ada"),
        ("about", "hello"),
        ("features", "a, b"),
        ("relays", "wss://a.example.com, ws://127.0.0.1:7777,"),
        ("keychain", "off"),
        ("api.port", "0"),
        ("api.auth", "token"),
        ("api.socket", "off"),
        ("api.requests_per_second", "50"),
        ("presence.interval", "30s"),
        ("presence.note", "never"),
        ("presence.status", "busy"),
        ("discovery.interval", "1h"),
        ("discovery.private_relays", "true"),
        ("handshake.mode", "off"),
        ("handshake.per_minute", "1"),
        ("handshake.per_day", "1"),
        ("messages.encryption", "nip04"),
        ("messages.ttl", "1d"),
        ("inbox.policy", "ask"),
        ("inbox.pow", "24"),
        ("inbox.check_interval", "10s"),
        ("send.per_hour", "1"),
        ("send.secrets", "warn"),
        ("loops.turns", "4"),
        ("log.level", "error"),
        ("log.keep_days", "1"),
        ("log.keep_mb", "1"),
    ];
    let plain = load("", &[], &[]).unwrap();
    let keys: Vec<&str> = plain.explain().iter().map(|line| line.key.as_str()).collect();
    assert_eq!(keys, other.map(|(key, _)| key), "a new key belongs into this test");
    for (key, value) in other {
        let name = layer::variable_of(key);
        let mut changed = load("", &[(&name, value)], &[]).unwrap();
        changed.explained.clear();
        let mut same = plain.clone();
        same.explained.clear();
        // Both homes are temporary; only their difference in the socket's path is not the key's doing.
        same.api.socket.clone_from(if key == "api.socket" { &plain.api.socket } else { &changed.api.socket });
        assert_ne!(changed, same, "{key}");
    }
    let both = load("", &[("OCMESH_RELAYS", "wss://a.example.com/, ws://127.0.0.1:7777,wss://A.example.com")], &[]).unwrap();
    let relays: Vec<String> = both.policy.relays.iter().map(ToString::to_string).collect();
    assert_eq!(relays, ["wss://a.example.com", "ws://127.0.0.1:7777"], "one relay once, and ws:// as the owner wrote it");
}

#[test]
fn a_file_speaks_all_words() {
    let file = "features = []\nrelays = []\n[presence]\ninterval='1h'\nnote='always'\n[messages]\nencryption='nip17'\nttl='30d'\n\
                [inbox]\npolicy='closed'\n[discovery]\nprivate_relays=true\n[api]\nsocket='/run/x.sock'\nport=0x1F90";
    let config = load(file, &[], &[]).unwrap();
    assert_eq!((config.policy.presence_interval_ms, config.policy.message_ttl_ms), (3_600_000, 2_592_000_000));
    assert_eq!((config.policy.presence_note, config.policy.inbox), (NotePolicy::Always, InboxPolicy::Closed));
    assert_eq!(config.policy.encryption, EncryptionPolicy::Nip17);
    assert!(config.policy.private_relays && config.policy.relays.is_empty());
    assert_eq!((config.api.port, config.api.socket), (8080, Some(PathBuf::from("/run/x.sock"))));
}

#[test]
fn an_unknown_key_names_itself_its_line_and_the_nearest_known_one() {
    let text = refusal("about = \"x\"\n\n[api]\nprot = 1\n", &[]);
    assert!(text.contains("config.toml:4") && text.contains("`api.prot`") && text.contains("`api.port`"), "{text}");
    let text = refusal("[presense]\ninterval = \"5m\"", &[]);
    assert!(text.contains("`presense.interval`") && text.contains("`presence.interval`"), "{text}");
    let text = refusal("api = 1", &[]);
    assert!(text.contains("no key `api`"), "{text}");
    let text = load("", &[], &[("log.lvl", "info")]).unwrap_err().to_string();
    assert!(text.contains("flag") && text.contains("`log.level`"), "{text}");
    let text = refusal(&format!("{} = 1", "k".repeat(5_000)), &[]);
    assert!(text.len() < 400, "{text}");
}

#[test]
fn the_local_api_listens_on_loopback_and_nothing_in_the_configuration_changes_that() {
    for (file, environment) in [
        ("[api]\nauth = \"token\"\naddress = \"0.0.0.0\"", &[][..]),
        ("[api]\nbind = \"127.0.0.1\"", &[]),
        ("[api]\nhost = \"::\"", &[]),
        ("", &[("OCMESH_API_ADDRESS", "192.168.1.5"), ("OCMESH_API_AUTH", "token")]),
        ("", &[("OCMESH_API_LISTEN", "0.0.0.0:7432")]),
    ] {
        let text = refusal(file, environment);
        assert!(text.contains("on purpose") && text.contains("127.0.0.1 alone"), "{file}: {text}");
    }
    let text = load("", &[], &[("api.remote", "true")]).unwrap_err().to_string();
    assert!(text.starts_with("flag: there is no key `api.remote` on purpose"), "{text}");
}

#[test]
fn a_bad_value_names_key_value_place_and_what_is_allowed() {
    let cases: [(&str, &[&str]); 17] = [
        ("[log]\nkeep_days = 0", &["log.keep_days = 0", "1 to 365"]),
        ("[handshake]\nper_minute = 61", &["1 to 60"]),
        ("[handshake]\nper_day = 10001", &["1 to 10000"]),
        ("[api]\nport = 70000", &["config.toml:2", "api.port", "70000", "0 to 65535"]),
        ("[api]\nport = -1", &["-1", "0 to 65535"]),
        ("[api]\nport = '7432'", &["\"7432\"", "whole number"]),
        ("[api]\nsocket = 'here'", &["api.socket", "absolute path"]),
        ("name = 5", &["name = 5", "64 visible"]),
        ("name = \"a\\u202eb\"", &["name", "visible"]),
        ("about = 2020-01-01", &["about = 2020-01-01"]),
        ("relays = 'wss://a.com'", &["relays", "a list of"]),
        ("relays = ['https://a.com']", &["https://a.com", "wss://"]),
        ("relays = ['wss://a.com', 5]", &["relays"]),
        ("[presence]\ninterval = '1s'", &["30s to 1h", "5m"]),
        ("[discovery]\ninterval = '2 hours'", &["10s to 1h"]),
        ("[log]\nlevel = 'loud'", &["\"info\" or \"debug\""]),
        ("[discovery]\nprivate_relays = 'yes'", &["true or false"]),
    ];
    for (file, words) in cases {
        let text = refusal(file, &[]);
        assert!(words.iter().all(|word| text.contains(word)), "{file}: {text}");
        assert!(!text.contains('\u{202e}') && !text.contains('\n'), "{text}");
    }
    let text = refusal("", &[("OCMESH_API_PORT", "http")]);
    assert!(text.starts_with("OCMESH_API_PORT: api.port = \"http\""), "{text}");
    let text = refusal("", &[("OCMESH_FEATURES", &"f,".repeat(17))]);
    assert!(text.contains("at most 16"), "{text}");
    let text = refusal("", &[("OCMESH_RELAYS", &(0..33).map(|n| format!("wss://r{n}.example.com,")).collect::<String>())]);
    assert!(text.contains("at most 32"), "{text}");
    let text = refusal("", &[("OCMESH_API_SOCKET", &format!("/{}", "s".repeat(103)))]);
    assert!(text.contains("103 bytes"), "{text}");
}

#[test]
fn broken_toml_names_the_line() {
    let text = refusal("about = \"x\"\nname = \"open\n", &[]);
    assert!(text.contains("config.toml:2") && !text.contains('\n'), "{text}");
    let text = refusal("name = 'a'\nname = 'b'", &[]);
    assert!(text.contains("config.toml:2"), "{text}");
}

#[test]
fn an_unreadable_file_is_an_error_and_not_a_missing_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = home_at(dir.path());
    fs::create_dir(home.config()).unwrap();
    assert!(matches!(Config::load(&home, [], &[]), Err(ConfigError::Unreadable { .. })));
    fs::remove_dir(home.config()).unwrap();
    fs::write(home.config(), "#".repeat(1_100_000)).unwrap();
    assert!(matches!(Config::load(&home, [], &[]), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn a_misspelled_variable_is_a_warning_and_a_foreign_one_is_not() {
    let environment = [
        ("OCMESH_HOME", "/x"),
        ("OCMESH_API_PROT", "1"),
        ("OCMESH_LOGLEVEL", "info"),
        ("OCMESH_SOMETHING_ELSE_ENTIRELY", "1"),
        ("PATH", "/"),
    ];
    let warnings = load("", &environment, &[]).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("OCMESH_API_PROT") && warnings[0].contains("OCMESH_API_PORT"));
    assert!(warnings[1].contains("OCMESH_LOG_LEVEL"));
}

#[test]
fn the_name_is_the_owners_or_a_friendly_one() {
    let own = PubKey::from_bytes([7; 32]);
    let named = load("name = 'Ada'", &[], &[]).unwrap();
    assert_eq!(named.policy_for(&own).name, "Ada");
    let plain = load("", &[], &[]).unwrap();
    assert_eq!(plain.policy_for(&own).name, friendly_name(&own));
}

#[test]
fn the_defaults_explain_every_key() {
    let mut comment_above = false;
    for line in DEFAULTS.lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#') && !line.starts_with(' ');
        assert!(!is_key || comment_above, "{line} has no comment above it");
        comment_above = line.starts_with('#');
    }
}

#[test]
fn whoever_names_relays_gets_no_others() {
    assert_eq!(load("", &[], &[]).unwrap().policy.substitutes.len(), 4);
    assert!(load("relays = ['wss://a.example.com']", &[], &[]).unwrap().policy.substitutes.is_empty());
    assert!(load("", &[("OCMESH_RELAYS", "ws://127.0.0.1:7777")], &[]).unwrap().policy.substitutes.is_empty());
    assert!(load("relays = []", &[], &[]).unwrap().policy.substitutes.is_empty());
}

/// A block with these lines beside a good beginning.
fn wake(kind: &str, rest: &str) -> String {
    format!("name = 'Ada'\n\n[[wake]]\nid = 'a'\nkind = '{kind}'\n{rest}\n")
}

#[test]
fn every_kind_of_wake_target_is_read() {
    use crate::wake::{Adapter, Include, OpenClawMode};
    let file = "[[wake]]\nid = 'claw'\nkind = 'openclaw'\nurl = 'http://localhost:18789'\ntoken_file = 'wake.token'\n\
                [[wake]]\nid = 'iso'\nkind = 'openclaw'\nurl = 'https://x.example.com/h'\ntoken_file = '/etc/t'\nmode = 'isolated'\n\
                quiet = '22:00-07:30'\nbudget_per_hour = 60\nurgent_passes_quiet = false\n\
                [[wake]]\nid = 'hook-2'\nkind = 'webhook'\nurl = 'https://x.example.com/h'\nsecret_file = 's'\ninclude = 'messages'\n\
                [[wake]]\nid = 'run'\nkind = 'command'\nprogram = '/usr/bin/x'\nargs = ['-a', '']\n\
                [[wake]]\nid = 'codex'\nkind = 'codex'\nprogram = '/usr/bin/codex'\nthread = '0199-ab'\n[api]\nport = 1";
    let dir = tempfile::tempdir().unwrap();
    let home = home_at(dir.path());
    fs::write(home.config(), file).unwrap();
    let config = Config::load(&home, [], &[]).unwrap();
    let [claw, iso, hook, run, codex] = &config.wakes[..] else { panic!("{:?}", config.wakes) };
    assert_eq!((claw.target.budget_per_hour, claw.target.quiet, claw.target.urgent_passes_quiet), (12, None, true));
    let Adapter::OpenClaw(gateway) = &claw.adapter else { panic!("{claw:?}") };
    assert_eq!((gateway.mode, gateway.token_file.as_path()), (OpenClawMode::Main, home.path().join("wake.token").as_path()));
    assert_eq!(claw.adapter.leads_to(), "http://localhost:18789/hooks/wake");
    assert_eq!((iso.target.budget_per_hour, iso.target.urgent_passes_quiet), (60, false));
    assert_eq!(iso.target.quiet, Some(ocmesh_proto::QuietHours { from: 22 * 60, until: 7 * 60 + 30 }));
    assert_eq!(iso.adapter.leads_to(), "https://x.example.com/h/ocmesh");
    assert!(matches!(&iso.adapter, Adapter::OpenClaw(gateway) if gateway.token_file.as_os_str() == "/etc/t"));
    assert!(matches!(&hook.adapter, Adapter::Webhook(hook) if hook.include == Include::Messages));
    assert!(matches!(&run.adapter, Adapter::Command(program) if program.args == ["-a", ""]));
    assert_eq!(codex.adapter.leads_to(), "/usr/bin/codex queue --thread 0199-ab");
    assert_eq!(config.policy.wakes.len(), 5, "the core knows them too");
    let shown = |key: &str| config.explain().iter().find(|line| line.key == key).map(|line| line.source.to_string()).unwrap();
    assert!(shown("wake.hook-2.include").ends_with("config.toml:20"), "{}", shown("wake.hook-2.include"));
    assert_eq!(config.api.port, 1);
}

#[test]
fn a_wake_target_that_could_not_work_or_should_not_is_refused() {
    let url = "url = 'http://127.0.0.1:1'";
    let cases: [(String, &[&str]); 22] = [
        (wake("openclaw", &format!("{url}\ntokn_file = 'x'")), &["config.toml:7", "`wake.tokn_file`", "`wake.token_file`"]),
        (wake("openclaw", url), &["config.toml:4", "wake.token_file = nothing", "only you can read"]),
        (wake("openclaw", "token_file = 'x'"), &["wake.url = nothing", "http://127.0.0.1:18789"]),
        (wake("webhook", "url = 'http://example.com'\nsecret_file = 'x'"), &["config.toml:6", "must be https://"]),
        (wake("webhook", "url = 'https://u:p@example.com'\nsecret_file = 'x'"), &["name or a password"]),
        (wake("webhook", "url = 'ftp://x'\nsecret_file = 'x'"), &["no http:// or https://"]),
        (wake("webhook", &format!("{url}\nsecret_file = 'x'\ninclude = 'all'")), &["\"ids\" or \"messages\""]),
        (wake("pager", ""), &["wake.kind = \"pager\"", "\"codex\""]),
        (wake("command", "program = 'x'"), &["absolute path"]),
        (wake("command", &format!("program = '/x'\n{url}")), &["wake.url", "left out: it belongs to kind openclaw or webhook"]),
        (wake("command", "program = '/x'\nargs = 'a b'"), &["list of at most 32"]),
        (wake("codex", "program = '/x'\nthread = '--help'"), &["id of a thread"]),
        (wake("codex", "program = '/x'"), &["wake.thread = nothing"]),
        (wake("command", "program = '/x'\nbudget_per_hour = 0"), &["1 to 1000"]),
        (wake("command", "program = '/x'\nquiet = '22-7'"), &["22:00-07:00"]),
        (wake("command", "program = '/x'\nquiet = '24:00-07:00'"), &["22:00-07:00"]),
        (wake("command", "program = '/x'\nquiet = '07:00-07:00'"), &["22:00-07:00"]),
        (wake("command", "program = '/x'\nurgent_passes_quiet = 1"), &["true or false"]),
        (wake("command", "program = '/x'\n[[wake]]\nid = 'a'\nkind = 'command'\nprogram = '/y'"), &["config.toml:8", "another id"]),
        ("[[wake]]\nid = 'A b'\nkind = 'command'\nprogram = '/x'".to_owned(), &["wake.id", "a to z"]),
        ("[wake]\nid = 'a'".to_owned(), &["`wake.id`", "`[[wake]]`"]),
        ("wake = 'a'".to_owned(), &["`wake`", "`[[wake]]`"]),
    ];
    for (file, words) in cases {
        let text = refusal(&file, &[]);
        assert!(words.iter().all(|word| text.contains(word)), "{file}: {text}");
    }
    let many: String = (0..17).map(|n| format!("[[wake]]\nid = 'a{n}'\nkind = 'command'\nprogram = '/x'\n")).collect();
    assert!(refusal(&many, &[]).contains("at most 16"));
    let nested = "[[wake]]\nid = 'a'\nkind = { url = 'x' }";
    assert!(refusal(nested, &[]).contains("wake.kind"));
}
