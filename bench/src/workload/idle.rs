//! An idle daemon with five relays: its processor time, its wake-ups and its bytes. All contestants idle at the same time, each with relays of its own.

use anyhow::Result;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    contestant::{Running, Who},
    feeder::Feeder,
    lab::Lab,
    process,
};

const RELAYS: usize = 5;
/// And some more of ours with fewer.
const FEWER: [usize; 2] = [1, 2];
/// The first announcements and every list are out by then.
const SETTLE: Duration = Duration::from_secs(20);
const HOUR_S: f64 = 3_600.0;
const HOURS_A_DAY: f64 = 24.0;

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let mut idlers = Vec::new();
    for who in lab.who.clone() {
        idlers.push(idler(lab, who, RELAYS).await?);
    }
    // How ours grows with its relays.
    for relays in FEWER {
        idlers.push(idler(lab, Who::Ocmesh, relays).await?);
    }
    // paces: what a start does is over
    sleep(SETTLE).await;
    let read = |pid: u32, feeders: &[Feeder]| {
        let bytes = feeders.iter().map(Feeder::bytes).sum::<u64>();
        anyhow::Ok((process::cpu_seconds(pid)?, process::wakeups(pid)?, bytes))
    };
    let began = Instant::now();
    let mut before = Vec::new();
    for Idler { running, feeders, .. } in &idlers {
        before.push(read(running.pid, feeders)?);
    }
    // paces: this is what is measured
    sleep(lab.sizes.idle).await;
    let hours = began.elapsed().as_secs_f64() / HOUR_S;
    for (Idler { who, running, feeders }, (cpu_before, wakeups_before, bytes_before)) in idlers.iter().zip(before) {
        let (cpu, wakeups, bytes) = read(running.pid, feeders)?;
        let remark = format!("{:.0} s measured, scaled to an hour", lab.sizes.idle.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "megabytes")]
        let (megabytes, relays) = (bytes.saturating_sub(bytes_before) as f64 / 1e6, feeders.len() as f64);
        let (cpu, wakeups, megabytes) = ((cpu - cpu_before) / hours, (wakeups - wakeups_before) / hours, megabytes / hours);
        if *who == Who::Ocmesh {
            lab.grows("processor time of an idle hour by relays", relays, cpu);
            lab.grows("network of an idle hour by relays", relays, megabytes);
        }
        if feeders.len() < RELAYS {
            continue;
        }
        // What a wake-up costs is the machine's, and the noise of processor time; how many there are is ours.
        for (what, unit, goal, value) in
            [("processor time", "s", Some(20.0), cpu), ("wake-ups", "times", None, wakeups), ("network", "MB", Some(8.0), megabytes)]
        {
            let figure = lab.figures.of("idle", &format!("an idle hour, five relays: {what}"), unit);
            if *who == Who::Ocmesh
                && let Some(goal) = goal
            {
                figure.goal(goal / HOURS_A_DAY);
            }
            if who.is_daemon() {
                figure.add(*who, value).remark(*who, &remark);
            } else {
                figure.remark(*who, format!("left out, as it announces nothing and searches for nobody ({value:.2} {unit}, {remark})"));
            }
        }
    }
    Ok(())
}

/// Who idles, and with which relays.
struct Idler {
    who: Who,
    running: Running,
    feeders: Vec<Feeder>,
}

async fn idler(lab: &Lab, who: Who, relays: usize) -> Result<Idler> {
    let mut feeders = Vec::new();
    for _ in 0..relays {
        feeders.push(Feeder::start().await?);
    }
    let urls: Vec<&str> = feeders.iter().map(Feeder::url).collect();
    let home = lab.places.fresh_home(&format!("idle-{}-{relays}", who.name()))?;
    let (running, _) = lab.places.start(who, &home, &urls).await?;
    Ok(Idler { who, running, feeders })
}
