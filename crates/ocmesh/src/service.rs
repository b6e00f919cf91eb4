//! The background service: what is written and run for each action, per system. Plans are plain values; only [`run`] touches anything.

mod launchd;
mod systemd;
mod windows;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use crate::{
    cli::{Platform, ServiceAction},
    error::CliError,
};

/// What a service file is written from.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Absolute path of the program to run.
    pub(crate) exe: String,
    /// The home, when it is not the default one.
    pub(crate) home_arg: Option<String>,
    /// The user's home directory.
    pub(crate) user_home: PathBuf,
    /// `XDG_CONFIG_HOME`, where set.
    pub(crate) config_home: Option<PathBuf>,
    /// The home that holds the data, for messages and for the Windows task file.
    pub(crate) data: PathBuf,
    /// The user's id (macOS), or `DOMAIN\name` (Windows).
    pub(crate) user: String,
}

impl Context {
    /// The daemon's command line, without quotes.
    fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec![self.exe.as_str()];
        if let Some(home) = &self.home_arg {
            arguments.extend(["--home", home]);
        }
        arguments.push("daemon");
        arguments
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write a file, with its directory.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        content: Vec<u8>,
    },
    /// Remove a file; fine when it is not there.
    Remove(PathBuf),
    /// Run a program found on the `PATH`.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// What a failure means.
        on_failure: OnFailure,
    },
}

/// What it means when a program of a plan fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The plan ends here.
    Stop,
    /// It was so already (nothing loaded, nothing to stop).
    Ignore,
    /// The system may still be busy with the step before: try again for a while.
    Retry,
}

/// A command of a plan.
pub(crate) fn run_step(argv: &[&str], on_failure: OnFailure) -> Step {
    Step::Run { argv: argv.iter().map(|&word| word.to_owned()).collect(), on_failure }
}

/// Whether the service is there and alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// The service file is there.
    pub(crate) installed: bool,
    /// The daemon runs under the service manager.
    pub(crate) running: bool,
}

/// The service manager of this system.
pub(crate) const fn native() -> Platform {
    if cfg!(target_os = "macos") {
        Platform::Launchd
    } else if cfg!(windows) {
        Platform::Windows
    } else {
        Platform::Systemd
    }
}

/// The file that makes the service.
pub(crate) fn file(platform: Platform, context: &Context) -> PathBuf {
    match platform {
        Platform::Launchd => launchd::file(context),
        Platform::Systemd => systemd::file(context),
        Platform::Windows => windows::file(context),
    }
}

/// The steps of an action; none for `Status`, which only asks.
pub(crate) fn plan(platform: Platform, action: ServiceAction, context: &Context) -> Vec<Step> {
    match platform {
        Platform::Launchd => launchd::plan(action, context),
        Platform::Systemd => systemd::plan(action, context),
        Platform::Windows => windows::plan(action, context),
    }
}

/// Asks the service manager.
pub(crate) fn state(platform: Platform, context: &Context) -> State {
    let (argv, is_running): (Vec<String>, fn(&str) -> bool) = match platform {
        Platform::Launchd => (launchd::query(context), launchd::is_running),
        Platform::Systemd => (systemd::query(), systemd::is_running),
        Platform::Windows => (windows::query(), windows::is_running),
    };
    let answer = output(&argv).ok();
    let running = answer.as_ref().is_some_and(|answer| answer.status.success() && is_running(&String::from_utf8_lossy(&answer.stdout)));
    State { installed: file(platform, context).is_file(), running }
}

/// Does the steps in order.
///
/// # Errors
/// The first step that failed, with what the system said and what to do.
pub(crate) fn run(platform: Platform, steps: &[Step]) -> Result<(), CliError> {
    for step in steps {
        match step {
            Step::Write { path, content } => write(path, content).map_err(|error| file_error("write", path, &error))?,
            Step::Remove(path) => remove(path).map_err(|error| file_error("remove", path, &error))?,
            Step::Run { argv, on_failure } => run_program(platform, argv, *on_failure)?,
        }
    }
    Ok(())
}

/// How often a step that may find the system busy is tried, and how far apart: launchd needs up to a few seconds to let go of a job.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

fn run_program(platform: Platform, argv: &[String], on_failure: OnFailure) -> Result<(), CliError> {
    let mut tries = 1;
    loop {
        let result = output(argv);
        match (result, on_failure) {
            (Ok(answer), _) if answer.status.success() => return Ok(()),
            (Ok(_), OnFailure::Ignore) => return Ok(()),
            (Ok(_), OnFailure::Retry) if tries < TRIES => std::thread::sleep(PAUSE),
            (Ok(answer), _) => return Err(refused(platform, argv, &answer)),
            (Err(error), _) => return Err(not_started(platform, argv, &error)),
        }
        tries += 1;
    }
}

fn output(argv: &[String]) -> io::Result<Output> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(arguments).stdin(Stdio::null()).output()
}

fn refused(platform: Platform, argv: &[String], answer: &Output) -> CliError {
    let said = [&answer.stderr, &answer.stdout].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let said = said.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| answer.status.to_string());
    let hint = match platform {
        Platform::Systemd if said.contains("bus") => {
            "there is no user session here: log in as this user (not by sudo or su), or run: ocmesh daemon".to_owned()
        }
        Platform::Systemd => "see what the daemon says: ocmesh doctor, or: journalctl --user -u ocmesh.service -n 20".to_owned(),
        Platform::Launchd => "log in on the Mac's own screen once as this user, then try again; or run: ocmesh daemon".to_owned(),
        Platform::Windows => "try again in a terminal of this user; or run: ocmesh daemon".to_owned(),
    };
    CliError::could_not("service_failed", format!("{} failed", argv.join(" "))).why(said).hint(hint)
}

fn not_started(platform: Platform, argv: &[String], error: &io::Error) -> CliError {
    let program = argv.first().map_or("", String::as_str);
    let hint = match platform {
        Platform::Systemd => "this system does not run systemd: start \"ocmesh daemon\" from your own init system or session",
        Platform::Launchd | Platform::Windows => "check that the system's own tools are on the PATH; or run: ocmesh daemon",
    };
    CliError::could_not("service_manager_missing", format!("could not run {program}")).why(error).hint(hint)
}

fn file_error(verb: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::could_not("service_file", format!("could not {verb} {}", path.display()))
        .why(error)
        .hint("check that the directory is yours and the disk is not full")
}

/// Writes beside and renames, so that the service manager never reads half a file.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    let mut beside = OsString::from(path);
    beside.push(".new");
    fs::write(&beside, content)?;
    fs::rename(&beside, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
