//! `ocmesh identity`, `config` and `logs`: what is ours.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `ocmesh identity`.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Show the public identity; never the secret.
    Show,
    /// Write the secret key, locked with a passphrase (NIP-49 ncryptsec).
    #[command(
        after_help = "Examples:\n  ocmesh identity backup ~/ocmesh-key.txt\n  ocmesh identity backup --passphrase-fd 3 3<passphrase.txt"
    )]
    Backup {
        /// Where to; standard output without one. An existing file is never overwritten.
        file: Option<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Bring the identity back: from the home's own sealed copy, or from a backup file.
    #[command(after_help = "The daemon must be stopped. An older database is renamed, never deleted.")]
    Restore {
        /// A file made by `identity backup`; without one, the home's own sealed copy.
        file: Option<PathBuf>,
        /// Take the place of a different identity.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Use an existing Nostr key (nsec or ncryptsec), read from a prompt or standard input, never from the command line.
    #[command(after_help = "The daemon must be stopped. Do not share one key between ocmesh and another messenger: both would answer.")]
    Import {
        /// Take the place of a different identity.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
}

/// Where a passphrase comes from.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from this open file descriptor instead of asking.
    #[arg(long, value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,
}

/// `ocmesh config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every key, its value, and where the value comes from.
    Show,
    /// Say whether the configuration is good.
    Check,
    /// Where the file is.
    Path,
}

/// `ocmesh logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Stay and show new lines as they come.
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// How many lines back.
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    pub(crate) lines: usize,
}
