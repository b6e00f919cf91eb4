//! Announcements of many agents, as a relay brings what it has stored: each agent once, or ten times; from one relay, or the same from five.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    contestant::Who,
    feeder::{Corpus, Feeder, Topic},
    forge,
    lab::Lab,
    process,
};

/// What the table speaks of, whatever a contestant got.
const EVENTS: f64 = 100_000.0;
/// Relays that bring the same.
const RELAYS: usize = 5;
/// Announcements of each agent, where it is not one.
const EACH: u64 = 10;
/// Turns of those who are quick, in each round.
const TURNS: u32 = 3;
/// Between two looks at `/status`.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For all of them.
const ALL_MAX: Duration = Duration::from_secs(180);

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for each in [1, EACH] {
        // Made once for all who get as many.
        let mut corpora: BTreeMap<u64, Corpus> = BTreeMap::new();
        for relays in [1, RELAYS] {
            for round in 0..lab.rounds {
                let in_round = super::in_round(lab, round);
                let turns = (0..TURNS).flat_map(|turn| in_round.iter().filter(move |who| turn == 0 || is_quick(**who)));
                for who in turns.copied() {
                    let count = super::share_of(&lab.sizes.presences, who);
                    let agents = count / each;
                    let corpus = match corpora.entry(count) {
                        Entry::Occupied(made) => made.into_mut(),
                        Entry::Vacant(place) => place.insert(forge::presences(agents, count)?),
                    };
                    let spent = one(lab, who, corpus, agents, relays).await.with_context(|| format!("presences into {}", who.name()))?;
                    note(lab, who, count, each, relays, &spent);
                }
            }
        }
    }
    grow(lab, super::share_of(&lab.sizes.presences, Who::Ocmesh)).await
}

/// Measured in each turn: the others take minutes, and are far off.
const fn is_quick(who: Who) -> bool {
    matches!(who, Who::Ocmesh | Who::RustBare)
}

/// What it took.
struct Spent {
    wall_s: f64,
    cpu_s: f64,
    grown_mb: f64,
}

async fn one(lab: &Lab, who: Who, corpus: &Corpus, agents: u64, relays: usize) -> Result<Spent> {
    let mut feeders = Vec::new();
    for n in 0..relays {
        let feeder = Feeder::start().await?;
        // The last of each relay is one that no other brings: when all of those are known, everything was taken.
        let last = forge::straggler(n as u64)?;
        feeder.store(Topic::Presence, corpus.iter().cloned().chain([last]).collect());
        feeders.push(feeder);
    }
    let urls: Vec<&str> = feeders.iter().map(Feeder::url).collect();
    let home = lab.places.fresh_home(&format!("presence-{}", who.name()))?;
    let began = Instant::now();
    let (running, _) = lab.places.start(who, &home, &urls).await?;
    let (cpu, before) = (process::cpu_seconds(running.pid)?, process::rss_mb(running.pid)?);
    let mut http = running.http().await?;
    let wanted = agents + relays as u64;
    let mut seen = 0;
    let all = async {
        loop {
            seen = running.count(&mut http, "peer_count").await?;
            if seen >= wanted {
                return anyhow::Ok(());
            }
            // paces: looking more often would load the contestant
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(ALL_MAX, all).await.ok().with_context(|| format!("{seen} of {wanted} agents were found"))??;
    let began = feeders.iter().filter_map(Feeder::began).min().unwrap_or(began);
    Ok(Spent {
        wall_s: began.elapsed().as_secs_f64(),
        cpu_s: process::cpu_seconds(running.pid)? - cpu,
        grown_mb: process::peak_mb(running.pid)? - before,
    })
}

#[allow(clippy::cast_precision_loss, reason = "a hundred thousand")]
fn note(lab: &mut Lab, who: Who, count: u64, each: u64, relays: usize, spent: &Spent) {
    let scale = EVENTS / count as f64;
    let agents = 100_000 / each;
    let from = if relays == 1 { "one relay" } else { "five relays" };
    let remark = format!("measured with {count}, scaled to 100000");
    for (quantity, value, goal) in
        [("time", spent.wall_s, None), ("processor time", spent.cpu_s, Some(if relays == 1 { 5.0 } else { 6.0 }))]
    {
        let figure = lab.figures.of("presence", &format!("100000 presences of {agents} agents, {from}: {quantity}"), "s");
        figure.goal = goal;
        figure.add(who, value * scale);
        if (count as f64) < EVENTS {
            figure.remark(who, &remark);
        }
    }
    let figure = lab.figures.of("presence", &format!("presences of {agents} agents, {from}: memory at the peak, above the start"), "MB");
    figure.goal = Some(64.0);
    // Time grows as the number does and can be scaled, memory cannot: who got fewer is not compared, and who keeps nothing has little to hold.
    if who == Who::RustBare {
        figure.remark(who, format!("left out, as it keeps a name and a date of each and nothing else ({:.1} MB)", spent.grown_mb));
    } else if count == lab.sizes.presences[0] {
        figure.add(who, spent.grown_mb);
    } else {
        figure.remark(who, format!("left out, as it got {count} presences only ({:.1} MB with those)", spent.grown_mb));
    }
}

/// How ours grows with the number of events.
#[allow(clippy::cast_precision_loss, reason = "a hundred thousand")]
async fn grow(lab: &mut Lab, count: u64) -> Result<()> {
    for count in [count / 10, count / 3, count] {
        let corpus = forge::presences(count, count)?;
        let spent = one(lab, Who::Ocmesh, &corpus, count, 1).await?;
        lab.grows("processor time by presences", count as f64, spent.cpu_s);
        lab.grows("memory at the peak by presences", count as f64, spent.grown_mb);
    }
    Ok(())
}
