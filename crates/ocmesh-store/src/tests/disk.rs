//! The store on a disk that fails: every call of the system in turn, power cuts, damage, migrations cut short. The rows C4, C5, C6, C7 and
//! C11 of `docs/reliability.md`. The failing disk is the testkit's: it stands between this crate and libc, in a child process.

mod damaged;
mod failing;
mod killed;
mod power;
mod workload;

use std::process::{Command, ExitStatus, Stdio};

use ocmesh_testkit::disk::Layer;

/// Runs one test of this binary again, as a child with the failing disk below it.
fn child(layer: &Layer, test: &str, env: &[(&str, String)]) -> (ExitStatus, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("tests::disk::{test}"), "--include-ignored", "--nocapture"]);
    command.envs(layer.env()).envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status, said)
}

/// A number of trials from the environment, for the long runs.
fn trials(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}
