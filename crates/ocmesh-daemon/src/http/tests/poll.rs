//! The long poll: as soon as there is something, at once when there is already, and nothing at the end.

use super::*;

async fn waiting(daemon: &Arc<Daemon>, target: &'static str) -> JoinHandle<Reply> {
    let before = daemon.notices.receiver_count();
    let caller = Arc::clone(daemon);
    let poll = tokio::spawn(async move { caller.get(target).await });
    // The daemon listens from before its first look, so a listener means the poll has begun.
    tokio::time::timeout(BOUND, async {
        while daemon.notices.receiver_count() == before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    poll
}

#[tokio::test]
async fn a_poll_returns_with_the_first_message_that_fits() {
    let daemon = Arc::new(Daemon::new().await);
    let poll = waiting(&daemon, "/messages?unread=true&wait=60").await;
    // Not for this poll: a relay, and a message that is held.
    daemon.write(&[], &[Notice::RelayChanged { relay: RelayUrl::parse("wss://a.example.com").unwrap() }]);
    daemon.write(&[add(MessageRecord { held: true, ..inbound(1) })], &[arrived(1)]);
    assert!(!poll.is_finished());
    daemon.write(&[add(inbound(2))], &[arrived(2)]);
    let reply = poll.await.unwrap();
    assert_eq!(reply.value()[0]["content"], "message 2");
    assert_eq!(reply.value().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_poll_returns_at_once_when_there_is_something_and_empty_at_the_end() {
    let daemon = Daemon::new().await;
    let begun = Instant::now();
    assert_eq!(daemon.get("/messages?wait=1").await.body, "[]");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    daemon.write(&[add(inbound(1))], &[]);
    let begun = Instant::now();
    assert_eq!(daemon.get("/messages?wait=60").await.value().as_array().unwrap().len(), 1);
    assert!(begun.elapsed() < BOUND);
}

#[tokio::test]
async fn a_poll_that_was_overrun_by_notices_looks_again() {
    let daemon = Arc::new(Daemon::new().await);
    let poll = waiting(&daemon, "/messages?wait=60").await;
    // More than the channel holds; the one that matters is lost.
    daemon.write(&[add(inbound(1))], &[arrived(1)]);
    for _ in 0..50 {
        daemon.write(&[], &[Notice::OwnChanged]);
    }
    assert_eq!(poll.await.unwrap().value()[0]["content"], "message 1");
}

#[tokio::test]
async fn a_stop_ends_a_poll_and_the_daemon_within_its_time() {
    let mut daemon = Daemon::new().await;
    let serving = daemon.serving.take().unwrap();
    let socket = daemon.socket();
    let daemon = Arc::new(daemon);
    let poll = waiting(&daemon, "/messages?wait=60").await;
    // A connection that sends nothing must not hold up the stop.
    let idle = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
    let begun = Instant::now();
    daemon.stop.cancel();
    assert_eq!(poll.await.unwrap().body, "[]");
    tokio::time::timeout(BOUND, serving).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!socket.exists(), "the socket file is gone");
    assert!(TcpStream::connect(("127.0.0.1", daemon.port)).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_caller_that_goes_away_is_forgotten() {
    let daemon = Arc::new(Daemon::new().await);
    let poll = waiting(&daemon, "/messages?wait=60").await;
    assert_eq!(daemon.notices.receiver_count(), 1);
    poll.abort();
    tokio::time::timeout(BOUND, async {
        while daemon.notices.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the poll ends with its caller");
}
