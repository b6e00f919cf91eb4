//! `ocmesh relays` and `ocmesh relay`.

use clap::{Args, Subcommand};

/// `ocmesh relays`.
#[derive(Debug, Subcommand)]
pub(crate) enum RelaysCommand {
    /// The relays and how they are doing.
    List,
    /// Use one more relay.
    Add {
        /// wss://…
        url: String,
    },
    /// Stop using a relay.
    Remove {
        /// wss://…
        url: String,
    },
}

/// `ocmesh relay`.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 7777)]
    pub(crate) port: u16,
    /// The address to listen on. Anything but loopback is open to the network.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) bind: std::net::IpAddr,
    /// Keep events in this file, one a line, so that they are there again after a restart. Its folder must exist.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<std::path::PathBuf>,
}
