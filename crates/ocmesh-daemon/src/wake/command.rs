//! A program of the owner's: the facts on its standard input, no shell, a bare environment, and an end to its time.

use std::{ffi::OsString, process::Stdio, time::Duration};

use ocmesh_proto::WakeOutcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, Command},
};

use super::{
    Program, Tools,
    answer::{failed, refused},
    errand::{Errand, object},
};

/// A program that starts an agent should put it into the background; one that waits for a whole turn of a model would hold a place for minutes.
const WAIT: Duration = Duration::from_secs(60);
/// Of what a program says on standard error so much is kept, to say why it failed.
const SAID_BYTES_MAX: u64 = 1_024;
/// When it has ended, its last words are there at once, unless a child of its own holds the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a program gets of our environment: where it is at home, how to find others, and how to speak. No keys of ours are ever there.
pub(super) const ENVIRONMENT: &[&str] = &[
    "HOME",
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "CODEX_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "TEMP",
    "TMP",
];

impl Program {
    pub(super) async fn wake(&self, errand: &Errand, tools: &Tools) -> WakeOutcome {
        let mut facts = errand.facts();
        facts.extend(object([("agent", tools.npub.clone().into())]));
        self.run(&self.args, format!("{}\n", serde_json::Value::Object(facts)), tools, WAIT).await
    }

    /// Runs it to its end. `0` is well; anything else is worth another try.
    pub(super) async fn run(&self, args: &[String], input: String, tools: &Tools, wait: Duration) -> WakeOutcome {
        if let Err(why) = self.is_fit() {
            return refused(&why);
        }
        let mut command = Command::new(&self.path);
        command.args(args).env_clear().envs(environment()).env("OCMESH_HOME", &tools.home).current_dir(&tools.home);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own, so that what it started ends with it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(&format!("{} cannot be started: {error}", self.path.display())),
        };
        let mut group = Group::of(&child);
        let outcome = match tokio::time::timeout(wait, attend(&mut child, input)).await {
            Ok(outcome) => outcome,
            Err(_) => return failed(&format!("it was stopped after {} seconds", wait.as_secs())),
        };
        group.leave();
        outcome
    }

    /// Whoever could change it could do anything as us.
    fn is_fit(&self) -> Result<(), String> {
        let name = self.path.display();
        let about = std::fs::metadata(&self.path).map_err(|error| format!("{name} cannot be found: {error}"))?;
        if !about.is_file() {
            return Err(format!("{name} is not a file"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if about.mode() & 0o022 != 0 {
                return Err(format!("{name} can be changed by others (mode {:o}); run: chmod go-w", about.mode() & 0o777));
            }
            let ours = rustix::process::getuid().as_raw();
            if about.uid() != 0 && about.uid() != ours {
                return Err(format!("{name} belongs to another user"));
            }
        }
        Ok(())
    }
}

fn environment() -> Vec<(&'static str, OsString)> {
    ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect()
}

/// Hands over the input, and waits for the end.
async fn attend(child: &mut Child, input: String) -> WakeOutcome {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it may have ended already: its exit code says more.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let mut said = Vec::new();
    let status = {
        let listening = listen(child.stderr.take(), &mut said);
        tokio::pin!(listening);
        tokio::select! {
            status = child.wait() => {
                let _ = tokio::time::timeout(LAST_WORDS, &mut listening).await;
                status
            }
            () = &mut listening => child.wait().await,
        }
    };
    let words = String::from_utf8_lossy(&said).trim().to_owned();
    let words = if words.is_empty() { words } else { format!(": {words}") };
    match status {
        Ok(status) if status.success() => WakeOutcome::Woke,
        Ok(status) => failed(&format!("it ended with {status}{words}")),
        Err(error) => failed(&format!("it could not be waited for: {error}")),
    }
}

/// Reads to the end, and keeps the beginning.
async fn listen(stderr: Option<ChildStderr>, said: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    // What cannot be read is not said.
    let _ = (&mut stderr).take(SAID_BYTES_MAX).read_to_end(said).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
}

/// The group of a program that runs: ended with everything in it when we give up, whatever way.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        #[cfg(unix)]
        return Self { leader: child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) };
        #[cfg(not(unix))]
        {
            let _ = child;
            Self {}
        }
    }

    /// It ended by itself; what it left in the background is its business.
    fn leave(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // Gone already is as good.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
