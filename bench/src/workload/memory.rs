//! Resident memory of a daemon with nothing to do: on an empty store, and on the largest one after a page of everything was read.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::{contestant::Who, feeder::Feeder, lab::Lab, process, seed};

/// Until a daemon has nothing left to do after its start.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let (messages, peers) = lab.sizes.largest();
    let full = format!("resident, {peers} peers and {messages} messages");
    for who in lab.who.clone() {
        for (what, goal, messages, peers) in [("resident, idle", 20.0, 0, 0), (full.as_str(), 48.0, messages, peers)] {
            // A bare client has no store that could be full.
            if messages > 0 && !who.is_daemon() {
                continue;
            }
            let resident = resident(lab, who, messages, peers).await?;
            let figure = lab.figures.of("memory", what, "MB");
            if who == Who::Ocmesh {
                figure.goal(goal);
            }
            if who.is_daemon() {
                figure.add(who, resident);
            } else {
                figure.remark(who, format!("left out, as it has no outbox, no Local API and nothing to keep ({resident:.1} MB)"));
            }
        }
    }
    for (messages, peers) in lab.sizes.stores.clone().into_iter().filter(|(messages, _)| *messages > 0) {
        let resident = resident(lab, Who::Ocmesh, messages, peers).await?;
        #[allow(clippy::cast_precision_loss, reason = "a million")]
        lab.grows("resident memory by messages, with a tenth as many peers", messages as f64, resident);
    }
    Ok(())
}

/// Megabytes of a daemon on such a store.
async fn resident(lab: &Lab, who: Who, messages: u64, peers: u64) -> Result<f64> {
    let relay = Feeder::start().await?;
    let name = format!("memory-{}", who.name());
    let home = if who.is_daemon() { seed::home(&lab.places, who, messages, peers, &name).await? } else { lab.places.fresh_home(&name)? };
    let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
    if who.is_daemon() {
        let mut http = running.http().await?;
        http.get("/peers").await?;
        http.get("/messages").await?;
    }
    // paces: memory of a daemon at rest
    sleep(SETTLE).await;
    process::rss_mb(running.pid)
}
