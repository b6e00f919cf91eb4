//! Two real daemons on one relay find each other, talk both ways, and survive being killed.
#![cfg(unix)]

use anyhow::Result;
use ocmesh_testkit::{MisbehavingRelay, scenario::two_agents_on, wait};

#[tokio::test]
#[ignore = "needs the ocmesh binary: build it, or set OCMESH_BIN"]
async fn two_agents_meet_and_talk() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (mut anna, mut bert) = two_agents_on(&[relay.url()]).await?;
    anna.send(&bert, "hello bert").await?;
    bert.wait_for("hello bert", wait::PATIENCE).await?;
    bert.daemon.kill9().await?;
    anna.send(&bert, "while you were away").await?;
    bert.daemon.start().await?;
    bert.wait_for("while you were away", wait::PATIENCE).await?;
    bert.send(&anna, "hello anna").await?;
    anna.wait_for("hello anna", wait::PATIENCE).await?;
    anna.daemon.restart().await?;
    anna.wait_for("hello anna", wait::PATIENCE).await?;
    assert!(anna.daemon.terminate().await?.success());
    Ok(())
}
