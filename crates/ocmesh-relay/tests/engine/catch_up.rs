//! Stored events past page caps, live ones beside them, and subscriptions that outlive everything.

use std::{collections::BTreeSet, time::Duration};

use ocmesh_relay::{PoolEvent, Tuning};
use serde_json::{Value, json};

use crate::scripted::{Conn, LOCAL, Owner, PATIENCE, Relay, event, quick};

/// Answers REQs from a store, newest first, up to a cap, until the subscription is closed or `until` says so.
async fn serve(conn: &mut Conn, stored: &[Value], cap: usize) {
    while let Some(frame) = conn.next().await {
        if frame[0] != "REQ" {
            continue;
        }
        let (sub, filter) = (frame[1].as_str().unwrap().to_owned(), &frame[2]);
        let since = filter["since"].as_u64().unwrap_or(0);
        let until = filter["until"].as_u64().unwrap_or(u64::MAX);
        let at = |event: &Value| event["created_at"].as_u64().unwrap();
        let mut page: Vec<&Value> = stored.iter().filter(|event| at(event) >= since && at(event) <= until).collect();
        page.sort_by_key(|event| (std::cmp::Reverse(at(event)), event["id"].as_str().unwrap().to_owned()));
        let cap = filter["limit"].as_u64().map_or(cap, |limit| usize::try_from(limit).unwrap());
        for event in page.into_iter().take(cap) {
            conn.event(&sub, event).await;
        }
        conn.eose(&sub).await;
    }
}

#[tokio::test]
async fn everything_behind_a_page_cap_is_delivered_once_and_then_it_is_said() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "wraps", vec![json!({"kinds": [1059], "since": 1})], true);
    let stored: Vec<Value> = (0..1_250).map(|n| event(n, 1_000 + n % 3, 1059)).collect();
    let mut conn = relay.accept().await;
    let server = tokio::spawn(async move { serve(&mut conn, &stored, 100).await });
    let ids = owner.caught_up().await;
    assert_eq!(ids.len(), 1_250);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1_250);
    server.abort();
}

#[tokio::test]
async fn live_events_flow_while_pages_are_on_their_way() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
    let mut conn = relay.accept().await;
    assert_eq!(conn.expect("REQ").await, json!(["REQ", "s", {"kinds": [1]}]));
    conn.event("s", &event(1, 100, 1)).await;
    conn.eose("s").await;
    let page = conn.expect("REQ").await;
    assert_eq!(page[2], json!({"kinds": [1], "until": 100}));
    let first = owner.event().await;
    conn.event("s", &event(2, 200, 1)).await;
    assert_ne!(owner.event().await, first);
    conn.send(json!(["EOSE", page[1], ["finish"]])).await;
    owner.until(|event| matches!(event, PoolEvent::CaughtUp { .. }).then_some(())).await;
    assert_eq!(conn.expect("CLOSE").await[1], page[1]);
}

#[tokio::test]
async fn what_was_not_asked_for_is_dropped_and_counted() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1059], "#p": ["me"], "since": 100})], true);
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    conn.eose(&sub).await;
    let tagged = |number, at, kind, to: &str| {
        let mut event = event(number, at, kind);
        event["tags"] = json!([["p", to]]);
        event
    };
    conn.event("unknown", &tagged(1, 200, 1059, "me")).await;
    conn.event(&sub, &tagged(2, 200, 4, "me")).await;
    conn.event(&sub, &tagged(3, 99, 1059, "me")).await;
    conn.event(&sub, &tagged(4, 200, 1059, "you")).await;
    let good = tagged(5, 200, 1059, "me");
    conn.event(&sub, &good).await;
    assert_eq!(owner.event().await, good["id"]);
    let status = owner.status();
    assert_eq!((status.events, status.events_dropped, status.bad_frames), (1, 4, 0));
}

#[tokio::test]
async fn a_dropped_connection_is_made_again_and_asked_the_same() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "live", vec![json!({"kinds": [1]})], true);
    owner.pool.subscribe(&relay.url, "once", vec![json!({"kinds": [2]})], false);
    for round in 0..5_u64 {
        let mut conn = relay.accept().await;
        let subs = BTreeSet::from([conn.req().await, conn.req().await]);
        assert_eq!(subs, BTreeSet::from(["live".to_owned(), "once".to_owned()]), "round {round}");
        let sent = event(round, 100 + round, 1);
        conn.event("live", &sent).await;
        assert_eq!(owner.event().await, sent["id"]);
        // Half of the time without a goodbye.
        if round % 2 == 0 {
            let _ = conn.socket.close(None).await;
        }
    }
    assert!(owner.status_until(|status| status.connects >= 5).await.last_error.is_some());
}

#[tokio::test]
async fn a_closed_subscription_comes_back_again_and_again() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
    let mut conn = relay.accept().await;
    for said in ["error: shutting down idle subscription", "ERROR: auth-required: x", "blocked: x", ""].repeat(5) {
        let sub = conn.req().await;
        conn.send(json!(["CLOSED", sub, said])).await;
        let told = owner.until(|event| if let PoolEvent::Closed { said, .. } = event { Some(said.clone()) } else { None }).await;
        assert_eq!(told, said);
    }
    let sub = conn.req().await;
    conn.event(&sub, &event(1, 100, 1)).await;
    owner.event().await;
}

