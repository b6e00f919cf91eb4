//! Strangers by the thousand: each announces itself and writes a message. What they may cost is bounded, and friends do not notice.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nostr::{
    event::Event,
    key::{Keys, PublicKey},
};
use ocmesh_api::{MessagesQuery, ReadRequest};
use ocmesh_testkit::{
    MisbehavingRelay, RawClient, TestDaemon, fixture,
    process::{Memory, cpu_ms},
    scenario::Agent,
    wait::{self, PATIENCE},
};
use tokio::{task::JoinSet, time::interval};

use crate::trial::Trial;

/// What strangers may cost, in megabytes.
const STRANGERS_MB_MAX: f64 = 64.0;
/// Strangers whose messages are kept unread.
const WAITING_MAX: usize = 200;
/// Connections that publish for them.
const CROWDS: usize = 4;
/// Events a second of all of them: some hundred times what a public relay takes from one address. A relay that passes on more than the machine
/// can check is the matter of row R14.
const EVENTS_PER_S: usize = 1_000;

/// A stranger's announcement and its message to Bert.
fn stranger(number: usize, to: &PublicKey) -> Result<[Event; 2]> {
    let keys = Keys::generate();
    let presence = fixture::presence(&keys, &format!("stranger {number}"), 31_337)?;
    Ok([presence, fixture::wrap(&keys, to, &format!("hello from {number}"), fixture::now())?])
}

/// Publishes for a part of the strangers; what the relay says to it is not of interest.
async fn crowd(url: String, events: Vec<Event>) -> Result<()> {
    let mut client = RawClient::connect(&url).await?;
    let mut beat = interval(Duration::from_secs(1) * u32::try_from(CROWDS)? / u32::try_from(EVENTS_PER_S)?);
    for event in events {
        beat.tick().await;
        client.publish_ok(&event).await?;
    }
    Ok(())
}

/// From Anna's call to Bert's answer, for so many messages one after the other; the median and the slowest but one of a hundred.
async fn paces(anna: &Agent, bert: &Agent, words: &str, count: usize) -> Result<[Duration; 2]> {
    let mut took = Vec::with_capacity(count);
    let client = bert.daemon.client()?;
    for number in 0..count {
        let content = format!("{words} {number}");
        let began = Instant::now();
        anna.send(bert, &content).await?;
        let query = MessagesQuery { unread: Some(true), from: Some(anna.pubkey.clone()), wait: Some(60), ..MessagesQuery::default() };
        let message = client.messages(&query).await?.items.pop().with_context(|| format!("{content} did not come within a minute"))?;
        took.push(began.elapsed());
        ensure!(message.content == content, "{} came instead of {content}", message.content);
        client.mark_read(&ReadRequest { ids: Some(vec![message.id]), all: None }).await?;
    }
    took.sort_unstable();
    let at = |per_cent: usize| took.get((count * per_cent / 100).min(count.saturating_sub(1))).copied().unwrap_or_default();
    Ok([at(50), at(99)])
}

