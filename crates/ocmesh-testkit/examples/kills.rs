//! Run by `cargo xtask kills`: `kill -9` at random instants, again and again, and two daemons that race for one home.

use std::io::Write as _;

use anyhow::Result;
use clap::Parser;

/// Kills daemons and relays at random instants under load, and looks for what was lost, doubled, made up or torn. Linux only.
#[derive(Parser)]
#[command(name = "cargo xtask kills", bin_name = "cargo xtask kills")]
struct Options {
    /// How many kills
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Decides the instants
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages a second
    #[arg(long, default_value_t = 50)]
    per_second: u32,
    /// How many times two daemons race for one home
    #[arg(long, default_value_t = 0)]
    races: u32,
}

/// Kills and races.
///
/// # Errors
/// Says what went wrong, and with which seed.
#[tokio::main]
async fn main() -> Result<()> {
    run(Options::parse()).await
}

#[cfg(target_os = "linux")]
async fn run(options: Options) -> Result<()> {
    use ocmesh_testkit::{
        kills::{self, KillPlan, KillReport, Victims},
        ledger::Tally,
        races,
    };
    use tokio_util::sync::CancellationToken;

    /// Kills in one world: a new one then begins with empty databases and an empty relay.
    const OF_ONE_WORLD: u32 = 50;
    /// Two worlds of five each for sender and receiver, one for everyone.
    const TURNS: [Victims; 5] = [Victims::Sender, Victims::Receiver, Victims::Everyone, Victims::Sender, Victims::Receiver];

    let end = CancellationToken::new();
    let asked = end.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            say("ending in order");
            asked.cancel();
        }
    });
    let (mut total, mut left) = (KillReport::default(), options.kills);
    for (number, victims) in (0_u64..).zip(TURNS.into_iter().cycle()) {
        if left == 0 || end.is_cancelled() {
            break;
        }
        let plan = KillPlan { victims, kills: left.min(OF_ONE_WORLD), seed: options.seed.wrapping_add(number), per_s: options.per_second };
        let report = kills::run(plan, &end).await.inspect_err(|_| say(&format!("{plan:?}; before it: {total}")))?;
        left = left.saturating_sub(plan.kills);
        say(&format!("{victims:?}, seed {}: {report}", plan.seed));
        total = total.plus(report);
    }
    if total.kills > 0 {
        say(&format!("all: {total}"));
    }
    if options.races > 0 && !end.is_cancelled() {
        say(&races::run(options.races).await?.to_string());
    }
    anyhow::ensure!(total.tally == Tally::default(), "not met: {}; seed {}", total.tally, options.seed);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn run(options: Options) -> Result<()> {
    let Options { kills, seed, per_second, races } = options;
    anyhow::bail!("{kills} kills and {races} races (seed {seed}, {per_second} a second) need Linux")
}

/// A reader that left is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
