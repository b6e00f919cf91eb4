//! `ocmesh daemon`: the daemon in the foreground, until a signal.

use std::io::IsTerminal as _;

use ocmesh_daemon::DaemonOptions;

use super::Place;
use crate::{
    error::CliError,
    lean_memory,
    ui::{Ui, safe},
};

pub(crate) fn run(ui: &Ui, place: &Place) -> Result<(), CliError> {
    lean_memory::ensure();
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
    let runtime = tokio::runtime::Builder::new_current_thread().event_interval(EVENT_INTERVAL).enable_all().build();
    let runtime = runtime.map_err(|error| CliError::could_not("internal", "could not start").why(error))?;
    let result = runtime.block_on(ocmesh_daemon::run(options));
    runtime.shutdown_background();
    result.map_err(|error| super::from_start("start_failed", "the daemon could not start", &error))
}

/// So many tasks turn before the sockets are looked at again. A turn reads a few events of a relay, and a call of the Local API should
/// not wait for many of those.
const EVENT_INTERVAL: u32 = 8;

/// Log lines go to the terminal or container too; a service manager that keeps output of its own would only keep them twice.
fn foreground_log() -> bool {
    std::io::stderr().is_terminal() || std::env::var_os("INVOCATION_ID").is_none()
}
