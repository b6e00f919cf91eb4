//! Repository tasks: `cargo xtask <task>`. One file per task; this one only reads the command line.

mod bench;
mod ci;
mod counts;
mod deps;
mod docs;
mod example;
mod fuzz;
mod interop;
mod release;
mod run;
mod skill;
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
    /// The skill: what agent programs load, and what registries' scanners look for
    Skill,
    /// Builds the API documentation; a broken link is an error
    Docs,
    /// Instructions of the paths that are run most, against the baseline in bench/counts.toml
    Counts(counts::Options),
    /// Foreign clients over a foreign relay against the real daemon
    Interop(interop::Options),
    /// The files of a release for this platform: archive, components, checksums
    Release(release::Options),
    /// The fuzz targets: builds each with libFuzzer and searches for a while
    Fuzz(fuzz::Options),
    /// The simulator: many cores, faults and crashes in virtual time, by seed
    Sim(example::Options),
    /// Two real daemons, misbehaving relays and steady talk for a long time
    Soak(example::Options),
    /// The laboratory: every workload on the release binary and on references, into docs/performance.md
    Bench(bench::Options),
    /// `kill -9` at random instants under load, and races for one home
    Kills(example::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Ci(options) => ci::run(&options),
        Task::Deps => deps::run(),
        Task::Tidy => tidy::run(),
        Task::Skill => skill::run(),
        Task::Docs => docs::run(),
        Task::Counts(options) => counts::run(&options),
        Task::Interop(options) => interop::run(&options),
        Task::Release(options) => release::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Sim(options) => example::run("sim", &options),
        Task::Bench(options) => bench::run(&options),
        Task::Kills(options) => example::run_with_daemons("kills", &options),
        Task::Soak(options) => example::run_with_daemons("soak", &options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
