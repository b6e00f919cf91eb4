//! Subscriptions that a relay closes: R8, with every prefix, at once, after EOSE, and again and again.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    scenario::Agent,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, quick};

const WORDS: [&str; 12] = [
    "duplicate: wraps already opened",
    "pow: 28 bits needed",
    "blocked: no",
    "rate-limited: slow down",
    "invalid: bad filter",
    "restricted: members only",
    "mute: nobody listens",
    "error: shutting down",
    "auth-required: please",
    "ERROR: auth-required: please",
    "weather: it rains",
    "",
];

/// REQs for gift wraps to us that a relay heard.
fn wrap_reqs(relay: &MisbehavingRelay) -> usize {
    relay.seen().reqs.iter().filter(|req| req[2]["kinds"] == serde_json::json!([1059])).count()
}

/// Waits until the REQ for gift wraps came again at every relay.
async fn all_asked_again(relays: &[MisbehavingRelay], limit: Duration) -> Result<Duration> {
    let before: Vec<usize> = relays.iter().map(wrap_reqs).collect();
    let began = Instant::now();
    wait::until_ok("every relay asked again", limit, async || {
        let deaf: Vec<&str> =
            WORDS.iter().zip(relays).zip(&before).filter(|((_, r), n)| wrap_reqs(r) <= **n).map(|((w, _), _)| *w).collect();
        ensure!(deaf.is_empty(), "not after {deaf:?}");
        Ok(())
    })
    .await?;
    Ok(began.elapsed())
}

#[tokio::test]
async fn r08_closed_with_every_word_is_opened_again_within_a_minute() -> Result<()> {
    let mut relays = Vec::new();
    for words in WORDS {
        relays.push(MisbehavingRelay::start_with(&[Fault::ClosedAtOnce(words.to_owned())]).await?);
    }
    let urls: Vec<&str> = relays.iter().map(MisbehavingRelay::url).collect();
    let bert = Agent::start(quick("bert", &urls)).await?;
    wait::until("every relay was asked once", PATIENCE, async || relays.iter().all(|relay| wrap_reqs(relay) > 0).then_some(())).await?;
    println!("closed at once: all asked again after {:?}", all_asked_again(&relays, Duration::from_secs(60)).await?);
    for (relay, words) in relays.iter().zip(WORDS) {
        relay.lift_all();
        relay.set(Fault::ClosedAfterEose(words.to_owned()), true);
    }
    println!("closed after EOSE: all asked again after {:?}", all_asked_again(&relays, Duration::from_secs(60)).await?);
    let asked = relays.iter().map(wrap_reqs).max();
    println!("the busiest relay was asked {asked:?} times");
    ensure!(asked <= Some(30), "a loop: {asked:?}");
    relays.iter().for_each(MisbehavingRelay::lift_all);
    wait::until_ok("every relay ready", Duration::from_secs(60), async || {
        let status = bert.daemon.client()?.status().await?;
        let not: Vec<_> =
            status.relay_status.into_iter().filter(|relay| relay.state != "ready").map(|relay| (relay.state, relay.note)).collect();
        ensure!(not.is_empty(), "{not:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn r08_closed_again_and_again_delivers_all_the_same() -> Result<()> {
    for fault in [Fault::ClosedEvery(Duration::from_millis(700)), Fault::ClosedAfterEose("error: closed for no reason".to_owned())] {
        let relay = MisbehavingRelay::start().await?;
        let mut trial = Trial::on(&[&relay]).await?;
        relay.set(fault, true);
        relay.cut();
        trial.both_ways(5).await?;
        trial.until_nothing_is_lost(HEALED_MAX).await?;
        trial.both_ways(2).await?;
        relay.lift_all();
        trial.settles(HEALED_MAX).await?;
        trial.is_sound().await?;
    }
    Ok(())
}
