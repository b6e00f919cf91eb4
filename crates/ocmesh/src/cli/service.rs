//! `ocmesh service` and its actions.

use clap::{Args, Subcommand, ValueEnum};

/// `ocmesh service`.
#[derive(Debug, Args)]
#[command(after_help = "macOS: a LaunchAgent. Linux: a systemd user unit. Windows: a logon task.\n\
    Uninstalling keeps the data; it says where it is.")]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    pub(crate) action: ServiceAction,
    /// Only print what would be written and run.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Act as for another system (to look at its files, or for tests).
    #[arg(long, global = true, hide = true)]
    pub(crate) platform: Option<Platform>,
}

/// What to do with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum ServiceAction {
    /// Write the service file, and start the daemon now and at every login.
    Install,
    /// Stop the daemon and remove the service file; the data stays.
    Uninstall,
    /// Start the installed service.
    Start,
    /// Stop the service until the next start or login.
    Stop,
    /// Say whether the service is installed and running.
    Status,
}

/// A service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    /// macOS.
    Launchd,
    /// Linux.
    Systemd,
    /// Windows.
    Windows,
}
