//! What goes beside the program wherever it is installed: manual pages, completions and the unit of its service, as the program itself writes them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::archive::Entry;
use crate::run::{read, succeed};

/// Shells with the file names that their completions have.
const SHELLS: [(&str, &str); 3] = [("bash", "ocmesh.bash"), ("zsh", "_ocmesh"), ("fish", "ocmesh.fish")];
/// Fewer pages than this would mean that commands are missing.
const PAGES_MIN: usize = 25;

/// The program, told nothing of this machine.
fn program(binary: &Path, home: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().env("HOME", home);
    command
}

/// `ocmesh.1` and a page for each command.
pub(super) fn pages(binary: &Path, stage: &Path) -> Result<Vec<Entry<'static>>> {
    let place = stage.join("pages");
    let mut command = program(binary, stage);
    command.arg("man").arg("--to").arg(&place);
    succeed(command)?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(&place)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a page whose name is not text")?;
        pages.push(Entry::data(name, fs::read(entry.path())?));
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    ensure!(pages.len() >= PAGES_MIN, "only {} manual pages", pages.len());
    Ok(pages)
}

/// A script for each shell.
pub(super) fn completions(binary: &Path, stage: &Path) -> Result<Vec<Entry<'static>>> {
    let script = |(shell, name): (&str, &str)| {
        let mut command = program(binary, stage);
        command.args(["completions", shell]);
        Ok(Entry::data(name, read(command)?.into_bytes()))
    };
    SHELLS.into_iter().map(script).collect()
}

/// The systemd unit of a user, for a program that will be at `place`.
pub(super) fn unit(binary: &Path, stage: &Path, place: &str) -> Result<String> {
    let mut command = program(binary, stage);
    command.args(["--json", "service", "install", "--dry-run", "--platform", "systemd"]);
    let steps: Vec<Value> = serde_json::from_str(&read(command)?)?;
    let unit = steps.iter().find_map(|step| step.get("content")?.as_str()).context("no service file in the dry run")?;
    let own = format!("ExecStart=\":{}\"", binary.canonicalize()?.display());
    ensure!(unit.contains(&own), "the unit does not start with {own}:\n{unit}");
    Ok(unit.replace(&own, &format!("ExecStart={place}")))
}

/// Pages and scripts at the places where they are looked for below a prefix.
pub(super) fn below_prefix(pages: &[Entry<'_>], completions: &[Entry<'_>]) -> Vec<Entry<'static>> {
    let place = |path: &str| match path {
        "ocmesh.bash" => "share/bash-completion/completions/ocmesh".to_owned(),
        "_ocmesh" => "share/zsh/site-functions/_ocmesh".to_owned(),
        "ocmesh.fish" => "share/fish/vendor_completions.d/ocmesh.fish".to_owned(),
        page => format!("share/man/man1/{page}"),
    };
    pages.iter().chain(completions).map(|file| Entry::data(place(&file.path), file.bytes.clone().into_owned())).collect()
}
