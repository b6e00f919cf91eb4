//! Checks of what is on the disk: home, modes, database, clock, PATH.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use ocmesh_daemon::{
    config::Config,
    damaged_log,
    identity::open_or_create,
    lock::{HomeLock, LockError},
    start_error::StartError,
};

use super::Finding;
use crate::{commands::Place, error::chain};

/// Files dated further ahead than this mean that the clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(10 * 60);
/// No ocmesh of this version ran before 2026: an earlier date is a clock that lost its battery. Seconds since 1970.
const EPOCH_SECONDS_MIN: u64 = 1_767_225_600;

pub(in crate::commands) fn home(place: &Place) -> Finding {
    let path = place.home.path();
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::warn("home", format!("{shown} is not there yet"), "the first start makes it: ocmesh daemon")
        }
        Err(error) => Finding::fail("home", format!("{shown}: {error}"), "check the path and its rights, or move the home: OCMESH_HOME"),
        Ok(facts) if !facts.is_dir() => {
            Finding::fail("home", format!("{shown} is not a directory"), "move that file away, or set OCMESH_HOME")
        }
        Ok(facts) => match open_to_others(&facts) {
            Some(mode) => {
                Finding::warn("home", format!("{shown} can be entered by others (mode {mode:04o})"), format!("chmod 700 {shown}"))
            }
            None => match writable(path) {
                Ok(()) => Finding::ok("home", shown.to_string()),
                Err(error) => Finding::fail("home", format!("{shown} cannot be written: {error}"), "check its owner and the disk"),
            },
        },
    }
}

/// Makes a file in the home and takes it away again.
fn writable(home: &Path) -> std::io::Result<()> {
    let probe = home.join(format!(".doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

/// Files that hold secrets must be ours alone.
pub(in crate::commands) fn modes(place: &Place) -> Vec<Finding> {
    let home = &place.home;
    let files = [home.database(), home.database_key(), home.identity_backup(), home.token(), home.tokens(), home.config()];
    let open = |path: &PathBuf| fs::symlink_metadata(path).ok().and_then(|facts| open_to_others(&facts)).map(|mode| (path.clone(), mode));
    let mut findings: Vec<Finding> = files
        .iter()
        .filter_map(open)
        .map(|(path, mode)| {
            Finding::fail(
                "modes",
                format!("{} can be opened by others (mode {mode:04o})", path.display()),
                format!("chmod 600 {}", path.display()),
            )
        })
        .collect();
    if findings.is_empty() && home.path().is_dir() {
        findings.push(Finding::ok("modes", "secret files are closed to others"));
    }
    findings
}

#[cfg(unix)]
fn open_to_others(facts: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = facts.permissions().mode() & 0o7777;
    (!facts.is_symlink() && mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

/// Key, database and identity: opened and read to the last page where the daemon does not hold them.
pub(super) fn database(place: &Place, config: Option<&Config>) -> Finding {
    const CHECK: &str = "database";
    let home = &place.home;
    if !home.database().exists() {
        return if home.identity_backup().exists() {
            Finding::warn(
                CHECK,
                "the database is gone, but not the sealed copy of the identity",
                "the next start makes a new database with it: ocmesh daemon",
            )
        } else {
            Finding::warn(CHECK, "there is no database yet", "the first start makes it: ocmesh daemon")
        };
    }
    let Some(config) = config else { return Finding::warn(CHECK, "not checked", "repair the configuration first") };
    let _lock = match HomeLock::take(home) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Finding::ok(CHECK, "in use by the daemon (stop it to have every page checked)"),
        Err(error) => return Finding::fail(CHECK, chain(&error), "check the rights of ocmesh.lock"),
    };
    let opened = match open_or_create(home, config) {
        Ok(opened) => opened,
        Err(error) => {
            let error = StartError::from(error);
            return Finding::fail(CHECK, error.reason(), error.hint());
        }
    };
    let npub = crate::keys::npub(&opened.keys.public());
    let findings = opened.store.integrity_check();
    let closed = opened.store.close();
    match (findings, closed) {
        (Ok(findings), Ok(())) if findings.is_empty() => Finding::ok(CHECK, format!("every page is sound; the identity is {npub}")),
        (Ok(findings), Ok(())) => {
            let first = findings.first().map(String::as_str).unwrap_or_default();
            let detail = format!("damaged: {first} ({} findings)", findings.len());
            Finding::fail(CHECK, detail, "back up the home; the identity can be read: ocmesh identity backup")
        }
        (Err(error), _) => {
            Finding::fail(CHECK, chain(&error), "ocmesh identity restore (keeps the old database, brings the identity back)")
        }
        (_, Err(error)) => Finding::fail(CHECK, chain(&error), "check the disk"),
    }
}

/// Logs that were found damaged; the running daemon tells of them itself.
pub(super) fn damaged_logs(place: &Place) -> Vec<Finding> {
    const HINT: &str = "ocmesh logs; send again what may be lost, and move the directory away";
    let logs = damaged_log::beside(&place.home);
    logs.iter().map(|log| Finding::warn("database", damaged_log::words(log), HINT)).collect()
}

pub(super) fn clock(place: &Place) -> Finding {
    const HINT: &str = "set the clock, and have it kept by the network (NTP): relays drop events that are dated wrongly";
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < EPOCH_SECONDS_MIN {
        return Finding::fail("clock", "the clock is years behind", HINT);
    }
    let newest = [place.home.database(), place.home.log(), place.home.api_file()]
        .iter()
        .filter_map(|path| fs::metadata(path).and_then(|facts| facts.modified()).ok())
        .max();
    match newest.and_then(|newest| newest.duration_since(now).ok()) {
        Some(ahead) if ahead > CLOCK_SLACK => {
            Finding::fail("clock", format!("the clock is behind files written earlier by {}", crate::ui::span(ahead)), HINT)
        }
        _ => Finding::ok("clock", "plausible"),
    }
}

/// Agents and service managers start `ocmesh` by its name.
pub(super) fn path() -> Finding {
    let Ok(exe) = std::env::current_exe().and_then(|exe| exe.canonicalize()) else {
        return Finding::warn("path", "this program's own file is not known", "install it again");
    };
    let name = if cfg!(windows) { "ocmesh.exe" } else { "ocmesh" };
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    match found {
        Some(found) if found.canonicalize().is_ok_and(|found| found == exe) => Finding::ok("path", found.display().to_string()),
        Some(found) => Finding::warn(
            "path",
            format!("\"ocmesh\" is {}, but this is {}", found.display(), exe.display()),
            "remove the one you do not want",
        ),
        None => {
            Finding::warn("path", format!("{} is not on the PATH", exe.display()), "add its directory to the PATH, so that agents find it")
        }
    }
}
