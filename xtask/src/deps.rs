//! `cargo xtask deps`: the fences of ARCHITECTURE.md held against `cargo metadata`. The fences are in `fence.rs`, the graph in `graph.rs`.

mod fence;
mod graph;

use anyhow::{Result, bail};
use cargo_metadata::MetadataCommand;

use self::graph::Graph;
use crate::run::{root, say, say_error};

/// Checks every crate against its fence.
///
/// # Errors
/// Each edge that crosses a fence is printed; the error counts them.
pub(crate) fn run() -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(root()).other_options(["--locked".to_owned()]).exec()?;
    let graph = Graph::from_metadata(&metadata);
    let crossings = fence::check(&graph);
    for crossing in &crossings {
        say_error(crossing);
    }
    if !crossings.is_empty() {
        bail!("{} forbidden; ARCHITECTURE.md says why the fences are there", crossings.len());
    }
    say(&format!("deps: {} crates, every one inside its fence", graph.ours().count()));
    Ok(())
}
