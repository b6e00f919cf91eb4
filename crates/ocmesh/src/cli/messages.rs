//! `ocmesh send`, `inbox`, `read` and `outbox`.

use clap::{Args, Subcommand, ValueEnum};

/// `ocmesh send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// npub, nprofile, hex, petname or unique name.
    pub(crate) peer: String,
    /// The text; `-` or nothing reads standard input.
    pub(crate) text: Option<String>,
    /// Wait until it is delivered, read, or replied to.
    #[arg(long, value_name = "FOR", num_args = 0..=1, default_missing_value = "delivered", require_equals = true)]
    pub(crate) wait: Option<WaitFor>,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// The message this one answers.
    #[arg(long, value_name = "ID")]
    pub(crate) reply_to: Option<String>,
    /// Subject of the thread.
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// Your own key for this message: the same call again sends nothing twice.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only say to whom and through which relays it would go, and what in it looks like a secret.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
    /// It cannot wait: a peer that trusts you is woken in its quiet hours too.
    #[arg(long)]
    pub(crate) urgent: bool,
    /// Send it although it looks as if it held a secret.
    #[arg(long)]
    pub(crate) allow_secret: bool,
}

/// What `send --wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// The peer has stored it.
    Delivered,
    /// The peer's agent has acknowledged it.
    Read,
    /// The peer has answered.
    Reply,
}

/// `ocmesh inbox`.
#[derive(Debug, Args)]
pub(crate) struct InboxArgs {
    /// Only what was not marked read.
    #[arg(long)]
    pub(crate) unread: bool,
    /// Stay and show new messages as they come.
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Only from this peer.
    #[arg(long, value_name = "PEER")]
    pub(crate) from: Option<String>,
    /// Only of this thread.
    #[arg(long, value_name = "ID")]
    pub(crate) thread: Option<String>,
    /// The messages we sent, too.
    #[arg(long)]
    pub(crate) sent: bool,
    /// At most this many.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// `ocmesh read`.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Ids of messages, as the inbox shows them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Vec<String>,
    /// Everything unread.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `ocmesh outbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// What is waiting, and why.
    List,
    /// Give up a waiting message.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Try a waiting or failed message now.
    Retry {
        /// Its id.
        id: String,
    },
}
