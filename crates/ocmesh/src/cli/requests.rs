//! `ocmesh requests`.

use clap::Subcommand;

/// `ocmesh requests`.
#[derive(Debug, Subcommand)]
pub(crate) enum RequestsCommand {
    /// Who waits for consent, and since when.
    List,
    /// Accept a stranger: its messages arrive, and it may get receipts.
    Accept {
        /// npub, hex or unique name, as the list shows it.
        peer: String,
    },
    /// Drop a stranger's request unread. It is not told, and may ask again.
    Refuse {
        /// npub, hex or unique name, as the list shows it.
        peer: String,
        /// And let nothing of it in any more.
        #[arg(long)]
        block: bool,
    },
}
