//! Every way a call can fail: the status, the code, and that the words help.

use ocmesh_proto::{LoopState, MessagePart, Refusal, SecretSeen};

use super::*;

/// The answer to `POST /send` when the mesh says so.
async fn send_answer(error: AskError) -> Reply {
    let daemon = Daemon::answering(move |_| Err(error.clone())).await;
    daemon.json("POST", "/send", r#"{"to":"ada","content":"hi"}"#).await
}

#[tokio::test]
async fn every_refusal_of_the_mesh_has_its_status_and_code() {
    let cases = [
        (AskError::NotAKey("x".to_owned()), 400, "invalid_pubkey"),
        (AskError::ParentUnknown(id(1)), 400, "reply_to_unknown"),
        (AskError::DiskFull, 507, "disk_full"),
        (AskError::Store("secret path /home/ada".to_owned()), 503, "store_failing"),
        (AskError::Busy, 503, "busy"),
        (AskError::Stopping, 503, "stopping"),
        (Refusal::PeerUnknown("ada".to_owned()).into(), 400, "peer_unknown"),
        (Refusal::NameAmbiguous { name: "ada".to_owned(), count: 2 }.into(), 400, "name_ambiguous"),
        (Refusal::Ourselves.into(), 400, "own_key"),
        (Refusal::PeerBlocked.into(), 403, "peer_blocked"),
        (Refusal::ContentEmpty.into(), 422, "content_empty"),
        (Refusal::ContentTooLong { chars: 4_097, max: 4_096 }.into(), 413, "content_too_long"),
        (Refusal::IdempotencyConflict.into(), 409, "idempotency_conflict"),
        (Refusal::OutboxFull(100_000).into(), 503, "outbox_full"),
        (Refusal::Unsealable("x").into(), 422, "unsealable"),
        (Refusal::MessageUnknown.into(), 404, "not_found"),
        (Refusal::MessageFinal("read").into(), 409, "message_final"),
        (Refusal::RelayUnknown.into(), 404, "not_found"),
        (Refusal::RelayKnown.into(), 409, "relay_known"),
        (Refusal::RelaysFull(32).into(), 409, "relays_full"),
        (Refusal::LooksLikeSecret(vec![SECRET]).into(), 422, "looks_like_secret"),
        (looping().into(), 429, "loop_suspected"),
        (Refusal::TooManySends { per_hour: 60, wait_ms: 59_001 }.into(), 429, "too_many_sends"),
        (Refusal::Stopping.into(), 503, "stopping"),
    ];
    for (error, status, code) in cases {
        let reply = send_answer(error).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        let error = &reply.value()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()) && error["hint"].is_string(), "{reply:?}");
        assert!(!reply.body.contains("/home"), "what is internal stays inside");
    }
}

const SECRET: SecretSeen = SecretSeen { kind: "GitHub token", own: false, part: MessagePart::Content, line: 2, column: 7 };

#[tokio::test]
async fn a_message_with_a_secret_hears_what_and_where_and_who_may_send_it() {
    let reply = send_answer(Refusal::LooksLikeSecret(vec![SECRET]).into()).await;
    let error = &reply.value()["error"];
    assert_eq!(error["message"], "the message looks as if it held a secret: GitHub token (content, line 2, character 7)");
    assert!(error["hint"].as_str().unwrap().contains("ask your owner"), "{error}");
}

fn looping() -> Refusal {
    let (since, until) = (NOW, NOW.plus(300_000));
    let state = LoopState { peer: ada(), own_turns: 5, turns: 10, trips: 1, since, until, half_open: false };
    Refusal::LoopSuspected { state, span_ms: 61_000, wait_ms: 299_001 }
}

#[tokio::test]
async fn a_stopped_agent_hears_why_how_long_and_who_may_write() {
    let reply = send_answer(looping().into()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("300")));
    let message = "this looks like agents answering each other without end: 5 turns of this agent within 2 minutes, 10 of everybody. Agents \
                   may go on in 5 minutes";
    assert_eq!(reply.value()["error"]["message"], message);
    assert!(reply.value()["error"]["hint"].as_str().unwrap().contains("ocmesh send"));
    let reply = send_answer(Refusal::TooManySends { per_hour: 60, wait_ms: 59_001 }.into()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("60")));
}

