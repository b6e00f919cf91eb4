//! Dialling: what is refused, what is said about it, and the NIP-11 document.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::StreamExt;
use ocmesh_relay::{ConnectOptions, PoolEvent, RelayInfo, Tuning};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_tungstenite::tungstenite::Message;

use crate::scripted::{LOCAL, Owner, PATIENCE, Relay, quick};

/// Answers every connection with these bytes; gives its address and the requests it got.
async fn answering(bytes: String) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (sender, requests) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (bytes, sender) = (bytes.clone(), sender.clone());
            tokio::spawn(async move {
                let mut head = vec![0; 4_096];
                let read = tokio::io::AsyncReadExt::read(&mut stream, &mut head).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&head[..read]).into_owned()).await;
                let _ = stream.write_all(bytes.as_bytes()).await;
            });
        }
    });
    (url, requests)
}

#[tokio::test]
async fn a_refused_upgrade_says_with_which_status() {
    for code in [301, 401, 402, 403, 429, 502] {
        let (url, mut requests) = answering(format!("HTTP/1.1 {code} X\r\nlocation: ws://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")).await;
        let mut owner = Owner::start(quick());
        owner.pool.connect(&url, LOCAL);
        assert_eq!(owner.down().await, format!("refused with HTTP {code}"));
        assert!(requests.recv().await.unwrap().to_lowercase().contains("user-agent: ocmesh/test"));
    }
}

#[tokio::test]
async fn a_relay_that_does_not_want_us_is_left_alone_for_longer() {
    let hour = Duration::from_secs(3_600);
    let (url, _requests) = answering("HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    // With the usual bound it would be dialled without end; only the other bound can stop it.
    let mut owner = Owner::start(Tuning { redial_base: hour, redial_max: Duration::from_millis(10), refused_redial_max: hour, ..quick() });
    owner.pool.connect(&url, LOCAL);
    owner.down().await;
    let status = owner.status_until(|status| status.retry_in.is_some()).await;
    assert!(status.retry_in.unwrap() > Duration::from_secs(60));
    assert_eq!(status.last_error.as_deref(), Some("refused with HTTP 403"));
}

#[tokio::test]
async fn private_addresses_are_refused_behind_a_name_as_well() {
    let mut relay = Relay::start().await;
    let port = relay.url.rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"] {
        let mut owner = Owner::start(quick());
        owner.pool.connect(&format!("ws://{host}:{port}"), ConnectOptions { private_ok: false, auth: false });
        let why = owner.down().await;
        assert!(why == "the address is private" || (host == "localhost" && why.starts_with("the name")), "{host}: {why}");
    }
    assert!(relay.accepted().is_none());
}

#[tokio::test]
async fn a_name_for_this_host_is_dialled_when_private_is_allowed() {
    let mut relay = Relay::start().await;
    let mut owner = Owner::start(quick());
    // Resolves to both families on most hosts, and only one of them listens.
    owner.pool.connect(&relay.url.replace("127.0.0.1", "localhost"), LOCAL);
    owner.open().await;
    relay.accept().await;
}

#[tokio::test]
async fn what_is_no_relay_address_is_said_to_be_none() {
    for url in ["", "https://relay.example", "ws://", "ws://user:secret@127.0.0.1", "relay.example"] {
        let mut owner = Owner::start(quick());
        owner.pool.connect(url, LOCAL);
        assert_eq!(owner.down().await, "not a relay address", "{url}");
    }
}

