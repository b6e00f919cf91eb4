//! Publishing: one answer for each call, whatever the relay does.

use std::time::Duration;

use ocmesh_relay::{Lane, PublishOutcome, Tuning};

use crate::scripted::{LOCAL, Owner, Relay, quick};

fn body(id: &str) -> std::sync::Arc<str> {
    format!("{{\"id\":\"{id}\"}}").into()
}

#[tokio::test]
async fn every_kind_of_ok_gives_its_words_once() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    let long = "x".repeat(64 << 10);
    let cases = [
        (true, ""),
        (true, "duplicate: have it"),
        (false, "pow: 20 bits"),
        (false, "blocked: go away"),
        (false, "rate-limited: slow"),
        (false, "ERROR: auth-required: who"),
        (false, "unheard-of: x"),
        (false, "a\u{202e}b\u{7}"),
        (false, long.as_str()),
    ];
    for (number, (accepted, said)) in cases.into_iter().enumerate() {
        let e = &format!("e{number}");
        conn.ok(e, true, "before it was sent").await;
        conn.ok("other", true, "another").await;
        // Junk is counted: what came before it has been read.
        conn.send_text("junk".to_owned()).await;
        owner.status_until(|status| status.bad_frames == number as u64 + 1).await;
        owner.pool.publish(&relay.url, e, body(e), Lane::Direct);
        conn.expect("EVENT").await;
        conn.ok("other", true, "another").await;
        conn.ok(e, accepted, said).await;
        conn.ok(e, !accepted, "twice").await;
        let (id, outcome, told) = owner.answer().await;
        assert_eq!((&id, outcome), (e, PublishOutcome::Ok { accepted }), "{said:.40}");
        assert!(told.chars().count() <= 200 && !told.contains(['\u{202e}', '\u{7}']));
    }
    assert_eq!(owner.status().in_flight, 0);
}

#[tokio::test]
async fn silence_is_answered_with_a_time_out() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { publish_wait: Duration::from_millis(50), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    owner.pool.publish(&relay.url, "e", body("e"), Lane::Direct);
    conn.expect("EVENT").await;
    assert_eq!(owner.answer().await.1, PublishOutcome::TimedOut);
}

#[tokio::test]
async fn what_is_in_flight_is_lost_with_the_connection_and_what_comes_after_is_not_connected() {
    let mut relay = Relay::start().await;
    let mut owner =
        Owner::start(Tuning { in_flight_max: 1, redial_base: Duration::from_secs(600), redial_max: Duration::from_secs(600), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    for id in ["a", "b", "c"] {
        owner.pool.publish(&relay.url, id, body(id), Lane::Direct);
    }
    conn.expect("EVENT").await;
    drop(conn);
    let mut lost: Vec<String> = Vec::new();
    for _ in 0..3 {
        let (id, outcome, _) = owner.answer().await;
        assert_eq!(outcome, PublishOutcome::ConnectionLost);
        lost.push(id);
    }
    lost.sort();
    assert_eq!(lost, ["a", "b", "c"]);
    owner.down().await;
    for url in [relay.url.as_str(), "wss://never.connected"] {
        owner.pool.publish(url, "d", body("d"), Lane::Direct);
        assert_eq!(owner.answer().await.1, PublishOutcome::NotConnected);
    }
}

#[tokio::test]
async fn direct_messages_overtake_presence_and_a_full_lane_says_so() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { in_flight_max: 1, lane_max: 2, ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    owner.pool.publish(&relay.url, "first", body("first"), Lane::Presence);
    assert_eq!(conn.expect("EVENT").await[1]["id"], "first");
    for (id, lane) in [("p1", Lane::Presence), ("p2", Lane::Presence), ("p3", Lane::Presence), ("d1", Lane::Direct), ("d2", Lane::Direct)] {
        owner.pool.publish(&relay.url, id, body(id), lane);
    }
    let (id, outcome, said) = owner.answer().await;
    assert_eq!((id.as_str(), outcome, said.as_str()), ("p3", PublishOutcome::NotConnected, "queue full"));
    assert_eq!(owner.status().in_flight, 5);
    let mut before = "first".to_owned();
    for id in ["d1", "d2", "p1", "p2"] {
        conn.ok(&before, true, "").await;
        assert_eq!(conn.expect("EVENT").await[1]["id"], id);
        before = id.to_owned();
    }
}

#[tokio::test]
async fn a_disconnect_says_goodbye_and_leaves_nothing_unanswered() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    owner.pool.publish(&relay.url, "e", body("e"), Lane::Direct);
    conn.expect("EVENT").await;
    owner.pool.disconnect(&relay.url);
    assert_eq!(owner.answer().await.1, PublishOutcome::ConnectionLost);
    assert_eq!(owner.down().await, "disconnected");
    assert_eq!(conn.next().await, None);
    assert!(owner.pool.status().is_empty());
    // And again, from the start.
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    relay.accept().await;
}

#[tokio::test]
async fn a_shutdown_writes_what_was_queued_and_ends_in_time() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    for number in 0..100 {
        owner.pool.publish(&relay.url, &format!("e{number}"), body(&format!("e{number}")), Lane::Presence);
    }
    let (pool, mut events) = (owner.pool, owner.events);
    let shutdown = tokio::spawn(pool.shutdown());
    for number in 0..100 {
        assert_eq!(conn.expect("EVENT").await[1]["id"], format!("e{number}"));
    }
    assert_eq!(conn.next().await, None, "closed");
    let mut answered = 0;
    while let Some(event) = events.recv().await {
        answered += u32::from(matches!(event, ocmesh_relay::PoolEvent::Answered { .. }));
    }
    assert_eq!(answered, 100);
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_an_owner_that_does_not_read() {
    let mut relay = Relay::start().await;
    let tuning = Tuning { events_queued_max: 1, shutdown_wait: Duration::from_millis(100), ..quick() };
    let owner = Owner::start(tuning);
    owner.pool.connect(&relay.url, LOCAL);
    let _conn = relay.accept().await;
    tokio::time::timeout(Duration::from_secs(5), owner.pool.shutdown()).await.expect("in time");
}
