//! Run by `cargo xtask sim`: the simulator over many seeds, with one line of sums at the end; or one seed with its last steps.

use std::{
    io::Write as _,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Parser;
use ocmesh_testkit::sim::{self, Report, Totals};

/// Lines of a failing run that are shown without `--trace`.
const LINES_OF_A_FAILURE: usize = 40;
/// Failing seeds shown in full; the rest are named.
const SHOWN_MAX: usize = 5;
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// The simulator: many cores, faults and crashes in virtual time, by seed.
#[derive(Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 200, conflicts_with = "seed")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// This seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Show the steps that led to the first fault, or the last ones: this many (400 when no number is given)
    #[arg(long, requires = "seed", num_args = 0..=1, default_missing_value = "400", value_name = "LINES")]
    trace: Option<usize>,
    /// Runs at a time; as many as there are processors when not given
    #[arg(long)]
    jobs: Option<usize>,
}

/// Runs the seeds.
///
/// # Errors
/// Names the seeds in which something went wrong.
fn main() -> Result<()> {
    let options = &Options::parse();
    if let Some(seed) = options.seed {
        return run_one(seed, options.trace.unwrap_or(0));
    }
    let began = Instant::now();
    let (totals, bad) = run_all(options);
    say(&format!("{totals}; {:.1} s", began.elapsed().as_secs_f64()));
    if bad.is_empty() {
        return Ok(());
    }
    for seed in bad.iter().take(SHOWN_MAX) {
        say(&sim::run(*seed, LINES_OF_A_FAILURE).to_string());
    }
    let seeds: Vec<String> = bad.iter().map(u64::to_string).collect();
    bail!("something went wrong in these seeds: {}; `cargo xtask sim --seed N --trace` shows how", seeds.join(" "))
}

fn run_one(seed: u64, lines: usize) -> Result<()> {
    let report = sim::run(seed, lines);
    let mut totals = Totals::default();
    totals.add(&report);
    say(&report.to_string());
    say(&totals.to_string());
    if report.is_good() {
        return Ok(());
    }
    bail!("something went wrong in seed {seed}")
}

fn run_all(options: &Options) -> (Totals, Vec<u64>) {
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
    let next = AtomicU64::new(options.from);
    let end = options.from.saturating_add(options.seeds);
    let mut bad = Vec::new();
    let mut totals = Totals::default();
    let mut shown = Instant::now();
    thread::scope(|scope| {
        // Bounded: a worker waits when the sums are behind.
        let (send, reports) = mpsc::sync_channel::<Report>(64);
        for _ in 0..jobs {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || send.send(sim::run(seed, 0)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for report in reports {
            totals.add(&report);
            if !report.is_good() {
                bad.push(report.seed);
            }
            if shown.elapsed() >= PROGRESS_EVERY {
                shown = Instant::now();
                say(&totals.to_string());
            }
        }
    });
    bad.sort_unstable();
    (totals, bad)
}

/// A reader that left is no reason to stop the run.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