#[tokio::test]
async fn plain_words_on_a_tls_port_are_a_tls_failure() {
    let (url, _requests) = answering("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()).await;
    let mut owner = Owner::start(quick());
    owner.pool.connect(&url.replace("ws://", "wss://"), LOCAL);
    assert!(owner.down().await.starts_with("TLS failed"));
}

fn document(body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\ncontent-type: application/nostr+json\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

async fn described(owner: &mut Owner) -> RelayInfo {
    owner.until(|event| if let PoolEvent::Described { info, .. } = event { Some(info.clone()) } else { None }).await
}

#[tokio::test]
async fn the_document_is_read_once_a_day() {
    let mut relay = Relay::start().await;
    *relay.document.lock().unwrap() = document(r#"{"name":"N","supported_nips":[1,40],"limitation":{"auth_required":true}}"#);
    let mut owner = Owner::start(Tuning { ping_every: Duration::from_millis(30), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    let conn = relay.accept().await;
    let info = described(&mut owner).await;
    assert_eq!((info.name.as_deref(), info.supported_nips.as_slice()), (Some("N"), [1, 40].as_slice()));
    assert_eq!(info.limitation.auth_required, Some(true));
    drop(conn);
    for _ in 0..5 {
        owner.down().await;
        let mut conn = relay.accept().await;
        // The first pings take longer than another request would.
        let pinged = async {
            for _ in 0..3 {
                while !matches!(conn.socket.next().await, Some(Ok(Message::Ping(_)))) {}
            }
        };
        tokio::time::timeout(PATIENCE, pinged).await.unwrap();
    }
    assert_eq!(relay.documents_asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_redirect_is_followed_by_the_upgrade_nor_by_the_document() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    for code in [301, 302, 303, 307, 308] {
        let away = format!("HTTP/1.1 {code} X\r\nlocation: ws://{address}/\r\ncontent-length: 0\r\n\r\n");
        let (url, _requests) = answering(away).await;
        let mut owner = Owner::start(quick());
        owner.pool.connect(&url, LOCAL);
        assert_eq!(owner.down().await, format!("refused with HTTP {code}"));

        let mut relay = Relay::start().await;
        *relay.document.lock().unwrap() = Some(format!("HTTP/1.1 {code} X\r\nlocation: http://{address}/\r\ncontent-length: 0\r\n\r\n"));
        let owner = Owner::start(Tuning { ping_every: Duration::from_millis(30), ..quick() });
        owner.pool.connect(&relay.url, LOCAL);
        let mut conn = relay.accept().await;
        tokio::spawn(async move { while conn.next().await.is_some() {} });
        // A ping's answer comes after the document was asked for.
        owner.status_until(|status| status.latency_ms.is_some()).await;
        assert_eq!(relay.documents_asked.load(Ordering::Relaxed), 1, "{code}");
    }
    // Whoever had followed one would be waiting here.
    let followed = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(followed.is_err(), "{followed:?}");
}

#[tokio::test]
async fn a_document_has_at_most_64_kib() {
    let sized = |bytes: usize| {
        let frame = "{\"name\":\"N\",\"software\":\"\"}".len();
        document(&format!("{{\"name\":\"N\",\"software\":\"{}\"}}", "x".repeat(bytes - frame)))
    };
    let mut relay = Relay::start().await;
    *relay.document.lock().unwrap() = sized(64 << 10);
    let mut owner = Owner::start(quick());
    owner.pool.connect(&relay.url, LOCAL);
    let _conn = relay.accept().await;
    assert_eq!(described(&mut owner).await.name.as_deref(), Some("N"));

    let mut relay = Relay::start().await;
    *relay.document.lock().unwrap() = sized((64 << 10) + 1);
    let mut owner = Owner::start(Tuning { ping_every: Duration::from_millis(30), ..quick() });
    owner.pool.connect(&relay.url, LOCAL);
    let mut conn = relay.accept().await;
    // Several pings take longer than reading it would.
    for _ in 0..5 {
        while !matches!(conn.socket.next().await, Some(Ok(Message::Ping(_)))) {}
    }
    assert_eq!(relay.documents_asked.load(Ordering::Relaxed), 1);
    assert!(!std::iter::from_fn(|| owner.events.try_recv().ok()).any(|event| matches!(event, PoolEvent::Described { .. })));
}

#[tokio::test]
async fn bad_documents_cost_nothing() {
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4000\r\n".to_owned();
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    for answer in [document(&huge), Some(endless), Some(redirect), document("<html>"), Some("junk".to_owned())] {
        let mut relay = Relay::start().await;
        *relay.document.lock().unwrap() = answer;
        let mut owner = Owner::start(Tuning { info_wait: Duration::from_millis(300), ping_every: Duration::from_millis(100), ..quick() });
        owner.pool.connect(&relay.url, LOCAL);
        owner.open().await;
        let mut conn = relay.accept().await;
        tokio::spawn(async move { while conn.next().await.is_some() {} });
        // Longer than the document may take, and several pings: the connection still stands.
        owner.status_until(|status| status.latency_ms.is_some()).await;
        // paces: the connection must outlast the time that the document may take
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(owner.status().connects, 1);
        assert!(
            !std::iter::from_fn(|| owner.events.try_recv().ok())
                .any(|event| matches!(event, PoolEvent::Described { .. } | PoolEvent::Down { .. }))
        );
    }
}
