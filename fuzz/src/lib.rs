//! What the fuzz targets check. Each module has one `check(bytes)`, which says how far the bytes got and panics when a promise is broken: the
//! fuzzer searches for such bytes, `tests/corpus.rs` tries the kept ones in every test run.
//!
//! Private code gets here in two ways. `ocmesh-relay` opens a door behind its feature `fuzzing`: its types stay private, and what they promise
//! is checked beside them. The binary has no library, and the daemon would bring SQLCipher and OpenSSL along, so the few files
//! of theirs that read foreign text are taken in by path, as they are.

// A broken promise is told by panicking: that is what the fuzzer looks for.
#![allow(clippy::panic, clippy::expect_used)]

pub mod announcements;
pub mod config;
pub mod frames;
mod keys;
pub mod messages;
pub mod nip_11;
mod people;
mod promises;
pub mod requests;
pub mod rows;
pub mod session;
pub mod terminal;

// What the daemon's files call these.
use config::daemon::{home, identity, wake};

/// A target: its name and its check.
pub type Target = (&'static str, fn(&[u8]) -> &'static str);

/// Every target. The names are those of the binaries and of the folders of the corpus.
pub const TARGETS: [Target; 9] = [
    ("announcements", announcements::check),
    ("config", config::check),
    ("frames", frames::check),
    ("messages", messages::check),
    ("nip-11", nip_11::check),
    ("requests", requests::check),
    ("rows", rows::check),
    ("session", session::check),
    ("terminal", terminal::check),
];

/// The bytes are no input of this target.
const NOTHING: &str = "nothing";
