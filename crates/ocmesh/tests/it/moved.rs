//! An agent that moves to another machine (row C12 of the battery): its key while it runs, its whole home while it is stopped.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use ocmesh_api::{MessagesQuery, PeerPatch};
use ocmesh_testkit::{Fault, MisbehavingRelay, TestDaemon, TestDaemonBuilder, scenario::Agent, wait};

const PATIENCE: Duration = Duration::from_secs(60);

fn agent(name: &str, relay: &MisbehavingRelay) -> TestDaemonBuilder {
    let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name(name);
    builder.env("OCMESH_DISCOVERY_INTERVAL", "10s").env("OCMESH_PRESENCE_INTERVAL", "30s")
}

/// What a user copies: every file of the home.
fn copy_home(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The contents of everything received, oldest first.
async fn received(daemon: &TestDaemon) -> Result<Vec<String>> {
    let query = MessagesQuery { limit: Some(1_000), ..MessagesQuery::default() };
    let page = daemon.client()?.messages(&query).await?.items;
    Ok(page.into_iter().rev().map(|message| message.content).collect())
}

async fn until_received(daemon: &TestDaemon, wanted: &[String]) -> Result<()> {
    wait::until_ok("the messages", PATIENCE, async || {
        let got = received(daemon).await?;
        ensure!(wanted.iter().all(|content| got.contains(content)), "there are {got:?}");
        anyhow::Ok(())
    })
    .await
}

/// Backs the key up with a passphrase on file descriptor 3, or restores it.
async fn with_passphrase(daemon: &TestDaemon, arguments: &str) -> Result<String> {
    let command = daemon.command();
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.env_clear().envs(command.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", &format!("echo 'correct horse' | '{program}' {arguments} --passphrase-fd 3 3<&0")]);
    let output = shell.output().await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn c12_a_home_moves_with_its_contacts_and_unsent_mail_and_a_key_alone_moves_who_we_are() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (mut anna, bert) = tokio::try_join!(Agent::start(agent("anna", &relay)), Agent::start(agent("bert", &relay)))?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    let patch = PeerPatch { petname: Some(Some("bertie".to_owned())), ..PeerPatch::default() };
    anna.daemon.client()?.change_peer(&bert.pubkey, &patch).await?;
    let words = |what: &str, count: usize| (0..count).map(|number| format!("{what} {number}")).collect::<Vec<_>>();
    for content in words("before", 3) {
        anna.send(&bert, &content).await?;
        bert.send(&anna, &content).await?;
    }
    until_received(&bert.daemon, &words("before", 3)).await?;
    until_received(&anna.daemon, &words("before", 3)).await?;
    anna.daemon.client()?.mark_read(&ocmesh_api::ReadRequest { ids: None, all: Some(true) }).await?;

    // Mail that no relay has.
    relay.set(Fault::RefuseTcp, true);
    for content in words("unsent", 5) {
        anna.send(&bert, &content).await?;
    }
    // The key, while the daemon runs.
    let file = anna.daemon.home().parent().unwrap().join("key.txt");
    with_passphrase(&anna.daemon, &format!("identity backup '{}'", file.display())).await?;
    anna.daemon.client()?.status().await?;

    // The home, stopped and copied; and then both run, which nobody should do.
    anna.daemon.terminate().await?;
    let mut other = agent("anna", &relay).prepare()?;
    copy_home(anna.daemon.home(), other.home())?;
    tokio::try_join!(anna.daemon.start(), other.start())?;
    let status = other.client()?.status().await?;
    ensure!(status.pubkey == anna.pubkey && status.unread_count == 0, "{status:?}");
    ensure!(status.outbox.queued == 5, "unsent mail came along: {:?}", status.outbox);
    let contact = other.client()?.peer(&bert.pubkey).await?;
    ensure!(contact.petname.as_deref() == Some("bertie"), "{contact:?}");
    relay.lift_all();
    until_received(&bert.daemon, &words("unsent", 5)).await?;
    wait::stays("reading", Duration::from_secs(3), async || true).await?;
    let mut got = received(&bert.daemon).await?;
    got.sort();
    ensure!(got == [words("before", 3), words("unsent", 5)].concat(), "each came once: {got:?}");
    anna.daemon.terminate().await?;
    other.terminate().await?;

    // The key alone: the same agent with an empty home. Relays bring what they still have, as unread; nothing is sent again.
    let mut third = agent("anna", &relay).prepare()?;
    with_passphrase(&third, &format!("identity restore '{}'", file.display())).await?;
    third.start().await?;
    let status = third.client()?.status().await?;
    ensure!(status.pubkey == anna.pubkey && status.outbox.queued == 0, "{status:?}");
    until_received(&third, &words("before", 3)).await?;
    println!("from the key alone: {} unread, {} contacts", third.client()?.status().await?.unread_count, status.peer_count);
    ensure!(received(&bert.daemon).await?.len() == 8, "nothing was sent twice");
    Ok(())
}
