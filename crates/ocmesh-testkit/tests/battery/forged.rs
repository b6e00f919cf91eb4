//! Events that are wrong, unwanted or repeated: R12, R13, R16.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use ocmesh_api::PeersQuery;
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    process::{Memory, cpu_ms},
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, beside_an_honest_one};

#[tokio::test]
async fn r12_forged_copies_before_every_event_are_never_taken() -> Result<()> {
    let faults = [Fault::BadSignature, Fault::BadId, Fault::SameIdOtherContent];
    let (bad, other) = (MisbehavingRelay::start_with(&faults).await?, MisbehavingRelay::start_with(&faults).await?);
    let mut trial = Trial::on(&[&bad, &other]).await?;
    trial.both_ways(5).await?;
    trial.settles(PATIENCE).await?;
    // Alone too, and stored ones as well as live ones.
    trial.bert.daemon.kill9().await?;
    trial.anna_says(3).await?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    let forged = Trial::log_lines(&trial.bert, "forged")?;
    println!("{forged} forged events in Bert's log");
    ensure!(forged > 0, "the forgeries never came");
    let relays = trial.bert.daemon.client()?.status().await?.relay_status;
    let notes: Vec<_> = relays.into_iter().filter_map(|relay| relay.note).collect();
    ensure!(notes.iter().any(|note| note.contains("forged events lately, none was taken")), "{notes:?}");
    trial.is_sound().await
}

#[tokio::test]
async fn r12_and_r16_a_thousand_copies_of_each_event_are_one_message() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    let memory = Memory::note(&trial.bert.daemon)?;
    relay.set(Fault::Replay { times: 1_000 }, true);
    let (began, before) = (Instant::now(), cpu_ms(&trial.bert.daemon)?);
    trial.both_ways(5).await?;
    trial.settles(HEALED_MAX).await?;
    let (busy, grown) = (cpu_ms(&trial.bert.daemon)? - before, memory.grown_mb(&trial.bert.daemon)?);
    println!("1,000 copies each: {busy} ms of processor in {:?}, {grown:.1} MB more", began.elapsed());
    ensure!(grown <= 16.0, "{grown:.1} MB more");
    trial.is_sound().await
}

#[tokio::test]
async fn r13_what_nobody_asked_for_and_odd_dates_are_dropped() -> Result<()> {
    let faults = [Fault::NonMatching, Fault::FutureDated, Fault::OddDates];
    let (mut trial, bad, good) = beside_an_honest_one(|bad| faults.iter().for_each(|fault| bad.set(fault.clone(), true))).await?;
    trial.until_state(&trial.bert, bad.url(), "ready", HEALED_MAX).await?;
    // Signed by fresh keys, fitting the filter, dated 2100 or never: none may become a peer.
    let peers = trial.bert.daemon.client()?.peers(&PeersQuery::default()).await?.items;
    let strangers: Vec<_> = peers.into_iter().filter(|peer| peer.pubkey != trial.anna.pubkey).collect();
    ensure!(strangers.is_empty(), "{strangers:?}");
    // The cursor is of our own clock.
    let status = trial.bert.daemon.client()?.status().await?;
    for relay in &status.relay_status {
        let until = relay.caught_up_at.clone().unwrap_or_default();
        ensure!(until.as_str() < "2099", "the cursor went to {until}");
    }
    // And it still finds what comes while it is away, at the faulty relay alone.
    good.set(Fault::RefuseTcp, true);
    trial.until_state(&trial.anna, good.url(), "waiting connecting", PATIENCE).await?;
    trial.bert.daemon.kill9().await?;
    trial.anna_says(3).await?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await
}

#[tokio::test]
async fn r16_five_copies_from_each_of_five_relays_and_again_after_restarts_are_one_hand_out() -> Result<()> {
    let mut relays = Vec::new();
    for _ in 0..5 {
        relays.push(MisbehavingRelay::start_with(&[Fault::Replay { times: 5 }]).await?);
    }
    let mut trial = Trial::on(&relays.iter().collect::<Vec<_>>()).await?;
    trial.both_ways(5).await?;
    trial.settles(HEALED_MAX).await?;
    // Every wrap that anybody saw, again, at every relay, live and unasked.
    let wraps: BTreeSet<String> = relays.iter().flat_map(|relay| relay.events_of_kind(1059)).map(|wrap| wrap.to_string()).collect();
    println!("{} wraps are replayed", wraps.len());
    let replay = || {
        for wrap in wraps.iter().rev() {
            relays.iter().for_each(|relay| relay.say(format!(r#"["EVENT","wraps",{wrap}]"#)));
        }
    };
    replay();
    trial.settles(PATIENCE).await?;
    trial.bert.daemon.kill9().await?;
    trial.bert.daemon.start().await?;
    trial.until_state(&trial.bert, relays[0].url(), "ready", HEALED_MAX).await?;
    replay();
    trial.both_ways(1).await?;
    trial.settles(HEALED_MAX).await?;
    wait::stays("one hand-out each", Duration::from_secs(1), async || trial.read().await.is_ok()).await?;
    trial.settles(PATIENCE).await?;
    trial.is_sound().await
}
