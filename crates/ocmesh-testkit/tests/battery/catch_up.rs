//! What is stored and how it is told: R9 (EOSE never, early, twice), R19 (caps and equal dates), R20 (old and future wraps).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nostr::key::PublicKey;
use ocmesh_api::{AddPeerRequest, MessagesQuery, RelayStatus};
use ocmesh_testkit::{
    Fault, MisbehavingRelay, Nip77, RawClient, fixture,
    scenario::Agent,
    wait::{self, PATIENCE},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::trial::{HEALED_MAX, Trial, quick};

/// Puts wraps into the honest relay behind the faults: `(content, created_at)`.
async fn fill(relay: &MisbehavingRelay, to: &Agent, letters: &[(String, u64)]) -> Result<()> {
    let (from, to) = (fixture::keys(9)?, PublicKey::from_hex(&to.pubkey)?);
    let mut client = RawClient::connect(relay.honest().url()).await?;
    for (content, created_at) in letters {
        let (taken, said) = client.publish_ok(&fixture::wrap(&from, &to, content, *created_at)?).await?;
        ensure!(taken, "{said}");
    }
    Ok(())
}

/// Bert, who knows whose messages fill the relay: what strangers may leave with him is bounded.
async fn bert_on(relay: &MisbehavingRelay) -> Result<Agent> {
    let bert = Agent::start(quick("bert", &[relay.url()])).await?;
    let peer = fixture::keys(9)?.public_key().to_hex();
    bert.daemon.client()?.add_peer(&AddPeerRequest { peer, petname: None }).await?;
    Ok(bert)
}

/// All texts an agent received.
async fn texts(agent: &Agent) -> Result<Vec<String>> {
    let client = agent.daemon.client()?;
    let (mut texts, mut cursor) = (Vec::new(), None);
    loop {
        let query = MessagesQuery { direction: Some("in".to_owned()), limit: Some(1_000), cursor, ..MessagesQuery::default() };
        let page = client.messages(&query).await?;
        texts.extend(page.items.into_iter().map(|message| message.content));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(texts);
        }
    }
}

/// Waits until all of these and nothing else came, each once.
async fn all_came(agent: &Agent, letters: &[(String, u64)], limit: Duration) -> Result<Duration> {
    let (wanted, began): (BTreeSet<&String>, _) = (letters.iter().map(|(content, _)| content).collect(), Instant::now());
    wait::until_ok("every stored message", limit, async || {
        let texts = texts(agent).await?;
        let missing = wanted.iter().filter(|content| !texts.contains(content)).count();
        ensure!(missing == 0, "{missing} of {} are missing", wanted.len());
        ensure!(texts.len() == wanted.len(), "{} came instead of {}", texts.len(), wanted.len());
        Ok(())
    })
    .await?;
    Ok(began.elapsed())
}

#[tokio::test]
async fn r09_eose_never_early_twice_and_with_a_third_word() -> Result<()> {
    let third = |word: &str| Fault::EoseThird(word.to_owned());
    for fault in [Fault::NeverEose, Fault::EoseEarly, Fault::EoseTwice, third("finish"), third("more"), third("?")] {
        let relay = MisbehavingRelay::start().await?;
        let mut trial = Trial::on(&[&relay]).await?;
        trial.bert.daemon.kill9().await?;
        trial.anna_says(3).await?;
        relay.set(fault.clone(), true);
        relay.cut();
        trial.bert.daemon.start().await?;
        println!("{fault:?}: stored ones after {:?}", trial.settles(HEALED_MAX).await?);
        trial.both_ways(2).await?;
        println!("{fault:?}: live ones after {:?}", trial.settles(HEALED_MAX).await?);
        relay.lift_all();
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r09_without_an_eose_the_next_page_is_asked_for_all_the_same() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::NeverEose, Fault::PageCap(30), Fault::NoNegentropy]).await?;
    let mut bert = bert_on(&relay).await?;
    bert.daemon.terminate().await?;
    let day_ago = fixture::now() - 86_400;
    let letters: Vec<_> = (0..50).map(|number| (format!("letter {number}"), day_ago + number)).collect();
    fill(&relay, &bert, &letters).await?;
    bert.daemon.start().await?;
    println!("50 wraps past a cap of 30 without an EOSE in {:?}", all_came(&bert, &letters, HEALED_MAX).await?);
    let status = bert.daemon.client()?.status().await?;
    // Nothing is proven, so the cursor stays where it was.
    ensure!(status.relay_status.iter().all(|relay| relay.caught_up_at.is_none()), "{:?}", status.relay_status);
    Ok(())
}

