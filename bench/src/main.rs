//! `cargo xtask bench`: drives ocmesh and the references from outside, one after the other in every round, and says how they compare.

mod contestant;
mod feeder;
mod figures;
mod forge;
mod http;
mod lab;
mod page;
mod plot;
mod primitives;
mod process;
mod report;
mod say;
mod seed;
mod sizes;
mod workload;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::{
    contestant::{Places, Who},
    lab::Lab,
    sizes::Sizes,
};

/// Measures ocmesh and the references side by side.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// The release binary of ocmesh
    #[arg(long, value_name = "PATH")]
    binary: PathBuf,
    /// The folder of this laboratory
    #[arg(long, value_name = "DIR", hide = true)]
    bench: PathBuf,
    /// The program of the bare client
    #[arg(long, value_name = "PATH", hide = true)]
    rust_nostr: PathBuf,
    /// Where homes and kept stores live; on a real disk, as commits are synced
    #[arg(long, value_name = "DIR", hide = true)]
    work: PathBuf,
    /// The page that a whole run writes
    #[arg(long, value_name = "FILE", hide = true)]
    page: PathBuf,
    /// Only these workloads (`--list` names them); prints, and leaves the page as it is
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Name the workloads and stop
    #[arg(long)]
    list: bool,
    /// Smaller sizes, some three minutes; leaves the page as it is
    #[arg(long)]
    quick: bool,
    /// How often each workload is repeated; 3, or 1 of a quick run
    #[arg(long)]
    rounds: Option<u32>,
    /// Only ocmesh, without the references; leaves the page as it is
    #[arg(long)]
    alone: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if options.list {
        workload::ALL.iter().for_each(|workload| say::result(format!("{:<12} {}", workload.name, workload.what)));
        return Ok(());
    }
    for name in &options.only {
        ensure!(
            workload::ALL.iter().any(|known| known.name == name),
            "there is no workload `{name}`; `cargo xtask bench --list` names them"
        );
    }
    let binary = options.binary.canonicalize().with_context(|| format!("there is no {}", options.binary.display()))?;
    let places = Places { binary, node: options.bench.join("node"), rust_nostr: options.rust_nostr.clone(), work: options.work.clone() };
    let who = if options.alone { vec![Who::Ocmesh] } else { Who::ALL.to_vec() };
    let sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    let mut lab = Lab::new(places, who, sizes, options.rounds.unwrap_or(if options.quick { 1 } else { 3 }).max(1));
    lab.run(&options.only).await?;
    lab.report(options.only.is_empty() && !options.alone && !options.quick, &options.page)
}
