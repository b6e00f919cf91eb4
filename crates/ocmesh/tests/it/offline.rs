//! The command line without a daemon: help, usage, hints, configuration, doctor, exit codes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

use crate::support::{Ended, User};

/// Every command that needs the daemon.
const NEEDS_DAEMON: &[&[&str]] = &[
    &["status"],
    &["peers", "--online"],
    &["peer", "add", "npub1x"],
    &["peer", "show", "ada"],
    &["peer", "trust", "ada"],
    &["peer", "block", "ada"],
    &["peer", "name", "ada", "a"],
    &["peer", "forget", "ada"],
    &["send", "ada", "hello"],
    &["inbox"],
    &["inbox", "--follow"],
    &["read", "--all"],
    &["outbox"],
    &["outbox", "cancel", "abcdef"],
    &["relays"],
    &["relays", "add", "wss://relay.example.com"],
];

#[test]
fn without_a_daemon_every_command_says_how_to_start_it() {
    let user = User::new();
    for arguments in NEEDS_DAEMON {
        let ended = user.run(arguments).expect(3);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_eq!(
            ended.stderr,
            "error: the daemon is not running\ntry: ocmesh service install (in the background, from now on), or: ocmesh daemon\n",
            "{arguments:?}"
        );
        let json = user.run(&[&["--json"], *arguments].concat()).expect(3).error_json();
        assert_eq!(json["code"], "not_running", "{arguments:?}");
    }
}

#[test]
fn alone_it_says_how_to_start() {
    let user = User::new();
    let ended = user.run(&[]).expect(0);
    assert!(ended.stdout.contains("ocmesh service install") && ended.stdout.contains("ocmesh demo"), "{}", ended.stdout);
    assert_eq!(user.run(&["--json"]).expect(0).json()["state"], "not_running");
    assert!(!user.data().exists(), "looking makes nothing");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let user = User::new();
    for arguments in [
        &["nonsense"][..],
        &["send"],
        &["send", "ada", "hi", "--wait=forever"],
        &["send", "ada", "hi", "--timeout", "5"],
        &["read"],
        &["read", "abcdef", "--all"],
        &["peers", "-n", "0"],
        &["peer", "trust", "ada", "much"],
        &["relay", "--port", "99999"],
        &["status", "--home", ""],
    ] {
        let ended = user.run(arguments).expect(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{arguments:?}: {}", ended.stderr);
        let json = user.run(&[&["--json"], arguments].concat()).expect(2).error_json();
        assert_eq!(json["code"], "usage", "{arguments:?}");
    }
}

#[test]
fn a_hostile_argument_is_shown_harmlessly() {
    let ended = User::new().run(&["\u{1b}[31mred\u{202e}"]).expect(2);
    assert!(!ended.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", ended.stderr);
}

#[test]
fn every_command_explains_itself() {
    let user = User::new();
    let help = user.run(&["--help"]).expect(0).stdout;
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // What is indented further goes on with a description.
    let commands: Vec<&str> =
        listed.lines().filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 17, "{commands:?}");
    for command in commands {
        let help = user.run(&[command, "--help"]).expect(0).stdout;
        assert!(help.contains(&format!("Usage: ocmesh {command}")), "{help}");
        assert!(help.contains("--json"), "{command} has no --json");
    }
    assert_eq!(user.run(&["--version"]).expect(0).stdout, format!("ocmesh {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_configuration_is_shown_with_where_it_comes_from() {
    let user = User::new();
    fs::create_dir(user.data()).unwrap();
    fs::write(user.data().join("config.toml"), "name = \"file-name\"\n[api]\nport = 7000\n").unwrap();
    let ended = user.run(&["config", "show", "--json"]).expect(0).json();
    let source =
        |key: &str| ended.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap()["source"].as_str().unwrap().to_owned();
    assert!(source("api.port").ends_with("config.toml:3"), "{ended}");
    assert_eq!((source("relays").as_str(), source("log.level").as_str()), ("OCMESH_RELAYS", "default"));
    assert!(user.run(&["config", "check"]).expect(0).stdout.contains("good"));
    assert!(user.run(&["config", "path"]).expect(0).stdout.ends_with(".ocmesh/config.toml\n"));

    fs::write(user.data().join("config.toml"), "[api]\nprot = 7000\n").unwrap();
    for command in [&["config", "check"][..], &["daemon"], &["config", "show"]] {
        let ended = user.run(command).expect(1);
        assert!(ended.stderr.contains("api.prot") && ended.stderr.contains("api.port"), "{}", ended.stderr);
        assert!(ended.stderr.contains("try: "), "{}", ended.stderr);
    }
}

#[test]
fn the_home_can_be_moved_by_flag_and_environment() {
    let user = User::new();
    let wanted = user.home().join("elsewhere");
    for command in [
        user.ocmesh(&["config", "path"]).env("OCMESH_HOME", &wanted),
        user.ocmesh(&["config", "path", "--home"]).arg(&wanted).env("OCMESH_HOME", "/not/this"),
    ] {
        assert_eq!(Ended::of(command).expect(0).stdout, format!("{}/config.toml\n", wanted.display()));
    }
}

#[test]
fn doctor_works_with_the_daemon_stopped() {
    let user = User::new();
    let report = user.run(&["doctor", "--json"]).expect(1).json();
    assert_eq!(report["ok"], false);
    let verdict = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))["verdict"].clone()
    };
    assert_eq!(verdict("home"), "warn");
    assert_eq!(verdict("config"), "ok");
    assert_eq!(verdict("database"), "warn");
    assert_eq!(verdict("daemon"), "warn");
    assert_eq!(verdict("relays"), "fail", "nobody listens at the relay");
    assert_eq!(verdict("clock"), "ok");
    assert_eq!(verdict("service"), "ok");
    assert!(!user.data().exists(), "looking makes nothing");

    let relay = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", relay.local_addr().unwrap());
    let ended = Ended::of(user.ocmesh(&["doctor"]).env("OCMESH_RELAYS", url).env("OCMESH_API_PORT", "0")).expect(0);
    assert!(ended.stdout.contains("ok    relays     1 of 1 take a connection"), "{}", ended.stdout);
    assert!(ended.stdout.contains("to look at"), "{}", ended.stdout);
}

