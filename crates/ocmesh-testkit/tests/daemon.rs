//! A daemon that does not come up is reported at once, with its last words.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::Result;
use ocmesh_testkit::{TestDaemon, wait};

/// A stand-in for the binary.
fn script(dir: &std::path::Path, body: &str) -> Result<std::path::PathBuf> {
    let path = dir.join("stand-in");
    fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[tokio::test]
async fn a_daemon_that_gives_up_is_not_waited_for() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let binary = script(dir.path(), "echo the port is taken; exit 3")?;
    let started = std::time::Instant::now();
    let error = TestDaemon::builder().binary(&binary).start().await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("the port is taken"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(TestDaemon::builder().binary(binary).prepare()?.start_to_fail().await?.code(), Some(3));
    Ok(())
}

#[tokio::test]
async fn a_daemon_sees_its_own_environment_only() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let binary = script(dir.path(), "env; exit 1")?;
    let mut daemon =
        TestDaemon::builder().binary(binary).relays(&["ws://a", "ws://b"]).name("anna").env("OCMESH_API_PORT", "7").prepare()?;
    daemon.start_to_fail().await?;
    let log = daemon.log();
    let mut names: Vec<_> = log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PATH", "PWD", "_", "SHLVL", "OLDPWD", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "TMPDIR"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "OCMESH_API_PORT", "OCMESH_HOME", "OCMESH_KEYCHAIN", "OCMESH_NAME", "OCMESH_RELAYS"]);
    for line in ["OCMESH_RELAYS=ws://a,ws://b", "OCMESH_API_PORT=7", &format!("OCMESH_HOME={}", daemon.home().display())] {
        assert!(log.lines().any(|other| other == line), "{line} is not in {log}");
    }
    Ok(())
}

#[tokio::test]
async fn dropping_a_start_kills_the_process() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let pid_file = dir.path().join("pid");
    let binary = script(dir.path(), &format!("echo $$ > {}; exec sleep 600", pid_file.display()))?;
    let start = TestDaemon::builder().binary(binary).start();
    let running = wait::until("the process", wait::PATIENCE, async || fs::read_to_string(&pid_file).ok()?.trim().parse::<i32>().ok());
    let pid = tokio::select! {
        started = start => not_up(started.map(|_| ()))?,
        pid = running => pid?,
    };
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    wait::until("its end", wait::PATIENCE, async || rustix::process::test_kill_process(pid).err()).await?;
    Ok(())
}

/// It cannot have started: the stand-in has no API.
fn not_up(started: Result<()>) -> Result<i32> {
    started?;
    anyhow::bail!("a stand-in without an API came up")
}
