//! The dozen worst behaviours, two at a time: one relay with both, an honest one beside it for half of the time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_testkit::{Fault, MisbehavingRelay};

use crate::trial::{HEALED_MAX, Trial};

/// Those that cost neighbours messages, one of each sort: a relay holds one fault of a sort at a time.
fn worst() -> [Fault; 12] {
    let text = "ERROR: auth-required: please".to_owned();
    [
        Fault::DropConnectionEvery(Duration::from_millis(900)),
        Fault::Latency(Duration::from_millis(400)),
        Fault::NoOk,
        Fault::OkFalse("error: later".to_owned()),
        Fault::ClosedEvery(Duration::from_millis(700)),
        Fault::NeverEose,
        Fault::AuthRequiredRead { text },
        Fault::NewChallengeEvery(Duration::from_millis(100)),
        Fault::BadSignature,
        Fault::OddDates,
        Fault::Replay { times: 5 },
        Fault::InvalidUtf8,
    ]
}

/// Both faults on while messages are sent, then lifted: nothing may be missing, doubled, made up or torn.
async fn pair(first: &Fault, second: &Fault, with_honest: bool) -> Result<()> {
    let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let relays = [&bad, &good];
    let mut trial = Trial::on(if with_honest { &relays } else { &relays[..1] }).await?;
    bad.set(first.clone(), true);
    bad.set(second.clone(), true);
    bad.cut();
    trial.both_ways(3).await?;
    if with_honest {
        trial.settles(HEALED_MAX).await?;
    }
    bad.lift_all();
    bad.cut();
    trial.both_ways(1).await?;
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await
}

/// A handful for every run; the other test has them all.
#[tokio::test]
async fn pairs_a_few_of_the_dozen_worst() -> Result<()> {
    let faults = worst();
    for (first, second) in [(2, 4), (0, 8), (6, 10), (3, 7)] {
        pair(&faults[first], &faults[second], first % 4 == 0)
            .await
            .with_context(|| format!("{:?} with {:?}", faults[first], faults[second]))?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery pairs -- --ignored --nocapture"]
async fn pairs_of_all_the_dozen_worst() -> Result<()> {
    let faults = worst();
    let mut tried = 0;
    for first in 0..faults.len() {
        for second in first + 1..faults.len() {
            println!("{:?} with {:?}", faults[first], faults[second]);
            let tried_pair = pair(&faults[first], &faults[second], (first + second) % 2 == 0).await;
            tried_pair.with_context(|| format!("{:?} with {:?}", faults[first], faults[second]))?;
            tried += 1;
        }
    }
    println!("{tried} pairs");
    Ok(())
}
