//! Comparing sets with the relay, by the protocol's own library on the client's side.

use std::collections::BTreeSet;

use ::negentropy::{Id, Negentropy, NegentropyStorageVector};
use serde_json::{Value, json};

use super::*;

const FILTER: &str = r#"{"kinds":[1]}"#;

fn client(held: &[(u64, [u8; 32])]) -> Negentropy<'static, NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::new();
    held.iter().for_each(|(at, id)| storage.insert(*at, Id::from_byte_array(*id)).unwrap());
    storage.seal().unwrap();
    Negentropy::owned(storage, 4_096).unwrap()
}

fn one(session: &mut Session, text: &str) -> Value {
    let mut answer = hear(session, text);
    assert_eq!(answer.len(), 1, "{answer:?}");
    serde_json::from_str(&answer.remove(0)).unwrap()
}

/// What the relay has and the client has not; and the rounds it took.
fn missing(session: &mut Session, held: &[(u64, [u8; 32])]) -> (BTreeSet<[u8; 32]>, usize) {
    let mut client = client(held);
    let (mut missing, mut rounds) = (Vec::new(), 1);
    let mut answer = one(session, &format!(r#"["NEG-OPEN","n",{FILTER},"{}"]"#, hex::encode(client.initiate().unwrap())));
    loop {
        assert_eq!((&answer[0], &answer[1]), (&json!("NEG-MSG"), &json!("n")), "{answer}");
        let message = hex::decode(answer[2].as_str().unwrap()).unwrap();
        let Some(next) = client.reconcile_with_ids(&message, &mut Vec::new(), &mut missing).unwrap() else { break };
        answer = one(session, &format!(r#"["NEG-MSG","n","{}"]"#, hex::encode(next)));
        rounds += 1;
    }
    assert!(hear(session, r#"["NEG-CLOSE","n"]"#).is_empty());
    (missing.iter().map(|id| *id.as_bytes()).collect(), rounds)
}

fn filled(session: &mut Session, count: usize) -> Vec<(u64, [u8; 32])> {
    let keys = Keys::generate();
    let at = Timestamp::from_secs(now() - 100);
    let events = (0..count).map(|n| EventBuilder::new(Kind::from_u16(1), n.to_string()).custom_created_at(at).finalize(&keys).unwrap());
    events
        .map(|event| {
            assert_eq!(publish(session, &event), ok(&event, true, ""));
            (at.as_secs(), *event.id.as_bytes())
        })
        .collect()
}

#[test]
fn all_differences_are_found_whatever_the_dates() {
    let relay = Relay::with(AuthMode::Off);
    let mut session = relay.session();
    let all = filled(&mut session, 2_500);
    let ids = |events: &[(u64, [u8; 32])]| events.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>();
    let (found, rounds) = missing(&mut session, &[]);
    assert_eq!(found, ids(&all));
    assert!(rounds > 1, "the relay's frames are bounded");
    let stranger = (now(), [7; 32]);
    let held: Vec<_> = all[17..].iter().copied().chain([stranger]).collect();
    assert_eq!(missing(&mut session, &held).0, ids(&all[..17]));
    assert_eq!(missing(&mut session, &all), (BTreeSet::new(), 1));
}

#[test]
fn bounds_hold_and_nonsense_is_told() {
    let limits = crate::Limits { comparisons_max: 2, comparison_events_max: 3, ..crate::Limits::default() };
    let relay = Relay::new(RelayOptions { limits, ..RelayOptions::default() });
    let mut session = relay.session();
    let first = hex::encode(client(&[]).initiate().unwrap());
    let open = |name: &str| format!(r#"["NEG-OPEN","{name}",{FILTER},"{first}"]"#);
    filled(&mut session, 3);
    for name in ["a", "b", "a"] {
        assert_eq!(one(&mut session, &open(name))[0], "NEG-MSG");
    }
    assert_eq!(one(&mut session, &open("c")), json!(["NEG-ERR", "c", "blocked: too many comparisons on one connection"]));
    assert_eq!(one(&mut session, r#"["NEG-MSG","a","zz"]"#)[0], "NEG-ERR");
    assert_eq!(one(&mut session, r#"["NEG-MSG","a","6100"]"#), json!(["NEG-ERR", "a", "closed: no such comparison is open"]));
    assert_eq!(one(&mut session, r#"["NEG-MSG","b","6100000203"]"#)[0], "NEG-ERR");
    filled(&mut session, 1);
    assert_eq!(one(&mut session, &open("a")), json!(["NEG-ERR", "a", "blocked: this query is too big"]));
    assert_eq!(one(&mut session, &format!(r#"["NEG-OPEN","a",{{"search":"x"}},"{first}"]"#))[0], "NEG-ERR");
    assert_eq!(one(&mut session, r#"["NEG-OPEN","a",{}]"#)[0], "NOTICE");
}

#[test]
fn direct_messages_are_compared_only_with_their_own() {
    let relay = Relay::with(AuthMode::Optional);
    let mut session = relay.session();
    let (me, other) = (Keys::generate(), Keys::generate());
    let mine = signed(&other, 1_059, &[&["p", &me.public_key().to_hex()]]);
    let theirs = signed(&other, 1_059, &[&["p", &Keys::generate().public_key().to_hex()]]);
    publish(&mut session, &mine);
    publish(&mut session, &theirs);
    let first = hex::encode(client(&[]).initiate().unwrap());
    let open = format!(r#"["NEG-OPEN","n",{{"kinds":[1059]}},"{first}"]"#);
    let refused = one(&mut session, &open);
    assert!(refused[0] == "NEG-ERR" && refused[2].as_str().unwrap().starts_with("auth-required:"), "{refused}");
    auth(&mut session, &me, "a-challenge", URL);
    let answer = one(&mut session, &open);
    let mut found = Vec::new();
    let mut asking = client(&[]);
    asking.initiate().unwrap();
    asking.reconcile_with_ids(&hex::decode(answer[2].as_str().unwrap()).unwrap(), &mut Vec::new(), &mut found).unwrap();
    assert_eq!(found.iter().map(|id| *id.as_bytes()).collect::<Vec<_>>(), [*mine.id.as_bytes()]);
}
