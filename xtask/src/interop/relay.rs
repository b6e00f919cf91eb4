//! The foreign relay as a process: `nostr-relay` from PyPI on a loopback port, in a folder that goes away with it.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::run::target_dir;

/// A cold Python start on a busy two-core machine takes 3 to 10 s.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at the port.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Who may read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doors {
    /// Everyone.
    Open,
    /// Keys that authenticated (NIP-42) and were granted a role before.
    MembersOnly,
}

/// A running relay; ends when dropped.
pub(super) struct ForeignRelay {
    port: u16,
    folder: PathBuf,
    programs: PathBuf,
    child: Child,
}

impl ForeignRelay {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// It did not start, or did not answer in time; the error carries its log.
    pub(super) fn start(programs: &Path, doors: Doors) -> Result<Self> {
        // The port is free now; the relay binds it a moment later.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = target_dir().join("interop").join(format!("relay-{port}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("relay.yaml"), configuration(&folder, port, doors))?;
        let log = File::create(folder.join("relay.log"))?;
        let child = Command::new(programs.join("nostr-relay"))
            .args(["-c", "relay.yaml", "serve"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // It forks workers: a group of its own, so that all of them can be stopped.
            .process_group(0)
            .spawn()
            .context("could not start nostr-relay")?;
        let mut relay = Self { port, folder, programs: programs.to_path_buf(), child };
        relay.wait_until_ready()?;
        Ok(relay)
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The command that gives a key its role; the key and the role are appended.
    pub(super) fn grant_command(&self) -> Vec<String> {
        let shown = |path: PathBuf| path.to_string_lossy().into_owned();
        let [role, set, config] = ["role", "set", "-c"].map(str::to_owned);
        vec![shown(self.programs.join("nostr-relay")), config, shown(self.folder.join("relay.yaml")), role, set]
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + READY_WITHIN;
        loop {
            if self.answers().is_ok_and(|answer| answer.contains("supported_nips")) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let log = fs::read_to_string(self.folder.join("relay.log")).unwrap_or_default();
                bail!("the foreign relay did not come up ({ended:?}):\n{log}");
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Its NIP-11 document, by a plain HTTP request.
    fn answers(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for ForeignRelay {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // Nothing is left to do when a signal fails: the processes are gone already.
        let _ = Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status();
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(LOOK_EVERY);
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The relay's configuration. No check of event times: gift wraps are dated back on purpose.
fn configuration(folder: &Path, port: u16, doors: Doors) -> String {
    let base = format!(
        "DEBUG: false
relay_name: foreign
relay_description: a relay that is not ours
sysop_pubkey:
sysop_contact:
storage:
  sqlalchemy.url: sqlite+aiosqlite:///{}
  validators: [nostr_relay.validators.is_not_too_large, nostr_relay.validators.is_signed]
  num_concurrent_adds: 10
verification: {{nip05_verification: disabled}}
gunicorn: {{bind: \"127.0.0.1:{port}\", workers: 1, loglevel: warning, reload: false}}
purple: {{host: 127.0.0.1, port: {port}, workers: 1, disable_compression: true}}
",
        folder.join("nostr.sqlite3").display()
    );
    match doors {
        Doors::Open => base,
        Doors::MembersOnly => format!(
            "{base}authentication:
  enabled: true
  relay_urls: [\"ws://127.0.0.1:{port}\", \"ws://127.0.0.1:{port}/\"]
  actions: {{save: w, query: r}}
"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_members_relay_demands_authentication() {
        let text = |doors| configuration(Path::new("/somewhere"), 7777, doors);
        assert!(!text(Doors::Open).contains("authentication"));
        let members = text(Doors::MembersOnly);
        assert!(members.contains("enabled: true") && members.contains("ws://127.0.0.1:7777/"), "{members}");
    }
}
