//! Relays that want to hurt: sizes, floods, junk.

use std::time::Duration;

use futures_util::SinkExt;
use ocmesh_relay::{PoolEvent, Tuning};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::scripted::{LOCAL, Owner, Relay, event, quick};

#[tokio::test]
async fn junk_is_counted_and_the_good_goes_through() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({})], true);
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    let with =
        |field: &str, value: &str| event(1, 1, 1).to_string().replacen(&format!("\"{field}\":1"), &format!("\"{field}\":{value}"), 1);
    let junk = [
        "".to_owned(),
        "null".to_owned(),
        "[\"EVENT\",\"s\"]".to_owned(),
        "[".repeat(300_000),
        format!("[\"EVENT\",\"s\",{}]", "[".repeat(100_000) + &"]".repeat(100_000)),
        format!("[\"EVENT\",\"s\",{}]", with("created_at", "-1")),
        format!("[\"EVENT\",\"s\",{}]", with("created_at", "1e400")),
        format!("[\"EVENT\",\"s\",{}]", with("kind", "70000")),
        format!("[\"EOSE\",\"{}\"]", "s".repeat(65)),
        format!(
            "[\"EVENT\",\"s\",{}]",
            event(1, 1, 1).to_string().replacen("\"content\":\"\"", &format!("\"content\":\"{}\"", "x".repeat(300 << 10)), 1)
        ),
    ];
    for text in &junk {
        conn.send_text(text.clone()).await;
    }
    conn.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    // Many tags, a lone surrogate and a NUL are somebody else's worry, and within the caps.
    let odd = event(7, 1, 1).to_string().replacen("\"content\":\"\"", "\"content\":\"\\ud800 \\u0000\"", 1);
    let odd = odd.replacen("\"tags\":[]", &format!("\"tags\":[{}[]]", "[],".repeat(50_000)), 1);
    conn.send_text(format!("[\"EVENT\",\"{sub}\",{odd}]")).await;
    assert_eq!(owner.event().await, event(7, 1, 1)["id"]);
    assert_eq!(owner.status().bad_frames, junk.len() as u64 + 1);
    assert_eq!(owner.status().connects, 1);
}

#[tokio::test]
async fn a_flood_of_junk_ends_the_connection() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(Tuning { bad_frames_max: 20, ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    let mut conn = relay.accept().await;
    for _ in 0..21 {
        conn.send_text("junk".to_owned()).await;
    }
    assert_eq!(owner.down().await, "the relay sent too many malformed frames");
}

#[tokio::test]
async fn what_is_too_large_ends_the_connection_before_it_is_held() {
    // One frame over the cap; a header that declares 1 GiB; a message in fragments over the cap.
    for case in 0..3 {
        let mut relay = Relay::start().await;
        let mut owner = Owner::start(quick());
        owner.pool.connect(&relay.url, LOCAL);
        let mut conn = relay.accept().await;
        let sender = tokio::spawn(async move {
            match case {
                0 => conn.send_text("x".repeat((1 << 20) + 1)).await,
                1 => {
                    let header = [0x81, 127, 0, 0, 0, 0, 0x40, 0, 0, 0];
                    let _ = conn.socket.get_mut().write_all(&header).await;
                }
                _ => {
                    let fragment = |opcode| Message::Frame(Frame::message(vec![b'x'; 1 << 16], OpCode::Data(opcode), false));
                    let mut sent = conn.socket.send(fragment(Data::Text)).await;
                    while sent.is_ok() {
                        sent = conn.socket.send(fragment(Data::Continue)).await;
                    }
                }
            }
            conn
        });
        assert_eq!(owner.down().await, "the relay sent a message that is too long", "case {case}");
        sender.abort();
    }
}

#[tokio::test]
async fn invalid_utf8_ends_the_connection_and_it_comes_back() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    let mut conn = relay.accept().await;
    conn.socket.send(Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true))).await.unwrap();
    owner.down().await;
    relay.accept().await;
}

#[tokio::test]
async fn a_flood_of_notices_is_told_once_a_minute() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    owner.pool.subscribe(&relay.url, "s", vec![json!({})], true);
    let mut conn = relay.accept().await;
    let sub = conn.req().await;
    for number in 0..1_000 {
        conn.send(json!(["NOTICE", format!("{number} \u{1b}[31m")])).await;
    }
    conn.event(&sub, &event(1, 1, 1)).await;
    let mut notices = Vec::new();
    loop {
        match owner.next().await {
            PoolEvent::Notice { said, .. } => notices.push(said),
            PoolEvent::Event { .. } => break,
            _ => {}
        }
    }
    assert_eq!(notices, ["0 [31m"]);
}

#[tokio::test]
async fn a_slow_drip_does_not_hold_up_another_relay() {
    let (mut slow, mut good) = (Relay::start().await, Relay::start().await);
    let mut owner = Owner::start(quick());
    for relay in [&slow, &good] {
        owner.pool.connect(&relay.url, LOCAL);
        owner.pool.subscribe(&relay.url, "s", vec![json!({})], true);
    }
    let mut slow_conn = slow.accept().await;
    let mut good_conn = good.accept().await;
    let drip = tokio::spawn(async move {
        // The head of a frame of 100 bytes, then a byte now and then.
        let _ = slow_conn.socket.get_mut().write_all(&[0x81, 100]).await;
        loop {
            let _ = slow_conn.socket.get_mut().write_all(b"x").await;
            // paces: a drip of one byte at a time
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let sub = good_conn.req().await;
    for number in 0..100 {
        let sent = event(number, number, 1);
        good_conn.event(&sub, &sent).await;
        assert_eq!(owner.event().await, sent["id"]);
    }
    drip.abort();
}
