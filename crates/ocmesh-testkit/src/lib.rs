//! What tests of this workspace share: waiting, daemons, relays that misbehave, a relay that is not ours, fixtures. Not for production.

pub mod daemon;
pub mod dice;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod fixture;
pub mod foreign;
pub mod injections;
#[cfg(target_os = "linux")]
pub mod kills;
pub mod ledger;
pub mod load;
pub mod misbehaving;
pub mod mutation;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod races;
pub mod raw;
pub mod scenario;
pub mod shifted_clock;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod soak;
pub mod wait;

pub use daemon::{TestDaemon, TestDaemonBuilder};
pub use foreign::{ForeignOptions, ForeignRelay};
pub use misbehaving::{Fault, MisbehavingRelay, Nip11, Nip77};
pub use raw::RawClient;
pub use shifted_clock::ShiftedClock;
