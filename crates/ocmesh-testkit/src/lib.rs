//! What tests of this workspace share: waiting, daemons, relays that misbehave, a relay that is not ours, fixtures. Not for production.

pub mod daemon;
pub mod fixture;
pub mod foreign;
pub mod misbehaving;
pub mod raw;
pub mod scenario;
pub mod shifted_clock;
pub mod sim;
pub mod wait;

pub use daemon::{TestDaemon, TestDaemonBuilder};
pub use foreign::{ForeignOptions, ForeignRelay};
pub use misbehaving::{Fault, MisbehavingRelay, Nip11};
pub use raw::RawClient;
pub use shifted_clock::ShiftedClock;
