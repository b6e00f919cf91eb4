//! One agent of the demo: a daemon of this very program as a child process, in a home of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use ocmesh_api::Client;
use tokio::process::{Child, Command};

use crate::error::CliError;

/// The daemon promises to stop within 5 s; a busy machine gets twice that.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A running daemon.
pub(super) struct Agent {
    pub(super) name: &'static str,
    home: PathBuf,
    errors: PathBuf,
    child: Child,
}

impl Agent {
    /// Starts a daemon. Nothing of this user's own configuration reaches it.
    pub(super) fn start(name: &'static str, home: &Path, relay: &str) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::could_not("agent_failed", format!("{name} could not start")).why(error);
        let exe = std::env::current_exe().map_err(failed)?;
        let errors = home.with_extension("err");
        let mut command = Command::new(exe);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("OCMESH_")) {
            command.env_remove(variable);
        }
        let child = command
            .args(["--json", "--home"])
            .arg(home)
            .arg("daemon")
            .env("OCMESH_NAME", name)
            .env("OCMESH_RELAYS", relay)
            .env("OCMESH_API_PORT", "0")
            // The keychain is for keys that are to stay.
            .env("OCMESH_KEYCHAIN", "off")
            .env("OCMESH_DISCOVERY_INTERVAL", "10s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).map_err(failed)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self { name, home: home.to_owned(), errors, child })
    }

    /// The way to it, once it listens.
    pub(super) fn client(&self) -> Option<Client> {
        Client::from_home(&self.home).ok()
    }

    /// # Errors
    /// The daemon ended, with the last thing it said.
    pub(super) fn still_runs(&mut self) -> Result<(), CliError> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(()) };
        let said = fs::read_to_string(&self.errors).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned();
        Err(CliError::could_not("agent_ended", format!("{} ended too early ({status})", self.name)).why(last).hint("ocmesh doctor"))
    }

    /// Asks the daemon to stop and waits for it; says whether it ended well.
    pub(super) async fn stop(&mut self) -> bool {
        self.ask_to_stop();
        match tokio::time::timeout(STOP_MAX, self.child.wait()).await {
            Ok(Ok(status)) => status.success() || cfg!(windows),
            _ => {
                // Killed and reaped here, so that its files can be removed.
                let _ = self.child.kill().await;
                false
            }
        }
    }

    #[cfg(unix)]
    fn ask_to_stop(&self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may just have ended by itself: then there is nothing to ask.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// Windows has no polite way to ask another process without a window.
    #[cfg(not(unix))]
    fn ask_to_stop(&mut self) {
        let _ = self.child.start_kill();
    }
}
