//! Who is measured, and how each is started on a home of its own.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::http::Http;

/// From start to the first answer, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
/// For a stop in order.
const STOP_MAX: Duration = Duration::from_secs(15);
/// Between two tries to reach a process that starts: short against what is measured.
const TRY_EVERY: Duration = Duration::from_micros(300);

/// What the systemd unit of ours sets.
const UNIT_ENVIRONMENT: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "262144")];

/// A contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    /// Ours.
    Ocmesh,
    /// The Node daemon of `bench/node` as it is.
    NodeJs,
    /// The same, with nostr-wasm for signatures.
    NodeWasm,
    /// The bare client of `bench/rust-nostr`, which has no outbox and no Local API, with the database of its SDK.
    RustLmdb,
    /// The same, which keeps nothing.
    RustBare,
}

impl Who {
    pub(crate) const ALL: &[Self] = &[Self::Ocmesh, Self::NodeJs, Self::NodeWasm, Self::RustLmdb, Self::RustBare];
    /// Who has a store, an outbox and a Local API.
    pub(crate) const DAEMONS: &[Self] = &[Self::Ocmesh, Self::NodeJs, Self::NodeWasm];
    /// The tables of the page: ours beside these.
    pub(crate) const TABLES: [[Self; 2]; 2] = [[Self::NodeJs, Self::NodeWasm], [Self::RustLmdb, Self::RustBare]];

    /// A bare client does less than is asked of a daemon: where it is about being there, it is told and not compared.
    pub(crate) fn is_daemon(self) -> bool {
        Self::DAEMONS.contains(&self)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ocmesh => "ocmesh",
            Self::NodeJs => "Node",
            Self::NodeWasm => "Node + wasm",
            Self::RustLmdb => "rust-nostr + LMDB",
            Self::RustBare => "rust-nostr",
        }
    }

    /// The program.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Ocmesh => "ocmesh",
            Self::NodeJs | Self::NodeWasm => "node",
            Self::RustLmdb | Self::RustBare => "rust-nostr",
        }
    }
}

/// Where programs and homes are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The binary of ours.
    pub(crate) binary: PathBuf,
    /// The folder of the Node reference.
    pub(crate) node: PathBuf,
    /// The program of the bare client.
    pub(crate) rust_nostr: PathBuf,
    /// Homes, kept stores and results; on a real disk.
    pub(crate) work: PathBuf,
}

impl Places {
    /// An empty home.
    pub(crate) fn fresh_home(&self, name: &str) -> Result<PathBuf> {
        let home = self.work.join("homes").join(name);
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        fs::create_dir_all(&home)?;
        #[cfg(unix)]
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(home)
    }

    /// Starts a daemon; comes back when it answers, with how long that took.
    pub(crate) async fn start(&self, who: Who, home: &Path, relays: &[&str]) -> Result<(Running, Duration)> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let words = File::options().create(true).append(true).open(home.with_extension("out"))?;
        let mut command = match who {
            Who::Ocmesh => {
                let mut command = Command::new(&self.binary);
                command.arg("daemon");
                command
            }
            Who::NodeJs | Who::NodeWasm => {
                let mut command = Command::new("node");
                command.arg(self.node.join("daemon.mjs"));
                command
            }
            Who::RustLmdb | Who::RustBare => Command::new(&self.rust_nostr),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
        match who {
            // As the unit of `ocmesh service install` starts it.
            Who::Ocmesh => command.envs(UNIT_ENVIRONMENT),
            Who::NodeJs | Who::RustBare => &mut command,
            Who::NodeWasm => command.env("REFERENCE_WASM", "1"),
            Who::RustLmdb => command.env("REFERENCE_STORE", "lmdb"),
        };
        command.env("OCMESH_HOME", home).env("OCMESH_API_PORT", port.to_string()).env("OCMESH_RELAYS", relays.join(","));
        command.envs([
            ("OCMESH_KEYCHAIN", "off"),
            // A name of the same length for all: it is in every announcement.
            ("OCMESH_NAME", "contestant"),
            // Greetings are paced on purpose: they say nothing of speed.
            ("OCMESH_HANDSHAKE_MODE", "off"),
            ("OCMESH_API_REQUESTS_PER_SECOND", "100000"),
        ]);
        command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).kill_on_drop(true);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let pid = child.id().context("no process")?;
        let mut running = Running { child, port, pid };
        let answered = timeout(START_MAX, running.answers()).await;
        let took = began.elapsed();
        match answered {
            Ok(Ok(())) => Ok((running, took)),
            Ok(Err(error)) => Err(error),
            Err(_) => bail!("{} did not answer; see {}", who.name(), home.with_extension("out").display()),
        }
    }
}

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    port: u16,
    pub(crate) pid: u32,
}

impl Running {
    async fn answers(&mut self) -> Result<()> {
        loop {
            if let Ok(mut http) = Http::connect(self.port).await
                && http.status().await.is_ok()
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended with {status}");
            }
            sleep(TRY_EVERY).await;
        }
    }

    pub(crate) async fn http(&self) -> Result<Http> {
        Http::connect(self.port).await
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid)?).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        timeout(STOP_MAX, self.child.wait()).await.context("the daemon does not stop")??;
        Ok(())
    }

    /// Its own key.
    pub(crate) async fn pubkey(&self) -> Result<String> {
        let status = self.http().await?.status().await?;
        Ok(status.get("pubkey").and_then(|key| key.as_str()).context("no pubkey in /status")?.to_owned())
    }

    /// Makes a key known and trusted here.
    pub(crate) async fn befriend(&self, key: &str) -> Result<()> {
        let mut http = self.http().await?;
        http.write(Method::POST, "/peers", &json!({ "peer": key })).await?;
        http.write(Method::PATCH, &format!("/peers/{key}"), &json!({ "trust": "trusted" })).await?;
        Ok(())
    }

    /// A number of `/status`. Who is busy for seconds drops a connection that it kept: it is asked again over a new one.
    pub(crate) async fn count(&self, http: &mut Http, field: &str) -> Result<u64> {
        let status = match http.status().await {
            Ok(status) => status,
            Err(_) => {
                *http = self.http().await?;
                http.status().await?
            }
        };
        status.get(field).and_then(serde_json::Value::as_u64).with_context(|| format!("no {field} in /status"))
    }
}

#[cfg(test)]
mod tests {
    use super::UNIT_ENVIRONMENT;

    #[test]
    fn the_unit_sets_what_is_measured() {
        let settings = include_str!("../../crates/ocmesh/src/lean_memory.rs");
        for (name, value) in UNIT_ENVIRONMENT {
            assert!(settings.contains(&format!("\"{name}\"")) && settings.contains(&format!("\"{value}\")")), "{name}={value}");
        }
    }
}
