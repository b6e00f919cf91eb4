//! Catch-up by comparing sets (NIP-77), and what becomes of it when the relay does it wrongly.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use ocmesh_relay::{HeldEvent, PoolEvent, Tuning};
use serde_json::{Value, json};

use crate::scripted::{Conn, LOCAL, LOCAL_AUTH, Owner, Relay, event, quick};

/// All events of these tests are dated here, unless the test says otherwise.
const SECOND: u64 = 1_000_000;

/// How a relay answers NEG-OPEN and NEG-MSG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compares {
    Well,
    Never,
    Blocked,
    ByClosed,
    InGarbage,
    InOtherHex,
    UnderAnotherName,
    ForEver,
    WithPhantoms(usize),
    AsIfEmpty,
    /// Well, and then it does not give by id.
    WithoutGiving,
    /// Well, and then it closes every REQ for ids.
    ClosingIds,
}

/// A relay with a store, a page cap, and a way to compare sets.
struct Shop {
    stored: Vec<Value>,
    cap: usize,
    compares: Compares,
    sets: HashMap<String, Negentropy<'static, NegentropyStorageVector>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

fn bytes(event: &Value) -> [u8; 32] {
    hex::decode(event["id"].as_str().unwrap()).unwrap().try_into().unwrap()
}

fn at(event: &Value) -> u64 {
    event["created_at"].as_u64().unwrap()
}

/// One range to the end of time with these ids in it.
fn list(ids: &[[u8; 32]]) -> String {
    assert!(ids.len() < 128 * 128);
    let count = vec![128 + u8::try_from(ids.len() / 128).unwrap(), u8::try_from(ids.len() % 128).unwrap()];
    format!("61000002{}{}", hex::encode(count), hex::encode(ids.concat()))
}

impl Shop {
    fn new(stored: Vec<Value>, cap: usize, compares: Compares) -> Self {
        Self { stored, cap, compares, sets: HashMap::new(), asked: Arc::default() }
    }

    async fn serve(mut self, mut conn: Conn) {
        while let Some(frame) = conn.next().await {
            self.asked.lock().unwrap().push(frame.clone());
            let sub = frame[1].as_str().unwrap_or_default().to_owned();
            match frame[0].as_str().unwrap() {
                "REQ" => self.page(&mut conn, &sub, &frame).await,
                "NEG-OPEN" => {
                    let mut storage = NegentropyStorageVector::new();
                    let since = frame[2]["since"].as_u64().unwrap_or(0);
                    for event in self.stored.iter().filter(|event| at(event) >= since) {
                        storage.insert(at(event), Id::from_byte_array(bytes(event))).unwrap();
                    }
                    storage.seal().unwrap();
                    self.sets.insert(sub.clone(), Negentropy::owned(storage, 4_096).unwrap());
                    self.compare(&mut conn, &sub, frame[3].as_str().unwrap()).await;
                }
                "NEG-MSG" => self.compare(&mut conn, &sub, frame[2].as_str().unwrap()).await,
                _ => {}
            }
        }
    }

    async fn page(&self, conn: &mut Conn, sub: &str, frame: &Value) {
        let mut shown = BTreeSet::new();
        for filter in frame.as_array().unwrap().iter().skip(2) {
            let (since, until) = (filter["since"].as_u64().unwrap_or(0), filter["until"].as_u64().unwrap_or(u64::MAX));
            let ids = filter["ids"].as_array();
            if ids.is_some() && self.compares == Compares::ClosingIds {
                return conn.send(json!(["CLOSED", sub, "error: no ids"])).await;
            }
            if ids.is_some() && self.compares == Compares::WithoutGiving {
                continue;
            }
            let fits = |event: &&Value| ids.is_none_or(|ids| ids.contains(&event["id"])) && (since..=until).contains(&at(event));
            let mut page: Vec<&Value> = self.stored.iter().filter(fits).collect();
            page.sort_by_key(|event| (std::cmp::Reverse(at(event)), event["id"].as_str().unwrap().to_owned()));
            let limit = filter["limit"].as_u64().map_or(self.cap, |limit| usize::try_from(limit).unwrap().min(self.cap));
            for event in page.into_iter().take(limit) {
                if shown.insert(event["id"].to_string()) {
                    conn.event(sub, event).await;
                }
            }
        }
        conn.eose(sub).await;
    }

