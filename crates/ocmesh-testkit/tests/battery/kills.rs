//! C1 to C3 (`kill -9` of the sender, the receiver, everyone with the relay) and C9 (two daemons on one home). More of each:
//! `cargo xtask kills --kills N --races N`.

use std::time::Duration;

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    kills::{self, KillPlan, Victims},
    ledger::Tally,
    races,
};
use tokio_util::sync::CancellationToken;

async fn kill(victims: Victims, count: u32, seed: u64) -> Result<()> {
    let report = kills::run(KillPlan { victims, kills: count, seed, per_s: 50 }, &CancellationToken::new()).await?;
    println!("{victims:?}: {report}");
    ensure!(report.tally == Tally::default(), "{report}");
    ensure!(report.kills == count && report.counts.acked > u64::from(count), "{report}");
    // A kill that never cuts anything off proves little.
    ensure!(report.cutting > 0, "{report}");
    Ok(())
}

#[tokio::test]
async fn c01_the_sender_is_killed_at_random_instants() -> Result<()> {
    kill(Victims::Sender, 40, 1).await
}

#[tokio::test]
async fn c02_the_receiver_is_killed_also_between_store_and_acknowledgement() -> Result<()> {
    kill(Victims::Receiver, 40, 2).await
}

#[tokio::test]
async fn c03_everyone_and_the_relay_are_killed() -> Result<()> {
    kill(Victims::Everyone, 20, 3).await
}

#[tokio::test]
async fn c09_of_two_daemons_on_one_home_exactly_one_wins() -> Result<()> {
    let report = races::run(100).await?;
    println!("{report}");
    // The row says 1 s on a machine of its own.
    ensure!(report.percentile(50) < Duration::from_secs(1), "{report}");
    Ok(())
}