#[tokio::test]
async fn without_eose_nothing_is_claimed_and_live_goes_on() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { page_quiet: Duration::from_millis(50), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
    let mut conn = relay.accept().await;
    let main = conn.req().await;
    conn.event(&main, &event(1, 100, 1)).await;
    // Pages without an answer, then one that is answered.
    let (mut page, mut told) = (String::new(), Vec::new());
    for _ in 0..3 {
        page = conn.req().await;
        told.push(owner.next().await);
        conn.event(&main, &event(told.len() as u64 + 10, 200, 1)).await;
    }
    assert!(!told.iter().any(|event| matches!(event, PoolEvent::CaughtUp { .. })), "{told:?}");
    tokio::spawn(async move {
        conn.eose(&page).await;
        while let Some(frame) = conn.next().await {
            if frame[0] == "REQ" {
                conn.eose(frame[1].as_str().unwrap()).await;
            }
        }
    });
    owner.caught_up().await;
}

/// An owner that empties its channel and is busy until it is full again must not hear of one relay alone: it would have forgotten an event when
/// the next relay brings it too.
#[tokio::test]
async fn relays_that_bring_much_take_turns() {
    const RELAYS: usize = 5;
    const QUEUED: usize = 64;
    const TAKEN: usize = 20 * QUEUED;
    let mut owner = Owner::start(Tuning { events_queued_max: QUEUED, ..quick() });
    let mut relays = Vec::new();
    for _ in 0..RELAYS {
        let mut relay = Relay::start().await;
        owner.pool.connect(&relay.url, LOCAL);
        owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
        let mut conn = relay.accept().await;
        conn.req().await;
        relays.push((relay, conn));
    }
    while owner.pool.status().iter().any(|status| status.state != ocmesh_relay::LinkState::Open) || !owner.events.is_empty() {
        owner.next().await;
    }
    // All of it lies in the sockets before anything is taken.
    for (_, conn) in &mut relays {
        for number in 0..TAKEN as u64 {
            conn.event("s", &event(number, 100 + number, 1)).await;
        }
    }
    let mut brought = std::collections::BTreeMap::<_, usize>::new();
    for _ in 0..TAKEN / QUEUED {
        let full = async {
            while owner.events.len() < QUEUED {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, full).await.unwrap();
        let mut taken = Vec::new();
        owner.events.recv_many(&mut taken, QUEUED).await;
        for told in taken {
            if let PoolEvent::Event { relay, .. } = told {
                *brought.entry(relay).or_default() += 1;
            }
        }
    }
    let fair = TAKEN / RELAYS;
    assert!(brought.len() == RELAYS && brought.values().all(|count| (fair / 2..fair * 2).contains(count)), "{brought:?}");
}

#[tokio::test]
async fn a_slow_owner_loses_nothing_and_stops_the_reading() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { events_queued_max: 4, publish_wait: Duration::from_secs(1), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
    owner.open().await;
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    conn.eose(&sub).await;
    // The answer stands behind events that nobody takes: its time must not run meanwhile.
    owner.pool.publish(&relay.url, "published", "{\"id\":\"published\"}".into(), ocmesh_relay::Lane::Direct);
    conn.expect("EVENT").await;
    let sent = 3_000_u64;
    let server = tokio::spawn(async move {
        for number in 0..sent {
            conn.event("s", &event(number, 100 + number, 1)).await;
        }
        conn.ok("published", true, "").await;
        conn
    });
    // What fits into the queue is in; then it stands still, for longer than the answer may take.
    let mut before = 0;
    loop {
        // paces: two looks at the count, further apart than the answer may take
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let now = owner.status().events;
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(before < 100, "{before} events were read ahead of a stalled owner");
    let (mut got, mut answered) = (0, false);
    while !(answered && got == sent) {
        match owner.next().await {
            PoolEvent::Event { .. } => got += 1,
            PoolEvent::Answered { outcome, .. } => {
                assert_eq!(outcome, ocmesh_relay::PublishOutcome::Ok { accepted: true });
                answered = true;
            }
            PoolEvent::Down { why, .. } => panic!("{why}"),
            _ => {}
        }
    }
    server.await.unwrap();
}

#[tokio::test]
async fn unsubscribing_and_replacing_are_told_to_the_relay() {
    let mut relay = Relay::start().await;
    let owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1]})], true);
    let mut conn = relay.accept().await;
    let first = conn.req().await;
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [2]})], true);
    assert_eq!(conn.expect("CLOSE").await[1], first.as_str());
    let second = conn.expect("REQ").await;
    assert_eq!(second[2], json!({"kinds": [2]}));
    owner.pool.unsubscribe(&relay.url, "s");
    assert_eq!(conn.expect("CLOSE").await[1], second[1]);
    owner.status_until(|status| status.subscriptions == 0).await;
}

#[tokio::test]
async fn a_name_that_cannot_be_kept_is_refused_aloud() {
    let relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, &"n".repeat(49), vec![], true);
    owner.until(|event| matches!(event, PoolEvent::Closed { .. }).then_some(())).await;
}
