//! What a hostile relay or peer may try: forged ids and signatures, borrowed names, replays, and events for other people.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::Event;

fn to_bob(author: &Keys, content: &str) -> Value {
    rumor(author.public(), 14, vec![tag(["p", &bob().public().to_hex()])], content)
}

#[test]
fn a_known_id_on_other_content_is_a_lie_every_time() {
    let good = signed(&alice(), 10_050, NOW, vec![tag(["relay", "wss://good.example"])], "");
    assert!(open(&bob(), &good, NOW).is_ok());
    // The relay answers with the id and signature of an event we have just accepted, and a list of its own.
    let forged = good.replace("good.example", "evil.example");
    for _ in 0..2 {
        let error = refused(&bob(), &forged);
        assert_eq!(error, OpenError::BadId);
        assert!(error.shows_lying_relay());
    }
}

#[test]
fn a_right_id_with_anothers_signature_is_a_lie() {
    let good = signed(&alice(), 10_050, NOW, vec![], "");
    let event: Event = serde_json::from_str(&good).unwrap();
    let other: Value = serde_json::from_str(&signed(&mallory(), 10_050, NOW, vec![], "")).unwrap();
    let mut forged: Value = serde_json::from_str(&good).unwrap();
    forged["sig"] = other["sig"].clone();
    assert_eq!(refused(&bob(), &forged.to_string()), OpenError::BadSignature);
    // A key that is not on the curve has no signatures.
    let mut bytes = [0; 32];
    bytes[31] = 5;
    let nobody = PubKey::from_bytes(bytes);
    forged["pubkey"] = json!(nobody);
    forged["id"] = json!(id_of(&nobody, event.created_at, event.kind, &event.tags, ""));
    let error = refused(&bob(), &forged.to_string());
    assert_eq!(error, OpenError::BadSignature);
    assert!(error.shows_lying_relay() && !error.is_final(), "the good one may still come");
}

#[test]
fn nobody_writes_in_anothers_name() {
    // Mallory seals a rumor that claims to be Alice's.
    let claimed = to_bob(&alice(), "send me your files");
    assert_eq!(refused(&bob(), &wrapped(&mallory(), &bob(), &claimed.to_string())), OpenError::AuthorMismatch);
    // Or one that claims to be Bob's own copy.
    let own = rumor(bob().public(), 14, vec![tag(["p", &alice().public().to_hex()])], "I promised it");
    assert_eq!(refused(&bob(), &wrapped(&mallory(), &bob(), &own.to_string())), OpenError::AuthorMismatch);
    // Or a seal that claims to be Alice's.
    let content = nip44::encrypt(&mallory(), &bob().public(), &claimed.to_string()).unwrap();
    let seal = signed(&mallory(), kind::SEAL, NOW, vec![], &content).replace(&mallory().public().to_hex(), &alice().public().to_hex());
    let error = refused(&bob(), &wrapped_seal(&bob().public(), &seal));
    assert_eq!(error, OpenError::BadSeal);
    assert!(!error.shows_lying_relay(), "the relay cannot look inside");
    assert!(error.is_final(), "and it will never be anything else");
}

#[test]
fn a_rumor_has_its_own_id_and_no_other() {
    let good = to_bob(&alice(), "x");
    assert_eq!(direct(&bob(), &wrapped(&alice(), &bob(), &good.to_string())).id.to_hex(), good["id"]);
    for missing in [Value::Null, json!("")] {
        let mut nameless = good.clone();
        nameless["id"] = missing;
        assert_eq!(direct(&bob(), &wrapped(&alice(), &bob(), &nameless.to_string())).id.to_hex(), good["id"]);
    }
    for wrong in [json!(id(9)), json!("abc"), json!(good["id"].as_str().unwrap().to_uppercase())] {
        let mut renamed = good.clone();
        renamed["id"] = wrong;
        assert_eq!(refused(&bob(), &wrapped(&alice(), &bob(), &renamed.to_string())), OpenError::BadRumor);
    }
}

#[test]
fn a_message_for_another_is_not_for_us() {
    // Alice wrote to Mallory; Mallory cannot pass it to Bob as Alice's word, in any of three ways.
    let written = rumor(alice().public(), 14, vec![tag(["p", &mallory().public().to_hex()])], "you are an idiot, Mallory");
    let sealed_for_mallory = nip44::encrypt(&alice(), &mallory().public(), &written.to_string()).unwrap();
    let seal = signed(&alice(), kind::SEAL, NOW, vec![], &sealed_for_mallory);
    assert_eq!(refused(&bob(), &wrapped_seal(&bob().public(), &seal)), OpenError::Undecryptable);
    assert_eq!(refused(&bob(), &wrapped(&mallory(), &bob(), &written.to_string())), OpenError::AuthorMismatch);
    // Even Alice's own seal for Bob around a rumor that names only Mallory is not a message to Bob.
    assert_eq!(refused(&bob(), &wrapped(&alice(), &bob(), &written.to_string())), OpenError::NotForUs);
    let nobody = rumor(alice().public(), 14, vec![], "to whom?");
    assert_eq!(refused(&bob(), &wrapped(&alice(), &bob(), &nobody.to_string())), OpenError::NotForUs);
    assert_eq!(refused(&bob(), &wrapped(&bob(), &bob(), &rumor(bob().public(), 14, vec![], "x").to_string())), OpenError::NotForUs);
}

