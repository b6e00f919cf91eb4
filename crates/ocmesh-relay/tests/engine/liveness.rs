//! Dead sockets are found, waiting relays are woken, one relay never disturbs another.

use std::time::Duration;

use ocmesh_relay::{LinkState, PoolEvent, Tuning};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::scripted::{LOCAL, Owner, Relay, event, quick};

#[tokio::test]
async fn a_socket_that_went_silent_is_dropped_and_replaced() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { ping_every: Duration::from_millis(50), pong_wait: Duration::from_millis(200), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    // Never polled, so its pongs never leave: a black hole.
    let _silent = relay.accept().await;
    assert_eq!(owner.down().await, "the relay stopped answering");
    let mut conn = relay.accept().await;
    // This one lives: pongs flow while it is read.
    tokio::spawn(async move { while conn.next().await.is_some() {} });
    assert!(owner.status_until(|status| status.latency_ms.is_some()).await.latency_ms.unwrap() < 10_000);
}

#[tokio::test]
async fn any_byte_is_a_sign_of_life() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { ping_every: Duration::from_millis(50), pong_wait: Duration::from_millis(400), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    let mut conn = relay.accept().await;
    owner.open().await;
    // Sends and never reads: no pong, but bytes. Long enough for several verdicts.
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..40 {
        ticks.tick().await;
        conn.send(json!(["EOSE", "none"])).await;
    }
    let status = owner.status();
    assert_eq!((status.state, status.connects), (LinkState::Open, 1));
}

#[tokio::test]
async fn a_relay_that_takes_nothing_is_given_up() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { stall_wait: Duration::from_millis(300), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let _conn = relay.accept().await;
    let json: std::sync::Arc<str> = format!("\"{}\"", "x".repeat(200_000)).into();
    for number in 0..200 {
        owner.pool.publish(&relay.url, &format!("e{number}"), std::sync::Arc::clone(&json), ocmesh_relay::Lane::Direct);
    }
    assert_eq!(owner.down().await, "the relay stopped taking data");
}

#[tokio::test]
async fn a_wake_up_dials_at_once_and_probes_what_is_open() {
    let hour = Duration::from_secs(3_600);
    let mut relay = Relay::start().await;
    let tuning = Tuning { redial_base: hour, redial_max: hour, ping_every: hour, probe_wait: Duration::from_millis(200), ..quick() };
    let mut owner = Owner::start(tuning);
    owner.pool.connect(&relay.url, LOCAL);
    let conn = relay.accept().await;
    owner.open().await;
    drop(conn);
    owner.down().await;
    let waiting = owner.status_until(|status| status.state == LinkState::Waiting).await;
    assert!(waiting.retry_in.unwrap() > Duration::from_secs(60));
    owner.pool.wake();
    let _silent = relay.accept().await;
    owner.open().await;
    // The socket looks open but nobody is there.
    owner.pool.wake();
    assert_eq!(owner.down().await, "the relay stopped answering");
}

#[tokio::test]
async fn broken_relays_do_not_disturb_a_good_one() {
    let mut owner = Owner::start(Tuning { dial_wait: Duration::from_millis(300), ..quick() });
    // Nobody listens; accepts and says nothing; hangs up; no such name.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("ws://{}", closed.local_addr().unwrap());
    drop(closed);
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("ws://{}", hole.local_addr().unwrap());
    let rude_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = format!("ws://{}", rude_listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = rude_listener.accept().await {
            let _ = stream.read_u8().await;
        }
    });
    let bad = [refused.as_str(), silent.as_str(), rude.as_str(), "ws://no-such-name.invalid", "nonsense"];
    for url in bad {
        owner.pool.connect(url, LOCAL);
    }
    let mut relay = Relay::start().await;
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({})], true);
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    let mut failures = std::collections::BTreeMap::<String, u32>::new();
    let mut number = 0;
    // Until each bad one failed three times, the good one delivers one event after another.
    while bad.iter().any(|url| failures.get(*url).is_none_or(|count| *count < 3)) {
        number += 1;
        let sent = event(number, number, 1);
        conn.event(&sub, &sent).await;
        loop {
            match owner.next().await {
                PoolEvent::Event { id, .. } => {
                    assert_eq!(id, sent["id"]);
                    break;
                }
                PoolEvent::Down { relay, why } => {
                    assert!(!why.is_empty());
                    *failures.entry(relay.to_string()).or_default() += 1;
                }
                _ => {}
            }
        }
        // paces: one event a millisecond, so that time passes while it runs
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(hole);
    let statuses = owner.pool.status();
    let good = statuses.iter().find(|status| *status.relay == *relay.url).unwrap();
    assert_eq!((good.state, good.connects), (LinkState::Open, 1));
}