/// Authors that nobody knows of Bert's unread messages.
async fn strangers_waiting(bert: &Agent) -> Result<BTreeSet<String>> {
    let (client, mut found, mut cursor) = (bert.daemon.client()?, BTreeSet::new(), None);
    loop {
        let query = MessagesQuery { unread: Some(true), limit: Some(1_000), cursor, ..MessagesQuery::default() };
        let page = client.messages(&query).await?;
        found.extend(page.items.into_iter().filter(|message| message.trust == "unknown").map(|message| message.from));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

async fn besieged(count: usize, messages: usize) -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    trial.both_ways(5).await?;
    trial.settles(PATIENCE).await?;
    let calm = paces(&trial.anna, &trial.bert, "calm", messages).await?;
    // Made beforehand, so that making them takes no processor from those who are measured.
    let to = PublicKey::from_hex(&trial.bert.pubkey)?;
    let made = (0..CROWDS).map(|part| {
        let made = move || (part..count).step_by(CROWDS).map(|number| stranger(number, &to)).collect::<Result<Vec<_>>>();
        tokio::task::spawn_blocking(made)
    });
    let mut crowds = JoinSet::new();
    let made = futures_util::future::try_join_all(made).await?;
    let memory = Memory::note(&trial.bert.daemon)?;
    let (began, cpu_before) = (Instant::now(), cpu_ms(&trial.bert.daemon)?);
    for events in made {
        crowds.spawn(crowd(relay.honest().url().to_owned(), events?.into_iter().flatten().collect()));
    }
    let siege = async {
        while let Some(done) = crowds.join_next().await {
            done??;
        }
        anyhow::Ok(())
    };
    let (busy, sieged) = tokio::join!(paces(&trial.anna, &trial.bert, "besieged", messages), siege);
    let busy = busy?;
    sieged?;
    let known = u64::try_from(count)?;
    wait::until_ok("every stranger's announcement", Duration::from_secs(600), async || {
        let peers = trial.bert.daemon.client()?.status().await?.peer_count;
        ensure!(peers >= known, "{peers} of {known}");
        Ok(())
    })
    .await?;
    let waiting = strangers_waiting(&trial.bert).await?.len();
    let (grown, spent) = (memory.grown_mb(&trial.bert.daemon)?, cpu_ms(&trial.bert.daemon)? - cpu_before);
    println!(
        "{count} strangers in {:?}: {waiting} of them wait unread, {grown:.1} MB more, {spent} ms of processor; a friend's message took \
         {:?} (median) and {:?} (99 %) in calm, {:?} and {:?} besieged",
        began.elapsed(),
        calm[0],
        calm[1],
        busy[0],
        busy[1]
    );
    ensure!((1..=WAITING_MAX).contains(&waiting), "messages of {waiting} strangers are kept");
    ensure!(grown <= STRANGERS_MB_MAX, "{grown:.1} MB more");
    let friend = trial.bert.daemon.client()?.peer(&trial.anna.pubkey).await?;
    ensure!(friend.trust == "known", "the friend is {}", friend.trust);
    trial.is_sound().await
}

#[tokio::test]
async fn strangers_by_the_thousand_leave_a_bounded_number_of_messages() -> Result<()> {
    besieged(1_500, 20).await
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery hundred_thousand -- --ignored --nocapture"]
async fn a_hundred_thousand_strangers_leave_a_bounded_number_of_messages() -> Result<()> {
    besieged(100_000, 500).await
}

#[tokio::test]
async fn strangers_need_the_work_that_is_asked_and_an_agent_does_it() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let builder = |name: &str| TestDaemon::builder().relays(&[relay.url()]).name(name).env("OCMESH_DISCOVERY_INTERVAL", "10s");
    let bert = Agent::start(builder("bert").env("OCMESH_INBOX_POW", "10")).await?;
    let anna = Agent::start(builder("anna")).await?;
    anna.wait_for_online(&bert).await?;
    let (clients, to) = ((anna.daemon.client()?, bert.daemon.client()?), PublicKey::from_hex(&bert.pubkey)?);
    ensure!(clients.0.peer(&bert.pubkey).await?.work_asked == 10, "its presence says what it asks");

    let mut eve = RawClient::connect(relay.honest().url()).await?;
    eve.publish_ok(&fixture::wrap(&Keys::generate(), &to, "no work", fixture::now())?).await?;
    let worked = anna.send(&bert, "worked for").await?;
    ensure!(bert.wait_for("worked for", PATIENCE).await?.trust == "unknown", "a stranger still");
    let history = clients.0.message(&worked.id).await?.history;
    ensure!(history.iter().any(|line| line.what == "worked" && line.why.as_deref() == Some("10 bits")), "{history:?}");
    let page = clients.1.messages(&MessagesQuery::default()).await?;
    ensure!(page.items.iter().all(|message| message.content != "no work"), "{:?}", page.items);
    let status = clients.1.status().await?;
    ensure!(status.work_asked == 10 && status.warnings.iter().any(|warning| warning.contains("inbox.pow")), "{status:?}");
    // The relay saw a wrap for Bert with the bits and the target, as NIP-13 writes them.
    let is_worked = |event: &serde_json::Value| {
        let tags = event["tags"].as_array().cloned().unwrap_or_default();
        let is_for_bert = tags.iter().any(|tag| tag[0] == "p" && tag[1] == bert.pubkey.as_str());
        let has_target = tags.iter().any(|tag| tag[0] == "nonce" && tag[2] == "10");
        is_for_bert && has_target && event["id"].as_str().is_some_and(|id| id.starts_with("00"))
    };
    ensure!(relay.events_of_kind(1059).iter().any(is_worked), "no worked wrap was published");

    // Once they know each other, nothing is asked any more.
    bert.send(&anna, "welcome").await?;
    anna.wait_for("welcome", PATIENCE).await?;
    let plain = anna.send(&bert, "a friend's").await?;
    bert.wait_for("a friend's", PATIENCE).await?;
    let history = clients.0.message(&plain.id).await?.history;
    ensure!(history.iter().all(|line| line.what != "worked"), "{history:?}");
    Ok(())
}
