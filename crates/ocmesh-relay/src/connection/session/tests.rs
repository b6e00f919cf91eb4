//! What waits in one session, filled past its bounds. The relay takes the connection, and then neither reads nor says anything.

use futures_util::SinkExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Authenticator, ConnectOptions, HeldEvent, Holdings, Tuning, auth::Allowance, backoff::Dice, connection::Surroundings, desk::Desk,
    dial::Dialer, status::Board, subscription::Subscriptions,
};

/// Generous: only a broken session reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Owner;

impl Authenticator for Owner {
    fn sign_auth(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

impl Holdings for Owner {
    fn held(&self, sub: &str, _: Option<u64>) -> Option<HeldSet> {
        let created_at = sub.parse().ok()?;
        Some([HeldEvent { created_at, id: [7; 32] }].into_iter().collect())
    }
}

/// A link to a relay of its own, and what it remembers. The channel's far end comes along, as a session ends without it.
async fn link() -> (Link, Memory, mpsc::Receiver<PoolEvent>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay: Arc<str> = format!("ws://{}", listener.local_addr().unwrap()).into();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = tokio_tungstenite::accept_async(stream).await;
        std::future::pending::<()>().await;
        drop(socket);
    });
    let (events, told) = mpsc::channel(64);
    let (tuning, now) = (Arc::new(Tuning::default()), Instant::now());
    let mut dice = Dice::new(Some(1));
    let memory = Memory {
        subscriptions: Subscriptions::new(Arc::clone(&tuning), dice.split()),
        allowance: Allowance::new(&tuning, now),
        challenges: false,
        described_at: Some(now),
        noticed_at: None,
    };
    let surroundings = Surroundings {
        authenticator: Arc::new(Owner),
        holdings: Arc::new(Owner),
        dialer: Dialer::new("ocmesh/test".to_owned(), &tuning),
        tuning,
        events,
        began: now,
    };
    let link = Link {
        desk: Arc::new(Desk::new(ConnectOptions { private_ok: true, auth: false })),
        board: Arc::new(Board::new(Arc::clone(&relay))),
        relay,
        cancel: CancellationToken::new(),
        dice,
        surroundings: Arc::new(surroundings),
    };
    (link, memory, told)
}

async fn wire(link: &Link) -> Wire {
    let (socket, _) = link.surroundings.dialer.websocket(&link.relay, true, link.board.traffic()).await.unwrap();
    Wire::new(socket)
}

#[tokio::test]
async fn a_relay_that_makes_us_talk_and_takes_nothing_is_left_when_too_much_waits() {
    let (link, mut memory, _told) = link().await;
    let mut session = Session::new(&link, &mut memory, wire(&link).await);
    let say = |session: &mut Session<'_>| session.act(vec![Out::Send("[\"CLOSE\",\"s\"]".to_owned())]);
    (0..CONTROL_MAX).for_each(|_| say(&mut session));
    assert!(session.settle().is_ok());
    say(&mut session);
    assert_eq!(session.settle().unwrap_err(), "the relay stopped taking data");
}

#[tokio::test]
async fn answers_of_the_owner_that_nobody_takes_yet_wait_outside_and_none_is_lost() {
    const ASKED: usize = 3 * ANSWERS_MAX;
    let (link, mut memory, _told) = link().await;
    let mut session = Session::new(&link, &mut memory, wire(&link).await);
    (0..ASKED).for_each(|n| session.act(vec![Out::Ask { name: n.to_string().into(), ask: 1, since: None }]));
    let full = async {
        while session.answers.1.len() < ANSWERS_MAX {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, full).await.unwrap();
    assert_eq!((session.answers.1.len(), session.answers.1.capacity()), (ANSWERS_MAX, 0));
    let mut answered = Vec::new();
    for _ in 0..ASKED {
        let (sub, _, held) = timeout(PATIENCE, session.answers.1.recv()).await.unwrap().unwrap();
        assert_eq!(held.unwrap().iter().map(|event| event.created_at.to_string()).collect::<Vec<_>>(), [sub.as_ref()]);
        answered.push(sub.parse::<usize>().unwrap());
    }
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..ASKED));
}

/// The relay says everything at once; the owner takes nothing.
#[tokio::test]
async fn what_lies_in_the_sockets_buffer_is_not_read_past_a_slow_owner() {
    let (link, mut memory, told) = link().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = format!("ws://{}", listener.local_addr().unwrap());
    let (said, all_said) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for n in 0..2 * told.max_capacity() {
            let event = format!(r#"{{"id":"{n:064x}","pubkey":"p","created_at":{n},"kind":1,"tags":[],"content":"","sig":"s"}}"#);
            socket.feed(Message::text(format!(r#"["EVENT","s",{event}]"#))).await.unwrap();
        }
        socket.flush().await.unwrap();
        said.send(()).unwrap();
        std::future::pending::<()>().await;
        drop((socket, told));
    });
    let (socket, _) = link.surroundings.dialer.websocket(&relay, true, link.board.traffic()).await.unwrap();
    let wanted = crate::desk::Wanted { filters: vec![serde_json::json!({ "kinds": [1] })], live: true, reconcile: None };
    memory.subscriptions.wish("s".into(), Some(wanted), Instant::now(), &mut Vec::new());
    let mut session = Session::new(&link, &mut memory, Wire::new(socket));
    session.open();
    session.settle().unwrap();
    timeout(PATIENCE, all_said).await.unwrap().unwrap();
    // The first alone, so that the channel is full in the middle of what is read in one go.
    let turn = timeout(PATIENCE, session.wire.turn(true, false)).await.unwrap();
    session.turn(turn).unwrap();
    let full = async {
        while !session.outlet.is_blocked() {
            session.read_on().unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, full).await.unwrap();
    assert_eq!(session.outlet.into_waiting().len(), 1, "one event finds no room, and none is read behind it");
}
