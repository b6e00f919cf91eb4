//! `ocmesh relay` as a process of its own, with a file, so that it can be killed and comes back with what it had.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::daemon::binary;

/// From start to its address, on a machine that does much else.
const START_MAX: Duration = Duration::from_secs(30);

/// A relay that can be killed.
#[derive(Debug)]
pub struct RelayProcess {
    binary: PathBuf,
    dir: TempDir,
    url: String,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl RelayProcess {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no binary, or the relay does not come up.
    pub async fn start() -> Result<Self> {
        let dir = TempDir::with_prefix("ocmesh-relay-")?;
        let mut relay = Self { binary: binary::find()?, dir, url: String::new(), running: None };
        relay.url = relay.run("0").await?;
        Ok(relay)
    }

    /// Its address, the same after each start.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        let (mut child, _) = self.running.take().context("the relay does not run")?;
        Ok(child.kill().await?)
    }

    /// Starts it again at the same address, with what its file holds.
    ///
    /// # Errors
    /// When it does not come up there.
    pub async fn start_again(&mut self) -> Result<()> {
        let port = self.url.rsplit(':').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let url = self.run(&port).await?;
        ensure!(url == self.url, "the relay came back at {url}");
        Ok(())
    }

    async fn run(&mut self, port: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.env_clear().args(["relay", "--json", "--port", port, "--file"]).arg(self.dir.path().join("events.jsonl"));
        command.env("HOME", self.dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        let mut words = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        timeout(START_MAX, words.read_line(&mut line)).await.context("the relay does not say its address")??;
        let said: Value = serde_json::from_str(&line).with_context(|| format!("the relay said {line:?}"))?;
        let url = said.get("url").and_then(Value::as_str).context("no url")?.to_owned();
        self.running = Some((child, words));
        Ok(url)
    }
}
