//! A relay that brings forged messages as fast as they are taken, and then one that is genuine: each costs a signature check, and none may
//! stay in memory.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_proto::Form;
use tokio::time::sleep;

use crate::{
    contestant::Who,
    feeder::{Feeder, Topic},
    forge,
    lab::Lab,
    process,
};

/// In so many turns each is flooded, but for who takes long: the signature check is the same in all, and what is left is within the noise of a few.
const TURNS: u32 = 15;
/// For connections and subscriptions.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for round in 0..lab.rounds {
        for who in super::in_turns(lab, round, TURNS) {
            let count = count(lab, who);
            let spent = one(lab, who, count).await.with_context(|| format!("a flood into {}", who.name()))?;
            note(lab, who, count, &spent);
        }
    }
    let most = super::share_of(&lab.sizes.forged, Who::Ocmesh);
    for count in [most / 10, most / 3, most] {
        let spent = one(lab, Who::Ocmesh, count).await?;
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let size = count as f64;
        lab.grows("processor time by forged messages", size, spent.cpu_s);
        lab.grows("memory at the peak by forged messages", size, spent.grown_mb);
    }
    Ok(())
}

/// What is forged is kept by nobody, so that a database makes nobody slower.
fn count(lab: &Lab, who: Who) -> u64 {
    super::share_of(&lab.sizes.forged, if who == Who::RustLmdb { Who::RustBare } else { who })
}

/// What it took.
struct Spent {
    cpu_s: f64,
    grown_mb: f64,
}

async fn one(lab: &Lab, who: Who, count: u64) -> Result<Spent> {
    let relay = Feeder::start().await?;
    let home = lab.places.fresh_home(&format!("flood-{}", who.name()))?;
    let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
    running.befriend(&forge::keys(forge::WRITERS, 1)?.public().to_hex()).await?;
    let reader = running.pubkey().await?;
    // The genuine one comes last: when it is stored, all before it were looked at.
    let genuine = forge::messages(Form::Nip17, &reader, count, 1)?;
    let corpus = forge::forged(&reader, count)?.iter().chain(genuine.iter()).cloned().collect();
    // paces: what a start does is over
    sleep(SETTLE).await;
    let mut http = running.http().await?;
    let (cpu, before) = (process::cpu_seconds(running.pid)?, process::rss_mb(running.pid)?);
    relay.feed(Topic::Wraps, corpus);
    super::inbound::until_unread(&running, &mut http, 1).await?;
    Ok(Spent { cpu_s: process::cpu_seconds(running.pid)? - cpu, grown_mb: process::peak_mb(running.pid)? - before })
}

#[allow(clippy::cast_precision_loss, reason = "thousands")]
fn note(lab: &mut Lab, who: Who, count: u64, spent: &Spent) {
    let most = super::share_of(&lab.sizes.forged, Who::Ocmesh);
    let figure = lab.figures.of("flood", &format!("a flood of {most} forged messages: processor time"), "s");
    figure.add(who, spent.cpu_s * most as f64 / count as f64);
    if count < most {
        figure.remark(who, format!("measured with {count}, scaled to {most}"));
    }
    let figure = lab.figures.of("flood", &format!("a flood of {most} forged messages: memory at the peak, above the start"), "MB");
    // Time grows as the number does and can be scaled, memory cannot.
    if count < most {
        figure.remark(who, format!("left out, as it got {count} only ({:.1} MB with those)", spent.grown_mb));
    } else {
        figure.goal = Some(64.0);
        figure.add(who, spent.grown_mb);
    }
}
