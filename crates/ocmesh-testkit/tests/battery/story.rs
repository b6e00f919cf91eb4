//! Whole stories, days long: relays that all say OK and forget (R4, R5), a sender that dies with the answer on its lips, a recipient that
//! sleeps for most of the time to live. The daemons live by a clock that the test sets.

use std::time::Duration;

use anyhow::{Result, ensure};
use ocmesh_api::MessageDetail;
use ocmesh_localrelay::{Limits, RelayOptions};
use ocmesh_testkit::{
    Fault, MisbehavingRelay, ShiftedClock,
    scenario::Agent,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, quick};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
/// A sending again comes at most so long after its peer came back; see docs/adr/0006.
const COME_BACK: i64 = 3 * MINUTE;

/// Relays that do not mind events of days to come.
pub(crate) async fn timeless() -> Result<MisbehavingRelay> {
    let limits = Limits { write_ms_max: 3_600_000, future_seconds_max: u64::try_from(400 * DAY)?, ..Limits::default() };
    MisbehavingRelay::start_around(RelayOptions { limits, ..RelayOptions::default() }, &[]).await
}

/// Time goes on, and relays tell so to whoever connects: a daemon believes no clock alone.
pub(crate) fn go_on(clock: &ShiftedClock, relays: &[MisbehavingRelay], seconds: i64) -> Result<()> {
    clock.set(seconds)?;
    for relay in relays {
        relay.tell_time(seconds);
        relay.cut();
    }
    Ok(())
}

/// Anna and Bert on these relays, by this clock, with all of them on Bert's list.
pub(crate) async fn meet(relays: &[MisbehavingRelay], clock: &ShiftedClock) -> Result<Trial> {
    let urls: Vec<&str> = relays.iter().map(MisbehavingRelay::url).collect();
    let start = |name| Agent::start(clock.on(quick(name, &urls)));
    let (anna, bert) = tokio::try_join!(start("anna"), start("bert"))?;
    tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
    tokio::try_join!(anna.wait_for_relays_of(&bert, &urls), bert.wait_for_relays_of(&anna, &urls))?;
    let mut trial = Trial::of(anna, bert);
    for url in urls {
        trial.until_state(&trial.anna, url, "ready", HEALED_MAX).await?;
        trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
    }
    // Who has written to the other accepts it: only then receipts are given.
    trial.both_ways(1).await?;
    trial.settles(PATIENCE).await?;
    Ok(trial)
}

/// Waits until Anna's message is in this state.
async fn until_status(trial: &Trial, id: &str, status: &str, limit: Duration) -> Result<MessageDetail> {
    wait::until_ok(format!("the message as {status}"), limit, async || {
        let detail = trial.detail(&trial.anna, id).await?;
        ensure!(detail.message.status == status, "it is {detail:?}");
        Ok(detail)
    })
    .await
}

/// The words of a history, each run of the same word as one.
fn words(detail: &MessageDetail) -> Vec<&str> {
    let mut words: Vec<&str> = detail.history.iter().map(|line| line.what.as_str()).collect();
    words.dedup();
    words
}

#[tokio::test]
async fn a_message_survives_its_senders_death_both_relays_forgetting_it_and_six_days_of_sleep() -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let relays = [timeless().await?, timeless().await?];
    let mut trial = meet(&relays, &clock).await?;
    trial.bert.daemon.terminate().await?;
    relays.iter().for_each(|relay| relay.set(Fault::OkThenDrop, true));

    let ids = trial.anna_says(1).await?;
    trial.anna.daemon.kill9().await?;
    trial.anna.daemon.start().await?;
    let taken = wait::until_ok("both relays' OK", HEALED_MAX, async || {
        let detail = trial.detail(&trial.anna, &ids[0]).await?;
        ensure!(detail.message.relays_accepted == Some(2), "{detail:?}");
        Ok(detail)
    });
    ensure!(taken.await?.message.status == "relayed");

    go_on(&clock, &relays, 6 * DAY)?;
    relays.iter().for_each(MisbehavingRelay::lift_all);
    trial.bert.daemon.start().await?;
    trial.anna.wait_for_online(&trial.bert).await?;
    ensure!(trial.ledger.tally().lost == 1, "it cannot have come yet: both relays forgot it");
    go_on(&clock, &relays, 6 * DAY + COME_BACK)?;
    trial.settles(HEALED_MAX).await?;

    let detail = until_status(&trial, &ids[0], "read", PATIENCE).await?;
    for line in &detail.history {
        println!("{} {} {}", line.at, line.what, line.relay.as_deref().unwrap_or_default());
    }
    let story = words(&detail);
    let wanted = ["queued", "sent", "accepted", "resent", "rewrapped", "sent", "accepted", "delivered", "read"];
    let mut told = story.iter();
    ensure!(wanted.iter().all(|word| told.any(|line| line == word)), "the history tells {story:?}");
    trial.is_sound().await
}

#[tokio::test]
async fn r04_every_relay_takes_and_forgets() -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let relays = [timeless().await?, timeless().await?, timeless().await?];
    let mut trial = meet(&relays, &clock).await?;
    relays.iter().for_each(|relay| relay.set(Fault::OkThenDrop, true));
    let ids = trial.anna_says(3).await?;
    until_status(&trial, &ids[2], "relayed", PATIENCE).await?;
    ensure!(trial.ledger.tally().lost == 3, "liars delivered");
    relays.iter().for_each(MisbehavingRelay::lift_all);
    // The first sending again is due after ten minutes, if the peer was seen since.
    trial.bert.daemon.restart().await?;
    trial.anna.wait_for_online(&trial.bert).await?;
    go_on(&clock, &relays, 15 * MINUTE)?;
    trial.settles(HEALED_MAX).await?;
    until_status(&trial, &ids[0], "read", PATIENCE).await?;
    trial.is_sound().await
}

#[tokio::test]
async fn what_was_sent_while_its_peer_was_down_for_three_days_comes_once() -> Result<()> {
    let Some(clock) = ShiftedClock::new()? else { return Ok(()) };
    let relays = [timeless().await?];
    let mut trial = meet(&relays, &clock).await?;
    trial.bert.daemon.kill9().await?;
    trial.anna_says(5).await?;
    clock.set(3 * DAY)?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await
}
