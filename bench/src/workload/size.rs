//! What a user has on disk after installing: the binary; or Node itself and what npm brought.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{contestant::Who, lab::Lab};

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    for who in lab.who.clone() {
        let bytes = match who {
            Who::Ocmesh => fs::metadata(&lab.places.binary)?.len(),
            Who::RustLmdb | Who::RustBare => fs::metadata(&lab.places.rust_nostr)?.len(),
            Who::NodeJs | Who::NodeWasm => fs::metadata(node()?)?.len().saturating_add(bytes_below(&lab.places.node.join("node_modules"))?),
        };
        let figure = lab.figures.of("size", "installed", "MB");
        #[allow(clippy::cast_precision_loss, reason = "megabytes")]
        let megabytes = bytes as f64 / 1e6;
        match who {
            Who::Ocmesh => figure.goal(12.0).add(who, megabytes),
            Who::NodeJs | Who::NodeWasm => figure.add(who, megabytes).remark(who, "the `node` program and `node_modules`"),
            Who::RustLmdb | Who::RustBare => {
                figure.remark(who, format!("left out, as it has no encrypted store, no Local API and no commands ({megabytes:.1} MB)"))
            }
        };
    }
    Ok(())
}

/// The program that `node` is.
fn node() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join("node")).find(|file| file.is_file());
    Ok(found.context("there is no node")?.canonicalize()?)
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let more = if kind.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
        bytes = bytes.saturating_add(more);
    }
    Ok(bytes)
}
