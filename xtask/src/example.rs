//! `cargo xtask sim`, `soak`, `kills`: programs that are examples of the testkit, so that the other tasks build without it.

use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::run::{cargo, command, root, succeed, target_dir};

/// Options of such a task: passed on; `--help` after `--` explains them.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed: Vec<String>,
}

/// Runs an example that needs nothing beside it.
///
/// # Errors
/// It was not built, or it failed; its output says why.
pub(crate) fn run(name: &str, options: &Options) -> Result<()> {
    let mut run = command(&cargo(), &["run", "--quiet", "--package", "ocmesh-testkit", "--example", name, "--"]);
    run.args(&options.passed);
    succeed(run)
}

/// Runs an example that starts real daemons. Both are built in one go, so that they share what they are built of, and the example takes this
/// process over, so that Ctrl-C and a signal to us reach it alone.
///
/// # Errors
/// It was not built, or it failed; its output says why.
pub(crate) fn run_with_daemons(name: &str, options: &Options) -> Result<()> {
    let packages = ["--package", "ocmesh", "--package", "ocmesh-testkit", "--bin", "ocmesh", "--example", name];
    succeed(command(&cargo(), &[&["build", "--quiet"], packages.as_slice()].concat()))?;
    let program = target_dir().join("debug").join("examples").join(name);
    let mut run = Command::new(&program);
    run.args(&options.passed).current_dir(root());
    take_over(run).with_context(|| format!("could not run {}", program.display()))
}

#[cfg(unix)]
fn take_over(mut run: Command) -> Result<()> {
    Err(std::os::unix::process::CommandExt::exec(&mut run).into())
}

#[cfg(not(unix))]
fn take_over(run: Command) -> Result<()> {
    succeed(run)
}
