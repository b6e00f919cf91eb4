//! Arbitrary bytes at every depth: never a panic, and never an unbounded or disguised label.

use ocmesh_proto::{label, limit};
use proptest::prelude::*;

use super::*;
use crate::{EVENT_BYTES_MAX, event::serialised, event_head, parse_key, tag::Tags};

/// Texts that mean something to us, among texts that mean nothing.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "app",
            "ocmesh",
            "t",
            "d",
            "p",
            "e",
            "r",
            "relay",
            "name",
            "feature",
            "dm",
            "nip17",
            "status",
            "offline",
            "next",
            "v",
            "chain",
            "seq",
            "1",
            "2",
            "0123456789abcdef",
            "missing",
            "numbers",
            "subject",
            "expiration",
            "read",
            "reply",
            "",
            "1800000000",
            "18446744073709551616",
            "-1",
            "wss://a.example",
            "wss://[::1",
            "?iv=",
        ])
        .prop_map(str::to_owned),
        Just(bob().public().to_hex()),
        ".*",
    ]
}

fn tags() -> impl Strategy<Value = Tags> {
    prop::collection::vec(prop::collection::vec(word(), 0..5), 0..12)
}

fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[A-Za-z0-9+/=]{0,200}",
        "[A-Za-z0-9+/=]{0,60}\\?iv=[A-Za-z0-9+/=]{0,30}",
        Just(format!("{{\"type\":{}}}", "[".repeat(9_000))),
        word().prop_map(
            |word| serde_json::json!({"type": word, "name": word, "body": word, "msgId": word, "capabilities": [word]}).to_string()
        ),
    ]
}

fn is_clean(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(label::is_hidden) && text.trim() == text && !text.is_empty()
}

fn assert_bounded(opened: &Opened) {
    match opened {
        Opened::Presence(presence) => {
            assert!(presence.name.iter().all(|name| is_clean(name, limit::NAME_CHARS_MAX)));
            assert!(presence.features.iter().all(|name| is_clean(name, limit::FEATURE_CHARS_MAX)));
            assert!(presence.features.len() <= limit::FEATURES_MAX && presence.relays.len() <= limit::PEER_RELAYS_MAX);
        }
        Opened::RelayList(list) => assert!(list.relays.len() <= limit::PEER_RELAYS_MAX),
        Opened::Profile(profile) => assert!(profile.about.iter().all(|about| is_clean(about, limit::ABOUT_CHARS_MAX))),
        Opened::Direct(envelope) => {
            assert!(envelope.subject.iter().all(|subject| is_clean(subject, 128)));
            if let Some(place) = &envelope.place {
                assert!((1..=limit::NUMBER_MAX).contains(&place.number) && (place.number == 1) == place.previous.is_none());
            }
            if let Body::Structured { kind, json } = &envelope.body {
                assert!(is_clean(kind, 48) && json.len() <= limit::INBOUND_CONTENT_BYTES_MAX);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_text_panics(text in ".*", json in "[\\[\\]{}\",:0-9a-z\\\\]{0,200}") {
        for text in [&text, &json] {
            prop_assert!(open(&bob(), text, NOW).is_err());
            let _ = (event_head(text), parse_key(text), crate::Keys::parse_secret(text), crate::clean_said(text), crate::classify(false, text));
        }
    }

    #[test]
    fn what_is_hashed_is_json_as_everybody_writes_it(at: u64, kind: u16, tags in tags(), text in "[ -~]{0,24}[\\x00-\\x80é😀\"\\\\]{0,3}[ -~]{0,24}", content in content()) {
        let alice = alice().public();
        for content in [text, content] {
            let expected = serde_json::to_string(&(0u8, alice, at, kind, &tags, &content)).unwrap();
            prop_assert_eq!(String::from_utf8(serialised(&alice, at, kind, &tags, &content)).unwrap(), expected);
        }
    }

    #[test]
    fn no_signed_event_panics(
        kind in prop::sample::select(vec![0u16, 1, 4, 13, 14, 1059, 10_002, 10_050, 31_337]), at: u64, tags in tags(), content in content(), now: u64,
    ) {
        let mut tags = tags;
        tags.extend([tag(["app", "ocmesh"]), tag(["t", "ocmesh"]), tag(["p", &bob().public().to_hex()])]);
        let at = if at % 2 == 0 { NOW.secs() } else { at };
        let json = Template { created_at: at, kind, tags, content }.sign(&alice()).json;
        for now in [NOW, At(now)] {
            let opened = open(&bob(), &json, now);
            prop_assert!(!opened.as_ref().is_err_and(|error| error.shows_lying_relay()), "{opened:?}");
            if let Ok(opened) = opened {
                assert_bounded(&opened);
            }
        }
    }

    #[test]
    fn no_rumor_and_no_frame_panics(kind in prop::sample::select(vec![14u16, 15, 78, 7]), tags in tags(), content in content()) {
        let mut tags = tags;
        tags.extend([tag(["app", "ocmesh"]), tag(["p", &bob().public().to_hex()])]);
        let rumor = rumor(alice().public(), kind, tags, &content).to_string();
        if let Ok(opened) = open(&bob(), &wrapped(&alice(), &bob(), &rumor), NOW) {
            assert_bounded(&opened);
        }
        if let Ok(opened) = open(&bob(), &node_frame(&alice(), &bob(), &content), NOW) {
            assert_bounded(&opened);
        }
    }
}

#[test]
fn size_and_depth_are_bounded_before_anything_is_built() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let good = signed(&alice(), 0, NOW, vec![], "{}");
    assert_eq!(refused(&bob(), &deep), OpenError::NotAnEvent);
    assert_eq!(refused(&bob(), &good.replace("\"tags\":[]", &format!("\"tags\":{deep}"))), OpenError::NotAnEvent);
    let padded = |len: usize| format!("{good}{}", " ".repeat(len - good.len()));
    assert!(open(&bob(), &padded(EVENT_BYTES_MAX), NOW).is_ok());
    assert_eq!(refused(&bob(), &padded(EVENT_BYTES_MAX + 1)), OpenError::TooLarge);
    // Deep JSON as the words of a message is only text.
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(direct(&bob(), &node_frame(&alice(), &bob(), &deep)).body, text(&deep));
    // And many small tags stay small.
    let many = vec![vec![String::new()]; 40_000];
    assert_eq!(refused(&bob(), &signed(&alice(), 31_337, NOW, many, "")), OpenError::NotOurs(31_337));
}
