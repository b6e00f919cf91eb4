//! What is absent, because a relay keeps it back in silence: R11 (kinds left out of mixed filters, or every direct message) and R17 (one message of so many).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{Event, EventStream, GapEvent, MessagesQuery};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    wait::{self, PATIENCE},
};
use serde_json::Value;

use crate::trial::{HEALED_MAX, Trial, beside_an_honest_one, quick};

/// A check every 5 to 20 s, then 30 s for it to come back, alone and after each of three more chances, on a busy machine.
const FOUND_DEAF_MAX: Duration = Duration::from_secs(240);

/// The relays in the newest list of inbox relays that an agent published at this relay.
fn inbox_list(relay: &MisbehavingRelay, pubkey: &str) -> Vec<String> {
    let mut lists = relay.events_of_kind(10_050);
    lists.retain(|list| list["pubkey"] == pubkey);
    lists.sort_by_key(|list| list["created_at"].as_u64());
    let tags = lists.last().and_then(|list| list["tags"].as_array().cloned()).unwrap_or_default();
    tags.iter().filter(|tag| tag[0] == "relay").filter_map(|tag| tag[1].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn r11_a_relay_that_filters_everything_in_silence_is_noticed() -> Result<()> {
    let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let urls = [bad.url(), good.url()];
    let often = |name| quick(name, &urls).env("OCMESH_INBOX_CHECK_INTERVAL", "10s");
    let mut trial = Trial::built(often("anna"), often("bert")).await?;
    tokio::try_join!(trial.anna.wait_for_peer(&trial.bert), trial.bert.wait_for_peer(&trial.anna))?;
    for url in urls {
        trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
    }
    trial.both_ways(2).await?;
    trial.settles(PATIENCE).await?;
    bad.set(Fault::SilentDms, true);
    let began = Instant::now();
    let deaf = trial.until_state(&trial.bert, bad.url(), "deaf", FOUND_DEAF_MAX).await?;
    println!("deaf after {:?}", began.elapsed());
    ensure!(!deaf.inbox, "it is no inbox relay any more: {deaf:?}");
    ensure!(deaf.note.as_deref().is_some_and(|note| note.contains("does not bring them")), "{deaf:?}");
    ensure!(trial.relay(&trial.bert, good.url()).await?.state == "ready", "the honest relay suffers");
    wait::until("a list without it", HEALED_MAX, async || (inbox_list(&good, &trial.bert.pubkey) == [good.url()]).then_some(())).await?;
    trial.both_ways(2).await?;
    trial.settles(PATIENCE).await?;
    // Nobody was shown a message to ourselves.
    let all = trial.bert.daemon.client()?.messages(&ocmesh_api::MessagesQuery::default()).await?.items;
    ensure!(all.iter().all(|message| message.content.starts_with("message ")), "{all:?}");
    bad.lift_all();
    let began = Instant::now();
    trial.until_state(&trial.bert, bad.url(), "ready", FOUND_DEAF_MAX).await?;
    println!("healed after {:?}", began.elapsed());
    wait::until("a list with both", HEALED_MAX, async || (inbox_list(&good, &trial.bert.pubkey).len() == 2).then_some(())).await?;
    // What it had for us meanwhile came, and came once.
    trial.settles(HEALED_MAX).await?;
    ensure!(Trial::log_lines(&trial.bert, "relay is deaf")? > 0 && Trial::log_lines(&trial.bert, "relay is not deaf any more")? > 0);
    trial.is_sound().await
}

#[tokio::test]
async fn r11_a_relay_that_takes_no_messages_of_ours_is_not_called_deaf() -> Result<()> {
    let (picky, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let urls = [picky.url(), good.url()];
    let often = |name| quick(name, &urls).env("OCMESH_INBOX_CHECK_INTERVAL", "10s");
    let trial = Trial::built(often("anna"), often("bert")).await?;
    trial.until_state(&trial.bert, picky.url(), "ready", HEALED_MAX).await?;
    picky.set(Fault::OkFalse("blocked: members only".to_owned()), true);
    let told = wait::until_ok("a word about it", FOUND_DEAF_MAX, async || {
        let relay = trial.relay(&trial.bert, picky.url()).await?;
        let note = relay.note.clone().context("no note")?;
        ensure!(note.contains("could not be checked") && note.contains("members only"), "{note}");
        Ok(relay)
    });
    let relay = told.await?;
    ensure!(relay.state == "ready" && relay.inbox, "it is read all the same: {relay:?}");
    Ok(())
}

#[tokio::test]
async fn r11_direct_messages_have_reqs_of_their_own() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::SilentDmFilter]).await?;
    let mut trial = Trial::on(&[&relay]).await?;
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    trial.bert.daemon.kill9().await?;
    trial.anna_says(2).await?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    for req in relay.seen().reqs {
        let kinds: Vec<Value> =
            req.as_array().into_iter().flatten().skip(2).flat_map(|f| f["kinds"].as_array().cloned().unwrap_or_default()).collect();
        let direct = kinds.iter().filter(|kind| matches!(kind.as_u64(), Some(4 | 1059))).count();
        ensure!(direct == 0 || kinds.iter().all(|kind| *kind == kinds[0]), "a mixed REQ: {req}");
    }
    Ok(())
}

