//! The npm packages, without install scripts: the launcher passes on arguments, streams, signals and the end, and says what is missing.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{super::Build, foreign, place, version_is, works};
use crate::run::succeed;

/// By `npm install --ignore-scripts`, as OpenClaw installs it.
pub(in super::super) fn npm(build: &Build, own: &str, launcher: &str) -> Result<()> {
    let home = place(build, "npm")?;
    fs::write(home.join("package.json"), "{}")?;
    let mut install = foreign("npm", &home);
    install.args(["install", "--ignore-scripts", "--offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]);
    install.arg(build.out.join(launcher)).arg(build.out.join(own));
    succeed(install)?;
    let program = home.join("node_modules/.bin/ocmesh");
    works(build, &program, &home)?;
    versions_agree(build, &home)?;
    ends_alike(&program, &home)?;
    signals_reach_it(&program, &home)?;

    fs::remove_dir_all(home.join("node_modules/@ocmesh"))?;
    let alone = foreign(&program, &home).arg("--version").output()?;
    let said = String::from_utf8_lossy(&alone.stderr);
    ensure!(alone.status.code() == Some(1) && said.contains("--include=optional"), "without the program the launcher says {said:?}");
    Ok(())
}

/// The launcher asks for just the packages that go with it.
fn versions_agree(build: &Build, home: &Path) -> Result<()> {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(home.join("node_modules/ocmesh/package.json"))?)?;
    let wanted = manifest.get("optionalDependencies").and_then(serde_json::Value::as_object).context("the launcher asks for no package")?;
    let own = format!("@ocmesh/{}", build.platform.npm_name());
    let all = version_is(&manifest, &build.version) && wanted.values().all(|version| version == build.version.as_str());
    ensure!(all && wanted.contains_key(&own), "the versions of the npm packages differ: {manifest}");
    Ok(())
}

/// Its exit code is the program's, and what goes in comes out.
fn ends_alike(program: &Path, home: &Path) -> Result<()> {
    for (words, code) in [(["status", "--json"], 3), (["no-such-command", "--json"], 2)] {
        let ended = foreign(program, home).args(words).output()?;
        let clean = ended.stdout.is_empty() && ended.stderr.starts_with(b"{");
        ensure!(ended.status.code() == Some(code) && clean, "{words:?} ended with {ended:?}, not with {code}");
    }
    Ok(())
}

/// Who stops the launcher stops the program: it says goodbye, and nothing is left.
#[cfg(unix)]
fn signals_reach_it(program: &Path, home: &Path) -> Result<()> {
    let mut child = foreign(program, home).args(["--json", "relay", "--port", "0"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let first = lines.next().context("the relay said nothing")??;
    ensure!(first.contains("ws://") || first.starts_with('{'), "the relay said {first}");
    let mut kill = Command::new("kill");
    kill.args(["-TERM", &child.id().to_string()]);
    succeed(kill)?;
    // The pipe ends only when the program behind the launcher has ended, too.
    lines.for_each(drop);
    let status = child.wait()?;
    let by_signal = std::os::unix::process::ExitStatusExt::signal(&status);
    ensure!(status.success() || by_signal == Some(15), "a relay that was stopped ended with {status}");
    Ok(())
}

#[cfg(not(unix))]
fn signals_reach_it(_: &Path, _: &Path) -> Result<()> {
    Ok(())
}
