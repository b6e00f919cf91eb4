//! The real `ocmesh` binary, run as a daemon in a home of its own: started, killed, started again, read, and asked over its Local API.

pub(crate) mod binary;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use ocmesh_api::Client;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::wait;

/// From start to the first answer, on a machine that compiles something else meanwhile.
const START_MAX: Duration = Duration::from_secs(30);
/// The specification gives 5 s; the rest is for a busy machine.
const STOP_MAX: Duration = Duration::from_secs(15);
/// Variables of the outside that the daemon may see; everything else is cleared.
const KEPT: [&str; 5] = ["PATH", "SYSTEMROOT", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "TMPDIR"];
/// Lines of the log shown when a test fails.
const LAST_WORDS: usize = 60;

/// How to run a daemon.
#[derive(Debug, Clone, Default)]
pub struct TestDaemonBuilder {
    binary: Option<PathBuf>,
    env: BTreeMap<String, OsString>,
    config: Option<String>,
    args: Vec<OsString>,
    own_group: bool,
}

impl TestDaemonBuilder {
    /// The binary; found by itself otherwise (`OCMESH_BIN`, or beside the test in the target directory).
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// `OCMESH_RELAYS`.
    #[must_use]
    pub fn relays<S: AsRef<str>>(self, urls: &[S]) -> Self {
        let urls: Vec<_> = urls.iter().map(AsRef::as_ref).collect();
        self.env("OCMESH_RELAYS", urls.join(","))
    }

    /// `OCMESH_NAME`.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.env("OCMESH_NAME", name)
    }

    /// Any variable; the last word on one wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The text of `config.toml`.
    #[must_use]
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = Some(toml.into());
        self
    }

    /// An argument after `daemon`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// In a process group of its own, so that Ctrl-C in the terminal reaches only whoever runs it.
    #[must_use]
    pub const fn own_group(mut self) -> Self {
        self.own_group = true;
        self
    }

    /// Makes the home and starts the daemon; comes back when its API answers.
    ///
    /// # Errors
    /// When there is no binary, or the daemon does not come up: the error holds what it said.
    pub async fn start(self) -> Result<TestDaemon> {
        let mut daemon = self.prepare()?;
        daemon.start().await?;
        Ok(daemon)
    }

    /// Makes the home only, to put something into it before [`TestDaemon::start`].
    ///
    /// # Errors
    /// When there is no binary, or no place for a home.
    pub fn prepare(self) -> Result<TestDaemon> {
        let binary = self.binary.clone().map_or_else(binary::find, Ok)?;
        let dir = TempDir::with_prefix("ocmesh-test-")?;
        let home = dir.path().join("home");
        let mut how = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut how, 0o700);
        how.create(&home)?;
        if let Some(toml) = &self.config {
            fs::write(home.join("config.toml"), toml)?;
        }
        Ok(TestDaemon { binary, how: self, dir, home, child: None })
    }
}

/// A daemon under test. Dropping it kills the process; when a test is failing, its last words are shown first.
#[derive(Debug)]
pub struct TestDaemon {
    binary: PathBuf,
    how: TestDaemonBuilder,
    dir: TempDir,
    home: PathBuf,
    child: Option<Child>,
}

impl TestDaemon {
    /// How to run one.
    #[must_use]
    pub fn builder() -> TestDaemonBuilder {
        TestDaemonBuilder::default()
    }

    /// `OCMESH_HOME`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command with this daemon's binary and environment, for its command line.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("HOME", self.dir.path()).env("OCMESH_HOME", &self.home).env("OCMESH_API_PORT", "0").env("OCMESH_KEYCHAIN", "off");
        // No test talks to the world unless it says so.
        command.env("OCMESH_RELAYS", "ws://127.0.0.1:9").envs(&self.how.env);
        command.current_dir(self.dir.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the process (again) on the same home; comes back when its API answers.
    ///
    /// # Errors
    /// When it runs already, or does not come up.
    pub async fn start(&mut self) -> Result<()> {
        if self.pid().is_some() {
            bail!("the daemon runs already");
        }
        let words = OpenOptions::new().create(true).append(true).open(self.words_path())?;
        let mut command = self.command();
        command.arg("daemon").args(&self.how.args).stdout(words.try_clone()?).stderr(words);
        #[cfg(unix)]
        if self.how.own_group {
            command.process_group(0);
        }
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        let pid = child.id();
        let up = wait::until_ok("the daemon's API", START_MAX, async || {
            // A daemon that gave up is not waited for.
            Ok::<_, anyhow::Error>(if let Some(status) = child.try_wait()? { Err(status) } else { self.is_up(pid).await.map(Ok)? })
        });
        let up = up.await;
        self.child = Some(child);
        match up {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("the daemon gave up with {status} and said:\n{}", self.last_words()),
            Err(error) => Err(error.context(format!("the daemon said:\n{}", self.last_words()))),
        }
    }

    /// Starts it, expecting that it gives up by itself; gives its exit status.
    ///
    /// # Errors
    /// When it is still there after a while.
    pub async fn start_to_fail(&mut self) -> Result<ExitStatus> {
        let words = OpenOptions::new().create(true).append(true).open(self.words_path())?;
        let mut command = self.command();
        command.arg("daemon").args(&self.how.args).stdout(words.try_clone()?).stderr(words);
        let mut child = command.spawn()?;
        timeout(START_MAX, child.wait()).await.context("the daemon did not give up")?.map_err(Into::into)
    }

    async fn is_up(&self, pid: Option<u32>) -> Result<()> {
        let client = self.client()?;
        if Some(client.endpoint().pid) != pid {
            bail!("api.json is of another process");
        }
        client.status().await?;
        Ok(())
    }

    /// A client of its Local API.
    ///
    /// # Errors
    /// When there is no `api.json`.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::from_home(&self.home)?)
    }

    /// The process, while it was not waited for.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon does not run")?;
        Ok(child.kill().await?)
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or not stop.
    #[cfg(unix)]
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(rustix::process::Signal::TERM)?;
        let mut child = self.child.take().context("the daemon does not run")?;
        let stopped = timeout(STOP_MAX, child.wait()).await;
        Ok(stopped.with_context(|| format!("the daemon does not stop; it said:\n{}", self.last_words()))??)
    }

    /// Sends any signal.
    ///
    /// # Errors
    /// When it does not run.
    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = self.pid().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(rustix::process::kill_process(pid.context("the daemon does not run")?, signal)?)
    }

    /// Stops it as a service manager would, and starts it again.
    ///
    /// # Errors
    /// When it does not stop with 0, or does not come up.
    #[cfg(unix)]
    pub async fn restart(&mut self) -> Result<()> {
        let status = self.terminate().await?;
        anyhow::ensure!(status.success(), "the daemon stopped with {status}");
        self.start().await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("the daemon does not run")?;
        let status = timeout(limit, child.wait()).await.context("the daemon does not end")??;
        self.child = None;
        Ok(status)
    }

    /// What it printed, which is its log without the file's fate.
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read(self.words_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Other variables for the next start; they replace those of the same name.
    pub fn set_env(&mut self, env: impl IntoIterator<Item = (&'static str, OsString)>) {
        self.how.env.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }

    /// Its log of today, and everything it printed.
    #[must_use]
    pub fn log(&self) -> String {
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        read(&self.words_path()) + &read(&self.home.join("ocmesh.log"))
    }

    fn words_path(&self) -> PathBuf {
        self.dir.path().join("printed")
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)).fold(String::new(), |text, line| text + line + "\n")
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "--- last words of the daemon in {}\n{}", self.home.display(), self.last_words());
        }
    }
}
