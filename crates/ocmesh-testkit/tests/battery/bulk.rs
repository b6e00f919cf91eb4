//! Too much of everything: R14 (floods and Sybils), R15 (frames of every bad size and shape), R18 (NOTICEs).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    process::{Memory, cpu_ms},
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial};

/// R15's faults in a size that costs a test seconds.
const SHAPES: [Fault; 6] = [
    Fault::HugeFrame { bytes: 100 << 20 },
    Fault::HugeHeader { bytes: 1 << 30 },
    Fault::Fragments { n: 1_000_000 },
    Fault::DeepJson { levels: 100_000 },
    Fault::InvalidUtf8,
    Fault::LoneSurrogate,
];

/// What R15 allows on top of what was in use before.
const BULK_MB_MAX: f64 = 8.0;
/// What R14 allows.
const FLOOD_MB_MAX: f64 = 64.0;

#[tokio::test]
async fn r15_frames_of_bad_size_and_shape_cost_nothing() -> Result<()> {
    for fault in SHAPES {
        let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
        let mut trial = Trial::on(&[&bad, &good]).await?;
        // What a few messages cost without a fault belongs to no fault.
        trial.both_ways(3).await?;
        trial.settles(PATIENCE).await?;
        let memory = Memory::note(&trial.bert.daemon)?;
        bad.set(fault.clone(), true);
        let reqs = bad.reqs();
        bad.cut();
        wait::until("a REQ of both", HEALED_MAX, async || (bad.reqs() >= reqs + 2).then_some(())).await?;
        trial.both_ways(2).await?;
        trial.settles(PATIENCE).await?;
        let grown = memory.grown_mb(&trial.bert.daemon)?;
        println!("{fault:?}: {grown:.1} MB more");
        ensure!(grown <= BULK_MB_MAX, "{grown:.1} MB more with {fault:?}");
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r15_the_only_relay_is_left_with_a_reason_and_heals_after_a_bad_frame() -> Result<()> {
    for (fault, reason) in [
        (Fault::HugeFrame { bytes: 20 << 20 }, "too long"),
        (Fault::HugeHeader { bytes: 1 << 30 }, "too long"),
        (Fault::InvalidUtf8, "UTF-8"),
    ] {
        let relay = MisbehavingRelay::start().await?;
        let mut trial = Trial::on(&[&relay]).await?;
        relay.set(fault, true);
        relay.cut();
        trial.both_ways(2).await?;
        wait::until_ok("the reason", PATIENCE, async || {
            let status = trial.relay(&trial.anna, relay.url()).await?;
            ensure!(status.last_error.as_ref().is_some_and(|error| error.contains(reason)), "{status:?}");
            Ok(())
        })
        .await?;
        relay.lift_all();
        trial.settles(HEALED_MAX).await?;
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r15_events_with_ten_thousand_tags_and_nul_in_them() -> Result<()> {
    let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let mut trial = Trial::on(&[&bad, &good]).await?;
    let memory = Memory::note(&trial.bert.daemon)?;
    bad.set(Fault::ManyTags { n: 10_000 }, true);
    bad.cut();
    let nul =
        r#"["EVENT","wraps",{"id":"\u0000","pubkey":"\u0000","created_at":0,"kind":1059,"tags":[["\u0000"]],"content":"\u0000","sig":""}]"#;
    for text in [nul, "\u{0}", "[\"NOTICE\",\"\\u0000\"]", "[]", "{}", "null", "[\"EVENT\"]", "[[[]]]"] {
        bad.say(text);
        good.say(text);
    }
    trial.both_ways(3).await?;
    trial.settles(PATIENCE).await?;
    let grown = memory.grown_mb(&trial.bert.daemon)?;
    println!("10,000 tags: {grown:.1} MB more");
    ensure!(grown <= BULK_MB_MAX, "{grown:.1} MB more");
    trial.is_sound().await
}

/// A flood of valid events by ever new keys in answer to every REQ, with messages between.
async fn flooded(n: usize, each: usize, limit: Duration) -> Result<()> {
    let (bad, good) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let mut trial = Trial::on(&[&bad, &good]).await?;
    trial.both_ways(each).await?;
    let calm = trial.settles(PATIENCE).await?;
    let memory = Memory::note(&trial.bert.daemon)?;
    let (began, cpu_before) = (Instant::now(), cpu_ms(&trial.bert.daemon)?);
    bad.set(Fault::Flood { n }, true);
    bad.cut();
    wait::until("the flood", PATIENCE, async || (bad.reqs() >= 6 && bad.connections_open() >= 2).then_some(())).await?;
    trial.both_ways(each).await?;
    let flooded = trial.settles(limit).await?;
    let peers = wait::until("Sybils", limit, async || {
        let count = trial.bert.daemon.client().ok()?.status().await.ok()?.peer_count;
        (count > u64::try_from(n).ok()? / 4).then_some(count)
    });
    let peers = peers.await?;
    let busy = cpu_ms(&trial.bert.daemon)? - cpu_before;
    let grown = memory.grown_mb(&trial.bert.daemon)?;
    println!(
        "{peers} peers, {grown:.1} MB more, {busy} ms of processor in {:?}; messages took {calm:?} in calm and {flooded:?} in the flood",
        began.elapsed()
    );
    ensure!(grown <= FLOOD_MB_MAX, "{grown:.1} MB more");
    let known = trial.bert.daemon.client()?.peer(&trial.anna.pubkey).await?;
    ensure!(known.trust != "unknown", "whom we talk with is {}", known.trust);
    trial.is_sound().await
}

#[tokio::test]
async fn r14_a_flood_of_sybils_holds_up_no_message() -> Result<()> {
    flooded(1_000, 5, HEALED_MAX).await
}

#[tokio::test]
#[ignore = "100,000 strangers take up to 15 minutes; run with cargo test -p ocmesh-testkit --test battery r14 -- --ignored --nocapture"]
async fn r14_sybils_by_the_ten_thousands() -> Result<()> {
    flooded(100_000, 10, Duration::from_secs(900)).await
}

#[tokio::test]
async fn r18_a_thousand_notices_a_second_are_one_line_a_minute() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut trial = Trial::on(&[&relay]).await?;
    let memory = Memory::note(&trial.bert.daemon)?;
    relay.set(Fault::NoticeSpam { per_s: 1_000 }, true);
    trial.both_ways(5).await?;
    trial.settles(PATIENCE).await?;
    wait::stays("calm", Duration::from_secs(3), async || trial.bert.daemon.pid().is_some()).await?;
    let lines = Trial::log_lines(&trial.bert, "relay notice")?;
    let grown = memory.grown_mb(&trial.bert.daemon)?;
    println!("{lines} lines in the log, {grown:.1} MB more");
    ensure!(lines == 1, "{lines} lines");
    ensure!(grown <= BULK_MB_MAX, "{grown:.1} MB more");
    trial.is_sound().await
}