    async fn compare(&mut self, conn: &mut Conn, sub: &str, hex: &str) {
        let answer = |text: String| json!(["NEG-MSG", sub, text]);
        let mut right = || hex::encode(self.sets.get_mut(sub).unwrap().reconcile(&hex::decode(hex).unwrap()).unwrap());
        match self.compares {
            Compares::Well | Compares::WithoutGiving | Compares::ClosingIds => conn.send(answer(right())).await,
            Compares::Never => {}
            Compares::Blocked => conn.send(json!(["NEG-ERR", sub, "blocked: this query is too big"])).await,
            Compares::ByClosed => conn.send(json!(["CLOSED", sub, "error: unknown"])).await,
            Compares::InGarbage => conn.send(answer("no hex".to_owned())).await,
            Compares::InOtherHex => conn.send(answer("6100000203".to_owned())).await,
            Compares::UnderAnotherName => conn.send(json!(["NEG-MSG", format!("{sub}x"), right()])).await,
            Compares::ForEver => conn.send(answer(format!("61000001{}", "00".repeat(16)))).await,
            Compares::WithPhantoms(n) => {
                let real = self.stored.iter().map(bytes);
                let made_up = (0..n).map(|n| bytes(&event(900_000 + n as u64, SECOND, 1059)));
                conn.send(answer(list(&real.chain(made_up).collect::<Vec<_>>()))).await;
            }
            Compares::AsIfEmpty => conn.send(answer(list(&[]))).await,
        }
    }
}

/// A relay's document that lists these NIPs.
fn document(nips: &str) -> Option<String> {
    let body = format!("{{\"supported_nips\":{nips}}}");
    Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
}

/// What came until the relay was caught up with, and what was cut.
async fn caught_up(owner: &mut Owner) -> (Vec<String>, Option<u64>) {
    let mut ids = Vec::new();
    loop {
        match owner.next().await {
            PoolEvent::Event { id, .. } => ids.push(id),
            PoolEvent::CaughtUp { cut, .. } => return (ids, cut),
            _ => {}
        }
    }
}

struct Run {
    owner: Owner,
    asked: Arc<Mutex<Vec<Value>>>,
    _relay: Relay,
}

impl Run {
    async fn start(shop: Shop, nips: &str, held: Option<Vec<HeldEvent>>, tuning: Tuning) -> Self {
        let mut relay = Relay::start().await;
        *relay.document.lock().unwrap() = document(nips);
        let owner = Owner::start(tuning);
        *owner.shelf.held.lock().unwrap() = held;
        owner.pool.connect(&relay.url, LOCAL);
        owner.pool.subscribe_reconciled(
            &relay.url,
            "s",
            vec![json!({"kinds": [1059], "since": 1_000})],
            json!({"kinds": [1059], "since": 10}),
        );
        let (conn, asked) = (relay.accept().await, Arc::clone(&shop.asked));
        tokio::spawn(shop.serve(conn));
        Self { owner, asked, _relay: relay }
    }

    /// The frames with that label.
    fn asked(&self, label: &str) -> Vec<Value> {
        self.asked.lock().unwrap().iter().filter(|frame| frame[0] == label).cloned().collect()
    }
}

/// Quick, and with little patience for silence.
fn hasty() -> Tuning {
    Tuning { page_quiet: Duration::from_millis(300), ..quick() }
}

fn ties(count: u64) -> Vec<Value> {
    (0..count).map(|n| event(n, SECOND, 1059)).collect()
}

fn set(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn ties_beyond_a_page_are_found_by_comparing_sets() {
    for cap in [30, 100, 500] {
        let stored = ties(1_250);
        let mut run = Run::start(Shop::new(stored.clone(), cap, Compares::Well), "[1,77]", Some(Vec::new()), quick()).await;
        let (ids, cut) = caught_up(&mut run.owner).await;
        assert_eq!((ids.len(), cut), (1_250, None), "cap {cap}");
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), set(&stored));
        let batches = run.asked("REQ").into_iter().filter(|req| req[2]["ids"].is_array()).collect::<Vec<_>>();
        assert!(batches.iter().all(|req| req[2]["ids"].as_array().unwrap().len() <= 100), "bounded batches");
        assert!(batches.iter().all(|req| req[2]["kinds"] == json!([1059]) && req[2]["since"].is_null()), "{batches:?}");
        assert_eq!(run.asked("NEG-CLOSE").len(), 1);
    }
}

