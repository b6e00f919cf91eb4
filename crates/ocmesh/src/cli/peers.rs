//! `ocmesh peers` and `ocmesh peer`.

use clap::{Args, Subcommand, ValueEnum};

/// `ocmesh peers`.
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// Only those online now.
    #[arg(long)]
    pub(crate) online: bool,
    /// Only those that list this feature.
    #[arg(long, value_name = "NAME")]
    pub(crate) feature: Option<String>,
    /// Only those whose name or key contains this.
    #[arg(short = 'q', long, value_name = "TEXT")]
    pub(crate) query: Option<String>,
    /// Only those trusted so far.
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: Option<TrustLevel>,
    /// At most this many.
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// How far a peer is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustLevel {
    /// A stranger: no receipts, no wake-up.
    Unknown,
    /// Accepted.
    Known,
    /// Trusted.
    Trusted,
    /// Nothing goes in or out.
    Blocked,
}

/// `ocmesh peer`.
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Make a key known and look it up on the relays.
    #[command(after_help = "Example:\n  ocmesh peer add npub1… --name ada")]
    Add {
        /// npub, nprofile or hex.
        key: String,
        /// What you call it.
        #[arg(long, value_name = "PETNAME")]
        name: Option<String>,
    },
    /// Show all that is known of a peer.
    Show {
        /// npub, hex, petname or unique name.
        peer: String,
    },
    /// Set how far a peer is trusted.
    #[command(after_help = "Examples:\n  ocmesh peer trust ada           trusted\n  ocmesh peer trust ada known     accepted, no more\n  \
        ocmesh peer trust ada unknown   a stranger again")]
    Trust {
        /// npub, hex, petname or unique name.
        peer: String,
        /// How far.
        #[arg(default_value = "trusted")]
        trust: TrustLevel,
    },
    /// Let nothing of a peer in or out.
    Block {
        /// npub, hex, petname or unique name.
        peer: String,
    },
    /// Give a peer your own name for it; without one, remove it.
    Name {
        /// npub, hex, petname or unique name.
        peer: String,
        /// What you call it.
        petname: Option<String>,
    },
    /// Forget a peer; it may be found again. Its messages stay.
    Forget {
        /// npub, hex, petname or unique name.
        peer: String,
    },
}