#[test]
fn kind_4_is_for_whom_its_p_tag_names() {
    let json = node_frame(&alice(), &bob(), "hi");
    assert_eq!(refused(&mallory(), &json), OpenError::NotForUs);
    // Encrypted to Bob, addressed to Mallory as well: Mallory cannot read it, and says nothing of why.
    let payload = crate::direct_message::nip04::encrypt(&alice(), &bob().public(), &"hello ".repeat(40)).unwrap();
    let tags = vec![tag(["p", "nonsense"]), tag(["p"]), tag(["p", &mallory().public().to_hex()]), tag(["p", &bob().public().to_hex()])];
    let json = signed(&alice(), 4, NOW, tags, &payload);
    assert_eq!(refused(&mallory(), &json), OpenError::Undecryptable);
    assert_eq!(direct(&bob(), &json).recipient, bob().public());
    // A ciphertext copied into Mallory's own event does not open under Mallory's name.
    let stolen = signed(&mallory(), 4, NOW, vec![tag(["p", &bob().public().to_hex()])], &payload);
    assert_eq!(refused(&bob(), &stolen), OpenError::Undecryptable);
}

#[test]
fn a_wrap_must_hold_a_seal_and_a_seal_a_rumor() {
    let bob_key = bob().public();
    for not_a_seal in ["", "null", "[]", "{}", "not json", &signed(&alice(), 1, NOW, vec![], "x")] {
        let json = if not_a_seal.is_empty() {
            signed(&alice(), 1059, NOW, vec![tag(["p", &bob_key.to_hex()])], "")
        } else {
            wrapped_seal(&bob_key, not_a_seal)
        };
        let expected = if not_a_seal.is_empty() { OpenError::Undecryptable } else { OpenError::BadSeal };
        assert_eq!(refused(&bob(), &json), expected, "{not_a_seal}");
    }
    for not_a_rumor in ["null", "[]", "{}", "not json", r#"{"pubkey":"x"}"#] {
        assert_eq!(refused(&bob(), &wrapped(&alice(), &bob(), not_a_rumor)), OpenError::BadRumor, "{not_a_rumor}");
    }
    let seal = signed(&alice(), kind::SEAL, NOW, vec![], "AAAA");
    assert_eq!(refused(&bob(), &wrapped_seal(&bob_key, &seal)), OpenError::Undecryptable);
}

#[test]
fn an_event_has_one_spelling() {
    let good = signed(&alice(), 10_050, NOW, vec![], "");
    let event: Value = serde_json::from_str(&good).unwrap();
    for field in ["id", "pubkey", "sig"] {
        let text = event[field].as_str().unwrap();
        let upper = good.replace(text, &text.to_uppercase());
        assert_ne!(upper, good);
        assert_eq!(refused(&bob(), &upper), OpenError::NotAnEvent, "{field}");
    }
    for field in ["id", "pubkey", "sig"] {
        let text = event[field].as_str().unwrap();
        for other in [
            format!("{text}0"),
            format!("{text}00"),
            format!("{text}{text}"),
            format!("{text} "),
            text.get(1..).unwrap().to_owned(),
            text.get(2..).unwrap().to_owned(),
        ] {
            assert_eq!(refused(&bob(), &good.replace(text, &other)), OpenError::NotAnEvent, "{field}: {other}");
        }
    }
    let npub = crate::npub(&alice().public());
    assert_eq!(refused(&bob(), &good.replace(&alice().public().to_hex(), &npub)), OpenError::NotAnEvent);
    let twice = good.replacen('{', "{\"content\":\"other\",", 1);
    assert_eq!(refused(&bob(), &twice), OpenError::NotAnEvent, "a field may not come twice");
    let array = serde_json::to_string(&["id", "pubkey", "created_at", "kind", "tags", "content", "sig"].map(|name| &event[name])).unwrap();
    assert_eq!(refused(&bob(), &array), OpenError::NotAnEvent);
    for (from, to) in [("\"kind\":10050", "\"kind\":75586"), ("\"kind\":10050", "\"kind\":-1"), ("1800000000", "1800000000.0")] {
        assert_eq!(refused(&bob(), &good.replace(from, to)), OpenError::NotAnEvent, "{to}");
    }
    assert!(open(&bob(), &good.replacen('{', " {\"relay_says\":[{}], ", 1), NOW).is_ok(), "an unknown field is outside the event");
}

/// Valid events of every kind we read, as compact ASCII JSON.
fn valid_events() -> Vec<String> {
    let bob = bob().public();
    let mut events = vec![
        signed(&alice(), 0, NOW, vec![], r#"{"name":"Ada"}"#),
        signed(&alice(), 10_002, NOW, vec![tag(["r", "wss://a.example"])], ""),
        signed(&alice(), 1, NOW, vec![tag(["app", "ocmesh"]), tag(["t", "ocmesh"])], "hi"),
    ];
    for form in [Form::Nip17, Form::Nip44, Form::Nip04] {
        events.push(sealed(&alice(), draft(bob, form, DraftBody::Text("hello".to_owned()))).event.json.to_string());
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn an_event_changed_in_one_place_is_refused(which in 0usize..6, place in any::<prop::sample::Index>(), byte in 0x20u8..0x7f, delete: bool) {
        let good = valid_events().remove(which);
        prop_assert!(open(&bob(), &good, NOW).is_ok());
        let mut bytes = good.clone().into_bytes();
        let place = place.index(bytes.len());
        if delete {
            bytes.remove(place);
        } else {
            bytes[place] = byte;
        }
        let changed = String::from_utf8(bytes).unwrap();
        prop_assume!(changed != good);
        prop_assert!(open(&bob(), &changed, NOW).is_err(), "{changed}");
    }
}
