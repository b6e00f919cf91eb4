//! Direct messages there and back in every form, own copies, wrapping again, and the nostr library's own NIP-59 code as the other side.

use nostr::{
    event::{Event as NostrEvent, FinalizeEvent, Kind, Tag, UnsignedEvent},
    nips::nip59::{GiftWrapBuilder, UnwrappedGift},
    types::Timestamp,
};
use ocmesh_proto::{
    Chain, LineId, Place,
    limit::{INBOUND_CONTENT_BYTES_MAX, NUMBER_MAX},
};
use serde_json::json;

use super::*;
use crate::{event::Event, keys::library_key, random::HIDDEN_SECS_MAX};

const LINE: LineId = LineId(0x00ff_0000_0000_0001);
const FORMS: [Form; 3] = [Form::Nip17, Form::Nip44, Form::Nip04];

fn raw(json: &str) -> Event {
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_body_arrives_in_every_form() {
    let task = r#"{"type":"task","action":"x","params":{"a":[1,2]}}"#;
    let bodies = [
        (DraftBody::Text("héllo 🌍\n\"quoted\" \u{0} \u{2028}".to_owned()), text("héllo 🌍\n\"quoted\" \u{0} \u{2028}")),
        (DraftBody::Text(r#"{"not":"a frame"}"#.to_owned()), text(r#"{"not":"a frame"}"#)),
        (DraftBody::Text(task.to_owned()), Body::Structured { kind: "task".to_owned(), json: task.to_owned() }),
        (
            DraftBody::Intro { name: "Ada".to_owned(), capabilities: vec!["query".to_owned()] },
            Body::Intro { name: Some("Ada".to_owned()), capabilities: vec!["query".to_owned()], version: Some(VERSION.to_owned()) },
        ),
        (DraftBody::Pong, Body::Pong),
        (DraftBody::Delivered(id(9)), Body::Delivered(id(9))),
        (DraftBody::Read(id(9)), Body::Read(id(9))),
        (DraftBody::Missing { line: LINE, numbers: vec![3, 5] }, Body::Missing { line: LINE, numbers: vec![3, 5] }),
        (DraftBody::Gone { line: LINE, numbers: vec![NUMBER_MAX] }, Body::Gone { line: LINE, numbers: vec![NUMBER_MAX] }),
    ];
    for form in FORMS {
        for (said, heard) in &bodies {
            let sealed = sealed(&alice(), draft(bob().public(), form, said.clone()));
            let envelope = direct(&bob(), &sealed.event.json);
            assert_eq!(&envelope.body, heard, "{form:?}");
            assert_eq!((envelope.id, envelope.event_id, envelope.form), (sealed.message_id, sealed.event.id, form));
            assert_eq!((envelope.author, envelope.recipient), (alice().public(), bob().public()));
            assert_eq!(envelope.written_at, At::from_secs(1_799_999_990), "the true time, in seconds");
            assert_eq!(sealed.rumor.is_some(), form == Form::Nip17);
        }
    }
}

#[test]
fn threads_travel_inside_nip17_and_only_the_parent_shows_in_kind_4() {
    for form in FORMS {
        let chain = Chain { id: id(7), hops: 3 };
        let draft = DirectDraft {
            reply_to: Some(id(8)),
            subject: Some("plans".to_owned()),
            chain: Some(chain),
            ..draft(bob().public(), form, DraftBody::Text("yes".to_owned()))
        };
        let sealed = sealed(&alice(), draft);
        let envelope = direct(&bob(), &sealed.event.json);
        assert_eq!(envelope.reply_to, Some(id(8)));
        let names: Vec<_> = raw(&sealed.event.json).tags.iter().map(|tag| tag[0].clone()).collect();
        if form == Form::Nip17 {
            assert_eq!((envelope.subject.as_deref(), envelope.chain), (Some("plans"), Some(chain)));
            assert_eq!(names, ["p"]);
        } else {
            assert_eq!((envelope.subject, envelope.chain), (None, None));
            assert_eq!(names, ["p", "e"]);
        }
    }
}

#[test]
fn a_place_and_urgency_travel_inside_nip17_and_nowhere_else() {
    let first = Place { line: LINE, number: 1, previous: None };
    let later = Place { line: LINE, number: NUMBER_MAX, previous: Some(id(4)) };
    for place in [first, later] {
        for form in FORMS {
            let draft = DirectDraft { place: Some(place), urgent: true, ..draft(bob().public(), form, DraftBody::Text("x".to_owned())) };
            let sealed = sealed(&alice(), draft);
            assert_eq!(direct(&bob(), &sealed.event.json).urgent, form == Form::Nip17, "{form:?}");
            assert_eq!(direct(&bob(), &sealed.event.json).place, (form == Form::Nip17).then_some(place), "{form:?}");
            let seen: Vec<String> = raw(&sealed.event.json).tags.into_iter().filter_map(|tag| tag.into_iter().next()).collect();
            assert_eq!(seen, ["p"], "nobody else sees it");
            if let Some(rumor) = sealed.rumor {
                let again =
                    seal(&alice(), VERSION, &Draft::Rewrap { id: sealed.message_id, to: bob().public(), at: NOW }, Some(&rumor), NOW);
                assert_eq!(direct(&bob(), &again.unwrap().event.json).place, Some(place), "another wrap, the same place");
            }
        }
    }
}

#[test]
fn a_place_that_cannot_be_is_as_if_it_were_not_there() {
    let (me, prev, line) = (bob().public().to_hex(), id(4).to_hex(), LINE.to_string());
    let place = |tags: Vec<Vec<&str>>| {
        let mut all = vec![tag(["p", &me])];
        all.extend(tags.into_iter().map(|tag| tag.into_iter().map(str::to_owned).collect()));
        direct(&bob(), &wrapped(&alice(), &bob(), &super::rumor(alice().public(), 14, all, "x").to_string())).place
    };
    assert!(place(vec![vec!["seq", "2", &prev, &line]]).is_some());
    assert!(place(vec![vec!["seq", "2", &prev, &line, "more"]]).is_some(), "room for what comes later");
    let too_many = (NUMBER_MAX + 1).to_string();
    for bad in [
        vec!["seq"],
        vec!["seq", "2"],
        vec!["seq", "2", &prev],
        vec!["seq", "0", "", &line],
        vec!["seq", "1", &prev, &line],
        vec!["seq", "2", "", &line],
        vec!["seq", "-1", &prev, &line],
        vec!["seq", "2.0", &prev, &line],
        vec!["seq", &too_many, &prev, &line],
        vec!["seq", "18446744073709551616", &prev, &line],
        vec!["seq", "2", "zz", &line],
        vec!["seq", "2", &prev, ""],
        vec!["seq", "2", &prev, &prev],
    ] {
        assert_eq!(place(vec![bad.clone()]), None, "{bad:?}");
    }
}

#[test]
fn an_agents_message_without_a_chain_starts_one_and_a_receipt_does_not() {
    let chain = |body| direct(&bob(), &sealed(&alice(), draft(bob().public(), Form::Nip17, body)).event.json).chain;
    let first = chain(DraftBody::Text("a".to_owned())).unwrap();
    let second = chain(DraftBody::Text("a".to_owned())).unwrap();
    assert_eq!((first.hops, second.hops), (0, 0));
    assert_ne!(first.id, second.id);
    assert_eq!(chain(DraftBody::Delivered(id(1))), None);
}

#[test]
fn the_same_words_in_the_same_second_are_two_messages() {
    for form in FORMS {
        let chain = Some(Chain { id: id(7), hops: 3 });
        let draft = DirectDraft { chain, ..draft(bob().public(), form, DraftBody::Text("same".to_owned())) };
        assert_ne!(sealed(&alice(), draft.clone()).message_id, sealed(&alice(), draft).message_id, "{form:?}");
    }
}

#[test]
fn a_wrap_hides_who_wrote_and_when() {
    let mut dates = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let sealed = sealed(&alice(), draft(bob().public(), Form::Nip17, DraftBody::Text("x".to_owned())));
        let wrap = raw(&sealed.event.json);
        assert_ne!(wrap.pubkey, alice().public());
        assert_eq!(wrap.tags, [tag(["p", &bob().public().to_hex()])]);
        let seal = raw(&nip44::decrypt(&bob(), &wrap.pubkey, &wrap.content).unwrap());
        assert_eq!((seal.kind, seal.pubkey, seal.tags.len()), (13, alice().public(), 0));
        for at in [wrap.created_at, seal.created_at] {
            assert!(at <= NOW.secs() && at > NOW.secs() - HIDDEN_SECS_MAX, "{at}");
            dates.insert(at);
        }
        let rumor = nip44::decrypt(&bob(), &seal.pubkey, &seal.content).unwrap();
        assert_eq!(sealed.rumor.as_deref(), Some(rumor.as_str()));
        assert!(!rumor.contains("\"sig\""), "a rumor must stay deniable");
    }
    assert!(dates.len() > 30, "seal and wrap are dated independently");
}

#[test]
fn frames_are_app_rumors_and_text_is_a_text_rumor() {
    let kind = |body| {
        let rumor: serde_json::Value =
            serde_json::from_str(&sealed(&alice(), draft(bob().public(), Form::Nip17, body)).rumor.unwrap()).unwrap();
        let has_app = rumor["tags"].as_array().unwrap().contains(&json!(["app", "ocmesh"]));
        (rumor["kind"].as_u64().unwrap(), has_app)
    };
    assert_eq!(kind(DraftBody::Text("hi".to_owned())), (14, false));
    assert_eq!(kind(DraftBody::Text(r#"{"a":1}"#.to_owned())), (14, false));
    assert_eq!(kind(DraftBody::Text(r#"{"type":"anything"}"#.to_owned())), (78, true));
    assert_eq!(kind(DraftBody::Pong), (78, true));
}

#[test]
fn an_own_copy_and_a_message_from_our_other_device_name_the_peer() {
    let draft17 = DirectDraft { own_copy: true, ..draft(bob().public(), Form::Nip17, DraftBody::Text("kept".to_owned())) };
    let sealed17 = sealed(&alice(), draft17);
    let copy = sealed17.own_copy.unwrap();
    assert_ne!(copy.id, sealed17.event.id);
    let sealed4 = sealed(&alice(), draft(bob().public(), Form::Nip04, DraftBody::Text("kept".to_owned())));
    assert!(sealed4.own_copy.is_none());
    for (json, id) in [(&copy.json, sealed17.message_id), (&sealed4.event.json, sealed4.message_id)] {
        let envelope = direct(&alice(), json);
        assert_eq!((envelope.author, envelope.recipient, envelope.id), (alice().public(), bob().public(), id));
        assert_eq!(envelope.body, text("kept"));
    }
    assert_eq!(refused(&bob(), &copy.json), OpenError::NotForUs);
    assert_eq!(refused(&alice(), &sealed17.event.json), OpenError::NotForUs);
}

#[test]
fn a_message_to_ourselves_comes_back() {
    for form in FORMS {
        let sealed = sealed(&alice(), draft(alice().public(), form, DraftBody::Text("canary".to_owned())));
        let envelope = direct(&alice(), &sealed.event.json);
        assert_eq!((envelope.author, envelope.recipient), (alice().public(), alice().public()));
    }
}

#[test]
fn wrapping_again_keeps_the_message_and_changes_the_wrap() {
    let first = sealed(&alice(), draft(bob().public(), Form::Nip17, DraftBody::Text("again".to_owned())));
    let rumor = first.rumor.unwrap();
    let rewrap = |id, to: &Keys, rumor: Option<&str>| seal(&alice(), VERSION, &Draft::Rewrap { id, to: to.public(), at: NOW }, rumor, NOW);
    let again = rewrap(first.message_id, &bob(), Some(&rumor)).unwrap();
    assert_eq!(again.message_id, first.message_id);
    assert_ne!(again.event.id, first.event.id);
    assert_eq!(direct(&bob(), &again.event.json).id, first.message_id);
    let copy = rewrap(first.message_id, &alice(), Some(&rumor)).unwrap();
    assert_eq!(direct(&alice(), &copy.event.json).recipient, bob().public());

    assert!(rewrap(first.message_id, &bob(), None).is_err());
    assert!(rewrap(id(5), &bob(), Some(&rumor)).is_err());
    assert!(rewrap(first.message_id, &bob(), Some("{}")).is_err());
    assert!(rewrap(first.message_id, &bob(), Some(&rumor.replace("again", "other"))).is_err());
    let foreign = super::rumor(bob().public(), 14, vec![], "x");
    let foreign_id = foreign["id"].as_str().unwrap().parse().unwrap();
    assert!(rewrap(foreign_id, &bob(), Some(&foreign.to_string())).is_err());
}

#[test]
fn what_cannot_be_sealed_is_refused_with_a_reason() {
    // x = 5 has no point on secp256k1.
    let mut bytes = [0; 32];
    bytes[31] = 5;
    for form in FORMS {
        let try_seal =
            |to, content: &str| seal(&alice(), VERSION, &Draft::Direct(draft(to, form, DraftBody::Text(content.to_owned()))), None, NOW);
        let no_point = try_seal(PubKey::from_bytes(bytes), "x").unwrap_err();
        assert!(no_point.0.contains("curve"), "{no_point}");
        assert!(try_seal(bob().public(), "").unwrap_err().0.contains("empty"));
        assert!(try_seal(bob().public(), &"x".repeat(INBOUND_CONTENT_BYTES_MAX + 1)).unwrap_err().0.contains("long"));
        // The longest text the Local API takes, at its most expensive.
        let longest = "\u{1}".repeat(4_096);
        let sealed = try_seal(bob().public(), &longest).unwrap();
        assert!(sealed.event.json.len() < 65_536, "fits the smallest relays: {}", sealed.event.json.len());
        assert_eq!(direct(&bob(), &sealed.event.json).body, text(&longest));
    }
    let huge = draft(bob().public(), Form::Nip17, DraftBody::Text("x".repeat(INBOUND_CONTENT_BYTES_MAX)));
    assert!(seal(&alice(), VERSION, &Draft::Direct(huge), None, NOW).is_err(), "what we could not open ourselves is not sent");
}

#[test]
fn the_libraries_own_gift_wraps_open_here_and_ours_open_there() {
    let to = library_key(&bob().public());
    let tags = [Tag::public_key(to), Tag::parse(["subject", "from afar"]).unwrap()];
    let mut theirs =
        UnsignedEvent::new(library_key(&alice().public()), Timestamp::from_secs(1_700_000_000), Kind::PrivateDirectMessage, tags, "hi");
    let theirs_id = theirs.id().to_hex();
    let wrap = GiftWrapBuilder::new(to, theirs).finalize(alice().signer()).unwrap();
    let envelope = direct(&bob(), &wrap.as_json());
    assert_eq!((envelope.id.to_hex(), envelope.body, envelope.author), (theirs_id, text("hi"), alice().public()));
    assert_eq!(envelope.subject.as_deref(), Some("from afar"));

    let ours = sealed(&alice(), draft(bob().public(), Form::Nip17, DraftBody::Text("hello there".to_owned())));
    let event = NostrEvent::from_json(ours.event.json.as_bytes()).unwrap();
    let gift = UnwrappedGift::from_gift_wrap(bob().signer(), &event).unwrap();
    assert_eq!((gift.rumor.content.as_str(), gift.rumor.compute_id().to_hex()), ("hello there", ours.message_id.to_hex()));
    assert_eq!(gift.rumor.kind, Kind::PrivateDirectMessage);
}

#[test]
fn a_canary_looks_like_any_wrap_that_expires_and_opens_as_nothing_else() {
    let expires_at = NOW.plus(3_600_000);
    let canary = seal(&alice(), VERSION, &Draft::Canary { at: NOW, expires_at }, None, NOW).unwrap();
    let envelope = direct(&alice(), &canary.event.json);
    assert_eq!((envelope.author, envelope.recipient), (alice().public(), alice().public()));
    assert_eq!((envelope.body, envelope.event_id), (Body::Canary, canary.event.id));
    let (shown, message) =
        (raw(&canary.event.json), sealed(&bob(), draft(alice().public(), Form::Nip17, DraftBody::Text("hello".to_owned()))));
    let message = raw(&message.event.json);
    assert_eq!(shown.tags, [tag(["p", &alice().public().to_hex()]), tag(["expiration", &expires_at.secs().to_string()])]);
    assert_eq!((shown.kind, shown.content.len()), (message.kind, message.content.len()), "as long as a short message");
    assert!(shown.created_at <= NOW.secs() && shown.created_at > NOW.secs() - HIDDEN_SECS_MAX);
    assert_ne!(shown.pubkey, alice().public());
    assert_eq!(open(&alice(), &canary.event.json, expires_at.plus(1_000)), Err(OpenError::Expired));
    // Only a frame of ours is one: the same words of a person stay words.
    assert_ne!(
        direct(&bob(), &sealed(&alice(), draft(bob().public(), Form::Nip17, DraftBody::Text("ocmesh-canary".to_owned()))).event.json).body,
        Body::Canary
    );
}
