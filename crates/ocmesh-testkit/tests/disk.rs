//! The disk rows of the battery (C5, C6, C7) as the owner of a daemon meets them: the real binary on a disk that fails. What the store
//! does at every single call is tested in `ocmesh-store`. Needs the `ocmesh` binary: a test without it fails and says so.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{ClientError, ErrorCode, MessagesQuery, SendRequest};
use ocmesh_testkit::{
    MisbehavingRelay, TestDaemon, TestDaemonBuilder,
    disk::{Failure, Kind, Layer},
    scenario::Agent,
    wait,
};

/// The engine tries again after 30 s at most; the rest is for a busy machine.
const RECOVERED_MAX: Duration = Duration::from_secs(90);

fn quick(name: &str, relay: &MisbehavingRelay) -> TestDaemonBuilder {
    TestDaemon::builder().relays(&[relay.url()]).name(name).env("OCMESH_DISCOVERY_INTERVAL", "10s")
}

/// An agent whose home is on a disk that can be made to fail, and one whose disk is well, who know each other.
async fn two(relay: &MisbehavingRelay) -> Result<(Agent, Layer, Agent)> {
    let mut daemon = quick("anna", relay).prepare()?;
    let layer = Layer::over(daemon.home())?;
    daemon.set_env(layer.env());
    daemon.start().await?;
    let pubkey = daemon.client()?.status().await?.pubkey;
    let anna = Agent { daemon, pubkey };
    let bert = Agent::start(quick("bert", relay)).await?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    let control = layer.control()?;
    ensure!(control.attached()? > 0 && control.seen(Kind::Write)? > 100, "the layer is not below the daemon");
    Ok((anna, layer, bert))
}

/// Sends; the code of a refusal.
async fn send(from: &Agent, to: &Agent, content: &str) -> Result<std::result::Result<(), ErrorCode>> {
    let request = SendRequest { to: to.pubkey.clone(), content: content.to_owned(), ..SendRequest::default() };
    match from.daemon.client()?.send(&request).await {
        Ok(_) => Ok(Ok(())),
        Err(ClientError::Api(error)) => Ok(Err(error.code)),
        Err(error) => Err(error.into()),
    }
}

/// Sends until it is refused; gives the code. What was acknowledged goes to `acked`.
async fn send_until_refused(from: &Agent, to: &Agent, round: &str, acked: &mut Vec<String>) -> Result<ErrorCode> {
    for number in 0..200 {
        let content = format!("{round} {number} {}", "x".repeat(number * 37 % 3_000));
        match send(from, to, &content).await? {
            Ok(()) => acked.push(content),
            Err(code) => return Ok(code),
        }
    }
    anyhow::bail!("nothing was refused")
}

async fn until_sent(from: &Agent, to: &Agent, content: &str, acked: &mut Vec<String>) -> Result<()> {
    wait::until_ok("a message to be accepted", RECOVERED_MAX, async || {
        send(from, to, content).await?.map_err(|code| anyhow::anyhow!("refused: {code:?}"))
    })
    .await?;
    acked.push(content.to_owned());
    Ok(())
}

/// Everything acknowledged arrives, once.
async fn until_read(by: &Agent, acked: &[String]) -> Result<()> {
    wait::until_ok("every acknowledged message", RECOVERED_MAX, async || {
        let query = MessagesQuery { direction: Some("in".to_owned()), limit: Some(1_000), ..MessagesQuery::default() };
        let got: Vec<String> = by.daemon.client()?.messages(&query).await?.items.into_iter().map(|message| message.content).collect();
        for content in acked {
            let times = got.iter().filter(|one| *one == content).count();
            ensure!(times == 1, "{times} times: {:.30}", content);
        }
        Ok(())
    })
    .await
}

async fn warned(agent: &Agent, words: &str) -> Result<()> {
    wait::until_ok(format!("a warning: {words}"), RECOVERED_MAX, async || {
        let warnings = agent.daemon.client()?.status().await?.warnings;
        ensure!(warnings.iter().any(|warning| warning.contains(words)), "{warnings:?}");
        Ok(())
    })
    .await
}

