//! What a relay keeps back in silence: R11 (kinds left out of mixed filters) and R17 (one message of so many).

use anyhow::{Result, ensure};
use ocmesh_testkit::{Fault, MisbehavingRelay, wait::PATIENCE};
use serde_json::Value;

use crate::trial::{HEALED_MAX, Trial, beside_an_honest_one};

#[tokio::test]
async fn r11_direct_messages_have_reqs_of_their_own() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::SilentDmFilter]).await?;
    let mut trial = Trial::on(&[&relay]).await?;
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    trial.bert.daemon.kill9().await?;
    trial.anna_says(2).await?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    for req in relay.seen().reqs {
        let kinds: Vec<Value> =
            req.as_array().into_iter().flatten().skip(2).flat_map(|f| f["kinds"].as_array().cloned().unwrap_or_default()).collect();
        let direct = kinds.iter().filter(|kind| matches!(kind.as_u64(), Some(4 | 1059))).count();
        ensure!(direct == 0 || kinds.len() == 1, "a mixed REQ: {req}");
    }
    Ok(())
}

#[tokio::test]
async fn r17_what_one_relay_withholds_comes_from_another() -> Result<()> {
    let (mut trial, _bad, _good) = beside_an_honest_one(|bad| bad.set(Fault::WithholdEvery(2), true)).await?;
    trial.both_ways(10).await?;
    trial.settles(PATIENCE).await?;
    Ok(())
}
