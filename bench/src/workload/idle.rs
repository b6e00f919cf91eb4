//! An idle daemon with five relays: its processor time and its bytes. All contestants idle at the same time, each with relays of its own.

use anyhow::Result;
use tokio::time::{Duration, Instant, sleep};

use crate::{contestant::Who, feeder::Feeder, lab::Lab, process};

const RELAYS: usize = 5;
/// The first announcements and every list are out by then.
const SETTLE: Duration = Duration::from_secs(20);
const HOUR_S: f64 = 3_600.0;
const HOURS_A_DAY: f64 = 24.0;

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let mut idlers = Vec::new();
    for who in lab.who.clone() {
        let mut feeders = Vec::new();
        for _ in 0..RELAYS {
            feeders.push(Feeder::start().await?);
        }
        let urls: Vec<&str> = feeders.iter().map(Feeder::url).collect();
        let home = lab.places.fresh_home(&format!("idle-{}", who.name()))?;
        let (running, _) = lab.places.start(who, &home, &urls).await?;
        idlers.push((who, running, feeders));
    }
    // paces: what a start does is over
    sleep(SETTLE).await;
    let read = |pid: u32, feeders: &[Feeder]| anyhow::Ok((process::cpu_seconds(pid)?, feeders.iter().map(Feeder::bytes).sum::<u64>()));
    let began = Instant::now();
    let mut before = Vec::new();
    for (_, running, feeders) in &idlers {
        before.push(read(running.pid, feeders)?);
    }
    // paces: this is what is measured
    sleep(lab.sizes.idle).await;
    let hours = began.elapsed().as_secs_f64() / HOUR_S;
    for ((who, running, feeders), (cpu_before, bytes_before)) in idlers.iter().zip(before) {
        let (cpu, bytes) = read(running.pid, feeders)?;
        let remark = format!("{:.0} s measured, scaled to an hour", lab.sizes.idle.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "megabytes")]
        let megabytes = bytes.saturating_sub(bytes_before) as f64 / 1e6;
        for (what, unit, goal, value) in [
            ("an idle hour, five relays: processor time", "s", 20.0, cpu - cpu_before),
            ("an idle hour, five relays: network", "MB", 8.0, megabytes),
        ] {
            let figure = lab.figures.of("idle", what, unit);
            if *who == Who::Ocmesh {
                figure.goal(goal / HOURS_A_DAY);
            }
            figure.add(*who, value / hours).remark(*who, &remark);
        }
    }
    Ok(())
}
