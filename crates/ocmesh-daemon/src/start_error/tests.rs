//! Every way a start can fail says in one line what is wrong and what to do.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use super::*;
use crate::{
    config::Config,
    identity::{OpenedIdentity, open_or_create},
    lock::HomeLock,
};

fn home(path: &std::path::Path) -> Home {
    Home::locate(|name| (name == "OCMESH_HOME").then(|| path.as_os_str().to_owned())).unwrap()
}

/// Start, as far as this file is concerned.
fn start(home: &Home) -> Result<(HomeLock, OpenedIdentity), StartError> {
    let home = home.open()?.home;
    let lock = HomeLock::take(&home).map_err(|error| StartError::from_lock(&home, error))?;
    let config = Config::load(&home, [("OCMESH_KEYCHAIN".into(), "off".into())], &[])?;
    Ok((lock, open_or_create(&home, &config)?))
}

/// The error's reason, hint and exit code.
fn told(error: &StartError) -> (String, String, u8) {
    let (reason, hint) = (error.reason(), error.hint());
    assert!(!reason.contains('\n') && !hint.contains('\n') && !hint.is_empty(), "{reason} / {hint}");
    (reason, hint, error.exit_code())
}

fn failing(dir: &tempfile::TempDir, words: &[&str], hint_words: &[&str], code: u8) {
    let (reason, hint, exit) = told(&start(&home(dir.path())).unwrap_err());
    assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    assert!(hint_words.iter().all(|word| hint.contains(word)), "{hint}");
    assert_eq!(exit, code, "{reason}");
}

fn started() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    start(&home(dir.path())).unwrap();
    dir
}

#[test]
fn no_home() {
    let error = StartError::from(Home::locate(|_| None).unwrap_err());
    let (reason, hint, code) = told(&error);
    assert!(reason.contains("HOME") && hint.contains("OCMESH_HOME") && code == 1, "{reason} / {hint}");
}

/// Root may write everywhere; below a file, or in /proc, not even root may.
#[test]
fn a_home_that_cannot_be_made() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let (reason, hint, _) = told(&start(&home(&dir.path().join("file/mesh"))).unwrap_err());
    assert!(reason.contains("file/mesh cannot be used: ") && hint.contains("OCMESH_HOME"), "{reason} / {hint}");
    let (reason, _, _) = told(&start(&home(std::path::Path::new("/proc/self/mesh"))).unwrap_err());
    assert!(reason.contains("/proc/self/mesh cannot be used"), "{reason}");
}

#[test]
fn denied_is_its_own_exit_code() {
    let source = io::Error::from(io::ErrorKind::PermissionDenied);
    let error = StartError::Home(HomeError::Unusable { path: "/x".into(), source });
    assert_eq!(told(&error).2, 4);
    let error = StartError::from_listen(80, io::Error::from(io::ErrorKind::PermissionDenied));
    let (_, hint, code) = told(&error);
    assert!(hint.contains("1024") && code == 4, "{hint}");
}

#[test]
fn a_machine_without_ipv4() {
    let (reason, hint, code) = told(&StartError::from_listen(7432, io::Error::from(io::ErrorKind::AddrNotAvailable)));
    assert!(reason.contains("127.0.0.1:7432") && hint.contains("ip address add 127.0.0.1/8") && code == 1, "{reason} / {hint}");
}

#[test]
fn two_daemons_on_one_home() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(&home(dir.path())).unwrap();
    let pid = std::process::id().to_string();
    failing(&dir, &["already running", &pid, dir.path().file_name().unwrap().to_str().unwrap()], &["ocmesh status"], 1);
    drop(first);
    start(&home(dir.path())).unwrap();
}

#[test]
fn a_lock_that_cannot_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(home(dir.path()).lock()).unwrap();
    failing(&dir, &["cannot be locked: "], &["OCMESH_HOME"], 1);
}

#[test]
fn a_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(home(dir.path()).config(), "[api]\nprot = 1\n").unwrap();
    failing(&dir, &["config.toml:2", "api.prot", "api.port"], &["config show"], 1);
}

#[test]
fn a_key_that_others_can_read() {
    let dir = started();
    fs::set_permissions(home(dir.path()).database_key(), fs::Permissions::from_mode(0o640)).unwrap();
    failing(&dir, &["db.key can be read by other users", "0640"], &["chmod 600"], 4);
}

#[test]
fn a_database_without_its_key() {
    let dir = started();
    fs::remove_file(home(dir.path()).database_key()).unwrap();
    failing(&dir, &["ocmesh.db is there, but its key"], &["put db.key back"], 1);
    assert!(!home(dir.path()).database_key().exists(), "no second key is made");
}

#[test]
fn a_wrong_key() {
    let dir = started();
    fs::write(home(dir.path()).database_key(), "ab".repeat(32)).unwrap();
    failing(&dir, &["cannot be decrypted"], &["ocmesh doctor", "identity restore"], 1);
}

#[test]
fn a_damaged_database() {
    let dir = started();
    let path = home(dir.path()).database();
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..200].fill(0);
    fs::write(&path, &bytes).unwrap();
    failing(&dir, &["database"], &["identity restore"], 1);
    assert_eq!(fs::read(&path).unwrap(), bytes, "left as it was");
    fs::write(&path, "").unwrap();
    failing(&dir, &["damaged"], &["identity restore"], 1);
}

#[test]
fn a_database_of_a_later_version() {
    let error = OpenIdentityError::from(OpenError::Newer { found: 9, supported: 1 });
    let (reason, hint, code) = told(&error.into());
    assert!(reason.contains('9') && hint.contains("install the newest") && code == 1, "{reason} / {hint}");
}

#[test]
fn a_database_that_others_can_read() {
    let dir = started();
    fs::set_permissions(home(dir.path()).database(), fs::Permissions::from_mode(0o644)).unwrap();
    failing(&dir, &["other users", "0644"], &["chmod 600"], 4);
}

#[test]
fn a_taken_port_says_by_whom() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = StartError::from_listen(port, TcpListener::bind(("127.0.0.1", port)).unwrap_err());
    let (reason, hint, code) = told(&error);
    assert!(reason.contains(&format!("port {port}")) && hint.contains("OCMESH_API_PORT") && code == 1, "{reason} / {hint}");
    if cfg!(target_os = "linux") {
        assert!(reason.contains(&format!("(process {})", std::process::id())), "{reason}");
    }
}

#[test]
fn another_ocmesh_on_the_port_is_told_apart() {
    let error = StartError::PortTaken { port: 7432, holder: PortHolder::Ocmesh { pid: Some(7) } };
    let (reason, hint, _) = told(&error);
    assert!(reason.ends_with("another ocmesh (process 7)") && hint.contains("another home"), "{reason} / {hint}");
}
