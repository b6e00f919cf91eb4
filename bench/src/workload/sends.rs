//! Durable sends: many callers of `POST /send` at once, each waiting for its answer, with a relay that takes everything at once.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use hyper::Method;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    contestant::{Running, Who},
    feeder::Feeder,
    forge,
    lab::Lab,
    process, seed,
};

/// Callers at once: enough to keep a core busy, as few as a busy machine of agents has.
const CALLERS: usize = 32;
/// For connections and subscriptions.
const SETTLE: Duration = Duration::from_secs(2);
/// Sent before counting.
const WARM: Duration = Duration::from_millis(500);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for _ in 0..lab.rounds {
        for who in lab.who.clone() {
            let home = lab.places.fresh_home(&format!("sends-{}", who.name()))?;
            let Rate { wall, cpu } = one(lab, who, &home).await?;
            let figures = &mut lab.figures;
            let figure = figures.of("sends", "durable sends a second", "/s").more_is_better();
            figure.add(who, wall);
            let figure = figures.of("sends", "durable sends a second of processor time", "/s").more_is_better();
            if who == Who::Ocmesh {
                figure.goal(2_000.0);
            }
            figure.add(who, cpu);
        }
    }
    grow(lab).await
}

/// Sends a second.
struct Rate {
    wall: f64,
    /// Of processor time.
    cpu: f64,
}

async fn one(lab: &Lab, who: Who, home: &Path) -> Result<Rate> {
    let relay = Feeder::start().await?;
    let (running, _) = lab.places.start(who, home, &[relay.url()]).await?;
    let to = forge::keys(forge::WRITERS, 1)?.public().to_hex();
    running.befriend(&to).await?;
    // paces: what a start does is over
    sleep(SETTLE).await;
    send_for(&running, &to, WARM).await?;
    let (cpu, began) = (process::cpu_seconds(running.pid)?, Instant::now());
    let sent = send_for(&running, &to, lab.sizes.sending).await?;
    let wall = began.elapsed().as_secs_f64();
    let used = process::cpu_seconds(running.pid)? - cpu;
    Ok(Rate { wall: f64::from(sent) / wall, cpu: f64::from(sent) / used.max(1e-3) })
}

/// How a send of ours grows with what is stored.
async fn grow(lab: &mut Lab) -> Result<()> {
    for (messages, peers) in lab.sizes.stores.clone() {
        let home = seed::home(&lab.places, Who::Ocmesh, messages, peers, "sends-grow").await?;
        let rate = one(lab, Who::Ocmesh, &home).await?;
        #[allow(clippy::cast_precision_loss, reason = "a million")]
        lab.grows("processor milliseconds of a send by stored messages", messages as f64, 1e3 / rate.cpu);
    }
    Ok(())
}

/// How many sends were answered in that time.
async fn send_for(running: &Running, to: &str, lasts: Duration) -> Result<u32> {
    let end = Instant::now() + lasts;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let mut http = running.http().await?;
        let to = to.to_owned();
        callers.spawn(async move {
            let mut sent = 0_u32;
            while Instant::now() < end {
                let body = json!({"to": to, "content": forge::text(u64::from(sent)), "origin": "owner"});
                http.write(Method::POST, "/send", &body).await.with_context(|| format!("caller {caller}"))?;
                sent += 1;
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = 0;
    while let Some(caller) = callers.join_next().await {
        sent += caller??;
    }
    Ok(sent)
}
