//! The clock: T1 (wrong, set, stepped while sending) and T2 (the machine sleeps). The daemons' wall clock is set by libfaketime.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    MisbehavingRelay, ShiftedClock,
    scenario::Agent,
    wait::{self, PATIENCE},
};
use rustix::process::Signal;

use crate::{
    story::{self, timeless},
    trial::{HEALED_MAX, Trial, quick},
};

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;
/// Long enough for the presence that lets a sender try again.
const CLOCK_HEALED_MAX: Duration = Duration::from_secs(40);

/// Anna by a clock of her own and Bert by the machine's, with two honest relays.
async fn meet(clock: &ShiftedClock) -> Result<(Trial, [MisbehavingRelay; 2])> {
    let relays = [MisbehavingRelay::start().await?, MisbehavingRelay::start().await?];
    let urls: Vec<&str> = relays.iter().map(MisbehavingRelay::url).collect();
    let (anna, bert) = tokio::try_join!(Agent::start(clock.on(quick("anna", &urls))), Agent::start(quick("bert", &urls)))?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    let mut trial = Trial::of(anna, bert);
    for url in urls {
        trial.until_state(&trial.anna, url, "ready", HEALED_MAX).await?;
        trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
    }
    trial.both_ways(1).await?;
    trial.settles(PATIENCE).await?;
    Ok((trial, relays))
}

/// Sends each way while Anna's clock is off, and again once it is right.
async fn survives(seconds: i64) -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let (mut trial, _relays) = meet(&clock).await?;
    clock.set(seconds)?;
    trial.both_ways(2).await?;
    let began = Instant::now();
    let early = trial.until_nothing_is_lost(Duration::from_secs(12)).await.is_ok();
    println!("clock off by {seconds} s: {} after {:?}", if early { "all read" } else { "not all read" }, began.elapsed());
    trial.both_ways(1).await?;
    clock.set(0)?;
    trial.both_ways(1).await?;
    let took = trial.settles(CLOCK_HEALED_MAX).await?;
    println!("clock right again: all read after {took:?}");
    trial.is_sound().await
}

#[tokio::test]
async fn t01_a_minute_ahead() -> Result<()> {
    survives(61).await
}

#[tokio::test]
async fn t01_a_minute_behind() -> Result<()> {
    survives(-61).await
}

#[tokio::test]
async fn t01_a_year_ahead() -> Result<()> {
    survives(YEAR).await
}

#[tokio::test]
async fn t01_a_year_behind() -> Result<()> {
    survives(-YEAR).await
}

#[tokio::test]
async fn t02_a_machine_that_slept_three_days_goes_on() -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let relays = [timeless().await?, timeless().await?];
    let mut trial = story::meet(&relays, &clock).await?;
    trial.anna.daemon.signal(Signal::STOP)?;
    trial.bert_says(3).await?;
    // The clock goes on while the machine sleeps; its processes do not.
    clock.set(3 * DAY)?;
    let bert = trial.until_nothing_is_lost(Duration::from_secs(3)).await;
    ensure!(bert.is_err(), "a stopped process read");
    trial.anna.daemon.signal(Signal::CONT)?;
    let took = trial.settles(HEALED_MAX).await?;
    println!("all read {took:?} after the machine woke");
    trial.both_ways(2).await?;
    trial.settles(CLOCK_HEALED_MAX).await?;
    trial.is_sound().await
}

/// This is a line of the log, once; the log comes after `/status`.
async fn logged(agent: &Agent, words: &str) -> Result<()> {
    wait::until_ok(words, PATIENCE, async || {
        let lines = Trial::log_lines(agent, words)?;
        ensure!(lines == 1, "{lines} lines");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t01_a_wrong_clock_is_told_when_relays_agree_on_another_and_heals() -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let relays = [MisbehavingRelay::start().await?, MisbehavingRelay::start().await?, MisbehavingRelay::start().await?];
    let urls: Vec<&str> = relays.iter().map(MisbehavingRelay::url).collect();
    // One of three tells a lie.
    let [one, two, three] = &relays;
    one.tell_time(0);
    two.tell_time(0);
    three.tell_time(YEAR);
    clock.set(90)?;
    let agent = Agent::start(clock.on(quick("anna", &urls))).await?;
    let warned = async |is: bool| {
        wait::until_ok(format!("a word about the clock: {is}"), CLOCK_HEALED_MAX, async || {
            let warnings = agent.daemon.client()?.status().await?.warnings;
            ensure!(warnings.iter().any(|line| line.contains("clock is")) == is, "{warnings:?}");
            Ok(warnings)
        })
        .await
    };
    let warnings = warned(true).await?;
    ensure!(warnings.iter().any(|line| line.contains("seconds ahead of what the relays say")), "{warnings:?}");
    logged(&agent, "clock is not what the relays say").await?;
    clock.set(0)?;
    warned(false).await?;
    logged(&agent, "clock agrees with the relays again").await?;
    Ok(())
}
