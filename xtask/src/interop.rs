//! `cargo xtask interop`: clients that are not ours (nostr-tools, the official MCP clients) and a relay that is not ours, against the real daemon. What the cases check
//! is in `interop/`; this task only builds, installs, starts and stops what they need.

mod relay;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::json;

use self::relay::{Doors, ForeignRelay};
use crate::run::{cargo, command, root, say, succeed, target_dir};

/// Enough to see that a second wake follows a first; a measurement takes more.
const MESSAGES: u32 = 3;

/// Options of `cargo xtask interop`.
#[derive(Args)]
pub(crate) struct Options {
    /// Break every case on purpose in each of its ways, and demand that it goes red
    #[arg(long)]
    prove: bool,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    ocmesh: Option<PathBuf>,
    /// How many messages the case `openclaw` measures
    #[arg(long, value_name = "NUMBER", default_value_t = MESSAGES)]
    messages: u32,
    /// Run only these cases; `openclaw` and `agents`, which bring a gigabyte of programs each, run only where they are named
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
}

impl Options {
    /// Every case that needs no gigabyte of programs, with a binary that is already built.
    pub(crate) const fn with_binary(ocmesh: PathBuf) -> Self {
        Self { prove: false, ocmesh: Some(ocmesh), messages: MESSAGES, cases: Vec::new() }
    }

    /// The cases that bring programs of their own. One message is enough to see that a gateway works.
    pub(crate) fn of_agents(ocmesh: PathBuf) -> Self {
        Self { messages: 1, cases: ["agents", "openclaw"].map(str::to_owned).into(), ..Self::with_binary(ocmesh) }
    }
}

/// Runs the cases.
///
/// # Errors
/// Something could not be built, installed or started, or a case failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let ocmesh = if let Some(path) = &options.ocmesh {
        path.canonicalize().with_context(|| format!("there is no {}", path.display()))?
    } else {
        succeed(command(&cargo(), &["build", "--quiet", "--package", "ocmesh"]))?;
        target_dir().join("debug").join("ocmesh")
    };
    ensure!(ocmesh.is_file(), "there is no {}", ocmesh.display());
    let programs = install()?;

    let open = ForeignRelay::start(&programs, Doors::Open)?;
    let members_only = ForeignRelay::start(&programs, Doors::MembersOnly)?;
    say(&format!("foreign relays: {} (open), {} (demands authentication)", open.url(), members_only.url()));
    let given = json!({
        "ocmesh": ocmesh, "relay": open.url(), "auth_relay": members_only.url(), "grant": members_only.grant_command(),
        "python": programs.join("python"), "messages": options.messages,
        "openclaw": programs_of(options, "openclaw")?, "agents": programs_of(options, "agents")?,
    });

    let mut node = Command::new("node");
    node.current_dir(root().join("interop")).env("OCMESH_INTEROP", given.to_string()).arg("run.mjs");
    node.args(options.prove.then_some("--prove")).args(&options.cases);
    succeed(node).context("interop")
}

/// Installs what the lock files name, unless that is there already; returns where the programs in Python are.
fn install() -> Result<PathBuf> {
    npm(&root().join("interop"), &["ci"])?;
    let venv = target_dir().join("interop").join("venv");
    let programs = venv.join("bin");
    once(&root().join("interop").join("requirements.txt"), &venv.join(".installed"), || {
        succeed(command("python3", &["-m", "venv", venv.to_str().context("the target directory's path is not UTF-8")?]))?;
        let mut pip = Command::new(programs.join("pip"));
        pip.current_dir(root()).args(["install", "--quiet", "--disable-pip-version-check", "-r", "interop/requirements.txt"]);
        succeed(pip)
    })?;
    Ok(programs)
}

/// The programs of a case that brings its own, where that case is wanted.
fn programs_of(options: &Options, case: &str) -> Result<Option<PathBuf>> {
    if options.cases.iter().any(|wanted| wanted == case) {
        npm(&root().join("interop").join(case), &["install", "--no-save"]).map(Some)
    } else {
        Ok(None)
    }
}

/// Installs what a folder's lock file names; returns where that is. No package's own script is run. `npm ci` is strict; a program that comes in a
/// package for each platform may have no lock that is whole on every one, and is installed by `npm install`.
fn npm(folder: &Path, how: &[&str]) -> Result<PathBuf> {
    let modules = folder.join("node_modules");
    once(&folder.join("package-lock.json"), &modules.join(".installed"), || {
        let mut npm = Command::new("npm");
        // Some want a newer Node than this one; the programs they bring do not.
        npm.current_dir(folder).args(how).args(["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
        succeed(npm)
    })?;
    Ok(modules)
}

/// Does the work of a lock file unless it was done for just this one; the mark is a copy of it.
pub(crate) fn once(lock: &Path, mark: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(lock).with_context(|| format!("there is no {}", lock.display()))?;
    if fs::read(mark).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(mark, wanted).with_context(|| format!("{} cannot be written", mark.display()))
}
