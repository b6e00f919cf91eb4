//! Faults of the NIP-11 document.

use anyhow::{Context as _, Result};
use ocmesh_testkit::{Fault, MisbehavingRelay, Nip11};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) async fn document(relay: &MisbehavingRelay) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(relay.url().trim_start_matches("ws://")).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: application/nostr+json\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    answer.split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned())).context("no head")
}

#[tokio::test]
async fn the_document_is_honest_absent_lying_huge_or_elsewhere() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let (head, body) = document(&relay).await?;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("supported_nips"), "{head}");

    relay.set(Fault::Nip11(Nip11::Absent), true);
    assert!(document(&relay).await?.0.starts_with("HTTP/1.1 404"));

    relay.set(Fault::Nip11(Nip11::Lying), true);
    let lies: serde_json::Value = serde_json::from_str(&document(&relay).await?.1)?;
    assert_eq!(lies["limitation"]["max_limit"], 0);

    relay.set(Fault::Nip11(Nip11::Huge { bytes: 5_000_000 }), true);
    let (head, body) = document(&relay).await?;
    assert!(head.contains("Content-Length: 5000000") && body.len() == 5_000_000, "{head} {}", body.len());
    serde_json::from_str::<serde_json::Value>(&body)?;

    relay.set(Fault::Nip11(Nip11::Redirect("http://127.0.0.1:1/secret".to_owned())), true);
    let (head, _) = document(&relay).await?;
    assert!(head.starts_with("HTTP/1.1 302") && head.contains("Location: http://127.0.0.1:1/secret"), "{head}");
    assert_eq!(relay.seen().infos, 5);
    Ok(())
}