#[tokio::test]
async fn r09_eose_before_auth() -> Result<()> {
    let text = "auth-required: please".to_owned();
    let relay = MisbehavingRelay::start_with(&[Fault::AuthRequiredRead { text }, Fault::EoseEarly]).await?;
    let mut trial = Trial::on(&[&relay]).await?;
    trial.bert.daemon.kill9().await?;
    trial.anna_says(3).await?;
    trial.bert.daemon.start().await?;
    trial.settles(HEALED_MAX).await?;
    Ok(())
}

/// Bert finds so many messages, dated by `dated`, on a relay with these faults.
async fn found(faults: &[Fault], count: u64, dated: impl Fn(u64) -> u64, limit: Duration) -> Result<(MisbehavingRelay, Agent)> {
    let relay = MisbehavingRelay::start_with(faults).await?;
    let mut bert = bert_on(&relay).await?;
    bert.daemon.terminate().await?;
    let letters: Vec<_> = (0..count).map(|number| (format!("letter {number}"), dated(number))).collect();
    fill(&relay, &bert, &letters).await?;
    bert.daemon.start().await?;
    println!("{count} wraps past {faults:?} in {:?}", all_came(&bert, &letters, limit).await?);
    Ok((relay, bert))
}

/// How an agent's only relay stands once it was caught up with, as far as it shows what it has.
async fn standing(agent: &Agent, limit: Duration) -> Result<RelayStatus> {
    wait::until("the relay is caught up with", limit, async || {
        let status = agent.daemon.client().ok()?.status().await.ok()?;
        status.relay_status.into_iter().find(|relay| relay.state == "ready" && relay.caught_up_at.is_some())
    })
    .await
}

/// Everything was seen, and nothing is to be said about it.
async fn is_whole(agent: &Agent) -> Result<()> {
    let relay = standing(agent, PATIENCE).await?;
    ensure!(relay.note.is_none(), "{relay:?}");
    Ok(())
}

#[tokio::test]
async fn r19_pages_below_every_cap_bring_everything() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    let (_relay, bert) = found(&[Fault::PageCap(100), Fault::NoNegentropy], 420, |number| day_ago + number * 7, HEALED_MAX).await?;
    is_whole(&bert).await?;
    // A few share each second, as far as a page holds a second.
    let (_relay, bert) = found(&[Fault::PageCap(50), Fault::NoNegentropy], 330, |number| day_ago + number / 20, HEALED_MAX).await?;
    is_whole(&bert).await
}

#[tokio::test]
async fn r19_ties_that_the_relay_would_show_when_asked_for_that_second() -> Result<()> {
    // The cap of the honest relay is 500 whatever is asked: three seconds of 450 wraps each.
    let day_ago = fixture::now() - 86_400;
    let three = |number| day_ago + (number % 3) * 60;
    let (_relay, bert) = found(&[Fault::NoNegentropy], 1_350, three, Duration::from_secs(120)).await?;
    is_whole(&bert).await
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery r19 -- --ignored --nocapture"]
async fn r19_five_thousand_wraps_past_a_cap_of_500() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    let faults = [Fault::PageCap(500), Fault::NoNegentropy];
    let (_relay, bert) = found(&faults, 5_000, |number| day_ago + number / 100, Duration::from_secs(600)).await?;
    is_whole(&bert).await
}

