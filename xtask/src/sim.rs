//! `cargo xtask sim`: runs the simulator, which is an example of the testkit, so that the other tasks build without it.

use anyhow::Result;
use clap::Args;

use crate::run::{cargo, command, succeed};

/// Options of `cargo xtask sim`: passed on; `cargo xtask sim -- --help` explains them.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--seeds N`, `--from N`, `--seed N`, `--trace`, `--jobs N`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed: Vec<String>,
}

/// Runs the seeds.
///
/// # Errors
/// Something went wrong in one of them; the output says which.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut run = command(&cargo(), &["run", "--quiet", "--package", "ocmesh-testkit", "--example", "sim", "--"]);
    run.args(&options.passed);
    succeed(run)
}
