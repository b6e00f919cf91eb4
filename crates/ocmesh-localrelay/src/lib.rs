//! A small Nostr relay to embed: for development, demos and closed networks. Not a public relay: it knows no payment, no moderation and
//! no rate limits, only bounds.
//!
//! Keeps NIPs 1, 9, 11, 40, 42, 45, 70 and 77. HTTP and websocket share one port. Everything a client sends is bounded and checked; a client
//! that reads too slowly is cut off rather than waited for.

mod accept;
mod clock;
mod connection;
mod filter;
mod frame;
mod http;
mod info;
mod journal;
mod kind;
mod limit;
pub mod nip42;
mod options;
mod relay;
mod session;
mod store;
mod stored;
mod table;

pub use journal::JournalError;
pub use options::{AuthMode, Limits, RelayOptions, Storage};
pub use relay::{LocalRelay, StartError, Stats};
