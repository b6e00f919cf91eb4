//! `ocmesh backup` (row C12 of the battery): copies of a home whose daemon is busy, and an agent that moves again and again.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{MessagesQuery, PeerPatch};
use ocmesh_daemon::{config::Config, home::Home, identity::open_or_create};
use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::{
    TestDaemon, TestDaemonBuilder,
    ledger::Tally,
    load::{Party, Speech, Talkers},
    scenario::Agent,
    wait,
};

const PATIENCE: Duration = Duration::from_secs(90);

fn agent(name: &str, relay: &LocalRelay) -> TestDaemonBuilder {
    let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name(name);
    builder.env("OCMESH_DISCOVERY_INTERVAL", "10s").env("OCMESH_PRESENCE_INTERVAL", "30s")
}

async fn two(relay: &LocalRelay) -> Result<(Agent, Agent)> {
    let (anna, bert) = tokio::try_join!(Agent::start(agent("anna", relay)), Agent::start(agent("bert", relay)))?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    Ok((anna, bert))
}

/// Runs `ocmesh backup`; what it printed as JSON.
async fn back_up(daemon: &TestDaemon, to: &Path) -> Result<serde_json::Value> {
    let output = daemon.command().args(["--json", "backup"]).arg(to).output().await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Opens a copy as a daemon would, checks every page, and gives the ids of its newest messages.
async fn look_into(copy: PathBuf) -> Result<Vec<String>> {
    let looked = tokio::task::spawn_blocking(move || {
        for (path, mode) in [("", 0o700), ("ocmesh.db", 0o600), ("db.key", 0o600), ("identity.backup", 0o600)] {
            let found = fs::metadata(copy.join(path))?.mode() & 0o777;
            ensure!(found == mode, "{path}: {found:o}");
        }
        let home = Home::locate(|name| (name == "OCMESH_HOME").then(|| copy.clone().into()))?;
        let opened = open_or_create(&home, &Config::load(&home, [("OCMESH_KEYCHAIN".into(), "off".into())], &[])?)?;
        ensure!(!opened.created, "another identity");
        let findings = opened.store.integrity_check()?;
        ensure!(findings.is_empty(), "{findings:?}");
        let messages = opened.store.reader().messages(&Default::default())?.items;
        Ok(messages.into_iter().map(|message| message.record.id.to_string()).collect())
    });
    looked.await?
}

/// The ids of the newest messages of both directions.
async fn newest(daemon: &TestDaemon, limit: u32) -> Result<Vec<String>> {
    let query = MessagesQuery { direction: Some("any".to_owned()), limit: Some(limit), ..MessagesQuery::default() };
    Ok(daemon.client()?.messages(&query).await?.items.into_iter().map(|message| message.id).collect())
}

/// A daemon on a copy.
async fn start_on(copy: &Path, relay: &LocalRelay, pubkey: &str) -> Result<Agent> {
    let daemon = agent("anna", relay).prepare()?;
    fs::remove_dir(daemon.home())?;
    fs::rename(copy, daemon.home())?;
    let mut moved = Agent { daemon, pubkey: pubkey.to_owned() };
    moved.daemon.start().await?;
    ensure!(moved.daemon.client()?.status().await?.pubkey == pubkey, "another identity");
    Ok(moved)
}

/// What came of it, in a line.
async fn copies_under_load(count: usize) -> Result<String> {
    let (relay, mut talkers, place) = (LocalRelay::start(RelayOptions::default()).await?, Talkers::default(), tempfile::tempdir()?);
    let (mut anna, bert) = two(&relay).await?;
    for (name, from, to) in [("anna", &anna, &bert), ("bert", &bert, &anna)] {
        let (from, to) = (Party::of(from), Party::of(to));
        talkers.listen(from.clone());
        talkers.speak(Speech { from, to, name: name.to_owned(), every: Duration::from_millis(120), seed: 12 });
    }
    wait::until("some messages", PATIENCE, async || (talkers.talk().counts().acked > 20).then_some(())).await?;
    let mut last = None;
    for number in 0..count {
        let copy = place.path().join(format!("copy-{number}"));
        let before = newest(&anna.daemon, 20).await?;
        ensure!(before.len() == 20, "{} messages", before.len());
        let said = back_up(&anna.daemon, &copy).await?;
        ensure!(said["directory"] == copy.display().to_string(), "{said}");
        let there = look_into(copy.clone()).await.with_context(|| format!("copy {number}"))?;
        let missing: Vec<_> = before.iter().filter(|id| !there.contains(id)).collect();
        ensure!(missing.is_empty() || there.len() == 100, "copy {number} has {} messages and not {missing:?}", there.len());
        if let Some(older) = last.replace(copy) {
            fs::remove_dir_all(older)?;
        }
    }
    // Nothing is overwritten, and nothing is left of what was not made.
    let last = last.context("no copy")?;
    let refused = anna.daemon.command().args(["backup"]).arg(&last).output().await?;
    ensure!(refused.status.code() == Some(1) && String::from_utf8_lossy(&refused.stderr).contains("is there already"), "{refused:?}");
    ensure!(fs::read_dir(place.path())?.count() == 1, "something is left over");

    talkers.until_heard(PATIENCE).await?;
    let written = talkers.talk().counts().acked;
    let tally = talkers.end().await?;
    ensure!(tally == Tally::default(), "{tally} of {written}");
    let said = format!("{count} copies while {written} messages were written; {tally}");

    // The machine is gone; what came after the copy comes again from the relay.
    anna.daemon.kill9().await?;
    let anna = start_on(&last, &relay, &anna.pubkey).await?;
    bert.send(&anna, "are you still there?").await?;
    anna.wait_for("are you still there?", PATIENCE).await?;
    anna.send(&bert, "I moved").await?;
    bert.wait_for("I moved", PATIENCE).await?;
    Ok(said)
}

#[tokio::test]
async fn c12_copies_of_a_busy_home_are_whole_homes() -> Result<()> {
    println!("{}", copies_under_load(10).await?);
    Ok(())
}

#[tokio::test]
#[ignore = "100 copies take minutes; run with cargo test -p ocmesh --test it c12_a_hundred_copies -- --ignored --nocapture"]
async fn c12_a_hundred_copies_of_a_busy_home_are_whole_homes() -> Result<()> {
    println!("{}", copies_under_load(100).await?);
    Ok(())
}

/// The contents of everything received.
async fn received(daemon: &TestDaemon) -> Result<Vec<String>> {
    let query = MessagesQuery { limit: Some(1_000), ..MessagesQuery::default() };
    Ok(daemon.client()?.messages(&query).await?.items.into_iter().map(|message| message.content).collect())
}

async fn until_each_once(daemon: &TestDaemon, wanted: &[String]) -> Result<()> {
    wait::until_ok("every message, once", PATIENCE, async || {
        let (mut got, mut wanted) = (received(daemon).await?, wanted.to_vec());
        got.sort();
        wanted.sort();
        ensure!(got == wanted, "{} of {}: {got:?}", got.len(), wanted.len());
        Ok(())
    })
    .await
}

/// What came of it, in a line.
async fn moves(count: usize) -> Result<String> {
    let (relay, place) = (LocalRelay::start(RelayOptions::default()).await?, tempfile::tempdir()?);
    let (mut anna, bert) = two(&relay).await?;
    let patch = PeerPatch { petname: Some(Some("bertie".to_owned())), ..PeerPatch::default() };
    anna.daemon.client()?.change_peer(&bert.pubkey, &patch).await?;
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for number in 0..count {
        for (from, to, said) in [(&anna, &bert, &mut there), (&bert, &anna, &mut back)] {
            let content = format!("move {number} {}", "z".repeat(number * 97 % 4_000));
            from.send(to, &content).await?;
            said.push(content);
        }
        // Stopped in good order, or not: what it acknowledged a moment ago moves with it.
        if number % 2 == 0 {
            anna.daemon.terminate().await?;
        } else {
            anna.daemon.kill9().await?;
        }
        let copy = place.path().join("next");
        back_up(&anna.daemon, &copy).await?;
        anna = start_on(&copy, &relay, &anna.pubkey).await.with_context(|| format!("move {number}"))?;
    }
    until_each_once(&bert.daemon, &there).await?;
    until_each_once(&anna.daemon, &back).await?;
    let contact = anna.daemon.client()?.peer(&bert.pubkey).await?;
    ensure!(contact.petname.as_deref() == Some("bertie"), "{contact:?}");
    let status = anna.daemon.client()?.status().await?;
    ensure!((status.missing_count, status.lost_count) == (0, 0), "{status:?}");
    Ok(format!("{count} moves, {} messages each way, each once", there.len()))
}

#[tokio::test]
async fn c12_an_agent_that_moves_ten_times_loses_and_doubles_nothing() -> Result<()> {
    println!("{}", moves(10).await?);
    Ok(())
}

#[tokio::test]
#[ignore = "100 moves take minutes; run with cargo test -p ocmesh --test it c12_an_agent_that_moves_a_hundred -- --ignored --nocapture"]
async fn c12_an_agent_that_moves_a_hundred_times_loses_and_doubles_nothing() -> Result<()> {
    println!("{}", moves(100).await?);
    Ok(())
}
