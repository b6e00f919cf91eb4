//! Presence, profile and relay lists: round trips, the Node agents' presence, strangers' events of the same kinds, and dates.

use ocmesh_proto::{
    ListPurpose, PeerStatus, Presence, PresenceDraft, PresenceVehicle, RelayList, RelayUrl,
    limit::{FEATURES_MAX, NAME_CHARS_MAX, PEER_RELAYS_MAX},
    time::{DAY, MINUTE, SECOND},
};

use super::*;
use crate::{FUTURE_MS_MAX, event::Event, event_head};

fn beat(vehicle: PresenceVehicle, status: PeerStatus) -> PresenceDraft {
    PresenceDraft {
        vehicle,
        name: "Ada".to_owned(),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        status,
        next_at: NOW.plus(5 * MINUTE),
        expires_at: NOW.plus(15 * MINUTE),
        relays: vec![RelayUrl::parse("wss://a.example").unwrap(), RelayUrl::parse("wss://b.example/x").unwrap()],
        work_asked: 0,
        created_at: NOW,
    }
}

fn publish(draft: Draft) -> (Sealed, Event) {
    let sealed = seal(&alice(), VERSION, &draft, None, NOW).unwrap();
    let event: Event = serde_json::from_str(&sealed.event.json).unwrap();
    assert_eq!((sealed.message_id, sealed.event.id, sealed.event.kind), (event.id, event.id, event.kind));
    (sealed, event)
}

fn presence(json: &str) -> Presence {
    match open(&bob(), json, NOW) {
        Ok(Opened::Presence(presence)) => presence,
        other => panic!("not a presence: {other:?}"),
    }
}

#[test]
fn a_presence_is_written_as_the_spec_says() {
    let (_, event) = publish(Draft::Presence(beat(PresenceVehicle::Addressable, PeerStatus::Busy)));
    let common = vec![
        tag(["app", "ocmesh"]),
        tag(["t", "ocmesh"]),
        tag(["v", "0.3.0"]),
        tag(["name", "Ada"]),
        tag(["feature", "messaging"]),
        tag(["feature", "query"]),
        tag(["dm", "nip17"]),
        tag(["dm", "nip04"]),
        tag(["status", "busy"]),
        tag(["next", "1800000300"]),
        tag(["relay", "wss://a.example"]),
        tag(["relay", "wss://b.example/x"]),
        tag(["expiration", "1800000900"]),
    ];
    let mut addressable = vec![tag(["d", "ocmesh-presence"])];
    addressable.extend(common.clone());
    assert_eq!((event.kind, event.tags, event.content.as_str()), (31_337, addressable, "ocmesh-agent-online"));
    assert_eq!(event.created_at, NOW.secs());

    let (_, note) = publish(Draft::Presence(beat(PresenceVehicle::Note, PeerStatus::Busy)));
    assert_eq!((note.kind, note.tags), (1, common));
    assert_eq!(note.content, "Ada is on the ocmesh agent mesh (busy): messaging, query");

    let (_, gone) = publish(Draft::Presence(beat(PresenceVehicle::Addressable, PeerStatus::Offline)));
    assert_eq!(gone.content, "ocmesh-agent-offline");
}

#[test]
fn a_presence_comes_back_as_it_was_meant_in_both_kinds() {
    for vehicle in [PresenceVehicle::Note, PresenceVehicle::Addressable] {
        for status in [PeerStatus::Online, PeerStatus::Busy, PeerStatus::Quiet, PeerStatus::Offline] {
            let draft = beat(vehicle, status);
            let (sealed, _) = publish(Draft::Presence(draft.clone()));
            let expected = Presence {
                author: alice().public(),
                created_at: NOW,
                version: Some("0.3.0".to_owned()),
                name: Some("Ada".to_owned()),
                features: draft.features,
                forms: vec![Form::Nip17, Form::Nip04],
                status,
                next_at: Some(draft.next_at),
                relays: draft.relays,
                work_asked: 0,
            };
            assert_eq!(presence(&sealed.event.json), expected);
        }
    }
}

#[test]
fn a_presence_says_what_work_it_asks_and_who_asks_too_much_gets_none() {
    let (sealed, event) =
        publish(Draft::Presence(PresenceDraft { work_asked: 16, ..beat(PresenceVehicle::Addressable, PeerStatus::Online) }));
    assert!(event.tags.contains(&tag(["pow", "16"])));
    assert_eq!(presence(&sealed.event.json).work_asked, 16);
    for (text, asked) in [("24", 24), ("0", 0), ("25", 0), ("256", 0), ("4294967296", 0), ("-1", 0), ("many", 0), ("", 0)] {
        let found = presence(&signed(&alice(), 31_337, NOW, vec![tag(["app", "ocmesh"]), tag(["pow", text])], "ocmesh-agent-online"));
        assert_eq!(found.work_asked, asked, "{text:?}");
    }
}

