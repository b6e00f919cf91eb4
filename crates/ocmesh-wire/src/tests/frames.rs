//! Every frame of the Node ocmesh 0.1 and 0.2, as it comes in kind 4 and in a NIP-17 rumor.

use ocmesh_proto::{
    InviteId, InviteSecret, InviteState, JoinFrame, JoinedFrame,
    limit::{FEATURES_MAX, INBOUND_CONTENT_BYTES_MAX},
};
use serde_json::{Value, json};

use super::*;
use crate::event::Event;

fn heard(content: &str) -> Body {
    direct(&bob(), &node_frame(&alice(), &bob(), content)).body
}

fn frame(mut fields: Value) -> String {
    fields["ts"] = json!(1_799_999_999_000_u64);
    fields["v"] = json!("0.2.0");
    fields.to_string()
}

fn structured(kind: &str, json: &str) -> Body {
    Body::Structured { kind: kind.to_owned(), json: json.to_owned() }
}

#[test]
fn the_hello_of_0_1() {
    let from = alice().public().to_hex();
    let hello = json!({"type":"ocmesh-hello","version":"0.1.0","from":from,"ts":1}).to_string();
    assert_eq!(heard(&hello), Body::Intro { name: None, capabilities: vec![], version: Some("0.1.0".to_owned()) });
}

#[test]
fn the_typed_messages_of_0_2() {
    let about = id(9).to_hex();
    assert_eq!(heard(&frame(json!({"type":"text","body":"hello"}))), text("hello"));
    assert_eq!(heard(&frame(json!({"type":"ping"}))), Body::Ping);
    assert_eq!(heard(&frame(json!({"type":"pong"}))), Body::Pong);
    assert_eq!(heard(&frame(json!({"type":"delivered","msgId":about}))), Body::Delivered(id(9)));
    assert_eq!(heard(&frame(json!({"type":"read","msgId":about}))), Body::Read(id(9)));
    let intro = frame(json!({"type":"intro","name":"Node","capabilities":["chat","task"],"from":mallory().public()}));
    let envelope = direct(&bob(), &node_frame(&alice(), &bob(), &intro));
    let capabilities = vec!["chat".to_owned(), "task".to_owned()];
    assert_eq!(envelope.body, Body::Intro { name: Some("Node".to_owned()), capabilities, version: Some("0.2.0".to_owned()) });
    assert_eq!(envelope.author, alice().public(), "the signature says who it is from, not the frame");

    for fields in [
        json!({"type":"task","action":"search","params":{"q":"x"},"replyTo":"y"}),
        json!({"type":"result","taskId":"1","output":[1,2],"error":null}),
        json!({"type":"error","code":404,"message":"no"}),
        json!({"type":"profile","name":"n","about":"a","picture":"p","capabilities":[]}),
        json!({"type":"file","name":"f","mimeType":"text/plain","url":"https://x.example/f","size":3}),
        json!({"type":"never-heard-of","x":1}),
    ] {
        let content = frame(fields.clone());
        assert_eq!(heard(&content), structured(fields["type"].as_str().unwrap(), &content), "kept as it came");
    }
}

#[test]
fn what_is_no_frame_is_text() {
    for content in [
        "hello",
        "",
        "  {",
        "{}",
        "[1]",
        "42",
        r#"{"type":7}"#,
        r#"{"type":""}"#,
        r#"{"body":"x"}"#,
        "{\"type\":\"\u{200b}\"}",
        "null",
        r#""text""#,
    ] {
        assert_eq!(heard(content), text(content));
    }
}

