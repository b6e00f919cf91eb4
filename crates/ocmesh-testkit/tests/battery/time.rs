//! Time that stands still for a process (T2).

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use ocmesh_testkit::{MisbehavingRelay, scenario::Agent};

use crate::trial::{HEALED_MAX, Trial};

fn signal(agent: &Agent, name: &str) -> Result<()> {
    let pid = agent.daemon.pid().context("the daemon does not run")?.to_string();
    ensure!(Command::new("kill").args([name, &pid]).status()?.success(), "kill {name} {pid}");
    Ok(())
}

#[tokio::test]
async fn t2_a_process_that_stood_still_for_ten_seconds_goes_on() -> Result<()> {
    let (one, two) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let mut trial = Trial::on(&[&one, &two]).await?;
    trial.both_ways(3).await?;
    let pid = trial.bert.daemon.pid();
    signal(&trial.bert, "-STOP")?;
    trial.anna_says(3).await?;
    // paces: the process is to stand still for ten seconds
    tokio::time::sleep(Duration::from_secs(10)).await;
    signal(&trial.bert, "-CONT")?;
    trial.both_ways(3).await?;
    trial.settles(HEALED_MAX).await?;
    ensure!(trial.bert.daemon.pid() == pid, "the same process");
    for url in [one.url(), two.url()] {
        trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
    }
    trial.is_sound().await
}
