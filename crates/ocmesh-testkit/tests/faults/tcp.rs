//! Faults below Nostr.

use std::time::Duration;

use anyhow::Result;
use ocmesh_testkit::{Fault, MisbehavingRelay, RawClient, raw::Heard, wait};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{connect_async, tungstenite};

use crate::{fill, filter};

/// Nothing is said for this long.
const SILENCE: Duration = Duration::from_millis(300);

fn status(error: &tungstenite::Error) -> Option<u16> {
    if let tungstenite::Error::Http(response) = error { Some(response.status().as_u16()) } else { None }
}

#[tokio::test]
async fn without_faults_it_is_an_honest_relay() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let events = fill(relay.url(), &["one", "two"]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    assert_eq!(client.stored(&filter()).await?.len(), 2);
    let seen = relay.seen();
    assert_eq!((seen.connections, seen.events.len(), seen.reqs.len(), seen.auths.len()), (2, 2, 1, 0));
    assert_eq!(relay.events_of_kind(1)[0]["id"], events[0].id.to_hex());
    wait::until("the first client's end", wait::PATIENCE, async || (relay.connections_open() == 1).then_some(())).await
}

#[tokio::test]
async fn refuse_tcp_cuts_and_refuses_until_lifted() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let mut client = RawClient::connect(relay.url()).await?;
    let address = relay.url().trim_start_matches("ws://").to_owned();
    relay.set(Fault::RefuseTcp, true);
    assert!(matches!(client.hear().await?, Heard::Ended(_)));
    wait::until("a refusal", wait::PATIENCE, async || TcpStream::connect(&address).await.err()).await?;
    relay.set(Fault::RefuseTcp, false);
    wait::until_ok("the port again", wait::PATIENCE, async || RawClient::connect(relay.url()).await).await?;
    Ok(())
}

#[tokio::test]
async fn reset_tcp_lets_nobody_in() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::ResetTcp]).await?;
    let error = connect_async(relay.url()).await.unwrap_err();
    assert_eq!(status(&error), None, "{error}");
    relay.lift_all();
    RawClient::connect(relay.url()).await?;
    Ok(())
}

#[tokio::test]
async fn http_status_instead_of_a_websocket() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    for code in [403, 429, 502] {
        relay.set(Fault::HttpStatus(code), true);
        assert_eq!(status(&connect_async(relay.url()).await.unwrap_err()), Some(code));
    }
    assert_eq!(relay.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn no_handshake_leaves_the_client_waiting() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::NoHandshake]).await?;
    let connecting = RawClient::connect(relay.url());
    tokio::pin!(connecting);
    tokio::time::timeout(SILENCE, &mut connecting).await.unwrap_err();
    relay.set(Fault::NoHandshake, false);
    connecting.await?;
    Ok(())
}

#[tokio::test]
async fn accept_then_silent_answers_no_req_and_no_ping() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::AcceptThenSilent]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    client.hear_within(SILENCE).await.unwrap_err();
    assert_eq!(relay.reqs(), 0);
    relay.lift_all();
    client.hear_until("EOSE").await?;
    Ok(())
}

#[tokio::test]
async fn blackhole_swallows_after_a_while() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::Blackhole(SILENCE)]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.stored(&filter()).await?;
    let dead = wait::until("silence", wait::PATIENCE, async || {
        client.req("s", &filter()).await.ok()?;
        client.hear_within(SILENCE).await.err()
    });
    dead.await?;
    // The connection is not closed, only dead.
    assert_eq!(relay.connections_open(), 1);
    Ok(())
}

#[tokio::test]
async fn silence_swallows_what_is_on_its_way() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::Latency(SILENCE)]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    client.req("s", &filter()).await?;
    wait::until("the REQ", wait::PATIENCE, async || (relay.honest().stats().subscriptions == 1).then_some(())).await?;
    relay.set(Fault::AcceptThenSilent, true);
    client.hear_within(SILENCE * 3).await.unwrap_err();
    relay.lift_all();
    client.hear_until("EOSE").await?;
    Ok(())
}

#[tokio::test]
async fn slow_is_slow_and_quick_again_when_lifted() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    fill(relay.url(), &["some content of about four hundred bytes when it is an event"]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    relay.set(Fault::Slow { bytes_per_s: 1_000 }, true);
    let started = Instant::now();
    client.stored(&filter()).await?;
    assert!(started.elapsed() > Duration::from_millis(350), "{:?}", started.elapsed());
    relay.set(Fault::Slow { bytes_per_s: 1 }, true);
    client.req("s", &filter()).await?;
    client.hear_within(SILENCE).await.unwrap_err();
    relay.lift_all();
    client.hear_until("EOSE").await?;
    Ok(())
}

#[tokio::test]
async fn latency_delays_without_slowing() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::Latency(SILENCE)]).await?;
    let mut client = RawClient::connect(relay.url()).await?;
    let started = Instant::now();
    for n in 0..50 {
        client.req(&format!("s{n}"), &filter()).await?;
    }
    for _ in 0..50 {
        client.hear_until("EOSE").await?;
    }
    assert!(started.elapsed() >= SILENCE && started.elapsed() < SILENCE * 20, "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn drop_connection_every_cuts_again_and_again() -> Result<()> {
    let relay = MisbehavingRelay::start_with(&[Fault::DropConnectionEvery(Duration::from_millis(50))]).await?;
    for _ in 0..3 {
        let mut client = RawClient::connect(relay.url()).await?;
        assert!(matches!(client.hear().await?, Heard::Ended(_)));
    }
    assert_eq!(relay.connections(), 3);
    Ok(())
}

#[tokio::test]
async fn cut_ends_every_connection_and_leaves_the_relay() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    fill(relay.url(), &["kept"]).await?;
    let mut clients = [RawClient::connect(relay.url()).await?, RawClient::connect(relay.url()).await?];
    relay.cut();
    for client in &mut clients {
        assert!(matches!(client.hear().await?, Heard::Ended(_)));
    }
    let mut client = RawClient::connect(relay.url()).await?;
    assert_eq!(client.stored(&filter()).await?.len(), 1);
    relay.shutdown().await;
    assert!(matches!(client.hear().await?, Heard::Ended(_)));
    Ok(())
}
