//! The answer to an EVENT: R4 and R5 (OK and forgotten), R6 (OK false in any words), R7 (no OK, or the wrong one).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, beside_an_honest_one};

/// How often a relay heard each event of a kind, at most.
fn most_repeated(relay: &MisbehavingRelay, kinds: &[u16]) -> usize {
    let mut times = std::collections::BTreeMap::<String, usize>::new();
    for event in kinds.iter().flat_map(|kind| relay.events_of_kind(*kind)) {
        *times.entry(event["id"].to_string()).or_default() += 1;
    }
    times.into_values().max().unwrap_or(0)
}

#[tokio::test]
async fn r04_two_relays_that_take_and_forget_beside_one_that_keeps() -> Result<()> {
    let liars = [MisbehavingRelay::start().await?, MisbehavingRelay::start().await?];
    let honest = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&liars[0], &liars[1], &honest]).await?;
    // A list grows while its agent proves one relay after the other; these messages are to go to the whole of it.
    let relays = [liars[0].url(), liars[1].url(), honest.url()];
    tokio::try_join!(trial.anna.wait_for_relays_of(&trial.bert, &relays), trial.bert.wait_for_relays_of(&trial.anna, &relays))?;
    liars.iter().for_each(|liar| liar.set(Fault::OkThenDrop, true));
    let ids = trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    // The liars were believed, which is why every relay of the list is used at once.
    let status = wait::until("receipts", PATIENCE, async || {
        let detail = trial.detail(&trial.anna, &ids[0]).await.ok()?;
        matches!(detail.message.status.as_str(), "delivered" | "read").then_some(detail)
    });
    let said = status.await?.history.iter().filter(|line| line.what == "accepted").count();
    println!("{said} relays said OK before the receipt came, one kept it");
    Ok(())
}

#[tokio::test]
async fn r05_a_relay_in_memory_that_crashes_after_its_ok() -> Result<()> {
    let (forgetful, honest) = (LocalRelay::start(RelayOptions::default()).await?, MisbehavingRelay::start().await?);
    let relays = [forgetful.url().to_owned(), honest.url().to_owned()];
    let mut trial = Trial::start(&relays, &relays).await?;
    tokio::try_join!(trial.anna.wait_for_peer(&trial.bert), trial.bert.wait_for_peer(&trial.anna))?;
    for url in &relays {
        trial.until_state(&trial.anna, url, "ready", HEALED_MAX).await?;
        trial.until_state(&trial.bert, url, "ready", HEALED_MAX).await?;
    }
    trial.anna.wait_for_relays_of(&trial.bert, &relays).await?;
    trial.bert.daemon.kill9().await?;
    let ids = trial.anna_says(3).await?;
    wait::until("the OK of both", PATIENCE, async || {
        let detail = trial.detail(&trial.anna, ids.last()?).await.ok()?;
        (detail.message.relays_accepted == Some(2)).then_some(())
    })
    .await?;
    let addr = forgetful.local_addr();
    forgetful.shutdown().await;
    let again = LocalRelay::start(RelayOptions { bind: addr, ..RelayOptions::default() }).await?;
    ensure!(again.stats().events == 0, "it remembers");
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    Ok(())
}

/// Words of a refusal, and whether they are final for a relay.
const REFUSALS: [(&str, bool); 13] = [
    ("blocked: not here", true),
    ("restricted: members only", true),
    ("invalid: a shape we do not like", true),
    ("invalid: created_at too old", false),
    ("pow: 28 bits needed", true),
    ("mute: nobody listens", true),
    ("ERROR: blocked: shouted", true),
    ("error: the database is away", false),
    ("ERROR: auth-required: please", false),
    ("auth-required: please", false),
    ("weather: it rains", false),
    ("", false),
    ("rate-limited: slow down", false),
];

