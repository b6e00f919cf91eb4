//! Run by `cargo xtask soak`: two real daemons talk for a long time over relays that misbehave as a seed says.

use std::{io::Write as _, time::Duration};

use anyhow::Result;
use clap::Parser;

/// Two real daemons talk for a long time over relays that misbehave as a seed says. Linux only.
#[derive(Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
struct Options {
    /// How long they talk
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Messages a second, each way
    #[arg(long, default_value_t = 5.0)]
    per_second: f64,
    /// Which faults strike when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long everything may take to arrive after the faults
    #[arg(long, default_value_t = 15.0)]
    drain_minutes: f64,
}

/// Soaks.
///
/// # Errors
/// Says which numbers are not met.
#[tokio::main]
async fn main() -> Result<()> {
    soak(Options::parse()).await
}

#[cfg(target_os = "linux")]
async fn soak(options: Options) -> Result<()> {
    use ocmesh_testkit::soak::{self, SoakPlan};
    use tokio_util::sync::CancellationToken;

    let minutes = |count: f64| Duration::from_secs_f64(count * 60.0);
    let plan = SoakPlan {
        lasts: minutes(options.minutes),
        per_s: options.per_second,
        seed: options.seed,
        drain_max: minutes(options.drain_minutes),
    };
    let (end, mut tell) = (CancellationToken::new(), say);
    let report = tokio::select! {
        report = soak::run(&plan, &end, &mut tell) => report?,
        // Everything that runs is dropped, and ends with that.
        () = signals(&end) => anyhow::bail!("ended before its time"),
    };
    say(report.to_string().trim_end());
    let unmet = report.unmet();
    anyhow::ensure!(unmet.is_empty(), "not met: {}; seed {}", unmet.join("; "), options.seed);
    say(&format!("all numbers are met; seed {}", options.seed));
    Ok(())
}

/// The first Ctrl-C or SIGTERM asks for an end in order; comes back at the second.
#[cfg(target_os = "linux")]
async fn signals(end: &tokio_util::sync::CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if end.is_cancelled() {
            return;
        }
        end.cancel();
    }
}

#[cfg(not(target_os = "linux"))]
async fn soak(options: Options) -> Result<()> {
    let Options { minutes, per_second, seed, drain_minutes } = options;
    let asked = Duration::from_secs_f64((minutes + drain_minutes) * 60.0);
    anyhow::bail!("a soak of {asked:?} with {per_second} messages a second and seed {seed} reads /proc, which only Linux has")
}

/// A reader that left is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
