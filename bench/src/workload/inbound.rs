//! Messages of a trusted peer that a relay brings as fast as they are taken: verified, decrypted, stored, and answered with a receipt.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_proto::Form;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    contestant::{Running, Who},
    feeder::{Feeder, Topic},
    forge,
    http::Http,
    lab::Lab,
    process,
};

/// For connections and subscriptions.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks at `/status`: short against what is measured, long against what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// For all of them.
const ALL_MAX: Duration = Duration::from_secs(120);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for (form, topic, name, goal) in [(Form::Nip17, Topic::Wraps, "NIP-17", Some(4_000.0)), (Form::Nip04, Topic::Legacy, "NIP-04", None)] {
        for round in 0..lab.rounds {
            for who in super::in_round(lab, round) {
                let count = super::share_of(&lab.sizes.inbound, who);
                let spent = one(lab, who, form, topic, count).await.with_context(|| format!("{name} into {}", who.name()))?;
                note(lab, who, name, count, goal, &spent);
            }
        }
    }
    grow(lab, super::share_of(&lab.sizes.inbound, Who::Ocmesh)).await
}

/// What it took, in seconds.
struct Spent {
    wall: f64,
    cpu: f64,
}

async fn one(lab: &Lab, who: Who, form: Form, topic: Topic, count: u64) -> Result<Spent> {
    let relay = Feeder::start().await?;
    let home = lab.places.fresh_home(&format!("inbound-{}", who.name()))?;
    let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
    running.befriend(&forge::keys(forge::WRITERS, 1)?.public().to_hex()).await?;
    let warm = count / 10;
    let corpus = forge::messages(form, &running.pubkey().await?, 0, count + warm)?;
    let (first, rest) = corpus.split_at_checked(usize::try_from(warm)?).context("too few messages")?;
    // paces: what a start does is over
    sleep(SETTLE).await;
    let mut http = running.http().await?;
    relay.feed(topic, first.into());
    until_unread(&running, &mut http, warm).await?;
    let (cpu, began) = (process::cpu_seconds(running.pid)?, Instant::now());
    relay.feed(topic, rest.into());
    until_unread(&running, &mut http, count + warm).await?;
    Ok(Spent { wall: began.elapsed().as_secs_f64(), cpu: process::cpu_seconds(running.pid)? - cpu })
}

#[allow(clippy::cast_precision_loss, reason = "thousands")]
fn note(lab: &mut Lab, who: Who, name: &str, count: u64, goal: Option<f64>, spent: &Spent) {
    let count = count as f64;
    let remark = format!("{count} messages a round");
    let figure = lab.figures.of("inbound", &format!("{name} messages stored a second"), "/s").more_is_better();
    figure.add(who, count / spent.wall).remark(who, &remark);
    let figure = lab.figures.of("inbound", &format!("{name} messages stored a second of processor time"), "/s").more_is_better();
    figure.goal = goal;
    figure.add(who, count / spent.cpu.max(1e-3)).remark(who, &remark);
}

/// How ours grows with the number of messages.
#[allow(clippy::cast_precision_loss, reason = "thousands")]
async fn grow(lab: &mut Lab, count: u64) -> Result<()> {
    for count in [count / 10, count / 3, count] {
        let spent = one(lab, Who::Ocmesh, Form::Nip17, Topic::Wraps, count).await?;
        lab.grows("processor time by NIP-17 messages received", count as f64, spent.cpu);
    }
    Ok(())
}

/// Waits until so many messages are stored and unread.
pub(super) async fn until_unread(running: &Running, http: &mut Http, wanted: u64) -> Result<()> {
    let mut seen = 0;
    let all = async {
        loop {
            seen = running.count(http, "unread_count").await?;
            if seen >= wanted {
                return anyhow::Ok(());
            }
            // paces: looking more often would load the contestant
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(ALL_MAX, all).await.ok().with_context(|| format!("{seen} of {wanted} messages were stored"))?
}