#[tokio::test]
async fn r06_every_refusal_has_its_meaning_and_none_makes_a_loop() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    let long = "x".repeat(65_536);
    let words = REFUSALS.into_iter().chain([(long.as_str(), false)]);
    // What waits for another try must not meet a final word then, so these come first; and what pauses the relay comes last, so that it holds
    // up none of the others.
    let mut words: Vec<_> = words.collect();
    words.sort_by_key(|(said, is_final)| (!is_final, said.starts_with("rate-limited")));
    for (said, is_final) in words {
        relay.set(Fault::OkFalse(said.to_owned()), true);
        let id = trial.anna_says(1).await?.pop().context("no id")?;
        let detail = wait::until_ok(format!("the refusal {said:.40?}"), PATIENCE, async || {
            let detail = trial.detail(&trial.anna, &id).await?;
            ensure!(detail.history.iter().any(|line| line.what == "refused"), "{:?}", detail.history);
            ensure!(!is_final || detail.message.status == "failed", "{} after {:?}", detail.message.status, detail.history);
            Ok(detail)
        })
        .await?;
        // Kind 4 cannot be dated anew: on a busy machine the first message may leave so, before the other's presence was seen.
        let is_final = is_final || (said.contains("created_at") && detail.message.encryption != "nip17");
        ensure!(is_final || detail.message.status == "queued", "{said:.40?} gives {}", detail.message.status);
        let shown = detail.history.iter().filter_map(|line| line.said.as_deref()).map(|said| said.chars().count()).max();
        ensure!(shown.unwrap_or(0) <= 200, "{shown:?} characters of the relay's words are kept");
        if is_final {
            trial.ledger.failed(&id);
        }
    }
    let busiest = most_repeated(&relay, &[1059, 4]);
    println!("the busiest event was tried {busiest} times");
    ensure!((1..=8).contains(&busiest), "an event was sent {busiest} times");
    relay.lift_all();
    trial.bert_says(1).await?;
    // The pause that was learned comes on top of what is left of the longest pause between tries.
    trial.settles(3 * HEALED_MAX).await?;
    trial.is_sound().await
}

#[tokio::test]
async fn r06_a_refusal_at_one_relay_leaves_the_other_alone() -> Result<()> {
    for said in ["blocked: no", "rate-limited: slow down", "ERROR: auth-required: please"] {
        beside_an_honest_one(|bad| bad.set(Fault::OkFalse(said.to_owned()), true)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn r07_no_ok_at_all() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    relay.set(Fault::NoOk, true);
    trial.both_ways(2).await?;
    // The relay keeps what it does not confirm.
    trial.settles(PATIENCE).await?;
    // Nobody is there to send a receipt: after 10 s without an answer the message is sent again.
    trial.bert.daemon.kill9().await?;
    let began = Instant::now();
    trial.anna_says(1).await?;
    wait::until("a second try", HEALED_MAX, async || (most_repeated(&relay, &[1059, 4]) >= 2).then_some(())).await?;
    println!("the second try came {:?} after the first", began.elapsed());
    ensure!(began.elapsed() >= Duration::from_secs(9), "a relay gets 10 s");
    relay.lift_all();
    trial.bert.daemon.start().await?;
    trial.both_ways(1).await?;
    trial.settles(HEALED_MAX).await?;
    let busiest = most_repeated(&relay, &[1059, 4]);
    ensure!(busiest <= 4, "an event was sent {busiest} times");
    Ok(())
}

#[tokio::test]
async fn r07_oks_of_strangers_twice_and_before_any_event() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::OkTwice]).await?;
    let mut trial = Trial::on(&[&relay]).await?;
    let stray = |digit: &str, accepted: bool| format!(r#"["OK","{}",{accepted},"blocked: stray"]"#, digit.repeat(64));
    for digit in ["0", "a", "f"] {
        relay.say(stray(digit, true));
        relay.say(stray(digit, false));
    }
    for odd in [r#"["OK"]"#, r#"["OK",7,true]"#, r#"["OK","",true,""]"#, r#"["OK",null,null,null]"#] {
        relay.say(odd);
    }
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    relay.set(Fault::OkOtherId, true);
    trial.both_ways(2).await?;
    trial.settles(PATIENCE).await?;
    relay.lift_all();
    trial.both_ways(1).await?;
    trial.settles(HEALED_MAX).await?;
    trial.is_sound().await?;
    // Nothing of this was taken for an OK of ours: what waited is tried again, and not often.
    wait::stays("calm", Duration::from_secs(1), async || most_repeated(&relay, &[1059, 4]) <= 4).await
}
