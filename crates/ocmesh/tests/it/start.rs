//! Starts that cannot succeed: each says in one line what is wrong and what to do, ends with its exit code, and touches nothing.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::{Ended, User};

/// A relay address at which nobody answers: these daemons must not look for others.
const NOBODY: &str = "ws://127.0.0.1:9";

/// Runs the daemon, which is expected to end by itself.
fn start(user: &User, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = user.ocmesh(&[&["--json", "daemon"], arguments].concat());
    command.env("OCMESH_RELAYS", NOBODY).env("OCMESH_API_PORT", "0").envs(environment.iter().copied());
    Ended::of(&mut command)
}

/// The reason and hint of a failed start, in which every word is to be found.
fn fails(ended: Ended, code: i32, words: &[&str]) {
    let error = ended.expect(code).error_json();
    let text = format!("{error}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "it says what to do: {text}");
}

/// A home with a database, made by importing a key: the daemon has never run here.
fn with_database() -> User {
    let user = User::new();
    let secret = user.home().join("secret");
    fs::write(&secret, "nsec1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsmhltgl\n").unwrap();
    let mut import = user.ocmesh(&["identity", "import"]);
    Ended::of(import.stdin(fs::File::open(&secret).unwrap())).expect(0);
    fs::remove_file(secret).unwrap();
    user
}

fn files(home: &Path) -> Vec<(String, Vec<u8>)> {
    let kept = |name: &str| !name.starts_with("ocmesh.log") && name != "ocmesh.lock" && name != "logs";
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| kept(name))
        .collect();
    files.sort();
    files
}

#[test]
fn a_port_that_another_program_has() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let user = User::new();
    fails(start(&user, &[], &[("OCMESH_API_PORT", &port)]), 1, &["taken", &port, "OCMESH_API_PORT=0"]);
    assert!(!user.data().join("ocmesh.db").exists(), "a start that fails at the port makes no identity");
}

#[test]
fn a_home_that_is_a_file() {
    let user = User::new();
    fs::write(user.data(), "in the way").unwrap();
    fails(start(&user, &[], &[]), 1, &["ocmesh"]);
    assert_eq!(fs::read_to_string(user.data()).unwrap(), "in the way");
}

#[test]
fn a_wrong_key_in_the_configuration_and_a_wrong_value() {
    let user = User::new();
    fs::create_dir_all(user.data()).unwrap();
    fs::write(user.data().join("config.toml"), "[presence]\nintervall = \"5m\"\n").unwrap();
    fails(start(&user, &[], &[]), 1, &["intervall", "presence.interval"]);
    fs::write(user.data().join("config.toml"), "[presence]\ninterval = \"5 parsecs\"\n").unwrap();
    fails(start(&user, &[], &[]), 1, &["presence.interval", "5 parsecs"]);
}

#[test]
fn a_key_file_that_others_can_read() {
    let user = with_database();
    let key = user.data().join("db.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fails(start(&user, &[], &[]), 4, &["db.key", "chmod"]);
}

#[test]
fn a_key_that_is_not_the_databases() {
    let user = with_database();
    fs::write(user.data().join("db.key"), "ab".repeat(32)).unwrap();
    let before = files(&user.data());
    fails(start(&user, &[], &[]), 1, &["cannot be decrypted", "identity restore"]);
    assert_eq!(files(&user.data()), before);
}

#[test]
fn a_database_cut_short_and_one_with_a_flipped_bit() {
    let user = with_database();
    let path = user.data().join("ocmesh.db");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2 + 100]).unwrap();
    let before = files(&user.data());
    fails(start(&user, &[], &[]), 1, &["damaged", "identity restore"]);
    assert_eq!(files(&user.data()), before, "nothing is deleted or overwritten");
    let mut flipped = whole;
    flipped[200] ^= 1;
    fs::write(&path, flipped).unwrap();
    fails(start(&user, &[], &[]), 1, &["damaged", "identity restore"]);
}

#[test]
fn no_home_at_all() {
    let user = User::new();
    let mut command = user.ocmesh(&["--json", "daemon"]);
    fails(Ended::of(command.env_remove("HOME")), 1, &["neither OCMESH_HOME nor HOME is set", "set OCMESH_HOME"]);
}

#[test]
fn a_home_that_cannot_be_written() {
    const NOBODY_ID: u32 = 65_534;
    let user = User::new();
    fs::create_dir(user.data()).unwrap();
    fs::set_permissions(user.data(), fs::Permissions::from_mode(0o500)).unwrap();
    let mut command = user.ocmesh(&["--json", "daemon"]);
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere: another user it is.
        fs::set_permissions(user.home(), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(user.data(), Some(NOBODY_ID), Some(NOBODY_ID)).unwrap();
        std::os::unix::process::CommandExt::uid(std::os::unix::process::CommandExt::gid(&mut command, NOBODY_ID), NOBODY_ID);
    }
    fails(Ended::of(&mut command), 4, &["cannot be locked", "Permission denied", "writable"]);
    assert_eq!(fs::read_dir(user.data()).unwrap().count(), 0);
}

#[test]
fn a_second_daemon_on_one_home_and_another_ocmesh_on_the_port() {
    let user = User::new();
    let mut first = user.ocmesh(&["daemon"]);
    let mut first = first.env("OCMESH_RELAYS", NOBODY).env("OCMESH_API_PORT", "0").stderr(std::process::Stdio::null()).spawn().unwrap();
    let api = user.data().join("api.json");
    let port = loop {
        if let Ok(text) = fs::read_to_string(&api)
            && let Ok(value) = serde_json::from_str::<serde_json::Value>(&text)
        {
            break value["port"].to_string();
        }
        assert!(first.try_wait().unwrap().is_none(), "the first daemon ended");
        std::thread::yield_now();
    };
    fails(start(&user, &[], &[]), 1, &["already running", &first.id().to_string()]);
    let other = User::new();
    fails(start(&other, &[], &[("OCMESH_API_PORT", &port)]), 1, &[&port, "ocmesh", "home"]);
    rustix::process::kill_process(rustix::process::Pid::from_child(&first), rustix::process::Signal::TERM).unwrap();
    assert!(first.wait().unwrap().success(), "a clean stop ends with 0");
    assert!(!api.exists(), "and takes api.json away");
}
