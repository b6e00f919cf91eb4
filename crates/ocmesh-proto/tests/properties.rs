//! Properties of the outbox and the inbox: commands, relays' answers, receipts, pauses and restarts in any order, against a small model of
//! what must hold. `PROPTEST_CASES=20000 cargo test -p ocmesh-proto --test properties` searches longer; what fails is shrunk and kept.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "mesh/disk.rs"]
#[allow(dead_code, reason = "the tests of the mesh use all of it")]
mod disk;
#[path = "mesh/gateway.rs"]
#[allow(dead_code, reason = "the tests of the mesh use all of it")]
mod gateway;
#[path = "properties/inbox.rs"]
mod inbox;
#[path = "properties/outbox.rs"]
mod outbox;
#[path = "mesh/relay.rs"]
#[allow(dead_code, reason = "the tests of the mesh use all of it")]
mod relay;
#[path = "mesh/world.rs"]
#[allow(dead_code, reason = "the tests of the mesh use all of it")]
mod world;

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

/// Cases in every test run, always the same ones; a longer search rolls its own.
const CASES: u32 = 96;

/// How often, and where failing cases are kept.
fn config(kept: &'static str) -> Config {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let rng_seed = if wanted.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    let failure_persistence: Option<Box<dyn proptest::test_runner::FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::Direct(kept)));
    Config { cases: wanted.unwrap_or(CASES), rng_seed, failure_persistence, max_shrink_iters: 20_000, ..Config::default() }
}
