//! The battery: each way a relay can misbehave, alone, and processes that are killed, against real daemons and an independent log of what they
//! were told. `docs/reliability.md` says row by row what is measured. Needs the `ocmesh` binary: a test without it fails and says so.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; measured figures are printed for the table"
)]

// Tests begin by name, and one of these takes minutes: the others run beside it.
#[path = "battery/absent.rs"]
mod absent;
#[path = "battery/answers.rs"]
mod answers;
#[path = "battery/bulk.rs"]
mod bulk;
#[path = "battery/catch_up.rs"]
mod catch_up;
#[path = "battery/clock.rs"]
mod clock;
#[path = "battery/closed.rs"]
mod closed;
#[path = "battery/forged.rs"]
mod forged;
#[path = "battery/kills.rs"]
mod kills;
#[path = "battery/line.rs"]
mod line;
#[path = "battery/pairs.rs"]
mod pairs;
#[path = "battery/routes.rs"]
mod routes;
#[path = "battery/sign_in.rs"]
mod sign_in;
#[path = "battery/story.rs"]
mod story;
#[path = "battery/strangers.rs"]
mod strangers;
#[path = "battery/stream.rs"]
mod stream;
#[path = "battery/time.rs"]
mod time;
#[path = "battery/trial.rs"]
mod trial;