#[tokio::test]
async fn r19_ties_beyond_what_the_relay_shows_of_one_second() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    let (relay, bert) = found(&[Fault::PageCap(100)], 450, |number| day_ago + (number % 3) * 60, PATIENCE).await?;
    is_whole(&bert).await?;
    ensure!(!relay.seen().comparisons.is_empty());
    Ok(())
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery r19 -- --ignored --nocapture"]
async fn r19_five_thousand_wraps_of_three_seconds_past_every_cap() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    for cap in [100, 300, 500] {
        let three = |number| day_ago + (number % 3) * 60;
        let (_relay, bert) = found(&[Fault::PageCap(cap)], 5_000, three, Duration::from_secs(600)).await?;
        is_whole(&bert).await?;
    }
    Ok(())
}

#[tokio::test]
async fn r19_where_sets_cannot_be_compared_the_owner_is_told() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::PageCap(100), Fault::NoNegentropy]).await?;
    let mut bert = bert_on(&relay).await?;
    bert.daemon.terminate().await?;
    let (filled_at, day_ago) = (fixture::now(), fixture::now() - 86_400);
    let letters: Vec<_> = (0..150).map(|number| (format!("letter {number}"), day_ago)).collect();
    fill(&relay, &bert, &letters).await?;
    bert.daemon.start().await?;
    wait::until_ok("what the relay shows", PATIENCE, async || {
        let came = texts(&bert).await?.len();
        ensure!(came == 100, "{came} came");
        let status = bert.daemon.client()?.status().await?;
        let note = status.relay_status.first().and_then(|relay| relay.note.clone()).unwrap_or_default();
        ensure!(note.contains("may hold more messages"), "{note}");
        Ok(())
    })
    .await?;
    let shown = standing(&bert, PATIENCE).await?;
    println!("{}: everything until {:?}; {:?}", shown.state, shown.caught_up_at, shown.note);
    // Its inbox works: what comes from now on is delivered.
    let live = ("live".to_owned(), fixture::now());
    fill(&relay, &bert, std::slice::from_ref(&live)).await?;
    wait::until_ok("the live one", PATIENCE, async || {
        ensure!(texts(&bert).await?.contains(&live.0));
        Ok(())
    })
    .await?;
    // The proven-good time stays before these came, so that the rest is found once the relay can compare sets.
    let until = OffsetDateTime::parse(&shown.caught_up_at.unwrap_or_default(), &Rfc3339)?.unix_timestamp();
    ensure!(until <= i64::try_from(filled_at)?, "everything until {until}, and they came at {filled_at}");
    relay.set(Fault::NoNegentropy, false);
    bert.daemon.terminate().await?;
    bert.daemon.start().await?;
    all_came(&bert, &[&letters[..], &[live]].concat(), PATIENCE).await?;
    wait::until_ok("the note goes", PATIENCE, async || is_whole(&bert).await).await
}