#[tokio::test]
async fn where_sets_cannot_be_compared_the_cut_second_is_told() {
    let mut run = Run::start(Shop::new(ties(250), 100, Compares::Well), "[1,11]", Some(Vec::new()), quick()).await;
    let (ids, cut) = caught_up(&mut run.owner).await;
    assert_eq!((ids.len(), cut), (100, Some(SECOND)));
    assert_eq!(run.asked("NEG-OPEN"), [] as [Value; 0]);
    // Fewer than a page, or told to be all: nothing is cut.
    let mut run = Run::start(Shop::new(ties(19), 100, Compares::Well), "[1]", Some(Vec::new()), quick()).await;
    assert_eq!(caught_up(&mut run.owner).await.1, None);
}

#[tokio::test]
async fn what_the_owner_has_is_not_fetched_and_what_is_dated_far_back_is() {
    let mut stored = ties(300);
    let held = stored.iter().map(|event| HeldEvent { created_at: at(event), id: bytes(event) }).collect();
    // Before the filter's own look-back, within the comparison's.
    stored.push(event(7_777, 500, 1059));
    // Before both.
    stored.push(event(8_888, 5, 1059));
    let mut run = Run::start(Shop::new(stored.clone(), 100, Compares::Well), "[77]", Some(held), quick()).await;
    let (ids, cut) = caught_up(&mut run.owner).await;
    assert_eq!(cut, None);
    assert_eq!(ids.len(), 101, "one page, and the late one");
    assert!(ids.contains(&stored[300]["id"].as_str().unwrap().to_owned()));
    let fetched: Vec<_> = run.asked("REQ").into_iter().filter(|req| req[2]["ids"].is_array()).map(|req| req[2]["ids"].clone()).collect();
    assert_eq!(fetched, [json!([stored[300]["id"]])]);
}

#[tokio::test]
async fn whatever_goes_wrong_pages_bring_everything() {
    let spread: Vec<Value> = (0..250).map(|n| event(n, SECOND + n, 1059)).collect();
    for compares in [
        Compares::Never,
        Compares::Blocked,
        Compares::ByClosed,
        Compares::InGarbage,
        Compares::InOtherHex,
        Compares::UnderAnotherName,
        Compares::ForEver,
        Compares::WithPhantoms(1),
        Compares::WithPhantoms(500),
        Compares::AsIfEmpty,
        Compares::WithoutGiving,
        Compares::ClosingIds,
    ] {
        let mut run = Run::start(Shop::new(spread.clone(), 100, compares), "[77]", Some(Vec::new()), hasty()).await;
        let (ids, cut) = caught_up(&mut run.owner).await;
        assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), set(&spread), "{compares:?}");
        assert_eq!((ids.len(), cut), (250, None), "{compares:?}");
        assert_eq!(run.asked("NEG-OPEN").len(), 1, "{compares:?}");
        assert!(run.asked("REQ").len() < 20, "{compares:?}");
    }
}

#[tokio::test]
async fn a_relay_that_compares_wrongly_is_never_taken_as_whole() {
    for compares in [Compares::Blocked, Compares::ForEver, Compares::AsIfEmpty, Compares::WithPhantoms(1), Compares::WithoutGiving] {
        let mut run = Run::start(Shop::new(ties(250), 100, compares), "[77]", Some(Vec::new()), hasty()).await;
        assert_eq!(caught_up(&mut run.owner).await.1, Some(SECOND), "{compares:?}");
    }
    // What the owner cannot tell is not compared.
    let mut run = Run::start(Shop::new(ties(250), 100, Compares::Well), "[77]", None, quick()).await;
    assert_eq!(caught_up(&mut run.owner).await.1, Some(SECOND));
    assert!(run.asked("NEG-OPEN").is_empty());
}

