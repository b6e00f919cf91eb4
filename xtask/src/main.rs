//! Repository tasks: `cargo xtask <task>`. One file per task; this one only reads the command line.

mod ci;
mod deps;
mod docs;
mod interop;
mod run;
mod sim;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository tasks of ocmesh.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything continuous integration checks, with a table of times
    Ci(ci::Options),
    /// Which crate may depend on what
    Deps,
    /// The rules of this repository that no compiler knows
    Tidy,
    /// Builds the API documentation; a broken link is an error
    Docs,
    /// Foreign clients over a foreign relay against the real daemon
    Interop(interop::Options),
    /// The simulator: many cores, faults and crashes in virtual time, by seed
    Sim(sim::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Ci(options) => ci::run(&options),
        Task::Deps => deps::run(),
        Task::Tidy => tidy::run(),
        Task::Docs => docs::run(),
        Task::Interop(options) => interop::run(&options),
        Task::Sim(options) => sim::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
