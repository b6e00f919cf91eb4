//! The encrypted store: one [`Store`] that writes, many [`Reader`]s that read.
//!
//! SQLCipher underneath, so no byte of a message, a name or a key is on disk in the clear. No network, no async, no clock, no decisions:
//! the core decides, this crate writes it down, all of a step or nothing of it.
//!
//! A step is written with [`Store::begin`], [`Store::apply`] for each change, [`Store::add_notice`] for each notice, and
//! [`Store::commit`]. When `commit` has returned, the step survives a crash or a power cut.

mod apply;
mod copy;
mod cursor;
mod error;
mod facts;
mod held;
mod identity;
mod key;
mod key_range;
mod load;
mod migrate;
mod notice;
mod open;
mod prune;
mod reader;
mod row;
mod sound;
mod store;
#[cfg(test)]
mod tests;
mod wal;

pub use copy::copy;
pub use cursor::{Cursor, CursorError, Page};
pub use error::{IdentityError, OpenError, ReadError, WriteError};
pub use key::{KeyError, StoreKey};
pub use prune::{PruneLimits, PruneReport};
pub use reader::{
    Counts, GapCounts, MessageAndHistory, MessageQuery, MessageRow, OutboxCounts, OutboxRow, PeerQuery, Reader, RequestRow, StoredNotice,
};
pub use store::Store;
pub use wal::DamagedLog;
