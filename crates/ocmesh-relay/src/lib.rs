//! One websocket per Nostr relay, kept alive and never silently deaf. Knows no mesh rules, checks no signatures, keeps nothing on disk.
//!
//! Start with [`Pool::start`]; everything a relay does comes back as a [`PoolEvent`] on one bounded channel.

mod auth;
mod backoff;
mod connection;
mod desk;
mod dial;
mod edge;
mod filter;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod holdings;
mod hook;
mod info;
mod limit;
mod pool;
mod publish;
mod report;
mod status;
mod subscription;
mod text;
mod tuning;

pub use auth::Authenticator;
pub use edge::{EDGE, next_edge, whole_edges};
pub use holdings::{HeldEvent, HeldSet, Holdings};
pub use hook::{HookAnswer, HookClient, HookError, HookUrl, HookUrlError};
pub use info::{RelayInfo, RelayLimitation};
pub use pool::{ConnectOptions, Hold, Pool, PoolConfig};
pub use publish::{Lane, PublishOutcome};
pub use report::PoolEvent;
pub use status::{AuthState, LinkState, RelayStatus};
pub use tuning::Tuning;
