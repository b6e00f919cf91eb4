//! Forged events, by two relays at once, through the pool and the door: none gets in, and none keeps the genuine one out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ocmesh_proto::{
    DirectDraft, Draft, DraftBody, Form, PeerStatus, PresenceDraft, PresenceVehicle, PubKey, kind,
    time::{DAY, MINUTE, SECOND},
};
use ocmesh_relay::{Authenticator, ConnectOptions, HeldSet, Holdings, Pool, PoolConfig, Tuning};
use ocmesh_testkit::{
    MisbehavingRelay,
    mutation::{Forger, MUTATIONS},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

use super::*;

const NOW: At = At::from_secs(1_800_000_000);
const BOB: [u8; 32] = [2; 32];
/// Longest wait for one round: it takes some 10 ms.
const BOUND: Duration = Duration::from_secs(60);
/// Forged events a round. Below what the relay keeps for a slow client.
const ROUND: usize = 100;

struct Nobody;

impl Authenticator for Nobody {
    fn sign_auth(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

impl Holdings for Nobody {
    fn held(&self, _: &str, _: Option<u64>) -> Option<HeldSet> {
        None
    }
}

fn keys(byte: u8) -> Keys {
    Keys::from_secret_bytes(&[byte; 32]).unwrap()
}

/// A genuine event: each kind and form that the door reads, in turn, by three authors.
fn genuine(number: usize) -> Value {
    let author = keys(u8::try_from(11 + number % 3).unwrap());
    let created_at = NOW.minus(SECOND * u64::try_from(number % 500).unwrap());
    let relays = || vec![RelayUrl::parse(&format!("wss://r{number}.example.com")).unwrap()];
    // Each newer than the ones before: an older one is not looked at.
    let announced_at = NOW.minus(DAY).plus(SECOND * u64::try_from(number).unwrap());
    let presence = |vehicle| PresenceDraft {
        vehicle,
        name: format!("Zo\u{eb} {number}"),
        features: vec!["messaging".to_owned(), "a / b".to_owned()],
        status: PeerStatus::Online,
        next_at: NOW.plus(5 * MINUTE),
        expires_at: NOW.plus(15 * MINUTE),
        relays: relays(),
        work_asked: 0,
        created_at: announced_at,
    };
    let direct = |form| {
        let body = DraftBody::Text(format!("message {number}, caf\u{e9} \u{1f980}, \"quoted\""));
        let (reply_to, subject, chain, place) = (None, Some("a subject".to_owned()), None, None);
        Draft::Direct(DirectDraft {
            to: bob(),
            form,
            body,
            written_at: created_at,
            reply_to,
            subject,
            chain,
            place,
            urgent: false,
            own_copy: false,
        })
    };
    let draft = match number % 8 {
        0 => Draft::Presence(presence(PresenceVehicle::Addressable)),
        1 => Draft::Presence(presence(PresenceVehicle::Note)),
        2 => Draft::DmRelays { relays: relays(), created_at },
        3 => Draft::RelayList { relays: relays(), created_at },
        4 => Draft::Profile { name: format!("P{number}"), about: "x y".to_owned(), features: vec![], created_at },
        5 => direct(Form::Nip04),
        6 => direct(Form::Nip44),
        _ => direct(Form::Nip17),
    };
    serde_json::from_str(&ocmesh_wire::seal(&author, "0.3.0", &draft, None, NOW).unwrap().event.json).unwrap()
}

fn bob() -> PubKey {
    Keys::from_secret_bytes(&BOB).unwrap().public()
}

/// Two relays that say what they are told, the pool that listens to both, and the door behind it.
struct Door {
    relays: [MisbehavingRelay; 2],
    events: mpsc::Receiver<PoolEvent>,
    ingest: Ingest,
    _pool: Pool,
}

impl Door {
    async fn open() -> Self {
        let relays = [MisbehavingRelay::start().await.unwrap(), MisbehavingRelay::start().await.unwrap()];
        // These relays send much that is no event at all; left at the default the pool hangs up on them.
        let tuning = Tuning { bad_frames_max: u32::MAX, ..Tuning::default() };
        let began = tokio::time::Instant::now();
        let config =
            PoolConfig { authenticator: Arc::new(Nobody), holdings: Arc::new(Nobody), user_agent: "test".to_owned(), tuning, began };
        let (pool, events) = Pool::start(config);
        for relay in &relays {
            pool.connect(relay.url(), ConnectOptions { private_ok: true, auth: false });
            pool.subscribe(relay.url(), "all", vec![json!({"limit": 0})], true);
            until("the subscription", PATIENCE, async || relay.seen().reqs.first().map(drop)).await.unwrap();
        }
        let (inputs, _) = mpsc::channel(1);
        let recent = Arc::new(Mutex::new(Recent::default()));
        let ingest = Ingest {
            keys: Arc::new(Keys::from_secret_bytes(&BOB).unwrap()),
            clock: Clock::from_fn(|| NOW),
            recent,
            door: ocmesh_proto::Door::new(0),
            accepted: Arc::default(),
            forgeries: Forgeries::default(),
            forged: Generations::of(1_024),
            inputs,
        };
        Self { relays, events, ingest, _pool: pool }
    }

    fn say(&self, relay: usize, event: &str) {
        self.relays[relay].say(format!("[\"EVENT\",\"all\",{event}]"));
    }

    /// Everything that both have said so far, as the mesh would hear it: the ids of what got in.
    async fn heard(&mut self, marks: &mut usize) -> Vec<String> {
        // A genuine event at the end of each relay's words shows that everything before it is through.
        let mut awaited: Vec<String> = Vec::new();
        for relay in 0..2 {
            *marks += 1;
            let mark = mark(*marks);
            self.say(relay, &mark.to_string());
            awaited.push(mark["id"].as_str().unwrap().to_owned());
        }
        let mut inside = Vec::new();
        while !awaited.is_empty() {
            let event = tokio::time::timeout(BOUND, self.events.recv()).await.expect("the marks come").unwrap();
            assert!(!matches!(event, PoolEvent::Down { .. }), "{event:?}");
            let PoolEvent::Event { id, .. } = &event else { continue };
            let id = id.clone();
            if self.ingest.hear(event).is_some_and(|heard| matches!(heard.input, Some(Input::EventOpened { .. }))) {
                match awaited.iter().position(|mark| *mark == id) {
                    Some(index) => drop(awaited.remove(index)),
                    None => inside.push(id),
                }
            }
        }
        inside
    }
}

/// A presence with a number in it.
fn mark(number: usize) -> Value {
    let draft = PresenceDraft {
        vehicle: PresenceVehicle::Addressable,
        name: format!("mark {number}"),
        features: vec![],
        status: PeerStatus::Online,
        next_at: NOW.plus(5 * MINUTE),
        expires_at: NOW.plus(15 * MINUTE),
        relays: vec![],
        work_asked: 0,
        created_at: NOW,
    };
    serde_json::from_str(&ocmesh_wire::seal(&keys(20), "0.3.0", &Draft::Presence(draft), None, NOW).unwrap().event.json).unwrap()
}

/// So many forged events, each at the door itself and by two relays, before and after the genuine one.
async fn forge(count: usize, seed: u64) {
    let began = Instant::now();
    let mut door = Door::open().await;
    let mut forger = Forger::new(seed, &BOB).unwrap();
    (0..24).for_each(|number| forger.see(&genuine(number)));
    let own = Keys::from_secret_bytes(&BOB).unwrap();
    let (mut tally, mut made, mut marks): (BTreeMap<&str, usize>, usize, usize) = (BTreeMap::new(), 0, 0);
    for round in 100.. {
        if made >= count {
            break;
        }
        let good = genuine(round);
        let (text, id) = (good.to_string(), good["id"].as_str().unwrap().to_owned());
        let mut forged = Vec::new();
        while forged.len() < ROUND {
            let (name, change) = *forger.dice.pick(MUTATIONS).unwrap();
            let Some(event) = forger.change(&good, change) else { continue };
            let opened = ocmesh_wire::open(&own, &event, NOW);
            assert!(opened.is_err(), "{name}: {event}\nwas taken for {opened:?}\nas was {text}");
            *tally.entry(name).or_default() += 1;
            forged.push(event);
        }
        made += forged.len();
        assert!(ocmesh_wire::open(&own, &text, NOW).is_ok(), "{text}");
        let (first, second) = (round % 2, (round + 1) % 2);
        if round % 4 < 2 {
            // A relay that forges is quicker than one that does not.
            forged.iter().for_each(|event| [first, second].into_iter().for_each(|relay| door.say(relay, event)));
            assert_eq!(door.heard(&mut marks).await, Vec::<String>::new());
            [second, first].into_iter().for_each(|relay| door.say(relay, &text));
            assert_eq!(door.heard(&mut marks).await, [id.as_str()], "the genuine one, once");
        } else {
            // One that knows what was taken already sends the same id with something else.
            [first, second].into_iter().for_each(|relay| door.say(relay, &text));
            assert_eq!(door.heard(&mut marks).await, [id.as_str()], "the genuine one, once");
            forged.iter().for_each(|event| [second, first].into_iter().for_each(|relay| door.say(relay, event)));
            assert_eq!(door.heard(&mut marks).await, Vec::<String>::new());
        }
    }
    assert_eq!(tally.len(), MUTATIONS.len(), "every way was tried: {tally:?}");
    println!("{made} forged events in {:.1?}, each at the door and by two relays: 0 accepted. {tally:#?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_thousand_forged_events_by_two_relays_none_is_accepted_and_each_genuine_one_once() {
    forge(20_000, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: cargo test -p ocmesh-daemon --lib a_million_forged -- --ignored --nocapture"]
async fn of_a_million_forged_events_by_two_relays_none_is_accepted() {
    forge(1_000_000, 2).await;
}

/// What is dated far off is no state, whoever signed it; a message is dated as its author likes, and still counts once.
#[test]
fn states_of_the_future_are_dropped_and_messages_of_any_time_are_read() {
    let (own, author) = (keys(2), keys(11));
    for created_at in [NOW.plus(11 * MINUTE), NOW.plus(365 * DAY), At::from_secs(4_102_444_800), At(u64::MAX)] {
        for draft in [
            Draft::DmRelays { relays: vec![], created_at },
            Draft::Profile { name: "x".to_owned(), about: String::new(), features: vec![], created_at },
        ] {
            let event = ocmesh_wire::seal(&author, "0.3.0", &draft, None, NOW).unwrap().event;
            assert_eq!(ocmesh_wire::open(&own, &event.json, NOW), Err(ocmesh_wire::OpenError::Future), "{}", event.json);
            assert_ne!(event.kind, kind::GIFT_WRAP);
        }
    }
    for written_at in [At::from_secs(0), At::from_secs(1), NOW.minus(10 * 365 * DAY), NOW.plus(365 * DAY)] {
        for form in [Form::Nip17, Form::Nip44, Form::Nip04] {
            let body = DraftBody::Text("x".to_owned());
            let draft = DirectDraft {
                to: own.public(),
                form,
                body,
                written_at,
                reply_to: None,
                subject: None,
                chain: None,
                place: None,
                urgent: false,
                own_copy: false,
            };
            let event = ocmesh_wire::seal(&author, "0.3.0", &Draft::Direct(draft), None, NOW).unwrap().event;
            let Ok(Opened::Direct(envelope)) = ocmesh_wire::open(&own, &event.json, NOW) else { panic!("{}", event.json) };
            assert_eq!(envelope.written_at, written_at);
        }
    }
}

#[test]
fn a_forgery_is_known_by_sight_when_it_comes_again() {
    let (inputs, _) = mpsc::channel(1);
    let mut ingest = Ingest {
        keys: Arc::new(Keys::from_secret_bytes(&BOB).unwrap()),
        clock: Clock::from_fn(|| NOW),
        recent: Arc::default(),
        door: ocmesh_proto::Door::new(0),
        accepted: Arc::default(),
        forgeries: Forgeries::default(),
        forged: Generations::of(8),
        inputs,
    };
    let relay: Arc<str> = "wss://relay.example.com".into();
    let event = genuine(0);
    let handled = || Handled { kind: 1, dated: NOW, id: event["id"].as_str().unwrap().parse().unwrap() };
    let with = |key: &str, value: Value| {
        let mut changed = event.clone();
        changed[key] = value;
        changed.to_string()
    };
    let other_signature = with("sig", genuine(1)["sig"].clone());
    let told = ingest.open(&relay, &other_signature, handled()).and_then(|heard| heard.input);
    assert!(matches!(told, Some(Input::ForgeriesSeen { times: 1, .. })), "{told:?}");
    assert!(!ingest.forged.is_empty(), "id and signature are remembered");
    ingest.forged.clear();
    // Another content under the id of a genuine event: nothing is remembered, or the genuine one would be kept out.
    assert!(ingest.open(&relay, &with("content", json!("something else")), handled()).is_none(), "counted, and told a minute later");
    assert!(ingest.forged.is_empty());
    // What is remembered is not checked again: so is a genuine one of which we only say that it was forged.
    let genuine = event.to_string();
    let mut signature = [0u8; 64];
    hex::decode_to_slice(event["sig"].as_str().unwrap(), &mut signature).unwrap();
    ingest.forged.insert((handled().id, signature), ());
    assert!(ingest.open(&relay, &genuine, handled()).is_none());
    ingest.forged.clear();
    let opened = ingest.open(&relay, &genuine, handled()).and_then(|heard| heard.input);
    assert!(matches!(opened, Some(Input::EventOpened { .. })), "{opened:?}");
}

/// Bob's ears, where strangers are asked for eight bits and one friend is accepted.
fn asking(friend: PubKey) -> Ingest {
    Ingest {
        keys: Arc::new(Keys::from_secret_bytes(&BOB).unwrap()),
        clock: Clock::from_fn(|| NOW),
        recent: Arc::default(),
        door: ocmesh_proto::Door::new(8),
        accepted: Arc::new(Mutex::new(Arc::new(BTreeSet::from([friend])))),
        forgeries: Forgeries::default(),
        forged: Generations::of(1_024),
        inputs: mpsc::channel(1).0,
    }
}

/// A text to Bob, with so much work.
fn text_of(author: &Keys, form: Form, number: u64, bits: u32) -> ocmesh_proto::SignedEvent {
    let body = DraftBody::Text(format!("message {number}"));
    let (written_at, to) = (NOW.minus(SECOND * number), bob());
    let (reply_to, subject, chain, place) = (None, None, None, None);
    let draft = DirectDraft { to, form, body, written_at, reply_to, subject, chain, place, urgent: false, own_copy: false };
    let sealed = ocmesh_wire::seal(author, "0.3.0", &Draft::Direct(draft), None, NOW).unwrap();
    if bits == 0 {
        return sealed.event;
    }
    ocmesh_wire::work(author, sealed.message_id, &sealed.rumor.unwrap(), &bob(), bits, NOW, &|| false).unwrap().event
}

#[test]
fn strangers_without_work_are_kept_out_before_their_signatures_are_checked_and_friends_are_not() {
    let (stranger, friend) = (keys(31), keys(32));
    let mut ingest = asking(friend.public());
    let relay: Arc<str> = Arc::from("wss://a.example.com");
    let mut hear = |event: &ocmesh_proto::SignedEvent| {
        let handled = Handled { kind: event.kind, dated: NOW, id: event.id };
        let heard = ingest.open(&relay, &event.json, handled);
        heard.and_then(|heard| heard.input).is_some_and(|input| matches!(input, Input::EventOpened { .. }))
    };
    // The few that are looked at all the same: a hello has no work either.
    let looked_at = (0..100).filter(|n| hear(&text_of(&stranger, Form::Nip04, *n, 0))).count() as u64;
    assert_eq!(looked_at, ocmesh_proto::limit::UNWORKED_BURST);
    for form in [Form::Nip04, Form::Nip44, Form::Nip17] {
        assert!(!hear(&text_of(&stranger, form, 200, 0)), "{form:?}");
        assert!(hear(&text_of(&friend, form, 200, 0)), "{form:?} of a friend");
    }
    assert!(hear(&text_of(&stranger, Form::Nip17, 300, 8)), "with the work");
    assert!(hear(&text_of(&keys(2), Form::Nip17, 400, 0)), "our own copy");
    // A forged one of a stranger costs no signature check, and is no proof against the relay.
    let event = text_of(&stranger, Form::Nip04, 500, 0);
    let forged = ocmesh_proto::SignedEvent { json: event.json.replace("\"sig\":\"", "\"sig\":\"00").into(), ..event };
    assert!(!hear(&forged));
    assert!(hear(&text_of(&friend, Form::Nip17, 600, 0)));
    // What was kept out is no known event: it may come again.
    let again = text_of(&stranger, Form::Nip04, 700, 0);
    assert!(!hear(&again));
    assert!(!ingest.recent().contains(again.id.as_bytes()));
}

#[test]
fn of_what_an_agent_announced_again_and_again_only_the_newest_is_checked() {
    let (agent, other) = (keys(31), keys(32));
    let mut ingest = asking(other.public());
    let relay: Arc<str> = Arc::from("wss://a.example.com");
    let presence = |author: &Keys, vehicle, created_at| {
        let draft = PresenceDraft {
            vehicle,
            name: "Zo\u{eb}".to_owned(),
            features: vec![],
            status: PeerStatus::Online,
            next_at: NOW,
            expires_at: NOW.plus(15 * MINUTE),
            relays: vec![],
            work_asked: 0,
            created_at,
        };
        ocmesh_wire::seal(author, "0.3.0", &Draft::Presence(draft), None, NOW).unwrap().event
    };
    let mut hear = |event: &ocmesh_proto::SignedEvent| {
        let heard = ingest.open(&relay, &event.json, Handled { kind: event.kind, dated: NOW, id: event.id });
        heard.and_then(|heard| heard.input).is_some_and(|input| matches!(input, Input::EventOpened { .. }))
    };
    let (note, card) = (PresenceVehicle::Note, PresenceVehicle::Addressable);
    // A forgery that claims to be newer says nothing of what is genuine.
    let forged = presence(&other, note, NOW.plus(MINUTE));
    let stolen = forged.json.replace(&other.public().to_hex(), &agent.public().to_hex());
    assert!(!hear(&ocmesh_proto::SignedEvent { json: stolen.into(), ..forged }));
    assert!(hear(&presence(&agent, card, NOW.minus(DAY))));
    assert!(hear(&presence(&agent, note, NOW)));
    assert!(hear(&presence(&agent, card, NOW)), "the same in its other form");
    assert!(!hear(&presence(&agent, note, NOW.minus(SECOND))));
    assert!(hear(&presence(&other, note, NOW.minus(SECOND))), "somebody else's");
    assert!(hear(&presence(&agent, note, NOW.plus(SECOND))));
    assert!(!hear(&presence(&agent, card, NOW)));
}
