//! TLS against a server with a certificate of our own making; it and its key are good for nothing else.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{DialError, Dialer, Target, tls::Tls};
use crate::{Tuning, status::Traffic};

/// P-256, for `localhost` and `relay.test`, until 2126.
const CERTIFICATE: &str = "\
    308201a130820146a00302010202145e76104bfebbe3b1a52b04006524ba342bb6391f300a06082a8648ce3d04030230153113301106035504030c0a\
    72656c61792e746573743020170d3236313132333133353534315a180f32313236313033303133353534315a30153113301106035504030c0a72656c\
    61792e746573743059301306072a8648ce3d020106082a8648ce3d0301070342000444a5cc87517d6561efe0e65159611737129b199a04d633f95566\
    b6b3261343397700c9c0edf3e3b351c1cdc8a9852720d7286769500919b1d84b150e27b289fca3723070301d0603551d0e04160414ebae464dd2c249\
    b321f9396f38a8a22847423097301f0603551d23041830168014ebae464dd2c249b321f9396f38a8a2284742309730200603551d110419301782096c\
    6f63616c686f7374820a72656c61792e74657374300c0603551d130101ff04023000300a06082a8648ce3d0403020349003046022100a773047ffa52\
    4360fcf532c50a92f4b824bf23ba35b521f368748027a004a000022100c4716385154a880737be61c63a2b9ab65845f35b1ddbd2e13321b0a301e041\
    1a";
const KEY: &str = "\
    308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104205db09dbebec2eb576e520baff077dcf72bfe483059f5c1ce\
    ece2ffd5bdd17de0a1440342000444a5cc87517d6561efe0e65159611737129b199a04d633f95566b6b3261343397700c9c0edf3e3b351c1cdc8a985\
    2720d7286769500919b1d84b150e27b289fc";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A websocket server with TLS; gives its port.
async fn secure_server() -> u16 {
    let chain = vec![CertificateDer::from(bytes(CERTIFICATE))];
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(bytes(KEY)).into())
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(tcp).await {
                let _ = tokio_tungstenite::accept_async(stream).await;
            }
        }
    });
    port
}

fn dialer(tls: Tls) -> Dialer {
    Dialer { tls, ..Dialer::new("test".to_owned(), &Tuning::default()) }
}

#[tokio::test]
async fn a_certificate_is_checked_against_roots_and_name() {
    let port = secure_server().await;
    let traffic = Arc::new(Traffic::default());
    let dial = |dialer: Dialer, host: &'static str| {
        let traffic = Arc::clone(&traffic);
        async move { dialer.websocket(&format!("wss://{host}:{port}"), true, traffic).await.map(drop) }
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(bytes(CERTIFICATE))).unwrap();
    let trusting = || dialer(Tls::trusting(roots.clone()));
    assert!(dial(trusting(), "localhost").await.is_ok());
    assert!(traffic.read.load(std::sync::atomic::Ordering::Relaxed) > 500, "a certificate passed through");
    let wrong_name = dial(trusting(), "127.0.0.1").await.unwrap_err();
    assert!(matches!(wrong_name, DialError::Tls(_)), "{wrong_name}");
    let unknown = dial(dialer(Tls::new()), "localhost").await.unwrap_err();
    assert!(matches!(unknown, DialError::Tls(_)) && unknown.why().starts_with("TLS failed: "), "{}", unknown.why());
}

#[test]
fn addresses_are_taken_apart() {
    let target = Target::parse("wss://relay.test/a/b?c=d#e").unwrap();
    assert_eq!((target.path().as_str(), target.authority().as_str(), target.port), ("/a/b?c=d", "relay.test", 443));
    let target = Target::parse("ws://[::1]:7000").unwrap();
    assert_eq!((target.path().as_str(), target.authority().as_str(), target.port), ("/", "[::1]:7000", 7_000));
}