fn lines(agent: &Agent, words: &str) -> usize {
    agent.daemon.printed().lines().filter(|line| line.contains(words)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_a_full_disk_is_a_507_and_heals_by_itself() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (anna, layer, bert) = two(&relay).await?;
    let control = layer.control()?;
    control.choose(&Kind::CHANGES)?;
    let mut acked = Vec::new();
    for (round, nth) in [1, 6, 33].into_iter().enumerate() {
        control.fail(nth, u64::MAX, if round == 1 { Failure::Half } else { Failure::NoSpace })?;
        let code = send_until_refused(&anna, &bert, &format!("round {round}"), &mut acked).await?;
        ensure!(code == ErrorCode::DiskFull && code.status() == 507, "{code:?}");
        warned(&anna, "the disk is full; nothing new is accepted until it can be written").await?;
        for _ in 0..5 {
            ensure!(send(&anna, &bert, "refused").await? == Err(ErrorCode::DiskFull));
        }
        let said = lines(&anna, "store cannot write");
        ensure!(said == round + 1, "the log says it {said} times after {} times", round + 1);
        control.heal()?;
        until_sent(&anna, &bert, &format!("after round {round}"), &mut acked).await?;
    }
    until_read(&bert, &acked).await?;
    ensure!(anna.daemon.client()?.status().await?.warnings.is_empty());
    ensure!(!anna.daemon.printed().contains("panicked"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_a_disk_that_does_not_sync_ends_the_daemon_which_lost_nothing() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (mut anna, layer, bert) = two(&relay).await?;
    let control = layer.control()?;
    control.choose(&[Kind::Sync])?;
    let mut acked = Vec::new();
    // Once is borne.
    control.fail(4, 1, Failure::Io)?;
    ensure!(send_until_refused(&anna, &bert, "once", &mut acked).await? == ErrorCode::StoreFailing);
    until_sent(&anna, &bert, "after once", &mut acked).await?;
    // A disk that goes on like that is not.
    control.fail(3, u64::MAX, Failure::Io)?;
    ensure!(send_until_refused(&anna, &bert, "for ever", &mut acked).await? == ErrorCode::StoreFailing);
    let status = anna.daemon.ended(RECOVERED_MAX).await?;
    ensure!(status.code() == Some(1), "{status}");
    ensure!(lines(&anna, "the disk does not confirm that it keeps what is written") > 0, "{}", anna.daemon.printed());
    // Nor is a start.
    let status = anna.daemon.start_to_fail().await?;
    ensure!(status.code() == Some(1) && lines(&anna, "look at the disk") > 0, "{status}: {}", anna.daemon.printed());
    control.heal()?;
    anna.daemon.start().await?;
    until_sent(&anna, &bert, "after all", &mut acked).await?;
    until_read(&bert, &acked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_damaged_database_is_put_aside_and_history_comes_back() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (mut anna, bert) = {
        let (anna, bert) = tokio::try_join!(Agent::start(quick("anna", &relay)), Agent::start(quick("bert", &relay)))?;
        tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
        (anna, bert)
    };
    let mut acked = Vec::new();
    for number in 0..12 {
        until_sent(&bert, &anna, &format!("history {number} {}", "y".repeat(3_900)), &mut acked).await?;
    }
    until_read(&anna, &acked).await?;
    ensure!(anna.daemon.terminate().await?.success());

    // A page that a start does not meet, and a reader does.
    let path = anna.daemon.home().join("ocmesh.db");
    let good = fs::read(&path)?;
    let mut said = None;
    for page in (1..good.len() / 4_096).rev() {
        let mut damaged = good.clone();
        damaged[page * 4_096 + 100] ^= 1;
        fs::write(&path, &damaged)?;
        if anna.daemon.start().await.is_err() {
            ensure!(lines(&anna, "database is damaged") > 0, "{}", anna.daemon.printed());
            continue;
        }
        let query = MessagesQuery { limit: Some(1_000), ..MessagesQuery::default() };
        let answer = match anna.daemon.client() {
            Ok(client) => client.messages(&query).await,
            Err(_) => Err(ClientError::NotRunning),
        };
        match answer {
            Err(ClientError::Api(error)) if error.code == ErrorCode::StoreFailing => {
                said = Some(error);
                break;
            }
            // What the mesh begins from is read beside the first answers.
            Err(error) => {
                let ended = anna.daemon.ended(wait::PATIENCE).await.with_context(|| format!("it answers {error}, and goes on"))?;
                ensure!(!ended.success() && lines(&anna, "database is damaged") > 0, "{}", anna.daemon.printed());
            }
            // An index that this question does not use.
            Ok(read) => {
                ensure!(acked.iter().all(|content| read.items.iter().any(|message| message.content == *content)), "altered");
                anna.daemon.kill9().await?;
            }
        }
    }
    let error = said.context("no reader met the damage")?;
    ensure!(
        error.code == ErrorCode::StoreFailing && error.message.contains("damaged") && error.hint.contains("identity restore"),
        "{error:?}"
    );
    warned(&anna, "damaged").await?;
    // What comes in next may meet the damage too. The daemon stays, and does not go round in circles.
    let more = send(&bert, &anna, "one more").await?;
    ensure!(more.is_ok());
    wait::stays("anna's API", Duration::from_secs(3), async || warned(&anna, "damaged").await.is_ok()).await?;
    let failures = lines(&anna, "store cannot write");
    // In circles it would be hundreds; how many tries fit into these seconds is the machine's.
    ensure!(failures < 20 && !anna.daemon.printed().contains("panicked"), "{failures} failures: {}", anna.daemon.printed());
    ensure!(anna.daemon.terminate().await?.success());

    // A damaged first page: the start says what is wrong, and touches nothing.
    let mut damaged = good;
    damaged[200] ^= 1;
    fs::write(&path, &damaged)?;
    let _ = fs::remove_file(anna.daemon.home().join("ocmesh.db-wal"));
    let status = anna.daemon.start_to_fail().await?;
    ensure!(status.code() == Some(1) && lines(&anna, "ocmesh identity restore") > 0, "{status}: {}", anna.daemon.printed());
    ensure!(fs::read(&path)? == damaged, "the file was changed");
    let restored = anna.daemon.command().args(["identity", "restore"]).output().await?;
    ensure!(restored.status.success(), "{restored:?}");
    ensure!(fs::read(anna.daemon.home().join("ocmesh.db.old-1/ocmesh.db"))? == damaged, "the damaged file is not kept");
    anna.daemon.start().await.context("after the restore")?;
    ensure!(anna.daemon.client()?.status().await?.pubkey == anna.pubkey, "another identity");
    until_read(&anna, &acked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_log_damaged_in_the_middle_is_told_and_relays_bring_back_what_it_held() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (mut anna, bert) = tokio::try_join!(Agent::start(quick("anna", &relay)), Agent::start(quick("bert", &relay)))?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    let mut acked = Vec::new();
    for number in 0..12 {
        until_sent(&bert, &anna, &format!("history {number} {}", "y".repeat(3_900)), &mut acked).await?;
        until_read(&anna, &acked).await?;
    }
    anna.daemon.kill9().await?;
    let path = anna.daemon.home().join("ocmesh.db-wal");
    let mut log = fs::read(&path)?;
    let middle = log.len() / 2;
    log[middle] ^= 1;
    fs::write(&path, &log)?;

    anna.daemon.start().await.context("a damaged log must not keep the daemon from starting")?;
    warned(&anna, "the database's log was damaged").await?;
    ensure!(lines(&anna, "the log of the database is damaged") == 1, "{}", anna.daemon.printed());
    let kept = anna.daemon.home().join("ocmesh.db.damaged-log-1");
    ensure!(fs::read(kept.join("ocmesh.db-wal"))? == log, "the damaged log is not kept");
    until_read(&anna, &acked).await?;
    let mut back = Vec::new();
    until_sent(&anna, &bert, "and back", &mut back).await?;
    until_read(&bert, &back).await?;

    // Until the owner has seen it: also with the daemon stopped.
    ensure!(anna.daemon.terminate().await?.success());
    let doctor = anna.daemon.command().args(["doctor"]).output().await?;
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(said.contains("the database's log was damaged") && said.contains("every page is sound"), "{said}");
    fs::rename(&kept, anna.daemon.home().join("seen"))?;
    anna.daemon.start().await?;
    ensure!(anna.daemon.client()?.status().await?.warnings.iter().all(|warning| !warning.contains("log was damaged")));
    Ok(())
}