#[tokio::test]
async fn r17_what_one_relay_withholds_comes_from_another() -> Result<()> {
    let (mut trial, _bad, _good) = beside_an_honest_one(|bad| bad.set(Fault::WithholdEvery(2), true)).await?;
    trial.both_ways(10).await?;
    trial.settles(PATIENCE).await?;
    Ok(())
}

/// The row's limit, from the moment the message was sent.
const ROW_MAX: Duration = Duration::from_secs(300);
/// A gap is shown after a grace of 20 s; the rest is for a busy machine.
const SHOWN_MAX: Duration = Duration::from_secs(60);

/// Anna and Bert on one relay that keeps one of ten wraps for Bert back; they know each other.
async fn on_one_relay_alone() -> Result<(Trial, MisbehavingRelay, EventStream)> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    trial.both_ways(1).await?;
    trial.settles(PATIENCE).await?;
    let events = trial.bert.daemon.client()?.events(None).await?;
    relay.set(Fault::WithholdWraps { to: trial.bert.pubkey.clone(), every: 10 }, true);
    Ok((trial, relay, events))
}

/// The next word about gaps.
async fn next_gap(events: &mut EventStream) -> Result<(&'static str, GapEvent)> {
    loop {
        let event = events.next().await?.context("the stream ended")?;
        let name = event.name();
        if let Event::Gap(gap) | Event::GapHealed(gap) | Event::GapLost(gap) | Event::ChainBroken(gap) = event {
            return Ok((name, gap));
        }
    }
}

#[tokio::test]
async fn r17_what_the_only_relay_withholds_is_shown_asked_for_and_healed() -> Result<()> {
    let (mut trial, _relay, mut events) = on_one_relay_alone().await?;
    let began = Instant::now();
    let ids = trial.anna_says(15).await?;
    let shown = tokio::time::timeout(SHOWN_MAX, next_gap(&mut events)).await.context("no gap is shown")??;
    let shown_after = began.elapsed();
    ensure!((shown.0, shown.1.missing, shown.1.pubkey.as_str()) == ("gap", 1, trial.anna.pubkey.as_str()), "{shown:?}");
    let healed = tokio::time::timeout(ROW_MAX, next_gap(&mut events)).await.context("the gap is not healed")??;
    ensure!((healed.0, healed.1.missing, healed.1.lost) == ("gap_healed", 0, 0), "{healed:?}");
    println!("shown after {shown_after:?}, healed after {:?}", began.elapsed());
    trial.settles(PATIENCE).await?;
    let peer = trial.bert.daemon.client()?.peer(&trial.anna.pubkey).await?;
    ensure!((peer.missing, peer.lost, peer.chain_breaks) == (0, 0, 0), "{peer:?}");
    let mut asked = 0;
    for id in ids {
        asked += trial.detail(&trial.anna, &id).await?.history.iter().filter(|line| line.what == "asked_again").count();
    }
    ensure!(asked == 1, "one message was asked for, once: {asked}");
    trial.is_sound().await
}

#[tokio::test]
#[ignore = "waits for a second ask, a minute after the first; run with cargo test -p ocmesh-testkit --test battery r17 -- --ignored --nocapture"]
async fn r17_while_the_answers_are_withheld_too_the_gap_stays_visible() -> Result<()> {
    let (mut trial, relay, mut events) = on_one_relay_alone().await?;
    let began = Instant::now();
    trial.anna_says(15).await?;
    trial.bert.wait_for(&trial.last_words(), PATIENCE).await?;
    relay.set(Fault::WithholdWraps { to: trial.bert.pubkey.clone(), every: 1 }, true);
    let (name, _) = tokio::time::timeout(SHOWN_MAX, next_gap(&mut events)).await.context("no gap is shown")??;
    ensure!(name == "gap", "{name}");
    let client = trial.bert.daemon.client()?;
    ensure!(client.peer(&trial.anna.pubkey).await?.missing == 1 && client.status().await?.missing_count == 1, "it is counted");
    let all = MessagesQuery { limit: Some(1_000), ..MessagesQuery::default() };
    let before: u64 = client.messages(&all).await?.items.iter().map(|message| message.missing_before).sum();
    ensure!(before == 1, "and stands where it is missing: {before}");
    let peers = client.peers(&ocmesh_api::PeersQuery { missing: Some(true), ..Default::default() }).await?.items;
    ensure!(peers.len() == 1, "{peers:?}");
    // A restart forgets nothing of it.
    trial.bert.daemon.kill9().await?;
    trial.bert.daemon.start().await?;
    ensure!(trial.bert.daemon.client()?.status().await?.missing_count == 1, "the gap outlives the process");
    relay.set(Fault::WithholdWraps { to: trial.bert.pubkey.clone(), every: 10 }, true);
    wait::until_ok("the gap healed", ROW_MAX, async || {
        let status = trial.bert.daemon.client()?.status().await?;
        ensure!(status.missing_count == 0 && status.lost_count == 0, "{status:?}");
        Ok(())
    })
    .await?;
    println!("healed after {:?}", began.elapsed());
    trial.settles(PATIENCE).await?;
    ensure!(began.elapsed() < ROW_MAX, "too late: {:?}", began.elapsed());
    trial.is_sound().await
}
