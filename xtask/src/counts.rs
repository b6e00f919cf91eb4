//! `cargo xtask counts`: the instructions of the paths in `bench/examples/counts/paths.rs`, counted by callgrind and held against
//! `bench/counts.toml`. A count is the same on a busy machine and an idle one, which a time is not.

mod baseline;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::baseline::Baseline;
use crate::run::{cargo, command, read, root, say, say_error, succeed, target_dir};

/// What a path may need more than its baseline, in hundredths. Chance moves a count by a tenth of a hundredth, another layout of the program by
/// two or three.
const GROWTH_MAX: u64 = 10;

/// Options of `cargo xtask counts`.
#[derive(Args)]
pub(crate) struct Options {
    /// Make today's counts the baseline; say in the commit why they moved
    #[arg(long)]
    bless: bool,
    /// Only paths that have this in their name
    #[arg(value_name = "WORD", default_value = "")]
    only: String,
}

impl Options {
    /// Every path against its baseline.
    pub(crate) const fn check() -> Self {
        Self { bless: false, only: String::new() }
    }
}

/// Instructions by path.
type Counts = BTreeMap<String, u64>;

/// Counts, and compares.
///
/// # Errors
/// valgrind is missing, a path could not be run, or one needs over 10 % more instructions than its baseline: each is named.
pub(crate) fn run(options: &Options) -> Result<()> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    ensure!(found.is_ok_and(|status| status.success()), "valgrind is not there; the package is called valgrind");
    let counted = count(&built()?, &options.only)?;
    let compilers = compilers()?;
    let file = root().join("bench").join("counts.toml");
    let before = Baseline::read(&file)?;
    counted.iter().for_each(|(name, count)| say(&line(name, *count, before.counts.get(name).copied())));
    if options.bless {
        let kept = if options.only.is_empty() { Counts::new() } else { before.counts };
        return Baseline { compilers, counts: kept.into_iter().chain(counted).collect() }.write(&file);
    }
    let mut wrong = grown(&counted, &before.counts);
    if options.only.is_empty() {
        wrong.extend(before.counts.keys().filter(|name| !counted.contains_key(*name)).map(|name| format!("`{name}` is gone")));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.iter().for_each(|said| say_error(said));
    if before.compilers != compilers {
        say_error(&format!("the baseline is of {}, and this is {compilers}: some of it may be the compilers'", before.compilers));
    }
    bail!("{} of {} paths; where it is on purpose, `cargo xtask counts --bless`, and say why", wrong.len(), counted.len())
}

/// The program as `cargo test --workspace` builds it: with the features of the whole workspace, so that a run after the tests compiles nothing.
fn built() -> Result<PathBuf> {
    succeed(command(&cargo(), &["build", "--workspace", "--quiet", "--example", "counts"]))?;
    Ok(target_dir().join("debug").join("examples").join("counts"))
}

/// What turned the sources into these instructions: ours, and the C of the curve, the ciphers and the database.
fn compilers() -> Result<String> {
    let rust = read(command("rustc", &["--version"]))?;
    let c = read(command("cc", &["-dumpfullversion"]))?;
    Ok(format!("{}, cc {} on {}", rust.trim(), c.trim(), std::env::consts::ARCH))
}

/// Runs the program once under callgrind, which writes a file at the end of each path, in their order.
fn count(program: &Path, only: &str) -> Result<Counts> {
    let folder = target_dir().join("counts");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let out = folder.join("path");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--toggle-collect=counts::counted", "--dump-after=counts::counted"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display())).arg(program).arg(only);
    let names = read(valgrind)?;
    ensure!(!names.is_empty(), "no path has {only:?} in its name");
    let numbered = |(number, name): (usize, &str)| {
        let file = folder.join(format!("path.{}", number + 1));
        let text = fs::read_to_string(&file).with_context(|| format!("callgrind wrote nothing of `{name}`"))?;
        Ok((name.to_owned(), total(&text).with_context(|| format!("callgrind counted nothing of `{name}`"))?))
    };
    names.lines().enumerate().map(numbered).collect()
}

/// The instructions in one of callgrind's files.
fn total(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")))?;
    total.trim().parse().ok().filter(|total| *total > 0)
}

fn line(name: &str, count: u64, before: Option<u64>) -> String {
    let change = before.map_or_else(|| "new".to_owned(), |before| format!("{:+.1} %", growth(count, before) * 100.0));
    format!("{count:>12} {change:>9}  {name}")
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn growth(count: u64, before: u64) -> f64 {
    count as f64 / before.max(1) as f64 - 1.0
}

/// Paths that need more than they may, in words. One without a baseline is among them, so that a new path brings its own.
fn grown(counted: &Counts, before: &Counts) -> Vec<String> {
    let said = |(name, count): (&String, &u64)| match before.get(name) {
        None => Some(format!("`{name}` has no baseline")),
        Some(before) if count.saturating_mul(100) > before.saturating_mul(100 + GROWTH_MAX) => {
            Some(format!("`{name}` needs {count} instructions, {:.1} % more than {before}", growth(*count, *before) * 100.0))
        }
        Some(_) => None,
    };
    counted.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, u64)]) -> Counts {
        list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_path_that_grew_by_more_than_a_tenth_is_named_and_one_without_a_baseline() {
        let before = counts(&[("a", 1_000), ("b", 1_000), ("c", 1_000)]);
        let said = grown(&counts(&[("a", 1_100), ("b", 1_101), ("c", 10), ("d", 1)]), &before);
        assert_eq!(said, ["`b` needs 1101 instructions, 10.1 % more than 1000", "`d` has no baseline"]);
    }

    #[test]
    fn the_total_of_a_file_is_read_and_none_is_no_total() {
        assert_eq!(total("version: 1\npart: 3\nsummary: 4711\n\nfn=(1)\n"), Some(4_711));
        assert_eq!(total("events: Ir\ntotals: 12\n"), Some(12));
        assert_eq!(total("summary: 0\n"), None);
        assert_eq!(total("fn=(1)\n"), None);
    }
}
