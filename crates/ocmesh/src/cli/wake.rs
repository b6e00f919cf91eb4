//! `ocmesh wake`.

use clap::Subcommand;

/// `ocmesh wake`.
#[derive(Debug, Subcommand)]
pub(crate) enum WakeCommand {
    /// The targets, when they were woken, and what went wrong.
    List,
    /// Wake a target for a test, whatever is unread.
    Test {
        /// Its id in config.toml.
        target: String,
    },
    /// Wake a target now, if anything is unread.
    Retry {
        /// Its id in config.toml.
        target: String,
    },
}
