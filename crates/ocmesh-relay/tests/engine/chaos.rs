//! A relay without manners, by seed: every publish gets exactly one answer, and the last subscription still lives.

use std::{collections::BTreeMap, time::Duration};

use ocmesh_relay::{Lane, PoolEvent, Tuning};
use serde_json::json;

use crate::scripted::{Conn, LOCAL_AUTH, Owner, Relay, event, quick};

/// A small generator; the seed is in the name of what fails.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Treats one connection badly until it ends or `calm` frames were seen.
async fn misbehave(conn: &mut Conn, dice: &mut Dice) {
    let mut challenge = 0;
    while let Some(frame) = conn.next().await {
        let id = frame[1].as_str().or(frame[1]["id"].as_str()).unwrap_or_default().to_owned();
        match (frame[0].as_str().unwrap(), dice.roll(12)) {
            (_, 0) => return,
            (_, 1) => {
                challenge += 1;
                conn.send(json!(["AUTH", format!("c{challenge}")])).await;
            }
            ("EVENT", 2) => {}
            ("EVENT", 3) => conn.ok(&id, false, "auth-required: x").await,
            ("EVENT", 4) => {
                conn.ok(&id, true, "").await;
                conn.ok(&id, false, "error: second thoughts").await;
            }
            ("EVENT", 5) => conn.send_text("{\"junk\":".to_owned()).await,
            ("EVENT", roll) => conn.ok(&id, roll % 2 == 0, "words").await,
            ("AUTH", roll) => conn.ok(&id, roll % 3 != 0, "").await,
            ("REQ", 2..=4) => conn.send(json!(["CLOSED", id, "error: no reason"])).await,
            ("REQ", 5) => {}
            ("REQ", _) => conn.eose(&id).await,
            _ => conn.send(json!(["NOTICE", "?"])).await,
        }
    }
}

async fn one_answer_each(seed: u64) {
    let mut relay = Relay::start().await;
    let tuning = Tuning {
        publish_wait: Duration::from_millis(100),
        page_quiet: Duration::from_millis(50),
        auth_wait: Duration::from_millis(50),
        auth_hold: Duration::from_millis(20),
        lane_max: 8,
        in_flight_max: 4,
        events_queued_max: 8,
        seed: Some(seed),
        ..quick()
    };
    let mut owner = Owner::start(tuning);
    let mut dice = Dice(seed);
    let url = relay.url.clone();
    owner.pool.connect(&url, LOCAL_AUTH);
    owner.pool.subscribe(&url, "s", vec![json!({"kinds": [1]})], true);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let mut chaos = Dice(seed ^ 0xFFFF);
        let endless = async {
            loop {
                let mut conn = relay.accept().await;
                misbehave(&mut conn, &mut chaos).await;
            }
        };
        tokio::select! { () = endless => {}, _ = stopped => {} }
        relay
    });
    let mut asked = BTreeMap::<String, i64>::new();
    for number in 0..400 {
        let id = format!("e{}", dice.roll(60));
        *asked.entry(id.clone()).or_default() += 1;
        let lane = if number % 3 == 0 { Lane::Presence } else { Lane::Direct };
        owner.pool.publish(&url, &id, format!("{{\"id\":\"{id}\"}}").into(), lane);
        if dice.roll(50) == 0 {
            owner.pool.wake();
        }
        if dice.roll(4) == 0 {
            // paces: the chaos leaves uneven gaps between what it does
            tokio::time::sleep(Duration::from_millis(dice.roll(8))).await;
        }
        while let Ok(event) = owner.events.try_recv() {
            settle(&mut asked, &event);
        }
    }
    while asked.values().any(|open| *open > 0) {
        settle(&mut asked, &owner.next().await);
    }
    // After all that the subscription is still there: a calm relay gets it and is heard.
    let _ = stop.send(());
    let mut relay = server.await.unwrap();
    loop {
        let mut conn = relay.accept().await;
        let Some(frame) = conn.next().await else { continue };
        if frame[0] == "REQ" {
            conn.event(frame[1].as_str().unwrap(), &event(seed, 100, 1)).await;
            let wanted = event(seed, 100, 1)["id"].as_str().unwrap().to_owned();
            loop {
                let event = owner.next().await;
                settle(&mut asked, &event);
                if matches!(&event, PoolEvent::Event { id, .. } if *id == wanted) {
                    break;
                }
            }
            break;
        }
    }
    assert!(asked.values().all(|open| *open == 0), "{asked:?}");
}

fn settle(asked: &mut BTreeMap<String, i64>, event: &PoolEvent) {
    if let PoolEvent::Answered { event_id, .. } = event {
        let open = asked.get_mut(event_id).expect("only what was asked");
        *open -= 1;
        assert!(*open >= 0, "{event_id} answered too often");
    }
}

#[tokio::test]
async fn each_publish_gets_exactly_one_answer_whatever_happens() {
    for seed in 1..=12 {
        tokio::time::timeout(Duration::from_secs(60), one_answer_each(seed)).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
}