#[test]
fn a_frame_with_missing_parts_is_kept_and_does_nothing() {
    for (kind, content) in [
        ("text", r#"{"type":"text"}"#),
        ("text", r#"{"type":"text","body":7}"#),
        ("delivered", r#"{"type":"delivered"}"#),
        ("delivered", r#"{"type":"delivered","msgId":"xyz"}"#),
        ("read", r#"{"type":"read","msgId":["a"]}"#),
    ] {
        assert_eq!(heard(content), structured(kind, content));
    }
    let odd = r#"{"type":"intro","name":["n"],"capabilities":"all"}"#;
    assert_eq!(heard(odd), Body::Intro { name: None, capabilities: vec![], version: None });
}

#[test]
fn labels_in_frames_are_cleaned_and_bounded() {
    let many: Vec<_> = (0..100).map(|n| json!(format!("c{n}\u{202e}"))).chain([json!(7)]).collect();
    let Body::Intro { name, capabilities, .. } = heard(&frame(json!({"type":"intro","name":"\u{1b}[2Jx\ny","capabilities":many}))) else {
        panic!("not an intro")
    };
    assert_eq!(name.as_deref(), Some("[2Jx y"));
    assert_eq!((capabilities.len(), capabilities[0].as_str()), (FEATURES_MAX, "c0"));
    let Body::Structured { kind, .. } = heard(&json!({"type": format!("a\u{7}b{}", "c".repeat(999))}).to_string()) else {
        panic!("not structured")
    };
    assert_eq!((kind.len(), kind.starts_with("abcc")), (48, true));
}

#[test]
fn our_frames_are_what_a_node_agent_reads() {
    let content = |body| {
        let sealed = sealed(&alice(), draft(bob().public(), Form::Nip04, body));
        let event: Event = serde_json::from_str(&sealed.event.json).unwrap();
        assert_eq!((event.kind, event.created_at), (4, 1_799_999_990));
        assert_eq!(event.tags, [tag(["p", &bob().public().to_hex()])]);
        let plain = crate::direct_message::nip04::decrypt(&bob(), &alice().public(), &event.content).unwrap();
        serde_json::from_str::<Value>(&plain).unwrap()
    };
    let (ts, about) = (1_799_999_990_123_u64, id(9).to_hex());
    assert_eq!(
        content(DraftBody::Intro { name: "Ada".to_owned(), capabilities: vec!["query".to_owned()] }),
        json!({"type":"intro","name":"Ada","capabilities":["query"],"from":alice().public(),"ts":ts,"v":"0.3.0"})
    );
    assert_eq!(content(DraftBody::Pong), json!({"type":"pong","ts":ts,"v":"0.3.0"}));
    assert_eq!(content(DraftBody::Delivered(id(9))), json!({"type":"delivered","msgId":about,"ts":ts,"v":"0.3.0"}));
    assert_eq!(content(DraftBody::Read(id(9))), json!({"type":"read","msgId":about,"ts":ts,"v":"0.3.0"}));
}

#[test]
fn an_ask_that_is_not_exactly_one_is_a_message_like_any_other() {
    let line = "0123456789abcdef";
    let ask = |kind: &str, numbers: Value| json!({"type": kind, "line": line, "numbers": numbers});
    let numbers = vec![1, 9_007_199_254_740_991];
    let parsed = line.parse().unwrap();
    assert_eq!(heard(&ask("missing", json!(numbers)).to_string()), Body::Missing { line: parsed, numbers: numbers.clone() });
    assert_eq!(heard(&ask("gone", json!(numbers)).to_string()), Body::Gone { line: parsed, numbers });
    for kind in ["missing", "gone"] {
        for fields in [
            json!({"type": kind}),
            json!({"type": kind, "line": line}),
            json!({"type": kind, "line": "x", "numbers": [1]}),
            json!({"type": kind, "line": 7, "numbers": [1]}),
            ask(kind, json!([])),
            ask(kind, json!("1")),
            ask(kind, json!([0])),
            ask(kind, json!([-1])),
            ask(kind, json!([1.5])),
            ask(kind, json!(["1"])),
            ask(kind, json!([9_007_199_254_740_992_u64])),
            ask(kind, json!([u64::MAX])),
            ask(kind, json!((1..=33).collect::<Vec<u32>>())),
        ] {
            let content = fields.to_string();
            assert_eq!(heard(&content), structured(kind, &content));
        }
    }
}

#[test]
fn a_frame_of_an_invite_that_is_not_exactly_one_is_a_message_like_any_other() {
    let (invite, nonce, proof) = ("0123456789abcdef", "11".repeat(16), "22".repeat(32));
    let id = invite.parse().unwrap();
    let join = json!({"type": "join", "invite": invite, "nonce": nonce, "proof": proof});
    let joined = json!({"type": "joined", "invite": invite, "seed": proof, "proof": proof});
    assert_eq!(heard(&join.to_string()), Body::Join(JoinFrame { invite: id, nonce: [0x11; 16], proof: [0x22; 32] }));
    let read = JoinedFrame { invite: id, seed: InviteSecret([0x22; 32]), proof: [0x22; 32] };
    assert_eq!(heard(&joined.to_string()), Body::Joined(read));
    for (why, state) in [("expired", InviteState::Expired), ("revoked", InviteState::Revoked), ("used", InviteState::Used)] {
        let refused = json!({"type": "join_refused", "invite": invite, "why": why});
        assert_eq!(heard(&refused.to_string()), Body::JoinRefused { invite: id, why: state });
    }
    for why in [json!("open"), json!("joined"), json!("no"), json!(7), Value::Null] {
        let content = json!({"type": "join_refused", "invite": invite, "why": why}).to_string();
        assert_eq!(heard(&content), structured("join_refused", &content));
    }
    for (kind, good) in [("join", join), ("joined", joined)] {
        for field in good.as_object().unwrap().keys().filter(|field| *field != "type") {
            for wrong in
                [json!("x"), json!(7), json!(format!("{invite}0")), json!("é".repeat(32)), json!("AA".repeat(32)), json!("+1".repeat(32))]
            {
                let mut changed = good.clone();
                changed[field] = wrong;
                let content = changed.to_string();
                assert_eq!(heard(&content), structured(kind, &content), "{field}");
            }
        }
    }
}

#[test]
fn an_invites_frames_travel_inside_nip17() {
    let frame = JoinFrame { invite: InviteId(7), nonce: [1; 16], proof: [2; 32] };
    let answer = JoinedFrame { invite: InviteId(7), seed: InviteSecret([3; 32]), proof: [4; 32] };
    let why = InviteState::Used;
    for (body, wanted) in [
        (DraftBody::Join(frame), Body::Join(frame)),
        (DraftBody::Joined(answer), Body::Joined(answer)),
        (DraftBody::JoinRefused { invite: InviteId(7), why }, Body::JoinRefused { invite: InviteId(7), why }),
    ] {
        let sealed = sealed(&alice(), draft(bob().public(), Form::Nip17, body));
        assert_eq!(direct(&bob(), &sealed.event.json).body, wanted);
    }
}

#[test]
fn in_a_rumor_only_the_app_tag_makes_a_frame() {
    let rumored = |kind, is_app: bool, content: &str| {
        let mut tags = vec![tag(["p", &bob().public().to_hex()])];
        if is_app {
            tags.push(tag(["app", "ocmesh"]));
        }
        let json = wrapped(&alice(), &bob(), &rumor(alice().public(), kind, tags, content).to_string());
        open(&bob(), &json, NOW).map(|opened| match opened {
            Opened::Direct(envelope) => envelope.body,
            other => panic!("{other:?}"),
        })
    };
    let (ping, odd) = (r#"{"type":"ping"}"#, r#"{"type":"odd"}"#);
    assert_eq!(rumored(14, false, ping), Ok(text(ping)), "a person may write JSON");
    assert_eq!(rumored(14, true, ping), Ok(Body::Ping));
    assert_eq!(rumored(14, true, odd), Ok(text(odd)));
    assert_eq!(rumored(78, true, ping), Ok(Body::Ping));
    assert_eq!(rumored(78, true, odd), Ok(structured("odd", odd)));
    assert_eq!(rumored(78, true, "words"), Ok(text("words")));
    assert_eq!(rumored(78, false, ping), Err(OpenError::NotOurs(78)));
    for kind in [1, 4, 5, 7, 13, 1059, 65_535] {
        assert_eq!(rumored(kind, true, ping), Err(OpenError::NotOurs(kind)));
    }
    let Ok(Body::Structured { kind, json }) = rumored(15, false, "https://x.example/f") else { panic!("not a file") };
    let file: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((kind.as_str(), &file["url"], &file["tags"][0][0]), ("file", &json!("https://x.example/f"), &json!("p")));
}

#[test]
fn a_content_is_kept_up_to_its_bound() {
    let longest = "x".repeat(INBOUND_CONTENT_BYTES_MAX);
    assert_eq!(heard(&longest), text(&longest));
    let json = node_frame(&alice(), &bob(), &format!("{longest}x"));
    assert_eq!(refused(&bob(), &json), OpenError::ContentTooLong);
}
