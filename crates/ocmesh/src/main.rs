//! The ocmesh binary: reads the command line, runs the command, tells a failure, ends with the exit code.

mod cli;
mod commands;
mod error;
mod keys;
mod lean_memory;
mod service;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, error::CliError, ui::Ui};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let ui = Ui::new(cli.json);
    match commands::run(&ui, cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.failure(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version are no failure; a wrong command line is told as JSON to a program that asked for JSON.
fn not_parsed(error: &clap::Error) -> ExitCode {
    let ui = Ui::new(std::env::args_os().any(|word| word == "--json"));
    let told = if error.use_stderr() && ui.json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let usage = CliError::usage(message).hint("ocmesh --help");
        ui.failure(&usage);
        Err(usage)
    } else {
        ui.clap(error)
    };
    match told {
        Err(failure) => ExitCode::from(failure.exit_code()),
        Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}
