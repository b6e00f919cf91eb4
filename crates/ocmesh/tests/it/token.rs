//! `ocmesh token` and the daemon that asks for tokens: what the owner's own programs notice of it, which is nothing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::TestDaemon;

use crate::support::{Ended, User};

#[test]
fn a_token_is_shown_once_listed_and_revoked() {
    let user = User::new();
    assert!(user.run(&["token", "list"]).expect(0).stdout.contains("ocmesh token new"));
    let made = user.run(&["token", "new", "dashboard", "--scope", "read"]).expect(0);
    let token = made.stdout.trim();
    assert!(token.starts_with("ocm_dashboard_") && token.lines().count() == 1, "{made:?}");
    assert!(made.stderr.contains("shown once") && made.stderr.contains("api.auth = \"token\""), "{}", made.stderr);
    let list = user.run(&["token", "list"]).expect(0).stdout;
    assert!(list.contains("dashboard") && list.contains("read") && !list.contains(token), "{list}");
    let listed = user.run(&["token", "list", "--json"]).expect(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["scope"]), (&"dashboard".into(), &"read".into()));
    let secret = token.rsplit('_').next().unwrap();
    for entry in std::fs::read_dir(user.data().join("tokens")).unwrap() {
        assert!(!std::fs::read_to_string(entry.unwrap().path()).unwrap().contains(secret));
    }

    assert_eq!(user.run(&["token", "new", "dashboard", "--scope", "admin", "--json"]).expect(1).error_json()["code"], "token_taken");
    assert_eq!(user.run(&["token", "new", "../x", "--scope", "read", "--json"]).expect(1).error_json()["code"], "bad_name");
    user.run(&["token", "new", "x"]).expect(2);
    user.run(&["token", "new", "x", "--scope", "all"]).expect(2);
    user.run(&["token", "revoke", "dashboard"]).expect(0);
    assert_eq!(user.run(&["token", "revoke", "dashboard", "--json"]).expect(1).error_json()["code"], "token_unknown");
}

/// One request over TCP with or without a token: status and whole answer.
fn http(port: u16, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{token}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_asked_for_the_owners_programs_work_and_others_do_what_they_may() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name("ada");
    let daemon = builder.env("OCMESH_API_AUTH", "token").start().await.unwrap();
    let port = daemon.client().unwrap().endpoint().port;
    let user = User::new();
    let run = |arguments: &[&str]| Ended::of(user.ocmesh(arguments).env("OCMESH_HOME", daemon.home()).env("OCMESH_API_AUTH", "token"));
    assert_eq!(run(&["status", "--json"]).expect(0).json()["name"], "ada");

    let made = run(&["token", "new", "reader", "--scope", "read"]).expect(0);
    assert!(!made.stderr.contains("asks for no tokens"), "{}", made.stderr);
    let token = made.stdout.trim().to_owned();
    assert_eq!(http(port, "GET", "/health", None).0, 401);
    assert_eq!(http(port, "GET", "/health", Some(&token)).0, 200);
    let (status, answer) = http(port, "POST", "/send", Some(&token));
    assert!(status == 403 && answer.contains("scope_missing") && answer.contains("insufficient_scope"), "{answer}");
    run(&["token", "revoke", "reader"]).expect(0);
    assert_eq!(http(port, "GET", "/health", Some(&token)).0, 401, "at once");

    // A daemon that cannot read its own token: what the owner is told, and with which exit code.
    std::fs::write(daemon.home().join("token"), "").unwrap();
    let told = run(&["status"]).expect(4);
    assert!(told.stderr.contains("token"), "{}", told.stderr);
    let log = std::fs::read_to_string(daemon.home().join("ocmesh.log")).unwrap();
    assert!(!log.contains(token.rsplit('_').next().unwrap()), "no token in the log");
    assert!(log.contains("requests without a good token were refused"), "{log}");
}

#[test]
fn a_daemon_that_is_to_listen_elsewhere_does_not_start_and_says_why() {
    let user = User::new();
    let ended = Ended::of(user.ocmesh(&["daemon"]).env("OCMESH_API_ADDRESS", "0.0.0.0").env("OCMESH_API_AUTH", "token")).expect(1);
    assert!(ended.stderr.contains("127.0.0.1 alone") && ended.stderr.contains("ssh -L"), "{}", ended.stderr);
}
