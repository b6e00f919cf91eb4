//! Slow, huge and many: each is bounded, and none of them locks others out.

use std::sync::{Condvar, atomic::AtomicUsize};

use futures_util::future::join_all;

use super::{super::store, *};
use crate::limit::READS_MAX;

#[tokio::test]
async fn a_huge_body_is_refused_by_its_length_and_by_its_bytes() {
    let daemon = Daemon::new().await;
    let head = format!("POST /send HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\n", daemon.port);
    let reply = daemon.raw(&format!("{head}Content-Length: 1048577\r\n\r\n")).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "payload_too_large"));
    let chunk = "x".repeat(64 * 1024);
    let body = format!("{:x}\r\n{chunk}\r\n", chunk.len()).repeat(17);
    let reply = daemon.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}")).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "payload_too_large"));
    let fits = format!("{{\"to\":\"a\",\"content\":\"{}\"}}", "x".repeat(1024 * 1024 - 23));
    assert_eq!(fits.len(), 1024 * 1024);
    assert_eq!(daemon.json("POST", "/send", &fits).await.code(), "internal", "reached the mesh");
    assert_eq!(daemon.asked().len(), 1);
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let daemon = Daemon::new().await;
    let host = format!("Host: 127.0.0.1:{}\r\nConnection: close\r\n", daemon.port);
    let many: String = (0..100).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    for headers in [many, long] {
        assert_eq!(daemon.raw(&format!("GET /health HTTP/1.1\r\n{host}{headers}\r\n")).await.status, 431);
    }
    let target = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(64 * 1024));
    assert!(matches!(daemon.raw(&target).await.status, 414 | 431));
    assert_eq!(daemon.raw("nonsense\r\n\r\n").await.status, 400);
    assert_eq!(daemon.get("/health").await.status, 200);
}

#[tokio::test]
async fn many_connections_are_bounded_and_the_socket_stays_open_for_the_owner() {
    let daemon = Daemon::new().await;
    let mut held = Vec::new();
    for _ in 0..256 {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        // A head that never ends; a byte of an answer would prove that it was taken in.
        stream.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
        held.push(stream);
    }
    // The one too many is closed without an answer.
    let reply = tokio::time::timeout(BOUND, async {
        loop {
            let reply = daemon.get("/health").await;
            if reply.status == 0 {
                return reply;
            }
        }
    });
    assert_eq!(reply.await.unwrap().body, "");
    assert!(daemon.client().health().await.unwrap().ok, "the other transport has its own places");
    held.clear();
    tokio::time::timeout(BOUND, async {
        while daemon.get("/health").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("closed connections make room");
}

/// Questions to the store that end when the test says so.
#[derive(Default)]
struct Slow {
    inside: AtomicUsize,
    most: AtomicUsize,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Slow {
    fn ask(&self) {
        let inside = self.inside.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(inside, Ordering::Relaxed);
        drop(self.end.wait_while(self.ended.lock().unwrap(), |ended| !*ended).unwrap());
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    fn let_go(&self) {
        *self.ended.lock().unwrap() = true;
        self.end.notify_all();
    }
}

#[tokio::test]
async fn so_many_questions_to_the_store_are_asked_at_one_time_and_the_others_wait_for_their_turn() {
    let daemon = Daemon::new().await;
    let slow = Arc::new(Slow::default());
    let reads: Vec<_> = (0..=READS_MAX)
        .map(|_| {
            let (api, slow) = (Arc::clone(&daemon.api), Arc::clone(&slow));
            let ask = move |_: &_| {
                slow.ask();
                Ok(())
            };
            tokio::spawn(async move { store::read(&api, ask).await.is_ok() })
        })
        .collect();
    let full = async {
        while slow.inside.load(Ordering::Relaxed) < READS_MAX {
            tokio::task::yield_now().await;
        }
    };
    let full = tokio::time::timeout(BOUND, full).await;
    let turns_left = daemon.api.reads.available_permits();
    // A call that needs the store waits behind them; one that does not is answered.
    let mut client = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
    let call = format!("GET /peers HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", daemon.port);
    client.write_all(call.as_bytes()).await.unwrap();
    let health = daemon.get("/health").await.status;
    let early = client.try_read(&mut [0]).is_ok();
    // Before anything is looked at: a test that has failed must not leave threads waiting.
    slow.let_go();
    assert!(join_all(reads).await.into_iter().all(Result::unwrap));
    assert_eq!((full, turns_left, slow.most.load(Ordering::Relaxed)), (Ok(()), 0, READS_MAX));
    assert_eq!((health, early, read_reply(&mut client).await.status), (200, false, 200));
}

/// Real sockets and virtual time do not mix, so these wait for real: both patient seconds at once.
#[tokio::test]
async fn a_slow_head_and_a_slow_body_are_cut_off() {
    let daemon = Daemon::new().await;
    let mut body = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
    let head =
        format!("POST /send HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{", daemon.port);
    body.write_all(head.as_bytes()).await.unwrap();
    let reply = read_reply(&mut body).await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "request_timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_cut_off() {
    use hyper_util::rt::TokioIo;
    let (near, mut far) = tokio::io::duplex(1_024);
    let service = hyper::service::service_fn(|_| async { Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new())) });
    let serving = tokio::spawn(async move {
        super::super::listen::http(super::super::listen::HEAD_TIMEOUT, true).serve_connection(TokioIo::new(near), service).await
    });
    let begun = tokio::time::Instant::now();
    for byte in b"GET / HTTP/1.1\r\n".iter().cycle() {
        if far.write_all(&[*byte]).await.is_err() || serving.is_finished() {
            break;
        }
        // paces: a byte each second keeps the connection busy, but not alive; the time is virtual
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(serving.await.unwrap().is_err());
    assert!(begun.elapsed() <= Duration::from_secs(32), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_socket_is_private_and_replaces_only_a_socket() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Daemon::new().await;
    let mode = std::fs::metadata(daemon.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ocmesh.sock");
    drop(bind_unix(&path).unwrap());
    bind_unix(&path).expect("what a crash left behind is replaced");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    assert!(bind_unix(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