#[test]
fn doctor_finds_open_files_a_taken_port_and_a_clock_set_back() {
    let user = User::new();
    fs::create_dir(user.data()).unwrap();
    fs::set_permissions(user.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(user.data().join("db.key"), "k").unwrap();
    fs::set_permissions(user.data().join("db.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let log = fs::File::create(user.data().join("ocmesh.log")).unwrap();
    log.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(7200)).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Ended::of(user.ocmesh(&["doctor"]).env("OCMESH_API_PORT", &port)).expect(1);
    for wanted in ["fail  modes", "chmod 600", "fail  clock", "fail  api", &port] {
        assert!(ended.stdout.contains(wanted), "{wanted}: {}", ended.stdout);
    }
}

#[test]
fn nothing_to_send_is_a_usage_error_and_a_reader_that_leaves_is_none() {
    let user = User::new();
    let mut child = user.ocmesh(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let user = User::new();
    let pages = user.home().join("share/man1");
    user.run(&["man", "--to", pages.to_str().unwrap()]).expect(0);
    let names: Vec<String> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for page in ["ocmesh.1", "ocmesh-send.1", "ocmesh-peer-trust.1", "ocmesh-service-uninstall.1", "ocmesh-man.1"] {
        assert!(names.contains(&page.to_owned()), "{page}: {names:?}");
    }
    let send = fs::read_to_string(pages.join("ocmesh-send.1")).unwrap();
    assert!(send.contains(".TH ocmesh") && send.contains("reply") && send.contains("Examples"), "{send}");
    assert_eq!(user.run(&["man"]).expect(0).stdout, fs::read_to_string(pages.join("ocmesh.1")).unwrap());
    let error = user.run(&["man", "--to", pages.join("ocmesh.1").to_str().unwrap(), "--json"]).expect(1).error_json();
    assert_eq!(error["code"], "not_written");
}

#[test]
fn completions_know_every_command() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = user.run(&["completions", shell]).expect(0).stdout;
        for command in ["service", "outbox", "identity", "backup"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}

#[test]
fn logs_say_when_there_are_none_and_show_the_last_lines() {
    let user = User::new();
    let ended = user.run(&["logs"]).expect(1);
    assert!(ended.stderr.contains("there is no log yet"), "{}", ended.stderr);
    fs::create_dir(user.data()).unwrap();
    fs::write(user.data().join("ocmesh.log"), "one\ntwo\nthree \u{1b}[31m\n").unwrap();
    assert_eq!(user.run(&["logs", "-n", "2"]).expect(0).stdout, "two\nthree \\u{1b}[31m\n");

    let mut child = user.ocmesh(&["logs", "-f", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "three \\u{1b}[31m");
    fs::rename(user.data().join("ocmesh.log"), user.data().join("old")).unwrap();
    fs::write(user.data().join("ocmesh.log"), "a new day\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "a new day");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_local_relay_runs_until_it_is_told_to_stop() {
    let user = User::new();
    let mut child = user.ocmesh(&["relay", "--port", "0", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = url["url"].as_str().unwrap().strip_prefix("ws://").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    std::net::TcpStream::connect(&address).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = user.run(&["relay", "--port", &port]).expect(1);
    assert!(ended.stderr.contains("ocmesh relay --port 0"), "{}", ended.stderr);
    let ended = user.run(&["relay", "--port", "0", "--file", "no-such-folder/events"]).expect(1);
    assert!(ended.stderr.contains("no-such-folder/events") && ended.stderr.contains("--file"), "{}", ended.stderr);
}
