//! What a client hears for what it says.

use nostr::{
    event::{EventBuilder, FinalizeEvent as _, Kind, Tag},
    key::Keys,
    types::Timestamp,
};

use super::*;
use crate::Storage;

mod negentropy;

const URL: &str = "ws://127.0.0.1:7777";

struct Relay {
    store: Arc<Store>,
    options: Arc<RelayOptions>,
}

impl Relay {
    fn new(options: RelayOptions) -> Self {
        let store = Arc::new(Store::open(&Storage::Memory, options.limits, now()).unwrap());
        Self { store, options: Arc::new(options) }
    }

    fn with(auth: AuthMode) -> Self {
        Self::new(RelayOptions { auth, ..RelayOptions::default() })
    }

    fn session(&self) -> Session {
        Session::new(Arc::clone(&self.store), Arc::clone(&self.options), vec![URL.to_owned()], "a-challenge".to_owned())
    }
}

fn now() -> u64 {
    crate::clock::now()
}

fn texts(frames: Vec<RelayFrame>) -> Vec<String> {
    frames.into_iter().map(RelayFrame::into_text).collect()
}

fn hear(session: &mut Session, text: &str) -> Vec<String> {
    texts(session.hear(text, now()))
}

fn signed(keys: &Keys, kind: u16, tags: &[&[&str]]) -> Event {
    let tags = tags.iter().map(|tag| Tag::parse(tag.iter().copied()).unwrap());
    EventBuilder::new(Kind::from_u16(kind), "hello").tags(tags).finalize(keys).unwrap()
}

