//! Server-sent events: each kind, in order, once; and what was missed comes from the store.

use ocmesh_api::{Event, EventStream};
use ocmesh_proto::{FailReason, GapChange, LoopChange, PeerChange};
use ocmesh_store::PruneLimits;

use super::*;

async fn next(stream: &mut EventStream) -> Event {
    tokio::time::timeout(BOUND, stream.next()).await.expect("an event comes").unwrap().expect("the stream is open")
}

fn moved(n: u8) -> Notice {
    Notice::MessageMoved { id: id(n), status: Status::Delivered { at: NOW } }
}

#[tokio::test]
async fn each_kind_of_event_comes_with_its_number() {
    let daemon = Daemon::new().await;
    daemon.write(&[put_peer(peer(ada(), "ada")), add(inbound(9))], &[arrived(9)]);
    let mut stream = daemon.client().events(None).await.unwrap();
    let url = RelayUrl::parse("wss://b.example.com").unwrap();
    let failed = Notice::MessageMoved { id: id(2), status: Status::Failed { at: NOW, reason: FailReason::Expired } };
    let seqs = daemon.write(
        &[add(inbound(1))],
        &[
            arrived(1),
            moved(2),
            failed,
            Notice::MessageRead { id: id(1) },
            Notice::PeerChanged { peer: ada(), what: PeerChange::Online },
            Notice::RelayChanged { relay: url },
            Notice::GapChanged { peer: ada(), what: GapChange::Found, missing: 2, lost: 1 },
            Notice::GapChanged { peer: ada(), what: GapChange::Healed, missing: 0, lost: 1 },
            Notice::GapChanged { peer: ada(), what: GapChange::Lost, missing: 0, lost: 2 },
            Notice::GapChanged { peer: ada(), what: GapChange::Broken, missing: 0, lost: 2 },
            Notice::LoopChanged { peer: ada(), what: LoopChange::Tripped, until: NOW.plus(1_000) },
            Notice::OwnChanged,
        ],
    );
    let Event::Message(message) = next(&mut stream).await else { panic!("the first is the message that came after we did") };
    assert_eq!((message.content.as_str(), message.from_name.as_deref()), ("message 1", Some("ada")));
    assert_eq!(stream.last_id(), Some(seqs[0]));
    assert!(matches!(next(&mut stream).await, Event::Receipt(receipt) if receipt.status == "delivered" && receipt.direction == "out"));
    assert!(matches!(next(&mut stream).await, Event::Receipt(receipt) if receipt.reason.as_deref() == Some("expired")));
    assert!(matches!(next(&mut stream).await, Event::Receipt(receipt) if receipt.status == "read" && receipt.direction == "in"));
    assert!(matches!(next(&mut stream).await, Event::Peer(peer) if peer.pubkey == ADA && peer.change == "online"));
    assert!(matches!(next(&mut stream).await, Event::Relay(relay) if relay.state == "waiting"));
    assert!(matches!(next(&mut stream).await, Event::Gap(gap) if (gap.pubkey.as_str(), gap.missing, gap.lost) == (ADA, 2, 1)));
    assert!(matches!(next(&mut stream).await, Event::GapHealed(gap) if gap.missing == 0));
    assert!(matches!(next(&mut stream).await, Event::GapLost(gap) if gap.lost == 2));
    assert!(matches!(next(&mut stream).await, Event::ChainBroken(_)));
    let Event::Loop(stopped) = next(&mut stream).await else { panic!("agents were stopped") };
    assert_eq!((stopped.pubkey.as_str(), stopped.change.as_str(), stopped.until.as_str()), (ADA, "tripped", "2026-09-21T14:13:21.000Z"));
    assert!(matches!(next(&mut stream).await, Event::Status(status) if status.name == "quiet-heron"));
    assert_eq!(stream.last_id(), seqs.last().copied());
}