#[test]
fn a_node_agents_presence_is_read_whatever_its_d_tag() {
    for d in ["ocmesh-presence", "something-older"] {
        let tags = vec![tag(["d", d]), tag(["app", "ocmesh"]), tag(["v", "0.2.0"])];
        let found = presence(&signed(&alice(), 31_337, NOW, tags.clone(), "ocmesh-agent-online"));
        assert_eq!((found.version.as_deref(), found.status, found.forms.len()), (Some("0.2.0"), PeerStatus::Online, 0));
        let gone = presence(&signed(&alice(), 31_337, NOW, tags, "ocmesh-agent-offline"));
        assert_eq!(gone.status, PeerStatus::Offline);
    }
}

#[test]
fn other_peoples_events_of_the_same_kinds_are_not_ours() {
    let audio = vec![tag(["d", "track-1"]), tag(["title", "Song"]), tag(["t", "ocmesh"]), tag(["media", "https://x.example/a.mp3"])];
    assert_eq!(refused(&bob(), &signed(&alice(), 31_337, NOW, audio, "")), OpenError::NotOurs(31_337));
    let almost = vec![tag(["app"]), vec![], tag(["app", "ocmesh2"]), tag(["x", "app", "ocmesh"])];
    assert_eq!(refused(&bob(), &signed(&alice(), 31_337, NOW, almost, "ocmesh-agent-online")), OpenError::NotOurs(31_337));
    let talk = vec![tag(["t", "ocmesh"])];
    assert_eq!(refused(&bob(), &signed(&alice(), 1, NOW, talk, "look at #ocmesh")), OpenError::NotOurs(1));
    let no_topic = vec![tag(["app", "ocmesh"])];
    assert_eq!(refused(&bob(), &signed(&alice(), 1, NOW, no_topic, "hi")), OpenError::NotOurs(1));
    assert_eq!(refused(&bob(), &signed(&alice(), 40, NOW, vec![], "{}")), OpenError::NotOurs(40));
    assert_eq!(refused(&bob(), &signed(&alice(), kind::SEAL, NOW, vec![], "x")), OpenError::NotOurs(13));
}

#[test]
fn a_strangers_presence_is_bounded_and_cleaned() {
    let mut tags = vec![tag(["app", "ocmesh"]), tag(["t", "ocmesh"])];
    tags.push(tag(["name", &format!("\u{202e}evil\n{}", "x".repeat(500))]));
    tags.push(tag(["v", &"9".repeat(500)]));
    tags.push(tag(["status", "sleeping"]));
    tags.push(tag(["next", "18446744073709551615"]));
    for number in 0..100 {
        tags.push(tag(["feature", &format!("f{}", number / 2)]));
        tags.push(tag(["feature", "\u{200b}"]));
        tags.push(tag(["dm", "nip17"]));
        tags.push(tag(["dm", "carrier-pigeon"]));
        tags.push(tag(["relay", &format!("wss://r{number}.example")]));
        tags.push(tag(["relay", "http://not.a.relay"]));
    }
    let found = presence(&signed(&alice(), 1, NOW, tags, "x"));
    let name = found.name.unwrap();
    assert_eq!(name.chars().count(), NAME_CHARS_MAX);
    assert!(name.starts_with("evil xxx"), "{name}");
    assert_eq!(found.version.unwrap().len(), 32);
    assert_eq!(found.features.len(), FEATURES_MAX);
    assert_eq!((found.features[0].as_str(), found.features[1].as_str()), ("f0", "f1"));
    assert_eq!(found.forms, [Form::Nip17]);
    assert_eq!(found.relays.len(), PEER_RELAYS_MAX);
    assert_eq!((found.status, found.next_at), (PeerStatus::Online, None));
}

#[test]
fn a_promise_of_the_next_beat_is_believed_within_reason() {
    let next = |at: At| {
        let tags = vec![tag(["app", "ocmesh"]), tag(["next", &at.secs().to_string()])];
        presence(&signed(&alice(), 31_337, NOW, tags, "")).next_at
    };
    assert_eq!(next(NOW.plus(DAY)), Some(NOW.plus(DAY)));
    assert_eq!(next(NOW.plus(DAY + SECOND)), None);
    assert_eq!(next(NOW.minus(SECOND)), None);
}

