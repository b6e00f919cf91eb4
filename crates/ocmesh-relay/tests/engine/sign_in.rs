//! NIP-42 over real sockets.

use std::{sync::atomic::Ordering, time::Duration};

use ocmesh_relay::{AuthState, Lane, PoolEvent, PublishOutcome, Tuning};
use serde_json::{Value, json};

use crate::scripted::{Conn, LOCAL, LOCAL_AUTH, Owner, Relay, Signer, event, quick};

/// Takes the AUTH and gives its event id.
async fn signed(conn: &mut Conn, challenge: &str) -> String {
    let auth: Value = conn.expect("AUTH").await;
    assert_eq!(auth[1]["tags"][1], json!(["challenge", challenge]));
    auth[1]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_challenge_is_answered_and_what_was_closed_for_it_opens_at_once() {
    let mut relay = Relay::start().await;
    // A long pause after CLOSED, so that only the sign-in can explain a quick REQ.
    let mut owner = Owner::start(Tuning { reopen_base: Duration::from_secs(60), reopen_max: Duration::from_secs(60), ..quick() });
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1059]})], true);
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    conn.send(json!(["AUTH", "abc"])).await;
    conn.send(json!(["CLOSED", sub, "ERROR: auth-required: we only serve members"])).await;
    let id = signed(&mut conn, "abc").await;
    conn.ok(&id, true, "").await;
    let sub = conn.req().await;
    conn.event(&sub, &event(1, 100, 1059)).await;
    owner.until(|event| matches!(event, PoolEvent::Authenticated { .. }).then_some(())).await;
    owner.event().await;
    assert_eq!(owner.status().auth, AuthState::Done);
    // A new challenge in the middle is answered too, and disturbs nothing.
    conn.send(json!(["AUTH", "def"])).await;
    let id = signed(&mut conn, "def").await;
    conn.ok(&id, true, "").await;
    conn.event(&sub, &event(2, 100, 1059)).await;
    owner.event().await;
}