#[tokio::test]
async fn an_unknown_peer_says_how_to_make_it_known() {
    let reply = send_answer(Refusal::PeerUnknown("ada\u{1b}[31m".to_owned()).into()).await;
    let value = reply.value();
    assert_eq!(value["error"]["hint"], "ocmesh peer add <npub>");
    assert_eq!(value["error"]["message"], "no peer \"ada[31m\" is known");
    assert_eq!(send_answer(AskError::Busy).await.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn in_a_path_an_unknown_peer_is_not_found() {
    let daemon = Daemon::answering(|_| Err(Refusal::PeerUnknown(ADA.to_owned()).into())).await;
    for reply in [
        daemon.get(&format!("/peers/{ADA}")).await,
        daemon.json("PATCH", &format!("/peers/{ADA}"), r#"{"trust":"known"}"#).await,
        daemon.json("PATCH", &format!("/peers/{ADA}"), "{}").await,
        daemon.json("DELETE", &format!("/peers/{ADA}"), "").await,
    ] {
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{reply:?}");
    }
}

#[tokio::test]
async fn bad_paths_and_bodies_are_refused_before_the_mesh_hears_of_them() {
    let daemon = Daemon::new().await;
    daemon.write(&[add(outbound(2))], &[]);
    let ids = format!("{{\"ids\":[{}]}}", vec![format!("\"{}\"", id(1)); 1_001].join(","));
    let long_name = format!(r#"{{"name":"{}"}}"#, "x".repeat(65));
    let features = format!(r#"{{"features":[{}]}}"#, vec!["\"f\""; 17].join(","));
    let unknown = id(1).to_hex();
    let read_unknown = format!("/messages/{unknown}/read");
    let read_ours = format!("/messages/{}/read", id(2));
    let cases = [
        ("GET", "/peers/zz", "", 400, "invalid_pubkey"),
        ("GET", "/peers/nsec1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "", 400, "invalid_pubkey"),
        ("GET", "/peers/%ff", "", 400, "bad_request"),
        ("DELETE", "/peers/zz", "", 400, "invalid_pubkey"),
        ("GET", "/messages/zz", "", 400, "bad_request"),
        ("GET", &format!("/messages/{unknown}"), "", 404, "not_found"),
        ("POST", &read_unknown, "", 404, "not_found"),
        ("POST", &read_ours, "", 404, "not_found"),
        ("DELETE", "/outbox/zz", "", 400, "bad_request"),
        ("POST", "/outbox/zz/retry", "", 400, "bad_request"),
        ("DELETE", "/relays/https%3A%2F%2Fx.com", "", 400, "invalid_relay"),
        ("POST", "/relays", r#"{"url":"nonsense"}"#, 400, "invalid_relay"),
        ("POST", "/relays", r#"{"url":"wss://a:b@x.com"}"#, 400, "invalid_relay"),
        ("POST", "/send", "", 400, "bad_request"),
        ("POST", "/send", "{", 400, "bad_request"),
        ("POST", "/send", "[]", 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a"}"#, 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a","content":"b","colour":1}"#, 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a","to":"b","content":"c"}"#, 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a","content":"\ud800"}"#, 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a","content":"b","reply_to":"zz"}"#, 400, "bad_request"),
        ("POST", "/send", r#"{"to":"a","content":"b","idempotency_key":""}"#, 400, "bad_request"),
        ("POST", "/messages/read", "{}", 400, "bad_request"),
        ("POST", "/messages/read", r#"{"all":false}"#, 400, "bad_request"),
        ("POST", "/messages/read", r#"{"all":true,"ids":[]}"#, 400, "bad_request"),
        ("POST", "/messages/read", r#"{"ids":["zz"]}"#, 400, "bad_request"),
        ("POST", "/messages/read", &ids, 400, "bad_request"),
        ("PATCH", &format!("/peers/{ADA}"), r#"{"trust":"best"}"#, 400, "bad_request"),
        ("PATCH", "/identity", r#"{"name":"\u202e"}"#, 400, "bad_request"),
        ("PATCH", "/identity", &long_name, 400, "bad_request"),
        ("PATCH", "/identity", &features, 400, "bad_request"),
        ("PATCH", "/identity", r#"{"status":"offline"}"#, 400, "bad_request"),
        ("PATCH", "/identity", r#"{"pubkey":"x"}"#, 400, "bad_request"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = daemon.json(method, path, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{method} {path} {body}\n{reply:?}");
    }
    assert!(daemon.asked().is_empty(), "{:?}", daemon.asked());
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_is_allowed() {
    let daemon = Daemon::new().await;
    let cases = [
        ("/peers?online=maybe", "online", "true or false"),
        ("/peers?missing=2", "missing", "true or false"),
        ("/peers?trust=best", "trust", "unknown, known, trusted, blocked"),
        ("/peers?limit=0", "limit", "1 to 1000"),
        ("/peers?limit=1001", "limit", "1 to 1000"),
        ("/peers?cursor=zz", "cursor", "Link"),
        ("/peers?q=", "q", "1 to 128"),
        ("/peers?colour=red", "colour", "online, q, feature, missing, trust, limit, cursor"),
        ("/messages?unread=1", "unread", "true or false"),
        ("/messages?from=zz", "from", "public key"),
        ("/messages?thread=zz", "thread", "64 hex digits"),
        ("/messages?since=yesterday", "since", "2026"),
        ("/messages?direction=up", "direction", "in, out, any"),
        ("/messages?wait=61", "wait", "0 to 60"),
        ("/messages?limit=5&limit=6", "limit", "once"),
        ("/outbox?limit=x", "limit", "1 to 1000"),
        ("/relays?x=1", "x", "none"),
        ("/status?x=1", "x", "none"),
        ("/events?x=1", "x", "none"),
    ];
    for (target, name, allowed) in cases {
        let reply = daemon.get(target).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{target}");
        let value = reply.value();
        let (message, hint) = (value["error"]["message"].as_str().unwrap(), value["error"]["hint"].as_str().unwrap());
        assert!(message.contains(name) && hint.contains(allowed), "{target}: {message}; {hint}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_our_fault_and_says_nothing() {
    let daemon = Daemon::new().await;
    let reply = daemon.json("POST", "/send", r#"{"to":"ada","content":"hi"}"#).await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "internal"));
    assert!(!reply.body.contains("Done"));
}