fn publish(session: &mut Session, event: &Event) -> String {
    let mut answer = hear(session, &format!(r#"["EVENT",{}]"#, event.as_json()));
    assert_eq!(answer.len(), 1);
    answer.remove(0)
}

fn ok(event: &Event, accepted: bool, why: &str) -> String {
    serde_json::json!(["OK", event.id.to_hex(), accepted, why]).to_string()
}

fn auth(session: &mut Session, keys: &Keys, challenge: &str, url: &str) -> String {
    let event = signed(keys, 22_242, &[&["challenge", challenge], &["relay", url]]);
    let text = hear(session, &format!(r#"["AUTH",{}]"#, event.as_json())).remove(0);
    text.replace(&event.id.to_hex(), "ID")
}

#[test]
fn an_event_is_accepted_once_and_found() {
    let relay = Relay::with(AuthMode::Off);
    let mut session = relay.session();
    assert!(session.greet().is_none());
    let event = signed(&Keys::generate(), 1, &[&["t", "ocmesh"]]);
    assert_eq!(publish(&mut session, &event), ok(&event, true, ""));
    assert_eq!(publish(&mut session, &event), ok(&event, true, "duplicate: already have this event"));
    let answer = hear(&mut session, r##"["REQ","s",{"kinds":[7]},{"#t":["ocmesh"]},{"kinds":[1]}]"##);
    assert_eq!(answer, [format!(r#"["EVENT","s",{}]"#, event.as_json()), r#"["EOSE","s"]"#.to_owned()], "once, for two filters");
    assert_eq!(hear(&mut session, r#"["COUNT","c",{"kinds":[1]}]"#), [r#"["COUNT","c",{"count":1}]"#]);
}

#[test]
fn forged_events_are_refused() {
    let relay = Relay::with(AuthMode::Off);
    let mut session = relay.session();
    let keys = Keys::generate();
    let good = signed(&keys, 1, &[]);
    let mut forged = good.clone();
    forged.content = "something else".to_owned();
    assert_eq!(publish(&mut session, &forged), ok(&good, false, "invalid: the id is not the hash of the event"));
    let mut forged = good.clone();
    forged.sig = signed(&keys, 1, &[&["t", "x"]]).sig;
    assert_eq!(publish(&mut session, &forged), ok(&good, false, "invalid: bad signature"));
    let future = Timestamp::from_secs(now() + 10_000);
    let late = EventBuilder::new(Kind::from_u16(1), "").custom_created_at(future).finalize(&keys).unwrap();
    assert_eq!(publish(&mut session, &late), ok(&late, false, "invalid: created_at is too far in the future"));
    assert_eq!(relay.store.len(), 0);
}

#[test]
fn nonsense_gets_an_answer_and_changes_nothing() {
    let relay = Relay::with(AuthMode::Off);
    let mut session = relay.session();
    let id = "ab".repeat(32);
    let deep = format!(r#"["REQ","s",{}{}]"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#"["REQ","{}",{{}}]"#, "x".repeat(65));
    for (text, answer) in [
        ("", "NOTICE"),
        ("{}", "NOTICE"),
        (r#"["HELLO"]"#, "NOTICE"),
        (r#"["EVENT"]"#, "NOTICE"),
        (r#"["EVENT",{"id":"x"}]"#, "NOTICE"),
        (&format!(r#"["EVENT",{{"id":"{id}","kind":1e400}}]"#), r#"["OK","abab"#),
        (&format!(r#"["EVENT",{{"id":"{id}","kind":-1}}]"#), r#"["OK","abab"#),
        (r#"["REQ","s"]"#, "CLOSED"),
        (r#"["REQ","",{}]"#, "NOTICE"),
        (&long, "NOTICE"),
        (&deep, "CLOSED"),
        (r#"["REQ","s",{"search":"x"}]"#, "CLOSED"),
    ] {
        let heard = hear(&mut session, text);
        assert!(heard.len() == 1 && heard[0].contains(answer), "{text:.60} got {heard:?}");
    }
    assert_eq!(session.subscriptions(), 0);
}

#[test]
fn caps_hold() {
    let limits = crate::Limits {
        subscriptions_max: 2,
        filters_max: 2,
        events_per_filter_max: 3,
        event_bytes_max: 400,
        tags_max: 2,
        ..crate::Limits::default()
    };
    let relay = Relay::new(RelayOptions { limits, ..RelayOptions::default() });
    let mut session = relay.session();
    let keys = Keys::generate();
    for n in 0..5 {
        publish(&mut session, &signed(&keys, 1, &[&["t", &n.to_string()]]));
    }
    assert_eq!(hear(&mut session, r#"["REQ","a",{"limit":1000}]"#).len(), 4, "three events and EOSE");
    assert_eq!(hear(&mut session, r#"["REQ","a",{"limit":0}]"#), [r#"["EOSE","a"]"#]);
    assert_eq!(hear(&mut session, r#"["REQ","b",{}]"#).len(), 4);
    assert!(hear(&mut session, r#"["REQ","c",{}]"#)[0].starts_with(r#"["CLOSED","c","rate-limited:"#));
    assert!(hear(&mut session, r#"["REQ","b",{},{},{}]"#)[0].starts_with(r#"["CLOSED","b","invalid:"#));
    assert_eq!(session.subscriptions(), 1, "the refused REQ replaced its namesake");
    let large = signed(&keys, 1, &[&["t", &"x".repeat(400)]]);
    assert_eq!(publish(&mut session, &large), ok(&large, false, "invalid: the event is too large"));
    let tagged = signed(&keys, 1, &[&["t"], &["t"], &["t"]]);
    assert_eq!(publish(&mut session, &tagged), ok(&tagged, false, "invalid: the event has too many tags"));
}

#[test]
fn news_comes_after_the_stored_answer_and_never_twice() {
    let relay = Relay::with(AuthMode::Off);
    let (mut reader, mut writer) = (relay.session(), relay.session());
    let mut news = relay.store.listen();
    let keys = Keys::generate();
    let first = signed(&keys, 1, &[&["t", "1"]]);
    publish(&mut writer, &first);
    assert_eq!(hear(&mut reader, r#"["REQ","s",{"kinds":[1]}]"#).len(), 2);
    // The news of the first event was still on its way when the REQ was answered.
    assert_eq!(texts(reader.tell(&news.try_recv().unwrap())), [""; 0]);
    let second = signed(&keys, 1, &[&["t", "2"]]);
    publish(&mut writer, &second);
    assert_eq!(texts(reader.tell(&news.try_recv().unwrap())), [format!(r#"["EVENT","s",{}]"#, second.as_json())]);
    publish(&mut writer, &second);
    assert!(news.try_recv().is_err(), "a duplicate is no news");
    hear(&mut reader, r#"["CLOSE","s"]"#);
    publish(&mut writer, &signed(&keys, 1, &[&["t", "3"]]));
    assert_eq!(texts(reader.tell(&news.try_recv().unwrap())), [""; 0]);
}

#[test]
fn reading_can_need_authentication() {
    let relay = Relay::with(AuthMode::RequiredToRead);
    let mut session = relay.session();
    assert_eq!(session.greet().map(RelayFrame::into_text).as_deref(), Some(r#"["AUTH","a-challenge"]"#));
    let keys = Keys::generate();
    let event = signed(&keys, 1, &[]);
    assert_eq!(publish(&mut session, &event), ok(&event, true, ""), "writing does not");
    assert_eq!(hear(&mut session, r#"["REQ","s",{}]"#), [r#"["CLOSED","s","auth-required: authenticate to read"]"#]);
    assert_eq!(auth(&mut session, &keys, "a-challenge", "WS://127.0.0.1:7777/"), r#"["OK","ID",true,""]"#);
    assert_eq!(hear(&mut session, r#"["REQ","s",{}]"#).len(), 2);
}

#[test]
fn writing_can_need_authentication() {
    let relay = Relay::with(AuthMode::RequiredToWrite);
    let mut session = relay.session();
    let keys = Keys::generate();
    let event = signed(&keys, 1, &[]);
    assert_eq!(publish(&mut session, &event), ok(&event, false, "auth-required: authenticate to publish"));
    assert_eq!(hear(&mut session, r#"["REQ","s",{}]"#), [r#"["EOSE","s"]"#]);
    auth(&mut session, &keys, "a-challenge", URL);
    assert_eq!(publish(&mut session, &event), ok(&event, true, ""));
}

#[test]
fn wrong_answers_to_a_challenge_prove_nothing() {
    let relay = Relay::with(AuthMode::Required);
    let mut session = relay.session();
    let keys = Keys::generate();
    assert!(auth(&mut session, &keys, "another", URL).contains("not the challenge"));
    assert!(auth(&mut session, &keys, "a-challenge", "wss://evil.example").contains("another relay"));
    let mut stolen = signed(&keys, 22_242, &[&["challenge", "a-challenge"], &["relay", URL]]);
    stolen.pubkey = Keys::generate().public_key();
    assert!(hear(&mut session, &format!(r#"["AUTH",{}]"#, stolen.as_json()))[0].contains("bad id or signature"));
    let old = signed(&keys, 1, &[&["challenge", "a-challenge"], &["relay", URL]]);
    assert!(hear(&mut session, &format!(r#"["AUTH",{}]"#, old.as_json()))[0].contains("not an authentication event"));
    assert!(hear(&mut session, r#"["REQ","s",{}]"#)[0].contains("auth-required:"));
}

#[test]
fn direct_messages_are_for_their_people_when_authentication_is_on() {
    let relay = Relay::with(AuthMode::Optional);
    let (author, reader, stranger) = (Keys::generate(), Keys::generate(), Keys::generate());
    let message = signed(&author, 4, &[&["p", &reader.public_key().to_hex()]]);
    publish(&mut relay.session(), &message);
    let ask = r#"["REQ","s",{"kinds":[4]}]"#;
    let mut anonymous = relay.session();
    assert!(hear(&mut anonymous, ask)[0].contains("auth-required:"));
    assert_eq!(hear(&mut anonymous, r#"["REQ","s",{}]"#).len(), 1, "nor by a filter that names no kinds");
    assert_eq!(hear(&mut anonymous, r#"["COUNT","s",{}]"#), [r#"["COUNT","s",{"count":0}]"#]);
    for (keys, frames) in [(&author, 2), (&reader, 2), (&stranger, 1)] {
        let mut session = relay.session();
        auth(&mut session, keys, "a-challenge", URL);
        assert_eq!(hear(&mut session, ask).len(), frames);
        let news = News { number: u64::MAX, event: Arc::new(Stored::new(&message)) };
        assert_eq!(session.tell(&news).len(), frames - 1, "live too");
    }
}

#[test]
fn a_protected_event_is_published_by_its_author_only() {
    let relay = Relay::with(AuthMode::Optional);
    let mut session = relay.session();
    let keys = Keys::generate();
    let event = signed(&keys, 1, &[&["-"]]);
    auth(&mut session, &Keys::generate(), "a-challenge", URL);
    assert!(publish(&mut session, &event).contains("auth-required:"));
    auth(&mut session, &keys, "a-challenge", URL);
    assert_eq!(publish(&mut session, &event), ok(&event, true, ""));
}
