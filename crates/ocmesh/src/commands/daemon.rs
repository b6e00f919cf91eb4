//! `ocmesh daemon`: the daemon in the foreground, until a signal.

use std::io::IsTerminal as _;

use ocmesh_daemon::DaemonOptions;

use super::Place;
use crate::{
    error::CliError,
    ui::{Ui, safe},
};

pub(crate) fn run(ui: &Ui, place: &Place) -> Result<(), CliError> {
    with_lean_memory();
    // First of all: what this process makes is ours alone, and its memory stays out of core dumps.
    ocmesh_daemon::home::close_process();
    let config = place.config()?;
    for warning in &config.warnings {
        ui.note(format!("warning: {}", safe(warning)));
    }
    let options = DaemonOptions {
        home: place.home.clone(),
        config, // With --json the standard error stream holds one JSON error and nothing else.
        foreground_log: !ui.json && foreground_log(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::could_not("internal", "could not start").why(error))?;
    let result = runtime.block_on(ocmesh_daemon::run(options));
    runtime.shutdown_background();
    result.map_err(|error| super::from_start("start_failed", "the daemon could not start", &error))
}

/// Linux's usual allocator (glibc) keeps an arena for each of many threads, and what one of them freed is no use to another; and it keeps big
/// pieces, as of a page of a catch-up, for later. Half an hour of a soak cost five to seven megabytes for the one, and a quarter of an hour two
/// for the other. The allocator reads its settings only while a process starts, so the process starts once more, in its own place. Set
/// `MALLOC_ARENA_MAX` to decide otherwise.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn with_lean_memory() {
    use std::{env, os::unix::process::CommandExt as _, process::Command};
    const ARENAS: &str = "MALLOC_ARENA_MAX";
    /// One arena; a piece of 64 KiB or more goes back to the system when it is freed, and so does what is free at the end of the heap.
    const SETTINGS: [(&str, &str); 3] = [(ARENAS, "1"), ("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
    if env::var_os(ARENAS).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    // It comes back only when it cannot be done, as after an update that replaced the file: then the process goes on as it is.
    let _ = Command::new(program).args(env::args_os().skip(1)).envs(SETTINGS).exec();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn with_lean_memory() {}

/// Log lines go to the terminal or container too; a service manager that keeps output of its own would only keep them twice.
fn foreground_log() -> bool {
    std::io::stderr().is_terminal() || std::env::var_os("INVOCATION_ID").is_none()
}
