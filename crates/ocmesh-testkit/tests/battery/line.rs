//! The line to a relay: R1 (no way in), R2 (half-open), R3 (slow), R23 (all relays away).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    process::Memory,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, beside_an_honest_one};

/// Shuts the only relay in one way, sends into the dark, opens it again. Gives the trial and the dials the two daemons made meanwhile.
async fn shut_for_a_while(fault: Fault, span: Duration) -> Result<usize> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    relay.set(fault.clone(), true);
    relay.cut();
    let before = relay.seen().tcp;
    trial.both_ways(3).await?;
    let status = trial.until_state(&trial.anna, relay.url(), "waiting connecting", PATIENCE).await?;
    ensure!(status.last_error.is_some(), "no reason in {status:?}");
    let warned = trial.anna.daemon.client()?.status().await?.warnings;
    ensure!(warned.iter().any(|warning| warning.contains("no relay is usable")), "{warned:?}");
    wait::stays("the daemon", span, async || trial.anna.daemon.pid().is_some()).await?;
    let dials = relay.seen().tcp - before;
    relay.set(fault, false);
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await?;
    Ok(dials)
}

#[tokio::test]
async fn r01_refused_tcp_loses_nothing() -> Result<()> {
    shut_for_a_while(Fault::RefuseTcp, Duration::from_secs(3)).await?;
    Ok(())
}

#[tokio::test]
async fn r01_reset_after_connect_is_met_with_patience() -> Result<()> {
    let dials = shut_for_a_while(Fault::ResetTcp, Duration::from_secs(5)).await?;
    println!("{dials} dials of two daemons in 5 s");
    // 1/4 s apart at the least, doubling after: 2 daemons, a websocket and a document each.
    ensure!((1..=24).contains(&dials), "{dials} dials in 5 s");
    Ok(())
}

#[tokio::test]
async fn r01_http_502_and_429_instead_of_an_upgrade_are_tried_again() -> Result<()> {
    for status in [502, 429] {
        let dials = shut_for_a_while(Fault::HttpStatus(status), Duration::from_secs(2)).await?;
        ensure!((1..=16).contains(&dials), "{dials} dials in 2 s after {status}");
    }
    Ok(())
}

#[tokio::test]
async fn r01_http_403_a_bad_certificate_and_no_such_name_leave_other_relays_alone() -> Result<()> {
    let (bad, good) = (MisbehavingRelay::start_with(&[Fault::HttpStatus(403)]).await?, MisbehavingRelay::start().await?);
    // A port that speaks no TLS, and a name that RFC 2606 promises never to exist.
    let no_tls = good.url().replace("ws://", "wss://");
    let relays = [bad.url(), no_tls.as_str(), "wss://relay.invalid", good.url()];
    let mut trial = Trial::start(&relays, &relays).await?;
    tokio::try_join!(trial.anna.wait_for_peer(&trial.bert), trial.bert.wait_for_peer(&trial.anna))?;
    trial.until_state(&trial.anna, good.url(), "ready", PATIENCE).await?;
    trial.until_state(&trial.bert, good.url(), "ready", PATIENCE).await?;
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    for url in [bad.url(), no_tls.as_str(), "wss://relay.invalid"] {
        let status = trial.until_state(&trial.anna, url, "waiting connecting", PATIENCE).await?;
        println!("{url}: {:?}", status.last_error);
        wait::until("a reason", PATIENCE, async || trial.relay(&trial.anna, url).await.ok()?.last_error).await?;
    }
    trial.is_sound().await
}

#[tokio::test]
async fn r02_a_handshake_that_never_comes_is_given_up() -> Result<()> {
    // The fault lasts past the 10 s that a dial may take.
    shut_for_a_while(Fault::NoHandshake, Duration::from_secs(11)).await?;
    Ok(())
}

