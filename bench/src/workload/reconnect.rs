//! Messages that were missed while the relay was away: from the moment it lets connections in again until all are stored.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ocmesh_proto::Form;
use tokio::time::{Instant, sleep};

use crate::{
    contestant::Who,
    feeder::{Feeder, Topic},
    forge,
    lab::Lab,
    process,
};

/// When the relay is dialled again is left to chance, so that one turn says little.
const TURNS: u32 = 3;
/// Connected and caught up before the relay goes.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the relay is away: long enough for the first tries to fail.
const AWAY: Duration = Duration::from_secs(3);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for round in 0..lab.rounds {
        for who in super::in_turns(lab, round, TURNS) {
            let missed = lab.sizes.missed;
            let spent = one(lab, who, missed).await.with_context(|| format!("reconnect of {}", who.name()))?;
            let figure = lab.figures.of("reconnect", &format!("{missed} missed messages stored after the relay is back"), "s");
            figure.goal(3.0).add(who, spent.wall);
        }
    }
    // When the relay is dialled is left to chance; what is done then is not.
    for missed in [1, 3, 10].map(|times| lab.sizes.missed * times) {
        let spent = one(lab, Who::Ocmesh, missed).await?;
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        lab.grows("processor time by missed messages", missed as f64, spent.cpu);
    }
    Ok(())
}

/// What it took, in seconds.
struct Spent {
    wall: f64,
    cpu: f64,
}

async fn one(lab: &Lab, who: Who, missed: u64) -> Result<Spent> {
    let relay = Feeder::start().await?;
    let home = lab.places.fresh_home(&format!("reconnect-{}", who.name()))?;
    let (running, _) = lab.places.start(who, &home, &[relay.url()]).await?;
    running.befriend(&forge::keys(forge::WRITERS, 1)?.public().to_hex()).await?;
    let corpus = forge::messages(Form::Nip17, &running.pubkey().await?, 0, missed)?;
    // paces: connected and caught up
    sleep(SETTLE).await;
    relay.close();
    relay.store(Topic::Wraps, corpus);
    // paces: the relay is away
    sleep(AWAY).await;
    let mut http = running.http().await?;
    relay.open();
    let (began, cpu) = (Instant::now(), process::cpu_seconds(running.pid)?);
    super::inbound::until_unread(&running, &mut http, missed).await?;
    Ok(Spent { wall: began.elapsed().as_secs_f64(), cpu: process::cpu_seconds(running.pid)? - cpu })
}