#[tokio::test]
async fn r19_relays_that_compare_sets_wrongly_are_paged() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    for wrong in [
        Nip77::Silent,
        Nip77::Error("blocked: this query is too big".to_owned()),
        Nip77::Error("closed: too slow".to_owned()),
        Nip77::Notice,
        Nip77::Garbage,
        Nip77::OtherSubscription,
        Nip77::ForEver,
        Nip77::Phantoms { n: 300 },
        Nip77::Nothing,
    ] {
        let faults = [Fault::PageCap(50), Fault::Negentropy(wrong)];
        let (relay, bert) = found(&faults, 120, |number| day_ago + number, HEALED_MAX).await?;
        is_whole(&bert).await?;
        ensure!(!relay.seen().comparisons.is_empty(), "it was not asked");
        // And it is not deaf.
        let live = [("live".to_owned(), fixture::now())];
        fill(&relay, &bert, &live).await?;
        wait::until_ok("the live one", PATIENCE, async || {
            ensure!(texts(&bert).await?.contains(&live[0].0));
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn r20_wraps_dated_back_and_ahead_arrive() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut bert = bert_on(&relay).await?;
    let trial_url = relay.url();
    wait::until("the first catch-up", PATIENCE, async || {
        let status = bert.daemon.client().ok()?.status().await.ok()?;
        status.relay_status.iter().any(|relay| relay.url == trial_url && relay.state == "ready").then_some(())
    })
    .await?;
    let now = fixture::now();
    let letter = |what: &str, at: u64| (what.to_owned(), at);
    let live = [letter("47 h back", now - 47 * 3_600), letter("10 min ahead", now + 600)];
    fill(&relay, &bert, &live).await?;
    println!("live: {:?}", all_came(&bert, &live, PATIENCE).await?);
    bert.daemon.terminate().await?;
    let stored = [letter("47 h back, stored", now - 47 * 3_600), letter("71 h back", now - 71 * 3_600), letter("9 min ahead", now + 540)];
    fill(&relay, &bert, &stored).await?;
    bert.daemon.start().await?;
    println!("stored: {:?}", all_came(&bert, &[&live[..], &stored[..]].concat(), PATIENCE).await?);
    Ok(())
}

/// Waits for one message; gives how much earlier it was written than it was stored.
async fn late(bert: &Agent, what: &str) -> Result<Duration> {
    wait::until_ok(what, PATIENCE, async || {
        let query = MessagesQuery { direction: Some("in".to_owned()), ..MessagesQuery::default() };
        let page = bert.daemon.client()?.messages(&query).await?.items;
        let message = page.into_iter().find(|message| message.content == what).context("it did not come")?;
        let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339);
        anyhow::Ok((read(&message.stored_at)? - read(&message.timestamp)?).unsigned_abs())
    })
    .await
}

#[tokio::test]
async fn r20_wraps_dated_five_days_back_arrive_and_are_marked() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut bert = bert_on(&relay).await?;
    standing(&bert, PATIENCE).await?;
    bert.daemon.terminate().await?;
    let back = |days: u64| fixture::now() - days * 86_400;
    fill(&relay, &bert, &[("5 days back".to_owned(), back(5)), ("27 days back".to_owned(), back(27))]).await?;
    bert.daemon.start().await?;
    let marked = late(&bert, "5 days back").await?;
    ensure!(marked > Duration::from_secs(4 * 86_400), "{marked:?}");
    late(&bert, "27 days back").await?;
    // What was fetched once is not fetched again.
    standing(&bert, PATIENCE).await?;
    bert.daemon.terminate().await?;
    let before = relay.seen().reqs.len();
    bert.daemon.start().await?;
    wait::until_ok("the next comparison", PATIENCE, async || {
        ensure!(relay.seen().comparisons.len() >= 6, "{}", relay.seen().comparisons.len());
        Ok(())
    })
    .await?;
    is_whole(&bert).await?;
    let fetched = relay.seen().reqs.iter().skip(before).filter(|req| req.to_string().contains("\"ids\"")).count();
    ensure!(fetched == 0, "{fetched} fetches of what is there already");
    Ok(())
}

#[tokio::test]
async fn r20_late_ones_arrive_live_wherever_they_are_published() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::NoNegentropy]).await?;
    let mut bert = bert_on(&relay).await?;
    standing(&bert, PATIENCE).await?;
    // From now on the filter looks back from a proven-good time.
    bert.daemon.terminate().await?;
    bert.daemon.start().await?;
    standing(&bert, PATIENCE).await?;
    wait::until_ok("the subscription", PATIENCE, async || {
        ensure!(relay.seen().reqs.iter().any(|req| req[1] == "wraps" && req[3]["limit"] == 1), "no second filter yet");
        Ok(())
    })
    .await?;
    fill(&relay, &bert, &[("5 days back, live".to_owned(), fixture::now() - 5 * 86_400)]).await?;
    let marked = late(&bert, "5 days back, live").await?;
    ensure!(marked > Duration::from_secs(4 * 86_400), "{marked:?}");
    Ok(())
}
