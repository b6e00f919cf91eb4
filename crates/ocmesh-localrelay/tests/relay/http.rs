//! What the port says to plain HTTP.

use ocmesh_localrelay::{Limits, LocalRelay, RelayOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::Client;

async fn ask(relay: &LocalRelay, head: &str) -> String {
    let mut stream = TcpStream::connect(relay.local_addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_document_is_served_with_cors_and_the_page_without() {
    let relay = LocalRelay::start(RelayOptions { name: "a test".to_owned(), ..RelayOptions::default() }).await.unwrap();
    let answer = ask(&relay, "GET / HTTP/1.1\r\nHost: x\r\nAccept: application/nostr+json\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("Access-Control-Allow-Origin: *"), "{head}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["name"], "a test");
    assert_eq!(document["supported_nips"], serde_json::json!([1, 9, 11, 40, 45, 77]));
    assert_eq!(document["limitation"]["max_limit"], 500);

    let page = ask(&relay, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200 OK") && !page.contains("Access-Control"), "{page}");
    let preflight = ask(&relay, "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(preflight.starts_with("HTTP/1.1 204") && preflight.contains("Access-Control-Allow-Headers"), "{preflight}");
    assert!(ask(&relay, "POST / HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn too_many_connections_are_told_so() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let relay = LocalRelay::start(RelayOptions { limits, ..RelayOptions::default() }).await.unwrap();
    let mut first = Client::connect(relay.url()).await;
    let _second = Client::connect(relay.url()).await;
    let mut third = TcpStream::connect(relay.local_addr()).await.unwrap();
    let mut answer = [0; 12];
    third.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    first.socket.close(None).await.unwrap();
    // The place comes free a moment after the close.
    let deadline = tokio::time::Instant::now() + crate::client::PATIENCE;
    while tokio_tungstenite::connect_async(relay.url()).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the place never came free");
    }
}
