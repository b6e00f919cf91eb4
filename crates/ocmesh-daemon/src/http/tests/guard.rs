//! The guard, case by case, over both transports: what a page in a browser could send is refused, what a program sends is not.

use ocmesh_api::{Method, ROUTES};

use super::*;

/// A request's own headers, with `{port}` for ours, and the status it must get.
type Case = (&'static str, u16);

const TCP: &[Case] = &[
    // Host: a loopback name with exactly our port.
    ("Host: 127.0.0.1:{port}", 200),
    ("Host: localhost:{port}", 200),
    ("Host: LocalHost:{port}", 200),
    ("Host: [::1]:{port}", 200),
    ("", 403),
    ("Host:", 403),
    ("Host: 127.0.0.1", 403),
    ("Host: localhost", 403),
    ("Host: [::1]", 403),
    ("Host: ::1", 403),
    ("Host: 127.0.0.1:80", 403),
    ("Host: 127.0.0.1:1{port}", 403),
    ("Host: 127.0.0.1:0{port}", 403),
    ("Host: 127.0.0.1:+{port}", 403),
    ("Host: 127.0.0.1:{port}:{port}", 403),
    ("Host: evil.example", 403),
    ("Host: evil.example:{port}", 403),
    ("Host: localhost.evil.example:{port}", 403),
    ("Host: 127.0.0.1.evil.example:{port}", 403),
    ("Host: localhost.:{port}", 403),
    ("Host: user@127.0.0.1:{port}", 403),
    ("Host: 127.0.0.2:{port}", 403),
    ("Host: 127.1:{port}", 403),
    ("Host: 2130706433:{port}", 403),
    ("Host: 0.0.0.0:{port}", 403),
    ("Host: [::]:{port}", 403),
    ("Host: [::ffff:127.0.0.1]:{port}", 403),
    ("Host: ocmesh.sock", 403),
    ("Host: ocmesh.sock:{port}", 403),
    ("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}", 403),
    ("Host: 127.0.0.1:{port}\r\nHost: evil.example", 403),
    // Origin.
    ("Host: 127.0.0.1:{port}\r\nOrigin: https://evil.example", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: null", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin:", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin", 200),
    ("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nSec-Fetch-Site: same-origin", 200),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://localhost:{port}\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: https://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}/\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-site", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: chrome-extension://abcdef", 403),
    ("Host: 127.0.0.1:{port}\r\nOrigin: file://", 403),
    // Referer.
    ("Host: 127.0.0.1:{port}\r\nReferer: https://evil.example/", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://127.0.0.1:{port}/docs", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://127.0.0.1:{port}/docs\r\nSec-Fetch-Site: same-origin", 200),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://127.0.0.1:{port}0/docs\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://127.0.0.1:{port}@evil.example/\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://127.0.0.1:{port}.evil.example/\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: http://localhost:{port}/docs\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nReferer: \u{e9}", 403),
    // Sec-Fetch-Site; its sister Sec-Fetch-Mode is sent by Node's own fetch and says nothing.
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: none", 200),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Mode: cors", 200),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: cross-site", 403),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-site", 403),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin", 403),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: None", 403),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site:", 403),
    ("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", 403),
    // What browsers ask before they send.
    ("Host: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST", 403),
    ("Host: 127.0.0.1:{port}\r\nAccess-Control-Request-Private-Network: true\r\nOrigin: null", 403),
    ("Host: 127.0.0.1:{port}\r\nX-Forwarded-Host: evil.example", 200),
    ("Host: evil.example\r\nX-Forwarded-Host: 127.0.0.1:{port}", 403),
];