#[test]
fn expired_and_future_states_are_dropped_at_the_very_second() {
    let expiring = |at: At| signed(&alice(), 31_337, NOW, vec![tag(["app", "ocmesh"]), tag(["expiration", &at.secs().to_string()])], "");
    assert!(open(&bob(), &expiring(NOW), NOW).is_ok());
    assert_eq!(refused(&bob(), &expiring(NOW.minus(SECOND))), OpenError::Expired);

    for (kind, content) in [(31_337, ""), (0, "{}"), (10_050, ""), (10_002, "")] {
        let dated = |at: At| signed(&alice(), kind, at, vec![tag(["app", "ocmesh"])], content);
        assert!(open(&bob(), &dated(NOW.plus(FUTURE_MS_MAX)), NOW).is_ok(), "{kind}");
        assert_eq!(refused(&bob(), &dated(NOW.plus(FUTURE_MS_MAX + SECOND))), OpenError::Future, "{kind}");
        assert_eq!(refused(&bob(), &dated(At(u64::MAX))), OpenError::Future, "{kind}");
    }
}

#[test]
fn relay_lists_round_trip_and_are_bounded() {
    let relays: Vec<_> = (0..3).map(|n| RelayUrl::parse(&format!("wss://r{n}.example")).unwrap()).collect();
    let expected = |purpose| RelayList { author: alice().public(), created_at: NOW, purpose, relays: relays.clone() };
    let (dm, event) = publish(Draft::DmRelays { relays: relays.clone(), created_at: NOW });
    assert_eq!(event.tags[0], tag(["relay", "wss://r0.example"]));
    assert_eq!(open(&bob(), &dm.event.json, NOW), Ok(Opened::RelayList(expected(ListPurpose::DirectMessages))));
    let (general, event) = publish(Draft::RelayList { relays: relays.clone(), created_at: NOW });
    assert_eq!(event.tags[0], tag(["r", "wss://r0.example"]));
    assert_eq!(open(&bob(), &general.event.json, NOW), Ok(Opened::RelayList(expected(ListPurpose::Read))));

    let many = (0..500).map(|n| tag(["relay", &format!("wss://m{n}.example")])).collect();
    let Ok(Opened::RelayList(list)) = open(&bob(), &signed(&alice(), 10_050, NOW, many, ""), NOW) else { panic!("not a list") };
    assert_eq!(list.relays.len(), PEER_RELAYS_MAX);
}

#[test]
fn only_read_relays_of_a_general_list_count() {
    let tags = vec![
        tag(["r", "wss://write.example", "write"]),
        tag(["r", "wss://both.example"]),
        tag(["r", "wss://read.example", "read"]),
        tag(["r", "nonsense"]),
        tag(["r"]),
        tag(["relay", "wss://other.example"]),
    ];
    let Ok(Opened::RelayList(list)) = open(&bob(), &signed(&alice(), 10_002, NOW, tags, ""), NOW) else { panic!("not a list") };
    assert_eq!(list.relays.iter().map(RelayUrl::as_str).collect::<Vec<_>>(), ["wss://both.example", "wss://read.example"]);
}

#[test]
fn a_profile_round_trips_and_says_it_is_a_bot() {
    let draft =
        Draft::Profile { name: "Ada".to_owned(), about: "I \"help\"".to_owned(), features: vec!["chat".to_owned()], created_at: NOW };
    let (sealed, event) = publish(draft);
    let content: serde_json::Value = serde_json::from_str(&event.content).unwrap();
    assert_eq!(
        content,
        serde_json::json!({"name":"Ada","about":"I \"help\"","bot":true,"app":"ocmesh","v":"0.3.0","capabilities":["chat"]})
    );
    let Ok(Opened::Profile(profile)) = open(&bob(), &sealed.event.json, NOW) else { panic!("not a profile") };
    assert_eq!((profile.name.as_deref(), profile.about.as_deref()), (Some("Ada"), Some("I \"help\"")));
}

#[test]
fn a_profile_may_be_odd_but_not_broken() {
    let profile = |content: &str| match open(&bob(), &signed(&alice(), 0, NOW, vec![], content), NOW) {
        Ok(Opened::Profile(profile)) => Ok((profile.name, profile.about)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(profile(r#"{"name":7,"display_name":"D","about":null}"#), Ok((Some("D".to_owned()), None)));
    assert_eq!(profile("{}"), Ok((None, None)));
    for broken in ["", "[]", "\"name\"", "{", &format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000))] {
        assert_eq!(profile(broken), Err(OpenError::BadProfile));
    }
}

#[test]
fn the_head_of_an_event_is_read_without_checking() {
    let json = signed(&alice(), 1059, NOW, vec![], "x").replace("\"sig\":\"", "\"sig\":\"zz");
    let head = event_head(&json).unwrap();
    assert_eq!((head.kind, head.pubkey, head.created_at), (1059, alice().public(), NOW));
    assert_eq!(event_head("{}"), Err(OpenError::NotAnEvent));
    assert_eq!(event_head(&" ".repeat(crate::EVENT_BYTES_MAX + 1)), Err(OpenError::TooLarge));
}
