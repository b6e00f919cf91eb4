//! Tokens with a scope: what each may do on every route, and how often anybody may call.

use ocmesh_api::{ROUTES, Scope};

use super::*;

struct Asked<'a> {
    daemon: &'a Daemon,
    tokens: Tokens,
}

impl<'a> Asked<'a> {
    fn new(daemon: &'a Daemon) -> Self {
        let tokens = Tokens::of(&Home::locate(|_| Some(daemon.home.path().into())).unwrap());
        tokens.make_own().unwrap();
        Self { daemon, tokens }
    }

    fn owner(&self) -> String {
        std::fs::read_to_string(self.daemon.home.path().join("token")).unwrap()
    }

    /// The status of a stream, which does not end by itself.
    async fn stream(&self, token: &str) -> u16 {
        let mut socket = TcpStream::connect(("127.0.0.1", self.daemon.port)).await.unwrap();
        let port = self.daemon.port;
        let request = format!("GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        tokio::time::timeout(BOUND, socket.read_exact(&mut head)).await.unwrap().unwrap();
        std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
    }

    async fn post(&self, path: &str, token: &str, body: &str) -> Reply {
        let (port, length) = (self.daemon.port, body.len());
        self.daemon
            .raw(&format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await
    }

    async fn call(&self, method: &str, path: &str, token: &str) -> Reply {
        let body = if method == "GET" { String::new() } else { "Content-Type: application/json\r\nContent-Length: 2\r\n".to_owned() };
        let end = if method == "GET" { "" } else { "{}" };
        let port = self.daemon.port;
        self.daemon
            .raw(&format!(
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{body}\r\n{end}"
            ))
            .await
    }
}

#[tokio::test]
async fn a_token_does_what_its_scope_says_and_nothing_more() {
    let daemon = Daemon::with_token().await;
    let asked = Asked::new(&daemon);
    let made = [Scope::Read, Scope::Send, Scope::Admin].map(|scope| (scope, asked.tokens.make(scope.as_str(), scope).unwrap()));
    let mut refused = 0;
    for route in ROUTES.iter().filter(|route| route.path != "/events") {
        let path = route.path.replace("{pubkey}", ADA).replace("{id}", &id(1).to_hex()).replace("{url}", "wss%3A%2F%2Fx.com");
        for (scope, token) in &made {
            let reached = daemon.asked().len();
            let reply = asked.call(route.method.as_str(), &path, token).await;
            if *scope >= route.scope {
                assert!(!matches!(reply.status, 401 | 403 | 429), "{scope:?} {route:?}: {reply:?}");
                continue;
            }
            refused += 1;
            assert_eq!((reply.status, reply.code().as_str()), (403, "scope_missing"), "{scope:?} {route:?}");
            assert_eq!(
                reply.header("www-authenticate").unwrap(),
                format!("Bearer realm=\"ocmesh\", error=\"insufficient_scope\", scope=\"{}\"", route.scope.as_str())
            );
            assert!(reply.value()["error"]["hint"].as_str().unwrap().contains("ocmesh token new"));
            assert_eq!(daemon.asked().len(), reached, "nothing reached the mesh");
        }
        let reply = asked.call(route.method.as_str(), &path, &asked.owner()).await;
        assert!(!matches!(reply.status, 401 | 403 | 429), "the owner may do everything: {route:?}: {reply:?}");
    }
    for (scope, token) in &made {
        assert_eq!(asked.stream(token).await, 200, "{scope:?} may listen");
    }
    for nobody in ["", "ocm_read_0000", "x"] {
        assert_eq!(asked.stream(nobody).await, 401);
    }
    // Every call that changes something is refused to a reader; those of the owner to a sender too.
    let changing = ROUTES.iter().filter(|route| route.scope > Scope::Read).count();
    let admin = ROUTES.iter().filter(|route| route.scope == Scope::Admin).count();
    assert_eq!(refused, changing + admin);
}

#[tokio::test]
async fn a_program_with_a_lesser_token_does_not_speak_for_the_owner() {
    let daemon = Daemon::with_token().await;
    let asked = Asked::new(&daemon);
    let sender = asked.tokens.make("bot", Scope::Send).unwrap();
    for claim in [r#""origin":"owner""#, r#""allow_secret":true"#] {
        let body = format!(r#"{{"to":"ada","content":"hi",{claim}}}"#);
        let reply = asked.post("/send", &sender, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "scope_missing"), "{claim}: {reply:?}");
        assert!(daemon.asked().is_empty(), "nothing reached the mesh");
    }
    asked.post("/send", &sender, r#"{"to":"ada","content":"hi","origin":"agent"}"#).await;
    assert_eq!(daemon.asked().len(), 1);
    asked.post("/send", &asked.owner(), r#"{"to":"ada","content":"hi","origin":"owner","allow_secret":true}"#).await;
    assert_eq!(daemon.asked().len(), 2, "the owner speaks for itself");
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_a_token_in_an_address_is_none() {
    let daemon = Daemon::with_token().await;
    let asked = Asked::new(&daemon);
    let token = asked.tokens.make("ada", Scope::Read).unwrap();
    assert_eq!(asked.call("GET", "/health", &token).await.status, 200);
    for path in [format!("/health?access_token={}", *token), format!("/health?token={}", *token)] {
        assert_eq!(daemon.get(&path).await.status, 401);
    }
    asked.tokens.revoke("ada").unwrap();
    let reply = asked.call("GET", "/health", &token).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"));
    assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
}

#[tokio::test]
async fn bad_tokens_are_slowed_down_and_good_ones_are_not() {
    let daemon = Daemon::with_token().await;
    let asked = Asked::new(&daemon);
    let mut seen = Vec::new();
    for n in 0..60 {
        let reply = asked.call("GET", "/health", &format!("ocm_ada_{n}")).await;
        assert!(matches!((reply.status, reply.code().as_str()), (401, "unauthorized") | (429, "rate_limited")), "{reply:?}");
        assert_eq!(reply.status == 429, reply.header("retry-after") == Some("1"), "{reply:?}");
        seen.push(reply.status);
        assert_eq!(asked.call("GET", "/health", &asked.owner()).await.status, 200, "nobody is locked out");
    }
    assert!(seen[..20].iter().all(|status| *status == 401), "{seen:?}");
    assert!(seen.iter().filter(|status| **status == 429).count() > 20, "{seen:?}");
}

#[tokio::test]
async fn a_program_with_a_token_sends_fifty_messages_at_once_and_then_ten_a_second() {
    let daemon = Daemon::with_token().await;
    let asked = Asked::new(&daemon);
    let token = asked.tokens.make("bot", Scope::Send).unwrap();
    let began = Instant::now();
    let mut through = 0u32;
    for _ in 0..90 {
        let reply = asked.call("POST", "/send", &token).await;
        if reply.status == 429 {
            assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("rate_limited", Some("1")));
        } else {
            through += 1;
        }
    }
    let more = u32::try_from(began.elapsed().as_millis() / 100).unwrap() + 1;
    assert!((50..=50 + more).contains(&through), "{through} of 90 within {:?}", began.elapsed());
    assert_eq!(asked.call("GET", "/health", &token).await.status, 200, "it may still read");
    assert_ne!(asked.call("POST", "/send", &asked.owner()).await.status, 429, "and others may still send");
}

#[tokio::test]
async fn the_owner_on_loopback_has_a_pace_too() {
    let daemon = Daemon::start_with(Box::new(|_| Ok(Told::Done)), false, 10).await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(daemon.get("/health").await.status);
    }
    assert!(statuses[..20].iter().all(|status| *status == 200), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let page = daemon.raw(&format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: null\r\n\r\n", daemon.port)).await;
    assert_eq!(page.status, 403, "a page does not even spend the owner's places");
}
