//! The engine over real sockets, against a relay that follows each test's script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, also outside of the functions marked as tests"
)]

#[path = "engine/catch_up.rs"]
mod catch_up;
#[path = "engine/chaos.rs"]
mod chaos;
#[path = "engine/comparing.rs"]
mod comparing;
#[path = "engine/dial.rs"]
mod dial;
#[path = "engine/hostile.rs"]
mod hostile;
#[path = "engine/liveness.rs"]
mod liveness;
#[path = "engine/publish.rs"]
mod publish;
#[path = "engine/scripted.rs"]
mod scripted;
#[path = "engine/sign_in.rs"]
mod sign_in;
