//! `cargo xtask bench`: installs the references, builds the laboratory, and hands over to it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    interop::once,
    run::{cargo, command, root, say, succeed, target_dir},
};

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure this binary instead of building a release
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Only these workloads; prints, and leaves docs/performance.md as it is
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Name the workloads and stop
    #[arg(long)]
    list: bool,
    /// Smaller sizes: some three minutes
    #[arg(long)]
    quick: bool,
    /// How often each workload is repeated
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only ocmesh, without the references; leaves docs/performance.md as it is
    #[arg(long)]
    alone: bool,
}

/// Builds what is missing and measures.
///
/// # Errors
/// Something could not be built or installed, or a workload failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.binary {
        Some(path) => path.canonicalize().with_context(|| format!("there is no {}", path.display()))?,
        None if options.list => PathBuf::from("ocmesh"),
        None => release()?,
    };
    let folder = root().join("bench");
    let work = target_dir().join("bench");
    let rust_nostr = work.join("rust-nostr");
    if !options.alone && !options.list {
        install(&folder.join("node"))?;
        build(&folder.join("rust-nostr"), &rust_nostr)?;
    }
    // A release too: the driver must not be what is measured, and what it measures of the machine itself is the floor of ours.
    let mut lab = command(&cargo(), &["run", "--release", "--quiet", "--package", "ocmesh-bench", "--"]);
    lab.arg("--binary").arg(binary).arg("--bench").arg(&folder).arg("--work").arg(work);
    lab.arg("--rust-nostr").arg(rust_nostr.join("release").join("reference-rust-nostr"));
    lab.arg("--page").arg(root().join("docs").join("performance.md"));
    options.only.iter().for_each(|name| {
        lab.arg("--only").arg(name);
    });
    for (wanted, flag) in [(options.list, "--list"), (options.quick, "--quick"), (options.alone, "--alone")] {
        lab.args(wanted.then_some(flag));
    }
    if let Some(rounds) = options.rounds {
        lab.arg("--rounds").arg(rounds.to_string());
    }
    succeed(lab)
}

/// The binary as it is released.
fn release() -> Result<PathBuf> {
    say("building the release, which takes some minutes; `--binary PATH` takes one that is there");
    succeed(command(&cargo(), &["build", "--release", "--package", "ocmesh"]))?;
    let binary = target_dir().join("release").join("ocmesh");
    ensure!(binary.is_file(), "there is no {}", binary.display());
    Ok(binary)
}

/// The bare client, with the crates that its own lock file names.
fn build(rust_nostr: &Path, target: &Path) -> Result<()> {
    let mut build = command(&cargo(), &["build", "--release", "--locked", "--manifest-path"]);
    build.arg(rust_nostr.join("Cargo.toml")).arg("--target-dir").arg(target);
    succeed(build)
}

/// The reference's packages, as its lock file names them; better-sqlite3 is compiled where there is no ready build of it.
fn install(node: &Path) -> Result<()> {
    once(&node.join("package-lock.json"), &node.join("node_modules").join(".installed"), || {
        let mut npm = std::process::Command::new("npm");
        npm.current_dir(node).args(["ci", "--no-fund", "--no-audit"]);
        succeed(npm)
    })
}
