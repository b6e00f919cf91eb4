//! A relay that is not ours: the PyPI package `nostr-relay`, in a virtual environment that is made once and kept.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nostr::key::PublicKey;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{raw::RawClient, wait};

const PACKAGE: &str = "nostr-relay==1.14";
/// Python starts in about 3 s on a quiet machine.
const START_MAX: Duration = Duration::from_secs(60);
/// A port may be taken between choosing it and listening on it.
const TRIES: usize = 3;

/// How to run one.
#[derive(Debug, Clone, Default)]
pub struct ForeignOptions {
    /// Where the virtual environment lives; `OCMESH_INTEROP_VENV`, or `interop-venv` in the target directory otherwise.
    pub venv: Option<PathBuf>,
    /// Sends NIP-42 challenges; only keys with [`ForeignRelay::grant`] may then read and write. It never says OK to a good answer.
    pub auth: bool,
}

/// A running one. Dropping it stops it, with the workers it forked.
#[derive(Debug)]
pub struct ForeignRelay {
    url: String,
    program: PathBuf,
    dir: TempDir,
    child: Child,
}

impl ForeignRelay {
    /// Installs what is missing, starts the relay, and waits until it answers.
    ///
    /// # Errors
    /// When Python or the package cannot be had, or the relay does not come up.
    pub async fn start(options: ForeignOptions) -> Result<Self> {
        let venv = options.venv.clone().map_or_else(default_venv, Ok)?;
        let program = install(&venv).await?;
        let mut last = None;
        for _ in 0..TRIES {
            match Self::try_start(&program, options.auth).await {
                Ok(relay) => return Ok(relay),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("not tried")?)
    }

    async fn try_start(program: &Path, auth: bool) -> Result<Self> {
        let dir = TempDir::with_prefix("ocmesh-foreign-")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let url = format!("ws://127.0.0.1:{port}");
        fs::write(dir.path().join("relay.yaml"), configuration(dir.path(), port, auth))?;
        let words = File::create(dir.path().join("printed"))?;
        let mut command = Self::command(program, dir.path());
        command.arg("serve").stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut relay = Self { url, program: program.to_owned(), child: command.spawn()?, dir };
        // Also a client that connects before the relay is whole is refused or left waiting: ask until it answers a question.
        let up = wait::until_ok("the foreign relay", START_MAX, async || {
            ensure!(relay.child.try_wait()?.is_none(), "it ended");
            let mut client = RawClient::connect(&relay.url).await?;
            if auth {
                client.hear_until("AUTH").await?;
            } else {
                client.stored(&serde_json::json!({ "kinds": [1], "limit": 1 })).await?;
            }
            client.close().await;
            Ok(())
        });
        match up.await {
            Ok(()) => Ok(relay),
            Err(error) => Err(error.context(fs::read_to_string(relay.dir.path().join("printed")).unwrap_or_default())),
        }
    }

    fn command(program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).arg("-c").arg(dir.join("relay.yaml"));
        command
    }

    /// The address for clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets a key read and write, where authentication is on.
    ///
    /// # Errors
    /// When the relay's own command fails.
    pub async fn grant(&self, key: &PublicKey) -> Result<()> {
        let mut command = Self::command(&self.program, self.dir.path());
        let output = command.args(["role", "set", "-p", &key.to_hex(), "-r", "rw"]).output().await?;
        if !output.status.success() {
            bail!("cannot grant a role: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

impl Drop for ForeignRelay {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The program of the virtual environment, made when it is not there. One process makes it, the others wait.
async fn install(venv: &Path) -> Result<PathBuf> {
    let parent = venv.parent().context("no place for a virtual environment")?;
    fs::create_dir_all(parent)?;
    let lock = File::create(venv.with_extension("lock"))?;
    let held = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    let program = venv.join("bin").join("nostr-relay");
    if !program.is_file() {
        run(Command::new("python3").arg("-m").arg("venv").arg(venv)).await?;
        run(Command::new(venv.join("bin").join("pip")).args(["install", "--quiet", "--disable-pip-version-check", PACKAGE])).await?;
    }
    drop(held);
    Ok(program)
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().await.with_context(|| format!("cannot run {:?}", command.as_std()))?;
    ensure!(output.status.success(), "{:?} failed: {}", command.as_std(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn default_venv() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("OCMESH_INTEROP_VENV") {
        return Ok(path.into());
    }
    // Tests live in `<target>/<profile>/deps`.
    let test = std::env::current_exe()?;
    Ok(test.ancestors().nth(3).context("not run from a target directory")?.join("interop-venv"))
}

fn configuration(dir: &Path, port: u16, auth: bool) -> String {
    let dir = dir.display();
    let auth = if auth {
        format!(
            "authentication:\n  enabled: true\n  relay_urls: [\"ws://127.0.0.1:{port}\", \"ws://127.0.0.1:{port}/\"]\n  actions: {{save: w, query: r}}\n"
        )
    } else {
        String::new()
    };
    format!(
        "DEBUG: false
relay_name: foreign
relay_description: a relay that is not ours
sysop_pubkey:
sysop_contact:
storage:
  sqlalchemy.url: sqlite+aiosqlite:///{dir}/nostr.sqlite3
  validators: [nostr_relay.validators.is_not_too_large, nostr_relay.validators.is_signed]
  num_concurrent_adds: 10
verification: {{nip05_verification: disabled}}
gunicorn: {{bind: \"127.0.0.1:{port}\", workers: 1, loglevel: warning, reload: false}}
purple: {{host: 127.0.0.1, port: {port}, workers: 1, disable_compression: true}}
{auth}"
    )
}
