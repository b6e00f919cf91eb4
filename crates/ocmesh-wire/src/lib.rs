//! Nostr events to mesh values and back. The doors are [`open()`] and [`seal()`].
//!
//! Cryptography lives here; sockets, databases, clocks and async do not: every moment comes in as an argument. What [`open()`] hands out is
//! proof that id, signature and decryption were good. The words inside are still a stranger's.

mod auth;
pub mod backup;
mod conversations;
mod direct_message;
mod event;
mod filter;
pub mod invite;
mod key_text;
mod keys;
mod legacy;
mod limit;
mod open;
mod pow;
mod presence;
mod profile;
mod random;
mod relay_list;
mod seal;
mod tag;
#[cfg(test)]
mod tests;
mod verdict;

use ocmesh_proto::kind;

pub use auth::sign_auth;
pub use filter::filter_json;
pub use key_text::{KeyText, KeyTextError, npub, parse_key};
pub use keys::{KeyError, Keys};
pub use open::{EVENT_BYTES_MAX, EventHead, FUTURE_MS_MAX, Gate, OpenError, event_head, open, open_at};
pub use seal::{seal, work};
pub use verdict::{classify, clean_said};
