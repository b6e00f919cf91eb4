//! What is stored and how it is told: R9 (EOSE never, early, twice), R19 (caps and equal dates), R20 (old and future wraps).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use nostr::{
    event::{Event, EventBuilder, FinalizeEvent as _, FinalizeUnsignedEvent as _, Kind, Tag},
    key::{Keys, PublicKey},
    nips::{nip44::Nip44 as _, nip59::GiftWrapSealBuilder},
    types::Timestamp,
};
use ocmesh_api::MessagesQuery;
use ocmesh_testkit::{
    Fault, MisbehavingRelay, RawClient, fixture,
    scenario::Agent,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, quick};

/// A NIP-17 message as any client makes it, its wrap dated as told.
fn wrap(from: &Keys, to: &PublicKey, content: &str, created_at: u64) -> Result<Event> {
    let tag = || Tag::parse(["p".to_owned(), to.to_hex()]);
    let rumor = EventBuilder::new(Kind::from_u16(14), content).tag(tag()?).custom_created_at(Timestamp::from_secs(created_at));
    let seal = GiftWrapSealBuilder::new(rumor.finalize_unsigned(from.public_key()), *to).finalize(from)?;
    let once = Keys::generate();
    let sealed = once.nip44_encrypt(to, &seal.as_json())?;
    let wrap = EventBuilder::new(Kind::from_u16(1059), sealed).tag(tag()?).custom_created_at(Timestamp::from_secs(created_at));
    Ok(wrap.finalize(&once)?)
}

/// Puts wraps into the honest relay behind the faults: `(content, created_at)`.
async fn fill(relay: &MisbehavingRelay, to: &Agent, letters: &[(String, u64)]) -> Result<()> {
    let (from, to) = (fixture::keys(9)?, PublicKey::from_hex(&to.pubkey)?);
    let mut client = RawClient::connect(relay.honest().url()).await?;
    for (content, created_at) in letters {
        let (taken, said) = client.publish_ok(&wrap(&from, &to, content, *created_at)?).await?;
        ensure!(taken, "{said}");
    }
    Ok(())
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
    let relay = MisbehavingRelay::start_with(&[Fault::NeverEose, Fault::PageCap(30)]).await?;
    let mut bert = Agent::start(quick("bert", &[relay.url()])).await?;
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

/// So many messages a relay stores for Bert before he comes, dated by `dated`; the relay answers `cap` for a filter.
async fn capped(count: u64, cap: u64, dated: impl Fn(u64) -> u64, limit: Duration) -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::PageCap(cap)]).await?;
    let mut bert = Agent::start(quick("bert", &[relay.url()])).await?;
    bert.daemon.terminate().await?;
    let letters: Vec<_> = (0..count).map(|number| (format!("letter {number}"), dated(number))).collect();
    fill(&relay, &bert, &letters).await?;
    bert.daemon.start().await?;
    println!("{count} wraps past a cap of {cap} in {:?}", all_came(&bert, &letters, limit).await?);
    Ok(())
}

#[tokio::test]
async fn r19_pages_below_every_cap_bring_everything() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    capped(420, 100, |number| day_ago + number * 7, HEALED_MAX).await?;
    // A few share each second, as far as a page holds a second.
    capped(330, 50, |number| day_ago + number / 20, HEALED_MAX).await
}

#[tokio::test]
async fn r19_ties_that_the_relay_would_show_when_asked_for_that_second() -> Result<()> {
    // The cap of the honest relay is 500 whatever is asked: three seconds of 450 wraps each.
    let day_ago = fixture::now() - 86_400;
    capped(1_350, 5_000, |number| day_ago + (number % 3) * 60, Duration::from_secs(120)).await
}

#[tokio::test]
#[ignore = "reason: long; run with cargo test -p ocmesh-testkit --test battery r19 -- --ignored --nocapture"]
async fn r19_five_thousand_wraps_past_a_cap_of_500() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    capped(5_000, 500, |number| day_ago + number / 100, Duration::from_secs(600)).await
}

#[tokio::test]
async fn r20_wraps_dated_back_and_ahead_arrive() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut bert = Agent::start(quick("bert", &[relay.url()])).await?;
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

#[tokio::test]
#[ignore = "reason: not met yet: catch-up looks back 3 days; run with cargo test -p ocmesh-testkit --test battery r20 -- --ignored"]
async fn r20_wraps_dated_five_days_back_arrive_and_are_marked() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut bert = Agent::start(quick("bert", &[relay.url()])).await?;
    wait::until("the first catch-up", PATIENCE, async || {
        let status = bert.daemon.client().ok()?.status().await.ok()?;
        status.relay_status.iter().all(|relay| relay.state == "ready").then_some(())
    })
    .await?;
    bert.daemon.terminate().await?;
    let late = [("5 days back".to_owned(), fixture::now() - 5 * 86_400)];
    fill(&relay, &bert, &late).await?;
    bert.daemon.start().await?;
    all_came(&bert, &late, PATIENCE).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "reason: not met yet: needs NIP-77; run with cargo test -p ocmesh-testkit --test battery r19_ties_beyond -- --ignored"]
async fn r19_ties_beyond_what_the_relay_shows_of_one_second() -> Result<()> {
    let day_ago = fixture::now() - 86_400;
    capped(450, 100, |number| day_ago + (number % 3) * 60, PATIENCE).await
}
