//! `cargo xtask fuzz`: builds the fuzz targets with libFuzzer and searches with each of them for a while, beginning from the kept corpus.
//!
//! Needs no nightly toolchain: the instrumentation is a code generator's flag of stable Rust, and the code under test forbids `unsafe`, so an
//! address sanitizer would watch over C libraries alone. `cargo fuzz run -s none TARGET` does the same.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::run::{cargo, command, read, root, say, succeed, target_dir};

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// Search only with this target
    target: Option<String>,
    /// How long each target searches
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Begin with this seed, for nearly the same search again; 0 for one of the moment
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Name the targets and stop
    #[arg(long)]
    list: bool,
}

impl Options {
    /// Every target, for as long as continuous integration has time for, and always from the same seed: a commit that was green stays green.
    pub(crate) const fn short() -> Self {
        Self { target: None, seconds: 10, seed: 1, list: false }
    }
}

/// What libFuzzer needs to see: which edges were taken, and what was compared with what.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What runs beside goes first.
const NICE: &str = "10";

/// Longest input, in bytes: short ones reach the same code, and are read by people.
const INPUT_BYTES_MAX: u32 = 4_096;

/// Builds, then searches with as many targets at a time as there are cores.
///
/// # Errors
/// It does not build, or a target found an input that breaks a promise: the error names the file, which belongs into the corpus with the fix.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut targets = targets()?;
    if options.list {
        targets.iter().for_each(|target| say(target));
        return Ok(());
    }
    if let Some(wanted) = &options.target {
        targets.retain(|target| target == wanted);
        if targets.is_empty() {
            bail!("there is no target `{wanted}`; `cargo xtask fuzz --list` names them");
        }
    }
    let host = host()?;
    build(&host)?;
    let binaries = target_dir().join(&host).join("fuzz");
    let waiting = Mutex::new(VecDeque::from(targets));
    let failed = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(target) = next else { return };
                    if let Err(error) = search(&binaries, &target, options) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{target}: {error:#}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// The targets are the folders of the corpus; a test of `ocmesh-fuzz` holds both against each other.
fn targets() -> Result<Vec<String>> {
    let folders = fs::read_dir(root().join("fuzz").join("corpus"))?;
    let mut names: Vec<String> = folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

fn host() -> Result<String> {
    let version = read(command("rustc", &["--version", "--verbose"]))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not name its host")
}

fn build(host: &str) -> Result<()> {
    // With a target given, build scripts and macros stay without instrumentation, and everybody else's build is left alone.
    let mut build = command(
        "nice",
        &["-n", NICE, &cargo(), "build", "--package", "ocmesh-fuzz", "--bins", "--features", "libfuzzer", "--profile", "fuzz"],
    );
    build.args(["--target", host]).env("RUSTFLAGS", RUSTFLAGS);
    succeed(build)
}

/// One target. What it finds that is new to it goes to the target directory, never into the repository.
fn search(binaries: &Path, target: &str, options: &Options) -> Result<()> {
    let seconds = options.seconds;
    let place = target_dir().join("fuzzing").join(target);
    let (found, broken, log) = (place.join("found"), place.join("broken"), place.join("log"));
    for folder in [&found, &broken] {
        fs::create_dir_all(folder)?;
    }
    let known: Vec<PathBuf> = files(&broken)?;
    let mut fuzzer = Command::new("nice");
    fuzzer
        .args(["-n", NICE])
        .arg(binaries.join(format!("fuzz-{target}")))
        .arg(&found)
        .arg(root().join("fuzz").join("corpus").join(target))
        .args([
            format!("-max_total_time={seconds}"),
            format!("-seed={}", options.seed),
            format!("-max_len={INPUT_BYTES_MAX}"),
            format!("-artifact_prefix={}/", broken.display()),
            format!("-dict={}", root().join("fuzz").join("words.dict").display()),
            "-timeout=10".to_owned(),
            "-rss_limit_mb=2048".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
    let out = File::create(&log)?;
    let status = fuzzer.stdout(out.try_clone()?).stderr(out).status().with_context(|| format!("could not start fuzz-{target}"))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let new: Vec<String> =
            files(&broken)?.into_iter().filter(|path| !known.contains(path)).map(|path| path.display().to_string()).collect();
        let said = text.lines().find(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"));
        bail!("{} (input: {}; all of it: {})", said.unwrap_or("it ended"), new.join(" "), log.display());
    }
    say(&format!(
        "fuzz: {target:<14} {:>9} executions in {seconds} s, {} features",
        stat(&text, "stat::number_of_executed_units:"),
        features(&text)
    ));
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// A number of libFuzzer's last words.
fn stat<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim)
}

/// What it told apart in the end.
fn features(text: &str) -> &str {
    let last = text.lines().rfind(|line| line.starts_with('#') && line.contains(" ft: "));
    last.and_then(|line| line.split(" ft: ").nth(1)?.split(' ').next()).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "#2\tINITED cov: 7 ft: 9 corp: 1/1b\n#77\tDONE   cov: 60 ft: 81 corp: 5/9b\nstat::number_of_executed_units: 77\n";

    #[test]
    fn the_last_words_of_the_fuzzer_are_read() {
        assert_eq!((stat(WORDS, "stat::number_of_executed_units:"), features(WORDS)), ("77", "81"));
        assert_eq!((stat("", "stat::x:"), features("")), ("?", "?"));
    }

    #[test]
    fn an_unknown_target_is_an_error() {
        let options = Options { target: Some("no-such-target".to_owned()), ..Options::short() };
        assert!(run(&options).unwrap_err().to_string().contains("no-such-target"));
    }
}