#[tokio::test]
async fn a_listener_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let daemon = Daemon::new().await;
    let first = daemon.write(&[], &[moved(1)])[0];
    // More than one reading of the store.
    let missed: Vec<_> = (0..250).flat_map(|n| daemon.write(&[], &[moved(n)])).collect();
    let mut stream = daemon.client().events(Some(first)).await.unwrap();
    let live = daemon.write(&[], &[moved(2)])[0];
    let mut seen = Vec::new();
    while stream.last_id() != Some(live) {
        next(&mut stream).await;
        seen.extend(stream.last_id());
    }
    assert_eq!(seen, missed.into_iter().chain([live]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listener_overrun_by_events_gets_them_from_the_store() {
    let daemon = Daemon::new().await;
    let mut stream = daemon.client().events(None).await.unwrap();
    let all: Vec<_> = (0..200).map(|_| Notice::OwnChanged).collect();
    let numbered = daemon.write_silently(&[], &all);
    // In one breath, so that the listener, which shares this thread, falls behind.
    for notice in &numbered {
        daemon.notices.send(Arc::new(notice.clone())).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < numbered.len() {
        next(&mut stream).await;
        seen.extend(stream.last_id());
    }
    assert_eq!(seen, numbered.iter().map(|notice| notice.seq).collect::<Vec<_>>());
}

impl Daemon {
    /// Keeps only the newest notices, as the daemon does by and by.
    fn prune(&self, notices_max: u64) {
        self.store.lock().unwrap().prune(NOW, &PruneLimits { notices_max, ..PruneLimits::default() }).unwrap();
    }
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_to_read_everything_anew() {
    let daemon = Daemon::new().await;
    let seqs: Vec<_> = (0..20).flat_map(|n| daemon.write(&[], &[moved(n)])).collect();
    daemon.prune(5);
    let mut stream = daemon.client().events(Some(seqs[2])).await.unwrap();
    let Event::Resync(resync) = next(&mut stream).await else { panic!("what is lost is told first") };
    assert_eq!((resync.reason.as_str(), resync.missed, stream.last_id()), ("pruned", Some(12), Some(seqs[14])));
    for seq in &seqs[15..] {
        assert!(matches!(next(&mut stream).await, Event::Receipt(_)));
        assert_eq!(stream.last_id(), Some(*seq));
    }
    // Who has all but what is left misses nothing.
    let mut stream = daemon.client().events(Some(seqs[14])).await.unwrap();
    assert!(matches!(next(&mut stream).await, Event::Receipt(_)));
}

#[tokio::test]
async fn a_slow_listener_is_told_what_it_missed() {
    let daemon = Daemon::new().await;
    let mut stream = daemon.client().events(None).await.unwrap();
    let numbered = daemon.write_silently(&[], &[const { Notice::OwnChanged }; 200]);
    daemon.prune(50);
    for notice in &numbered {
        daemon.notices.send(Arc::new(notice.clone())).unwrap();
    }
    assert!(matches!(next(&mut stream).await, Event::Resync(resync) if resync.missed == Some(150)));
    for notice in &numbered[150..] {
        next(&mut stream).await;
        assert_eq!(stream.last_id(), Some(notice.seq));
    }
}

#[tokio::test]
async fn who_loses_the_connection_before_the_first_event_goes_on_from_there() {
    let daemon = Daemon::new().await;
    let newest = daemon.write(&[], &[moved(1)])[0];
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
    stream.write_all(format!("GET /events HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", daemon.port).as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("\n\n") || !heard.contains(": ocmesh") {
        let mut piece = [0; 1_024];
        let length = tokio::time::timeout(BOUND, stream.read(&mut piece)).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    assert!(heard.contains(&format!("id: {newest}\n")), "{heard}");
}

#[tokio::test]
async fn what_was_read_from_the_store_is_not_told_again() {
    let daemon = Daemon::new().await;
    let first = daemon.write(&[], &[moved(1)])[0];
    let stored = daemon.write_silently(&[], &[moved(2), moved(3)]);
    let mut stream = daemon.client().events(Some(first)).await.unwrap();
    next(&mut stream).await;
    next(&mut stream).await;
    // The engine sends them out only now: on disk first, then to listeners.
    for notice in stored {
        daemon.notices.send(Arc::new(notice)).unwrap();
    }
    let newest = daemon.write(&[], &[moved(4)])[0];
    next(&mut stream).await;
    assert_eq!(stream.last_id(), Some(newest));
}

#[tokio::test]
async fn a_number_from_another_database_means_from_now() {
    let daemon = Daemon::new().await;
    daemon.write(&[], &[moved(1)]);
    let mut stream = daemon.client().events(Some(1_000_000)).await.unwrap();
    let seq = daemon.write(&[], &[moved(2)])[0];
    assert!(matches!(next(&mut stream).await, Event::Resync(resync) if resync.reason == "unknown_id" && resync.missed.is_none()));
    next(&mut stream).await;
    assert_eq!(stream.last_id(), Some(seq));
    let request = format!("GET /events HTTP/1.1\r\nHost: localhost:{}\r\nLast-Event-ID: x\r\nConnection: close\r\n\r\n", daemon.port);
    assert_eq!(daemon.raw(&request).await.status, 400);
}

#[tokio::test]
async fn a_held_message_is_announced_without_its_text() {
    let daemon = Daemon::new().await;
    let mut stream = daemon.client().events(None).await.unwrap();
    daemon.write(&[add(MessageRecord { held: true, ..inbound(1) })], &[arrived(1)]);
    assert!(matches!(next(&mut stream).await, Event::Message(message) if message.held && message.content.is_empty()));
}

#[tokio::test]
async fn a_stop_ends_the_stream() {
    let daemon = Daemon::new().await;
    let mut stream = daemon.client().events(None).await.unwrap();
    daemon.stop.cancel();
    assert!(tokio::time::timeout(BOUND, stream.next()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn streams_are_counted_and_come_free_again() {
    let daemon = Daemon::new().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(daemon.client().events(None).await.unwrap());
    }
    assert!(matches!(daemon.client().events(None).await, Err(ocmesh_api::ClientError::Api(error)) if error.code.as_str() == "busy"));
    streams.clear();
    tokio::time::timeout(BOUND, async {
        while daemon.client().events(None).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a closed stream makes room");
}