#[tokio::test]
async fn r02_a_silent_relay_is_found_dead_within_a_minute() -> Result<()> {
    let (mut trial, bad, _good) = beside_an_honest_one(|_| ()).await?;
    trial.until_state(&trial.anna, bad.url(), "ready", HEALED_MAX).await?;
    bad.set(Fault::Blackhole(Duration::ZERO), true);
    let began = Instant::now();
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    let found = trial.until_state(&trial.anna, bad.url(), "waiting connecting", Duration::from_secs(60)).await?;
    println!("found after {:?}: {:?}", began.elapsed(), found.last_error);
    ensure!(began.elapsed() <= Duration::from_secs(60));
    bad.lift_all();
    trial.both_ways(1).await?;
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await
}

#[tokio::test]
async fn r02_a_socket_that_opens_and_says_nothing_loses_nothing() -> Result<()> {
    let (mut trial, bad, _good) = beside_an_honest_one(|bad| bad.set(Fault::AcceptThenSilent, true)).await?;
    bad.lift_all();
    trial.both_ways(2).await?;
    trial.settles(HEALED_MAX).await?;
    Ok(())
}

#[tokio::test]
async fn r03_a_slow_relay_holds_up_nobody() -> Result<()> {
    for fault in [Fault::Slow { bytes_per_s: 1_024 }, Fault::Slow { bytes_per_s: 1 }, Fault::Latency(Duration::from_secs(30))] {
        let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
        let mut trial = Trial::on(&[&bad, &good]).await?;
        let memory = Memory::note(&trial.bert.daemon)?;
        bad.set(fault.clone(), true);
        trial.both_ways(30).await?;
        let took = trial.settles(PATIENCE).await?;
        let grown = memory.grown_mb(&trial.bert.daemon)?;
        println!("{fault:?}: 60 messages in {took:?}, {grown:.1} MB more");
        ensure!(grown <= 16.0, "{grown} MB more with {fault:?}");
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r03_slow_lines_alone_still_deliver() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    relay.set(Fault::Latency(Duration::from_secs(2)), true);
    trial.both_ways(3).await?;
    trial.settles(HEALED_MAX).await?;
    relay.lift_all();
    relay.set(Fault::Slow { bytes_per_s: 20_000 }, true);
    trial.both_ways(3).await?;
    trial.settles(HEALED_MAX).await?;
    Ok(())
}

/// Queues messages while the only relay is away, and measures the drain.
async fn drained(each: usize, away: Duration) -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    relay.set(Fault::RefuseTcp, true);
    trial.until_state(&trial.anna, relay.url(), "waiting connecting", PATIENCE).await?;
    let began = Instant::now();
    trial.both_ways(each).await?;
    wait::stays("the daemons", away.saturating_sub(began.elapsed()), async || trial.anna.daemon.pid().is_some()).await?;
    let queued = trial.anna.daemon.client()?.status().await?.outbox.queued;
    ensure!(queued == u64::try_from(each)?, "{queued} of {each} are queued");
    relay.set(Fault::RefuseTcp, false);
    trial.until_state(&trial.anna, relay.url(), "ready connected", Duration::from_secs(70)).await?;
    trial.until_state(&trial.bert, relay.url(), "ready connected", Duration::from_secs(70)).await?;
    let took = trial.settles(Duration::from_secs(120)).await?;
    println!("{} messages drained {took:?} after both were back", 2 * each);
    trial.is_sound().await
}

#[tokio::test]
async fn r23_all_relays_away_with_messages_queued() -> Result<()> {
    drained(50, Duration::from_secs(3)).await
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery r23 -- --ignored --nocapture"]
async fn r23_all_relays_away_for_minutes_with_a_thousand_queued() -> Result<()> {
    drained(500, Duration::from_secs(300)).await
}

/// T3: a network that answers every request with a page of its own, and is then left for a good one: all connections are cut at once.
#[tokio::test]
async fn t03_a_portal_instead_of_the_relay_is_waited_out() -> Result<()> {
    for status in [200, 302] {
        let dials = shut_for_a_while(Fault::HttpStatus(status), Duration::from_secs(2)).await?;
        ensure!((1..=16).contains(&dials), "{dials} dials in 2 s at a portal that says {status}");
    }
    Ok(())
}
