//! `cargo xtask ci`: every check, one after the other, in one profile and one target directory, with a table of times at the end.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::{
    counts, deps, docs, fuzz, interop, release,
    run::{cargo, command, read, root, say, succeed, target_dir},
    skill, tidy,
};

/// Options of `cargo xtask ci`.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only these stages
    #[arg(value_name = "STAGE")]
    only: Vec<String>,
    /// Name the stages and stop
    #[arg(long)]
    list: bool,
}

/// One stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<()>);

/// Cheap ones first: a slip in the formatting should not cost twenty minutes.
const STAGES: [Stage; 15] = [
    ("fmt", || cargo_task(&["fmt", "--all", "--check"])),
    ("deps", deps::run),
    ("tidy", tidy::run),
    ("skill", skill::run),
    ("shellcheck", shellcheck),
    ("deny", deny),
    ("clippy", || cargo_task(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("test", test),
    ("counts", || counts::run(&counts::Options::check())),
    ("docs", docs::run),
    ("fuzz", || fuzz::run(&fuzz::Options::short())),
    ("demo", demo),
    ("release", || release::run(&release::Options::of(tested_binary()?))),
    ("interop", || interop::run(&interop::Options::with_binary(tested_binary()?))),
    ("agents", || interop::run(&interop::Options::of_agents(tested_binary()?))),
];

/// Computes for minutes, at a lower priority than what runs beside it.
const BUSY: &str = "fuzz";
/// Waits for other programs for minutes, and runs beside every stage from [`BUSY`] on to its own place.
const PATIENT: &str = "agents";

/// A stage in a process of its own, whose words are shown when it has ended.
struct Beside {
    child: Child,
    log: PathBuf,
}

impl Beside {
    fn start(stage: &str) -> Result<Self> {
        say(&format!("\n(beside the next stages: {stage})"));
        let log = target_dir().join(format!("ci-{stage}.log"));
        let out = File::create(&log)?;
        let mut ci = Command::new(env::current_exe()?);
        ci.args(["ci", stage]).current_dir(root()).stdout(out.try_clone()?).stderr(out);
        Ok(Self { child: ci.spawn()?, log })
    }

    fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        say(&fs::read_to_string(&self.log)?);
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

/// How a stage went.
struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<anyhow::Error>,
}

/// Runs the stages; a failed one does not keep the others from running.
///
/// # Errors
/// Names the stages that failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        STAGES.iter().for_each(|(name, _)| say(name));
        return Ok(());
    }
    if let Some(unknown) = options.only.iter().find(|name| !STAGES.iter().any(|(stage, _)| stage == name)) {
        bail!("there is no stage `{unknown}`; `cargo xtask ci --list` names them");
    }
    let wanted = STAGES.iter().filter(|(name, _)| options.only.is_empty() || options.only.iter().any(|only| only == name));
    let wanted: Vec<&Stage> = wanted.collect();
    let is_wanted = |name: &str| wanted.iter().any(|(stage, _)| *stage == name);
    let mut beside = None;
    let mut outcomes = Vec::new();
    for (name, work) in &wanted {
        if *name == BUSY && is_wanted(PATIENT) {
            beside = Some(Beside::start(PATIENT)?);
        }
        let beside = if *name == PATIENT { beside.take() } else { None };
        outcomes.push(run_stage(name, || beside.map_or_else(work, Beside::finish)));
    }
    say(&table(&outcomes));
    let failed: Vec<&str> = outcomes.iter().filter(|outcome| outcome.error.is_some()).map(|outcome| outcome.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn run_stage(name: &'static str, work: impl FnOnce() -> Result<()>) -> Outcome {
    say(&format!("\n==> {name}"));
    let began = Instant::now();
    let error = work().err();
    let took = began.elapsed();
    match &error {
        None => say(&format!("<== {name}: ok, {:.1} s", took.as_secs_f64())),
        Some(error) => say(&format!("<== {name}: FAILED, {:.1} s: {error:#}", took.as_secs_f64())),
    }
    Outcome { name, took, error }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut lines = vec![format!("\n{:<12} {:>9}  result", "stage", "time")];
    for Outcome { name, took, error } in outcomes {
        let result = error.as_ref().map_or_else(|| "ok".to_owned(), |error| format!("FAILED: {error:#}"));
        lines.push(format!("{name:<12} {:>7.1} s  {result}", took.as_secs_f64()));
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    lines.push(format!("{:<12} {:>7.1} s", "total", total.as_secs_f64()));
    lines.join("\n")
}

fn cargo_task(args: &[&str]) -> Result<()> {
    succeed(command(&cargo(), args))
}

/// The README's second command. Most tests wait for processes and relays, so more of them than cores run at a time.
fn test() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut test = command(&cargo(), &["test", "--workspace", "--no-fail-fast"]);
    test.env("RUST_TEST_THREADS", (cores * 5 / 2).to_string());
    succeed(test)
}

/// The binary as `cargo test` built it. `cargo build` would choose other features of shared dependencies and compile half the tree again.
fn tested_binary() -> Result<PathBuf> {
    cargo_task(&["test", "--workspace", "--no-run", "--quiet"])?;
    Ok(target_dir().join("debug").join("ocmesh"))
}

/// The README's first command, with the debug build.
fn demo() -> Result<()> {
    let mut demo = Command::new(tested_binary()?);
    demo.arg("demo").current_dir(root());
    succeed(demo)
}

/// Every script that says it is for a shell.
fn shellcheck() -> Result<()> {
    let files = read(command("git", &["ls-files", "-co", "--exclude-standard"]))?;
    let scripts: Vec<&str> = files.lines().filter(|path| path.ends_with(".sh") || *path == ".ci/run").collect();
    if scripts.is_empty() {
        bail!("found no script to check");
    }
    say(&format!("checking {}", scripts.join(" ")));
    succeed(command("shellcheck", &[&["--enable=quote-safe-variables"], scripts.as_slice()].concat()))
}

/// Licences, bans and sources always; advisories where the advisory database can be fetched.
fn deny() -> Result<()> {
    cargo_task(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])?;
    if cargo_task(&["deny", "--log-level", "error", "fetch", "db"]).is_err() {
        say("advisories NOT checked: the advisory database needs the network and could not be fetched");
        return Ok(());
    }
    cargo_task(&["deny", "--log-level", "error", "check", "--disable-fetch", "advisories"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_stage_with_its_time_and_the_failure() {
        let outcomes = [
            Outcome { name: "fmt", took: Duration::from_millis(1500), error: None },
            Outcome { name: "test", took: Duration::from_secs(60), error: Some(anyhow::anyhow!("2 tests failed")) },
        ];
        let table = table(&outcomes);
        for part in ["fmt ", "1.5 s  ok", "60.0 s  FAILED: 2 tests failed", "total", "61.5 s"] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
    }

    #[test]
    fn an_unknown_stage_is_an_error() {
        let options = Options { only: vec!["no-such-stage".to_owned()], list: false };
        assert!(run(&options).unwrap_err().to_string().contains("no-such-stage"));
    }
}