const UNIX: &[Case] = &[
    ("Host: localhost", 200),
    ("Host: ocmesh.sock", 200),
    ("Host: 127.0.0.1", 200),
    ("Host: [::1]", 200),
    ("Host: 127.0.0.1:{port}", 200),
    ("Host: localhost:1", 200),
    ("", 403),
    ("Host: evil.example", 403),
    ("Host: evil.example:{port}", 403),
    ("Host: ocmesh.sock.evil.example", 403),
    ("Host: localhost:x", 403),
    ("Host: localhost:99999", 403),
    ("Host: localhost\r\nHost: evil.example", 403),
    ("Host: localhost\r\nOrigin: https://evil.example", 403),
    ("Host: localhost\r\nOrigin: null", 403),
    ("Host: localhost\r\nReferer: https://evil.example/", 403),
    ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
    ("Host: localhost\r\nSec-Fetch-Site: none", 200),
    ("Host: localhost\r\nSec-Fetch-Mode: cors", 200),
];

/// What must be true of every answer, good or bad.
fn assert_hardened(reply: &Reply, case: &str) {
    assert!(!reply.head.to_ascii_lowercase().contains("access-control"), "{case}: {reply:?}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{case}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{case}");
    assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{case}");
    assert!(reply.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")), "{case}");
}

#[tokio::test]
async fn every_case_gets_what_it_deserves_over_tcp() {
    let daemon = Daemon::new().await;
    for (headers, status) in TCP {
        let headers = headers.replace("{port}", &daemon.port.to_string());
        let line = if headers.is_empty() { "" } else { "\r\n" };
        let reply = daemon.raw(&format!("GET /health HTTP/1.1\r\n{headers}{line}Connection: close\r\n\r\n")).await;
        assert_eq!(reply.status, *status, "{headers}\n{reply:?}");
        assert_hardened(&reply, &headers);
        if *status == 403 {
            assert_eq!(reply.value()["error"]["message"], "this request is refused", "tells nothing");
        }
    }
}

#[tokio::test]
async fn every_case_gets_what_it_deserves_over_the_socket() {
    let daemon = Daemon::new().await;
    for (headers, status) in UNIX {
        let headers = headers.replace("{port}", &daemon.port.to_string());
        let line = if headers.is_empty() { "" } else { "\r\n" };
        let reply = daemon.raw_unix(&format!("GET /health HTTP/1.1\r\n{headers}{line}Connection: close\r\n\r\n")).await;
        assert_eq!(reply.status, *status, "{headers}\n{reply:?}");
        assert_hardened(&reply, &headers);
    }
}

#[tokio::test]
async fn no_call_is_open_to_a_page_on_either_transport_and_none_reaches_the_mesh() {
    let daemon = Daemon::new().await;
    for route in ROUTES {
        let path = route.path.replace("{pubkey}", ADA).replace("{id}", &id(1).to_hex()).replace("{url}", "wss%3A%2F%2Fx.com");
        let body = if route.method == Method::Get { "" } else { "{}" };
        let length = body.len();
        for page in ["Origin: https://evil.example", "Referer: https://evil.example/", "Sec-Fetch-Site: cross-site"] {
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{page}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}",
                route.method, daemon.port
            );
            for reply in [daemon.raw(&request).await, daemon.raw_unix(&request).await] {
                assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{request}");
                assert_hardened(&reply, path.as_str());
            }
        }
    }
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn a_target_that_names_another_host_is_refused() {
    let daemon = Daemon::new().await;
    let port = daemon.port;
    for (target, status) in [(format!("http://127.0.0.1:{port}/health"), 200), ("http://evil.example/health".to_owned(), 403)] {
        let reply = daemon.raw(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(reply.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_refused_caller_does_not_keep_the_connection() {
    let daemon = Daemon::new().await;
    // No `Connection: close` from us: `raw` returns only because the daemon closes.
    let reply = daemon.raw("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("connection")), (403, Some("close")));
}

#[tokio::test]
async fn a_body_that_is_not_json_never_gets_in() {
    let daemon = Daemon::answering(|_| Err(AskError::Busy)).await;
    let kinds = [
        ("", 415),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: multipart/form-data; boundary=x\r\n", 415),
        ("Content-Type: application/jsonp\r\n", 415),
        ("Content-Type: text/json\r\n", 415),
        ("Content-Type: application/json; charset=latin1\r\n", 415),
        ("Content-Type: application/json\r\nContent-Type: text/plain\r\n", 415),
        ("Content-Type: application/json\r\n", 503),
        ("Content-Type: Application/JSON; charset=\"UTF-8\"\r\n", 503),
    ];
    let body = r#"{"to":"ada","content":"hi"}"#;
    for (kind, status) in kinds {
        for framing in [
            format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ] {
            let reply = daemon
                .raw(&format!("POST /send HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{kind}{framing}", daemon.port))
                .await;
            assert_eq!(reply.status, status, "{kind}{framing}");
        }
    }
    assert_eq!(daemon.asked().len(), 4);
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let daemon = Daemon::new().await;
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "BREW", "POST"] {
        let reply = daemon.raw(&format!("{method} /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", daemon.port)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert_eq!(reply.code(), "method_not_allowed");
    }
    let head = daemon.raw(&format!("HEAD /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", daemon.port)).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let peers = daemon.raw(&format!("PUT /peers/x HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", daemon.port)).await;
    assert_eq!(peers.header("allow"), Some("GET, PATCH, DELETE, HEAD"));
    assert_eq!(daemon.get("/nowhere").await.code(), "not_found");
}

#[tokio::test]
async fn a_token_is_asked_of_everyone_and_a_new_one_counts_at_once() {
    let daemon = Daemon::with_token().await;
    let ask = async |header: &str, over_socket: bool| {
        let request = format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{header}\r\n", daemon.port);
        if over_socket { daemon.raw_unix(&request).await } else { daemon.raw(&request).await }
    };
    let file = daemon.home.path().join("token");
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    assert_eq!(ask("Authorization: Bearer \r\n", false).await.status, 401, "no file, no way in");
    std::fs::write(&file, "").unwrap();
    assert_eq!(ask("Authorization: Bearer \r\n", false).await.status, 401, "an empty file is no token");
    std::fs::write(&file, format!("{old}\n")).unwrap();
    for over_socket in [false, true] {
        let denied = ask("", over_socket).await;
        assert_eq!((denied.status, denied.code().as_str()), (401, "unauthorized"));
        assert!(denied.header("www-authenticate").unwrap().starts_with("Bearer"));
        for wrong in [format!("Bearer {new}"), format!("Basic {old}"), old.clone(), format!("Bearer {old}x"), "Bearer".to_owned()] {
            assert_eq!(ask(&format!("Authorization: {wrong}\r\n"), over_socket).await.status, 401, "{wrong}");
        }
        assert_eq!(ask(&format!("Authorization: Bearer {old}\r\nAuthorization: Bearer {old}\r\n"), over_socket).await.status, 401);
        assert_eq!(ask(&format!("Authorization: bearer {old}\r\n"), over_socket).await.status, 200);
    }
    std::fs::write(&file, &new).unwrap();
    assert_eq!(ask(&format!("Authorization: Bearer {old}\r\n"), false).await.status, 401);
    assert_eq!(ask(&format!("Authorization: Bearer {new}\r\n"), false).await.status, 200);
    assert_eq!(daemon.get("/health?x=1").await.status, 401, "before anything else");
}

/// Only root can become somebody else; elsewhere the owner's look-up is tested on its own.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_of_the_machine_is_turned_away() {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let daemon = Daemon::new().await;
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{0}; printf 'GET /health HTTP/1.1\\r\\nHost: 127.0.0.1:{0}\\r\\n\\r\\n' >&3; cat <&3",
        daemon.port
    );
    let as_user = |uid: u32, script: String| {
        tokio::task::spawn_blocking(move || {
            let out = std::process::Command::new("bash").args(["-c", &script]).uid(uid).output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        })
    };
    let answer = as_user(65_534, script.clone()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let own = as_user(0, script.replace("Host:", "Connection: close\\r\\nHost:")).await.unwrap();
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    // Who comes again and again is not even answered; the owner is.
    let many = script.replace("exec", "for n in {1..60}; do exec").replace("cat <&3", "cat <&3; done");
    let answers = as_user(65_534, many).await.unwrap().matches("HTTP/1.1 403").count();
    assert!((1..50).contains(&answers), "{answers} answers to 60");
    let own = as_user(0, script.replace("Host:", "Connection: close\\r\\nHost:")).await.unwrap();
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
}
