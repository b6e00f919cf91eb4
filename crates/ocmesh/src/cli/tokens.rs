//! `ocmesh token`.

use clap::{Subcommand, ValueEnum};

/// `ocmesh token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, this once.
    #[command(after_help = "Examples:\n  \
        ocmesh token new dashboard --scope read\n  \
        ocmesh token new ci --scope send > ci.token\n\n\
        read: every GET. send: also /send, /messages/read and the outbox. admin: everything.\n\
        A program shows it in the header: Authorization: Bearer TOKEN")]
    New {
        /// What to call it: lower-case letters, digits and hyphens.
        name: String,
        /// What its holder may do; each includes those before it.
        #[arg(long)]
        scope: ScopeWord,
    },
    /// The tokens that were made, without their secrets.
    List,
    /// Take a token back; it opens nothing from now on.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// A scope as the command line spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeWord {
    /// Look.
    Read,
    /// Write to peers in our name, and acknowledge.
    Send,
    /// Change peers, relays and ourselves.
    Admin,
}