#[tokio::test]
async fn a_relay_that_challenged_before_is_asked_only_after_the_sign_in() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1059]})], true);
    let mut conn = relay.accept().await;
    conn.send(json!(["AUTH", "abc"])).await;
    signed(&mut conn, "abc").await;
    drop(conn);
    let mut conn = relay.accept().await;
    conn.send(json!(["AUTH", "def"])).await;
    let first = conn.next().await.unwrap();
    assert_eq!(first[0], "AUTH", "no REQ goes before it");
    conn.ok(first[1]["id"].as_str().unwrap(), true, "").await;
    conn.req().await;
    owner.until(|event| matches!(event, PoolEvent::Authenticated { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_publish_refused_for_want_of_auth_is_sent_once_more_after_it() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.open().await;
    let mut conn = relay.accept().await;
    owner.pool.publish(&relay.url, "e1", "{\"id\":\"e1\"}".into(), Lane::Direct);
    conn.expect("EVENT").await;
    conn.ok("e1", false, "auth-required: sign in first").await;
    conn.send(json!(["AUTH", "abc"])).await;
    let id = signed(&mut conn, "abc").await;
    conn.ok(&id, true, "").await;
    assert_eq!(conn.expect("EVENT").await[1]["id"], "e1");
    conn.ok("e1", true, "").await;
    assert_eq!(owner.answer().await, ("e1".to_owned(), PublishOutcome::Ok { accepted: true }, String::new()));
    // And with the sign-in done, the same refusal is final at once.
    owner.pool.publish(&relay.url, "e2", "{\"id\":\"e2\"}".into(), Lane::Direct);
    conn.expect("EVENT").await;
    conn.ok("e2", false, "auth-required: still no").await;
    assert_eq!(owner.answer().await.1, PublishOutcome::Ok { accepted: false });
}

#[tokio::test]
async fn a_refused_sign_in_is_told_and_ends_the_waiting() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.open().await;
    let mut conn = relay.accept().await;
    owner.pool.publish(&relay.url, "e1", "{\"id\":\"e1\"}".into(), Lane::Direct);
    conn.expect("EVENT").await;
    conn.ok("e1", false, "auth-required: sign in first").await;
    conn.send(json!(["AUTH", "abc"])).await;
    let id = signed(&mut conn, "abc").await;
    conn.ok(&id, false, "restricted: not on the list").await;
    let said = owner.until(|event| if let PoolEvent::AuthRefused { said, .. } = event { Some(said.clone()) } else { None }).await;
    assert_eq!(said, "restricted: not on the list");
    let (_, outcome, said) = owner.answer().await;
    assert_eq!((outcome, said.as_str()), (PublishOutcome::Ok { accepted: false }, "auth-required: sign in first"));
    assert_eq!(owner.status().auth, AuthState::Refused);
}

#[tokio::test]
async fn where_auth_is_off_our_key_is_never_shown() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.open().await;
    let mut conn = relay.accept().await;
    conn.send(json!(["AUTH", "abc"])).await;
    owner.status_until(|status| status.auth == AuthState::Challenged).await;
    owner.pool.publish(&relay.url, "e1", "{\"id\":\"e1\"}".into(), Lane::Direct);
    assert_eq!(conn.next().await.unwrap()[0], "EVENT");
    conn.ok("e1", false, "auth-required: x").await;
    assert_eq!(owner.answer().await.1, PublishOutcome::Ok { accepted: false });
    assert_eq!(owner.signer.signed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_signer_that_refuses_is_asked_once() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::with(quick(), Signer { refuses: true, ..Signer::default() });
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    let mut conn = relay.accept().await;
    conn.send(json!(["AUTH", "abc"])).await;
    owner.until(|event| matches!(event, PoolEvent::AuthRefused { .. }).then_some(())).await;
    conn.send(json!(["AUTH", "abc"])).await;
    conn.send(json!(["NOTICE", "after"])).await;
    owner.until(|event| matches!(event, PoolEvent::Notice { .. }).then_some(())).await;
    assert_eq!(owner.signer.signed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn ten_thousand_challenges_get_three_signatures() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    let mut conn = relay.accept().await;
    for number in 0..10_000 {
        let challenge = format!("c{number}");
        conn.send(json!(["AUTH", challenge])).await;
        if number < 3 {
            let id = signed(&mut conn, &challenge).await;
            conn.ok(&id, false, "error: again").await;
        }
    }
    conn.send(json!(["NOTICE", "after"])).await;
    owner.until(|event| matches!(event, PoolEvent::Notice { .. }).then_some(())).await;
    assert_eq!(owner.signer.signed.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_relay_that_never_confirms_the_sign_in_is_asked_again_all_the_same() {
    let mut relay = Relay::start().await;
    // Long pauses everywhere else, so that only the unconfirmed sign-in can explain a second REQ.
    let pause = Duration::from_secs(60);
    let tuning = Tuning { page_quiet: pause, reopen_base: pause, reopen_max: pause, unproven_base: pause, ..quick() };
    let mut owner = Owner::start(tuning);
    owner.pool.connect(&relay.url, LOCAL_AUTH);
    owner.pool.subscribe(&relay.url, "s", vec![json!({"kinds": [1059]})], true);
    let mut conn = relay.accept().await;
    // As the PyPI relay does: the REQ that came before the sign-in is refused with a NOTICE, and AUTH is never answered.
    conn.req().await;
    conn.send(json!(["NOTICE", "restricted: permission denied"])).await;
    conn.send(json!(["AUTH", "abc"])).await;
    signed(&mut conn, "abc").await;
    let sub = conn.req().await;
    conn.event(&sub, &event(1, 100, 1059)).await;
    owner.event().await;
    assert_eq!(owner.status().auth, AuthState::Challenged, "silence is no yes");
}