#[tokio::test]
async fn the_bounds_of_a_comparison_hold() {
    let more = |tuning: Tuning| async {
        let mut run = Run::start(Shop::new(ties(250), 100, Compares::Well), "[77]", Some(Vec::new()), tuning).await;
        (caught_up(&mut run.owner).await.1, run.asked("NEG-MSG").len())
    };
    // In frames of 4 KiB the relay lists some 120 ids a round.
    assert_eq!(more(quick()).await, (None, 2));
    assert_eq!(more(Tuning { reconcile_ids_max: 249, ..quick() }).await.0, Some(SECOND));
    assert_eq!(more(Tuning { reconcile_rounds_max: 2, ..quick() }).await, (Some(SECOND), 1));
    assert_eq!(more(Tuning { reconcile_wait: Duration::ZERO, ..quick() }).await, (Some(SECOND), 0));
    let forever = Shop::new(ties(250), 100, Compares::ForEver);
    let mut run = Run::start(forever, "[77]", Some(Vec::new()), Tuning { reconcile_idle_rounds_max: 5, ..quick() }).await;
    caught_up(&mut run.owner).await;
    assert_eq!(run.asked("NEG-MSG").len(), 4);
    // Our own frames stay small, whatever we hold.
    let held = (0..50_000).map(|n| HeldEvent { created_at: SECOND + n % 9, id: bytes(&event(1_000_000 + n, 0, 0)) }).collect();
    let mut run = Run::start(Shop::new(ties(50), 100, Compares::Well), "[77]", Some(held), quick()).await;
    assert_eq!(caught_up(&mut run.owner).await.1, None);
    let frames = [run.asked("NEG-OPEN"), run.asked("NEG-MSG")].concat();
    assert!(frames.len() > 1 && frames.iter().all(|frame| frame.to_string().len() < 50_000), "{}", frames.len());
}

#[tokio::test]
async fn live_events_flow_while_sets_are_compared() {
    let mut relay = Relay::start().await;
    *relay.document.lock().unwrap() = document("[77]");
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe_reconciled(&relay.url, "s", vec![json!({"kinds": [1]})], json!({"kinds": [1]}));
    let mut conn = relay.accept().await;
    conn.expect("REQ").await;
    conn.eose("s").await;
    let open = conn.expect("NEG-OPEN").await;
    assert_eq!(open[2], json!({"kinds": [1]}));
    for number in 0..3 {
        conn.event("s", &event(number, SECOND, 1)).await;
        owner.event().await;
    }
    // A connection lost in the middle begins anew.
    drop(conn);
    let mut conn = relay.accept().await;
    conn.expect("REQ").await;
    conn.eose("s").await;
    let open = conn.expect("NEG-OPEN").await;
    conn.send(json!(["NEG-MSG", open[1], list(&[])])).await;
    let (_, cut) = caught_up(&mut owner).await;
    assert_eq!(cut, None);
    // So does one that is replaced.
    owner.pool.subscribe_reconciled(&relay.url, "s", vec![json!({"kinds": [2]})], json!({"kinds": [2]}));
    let again = conn.req().await;
    conn.eose(&again).await;
    let open = conn.expect("NEG-OPEN").await;
    owner.pool.unsubscribe(&relay.url, "s");
    assert_eq!(conn.expect("NEG-CLOSE").await[1], open[1]);
    assert_eq!(conn.expect("CLOSE").await[1], again.as_str());
}

#[tokio::test]
async fn nothing_is_claimed_before_the_relay_knows_us() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1059]})], true);
    let mut conn = relay.accept().await;
    conn.send(json!(["AUTH", "who are you"])).await;
    let first = conn.req().await;
    let auth = conn.expect("AUTH").await;
    // It hides what it has until it knows us, and says that this is all.
    conn.send(json!(["EOSE", first, ["finish"]])).await;
    conn.event(&first, &event(1, SECOND, 1059)).await;
    assert!(!matches!(
        owner.until(|event| matches!(event, PoolEvent::CaughtUp { .. } | PoolEvent::Event { .. }).then(|| event.clone())).await,
        PoolEvent::CaughtUp { .. }
    ));
    conn.ok(auth[1]["id"].as_str().unwrap(), true, "").await;
    let again = conn.req().await;
    conn.event(&again, &event(2, SECOND, 1059)).await;
    conn.send(json!(["EOSE", again, ["finish"]])).await;
    let (ids, cut) = caught_up(&mut owner).await;
    assert_eq!((ids.len(), cut), (1, None));
}
