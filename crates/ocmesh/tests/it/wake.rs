//! Waking across crashes of the real daemon: nobody is forgotten, nobody is woken twice for the same, and strangers wake nobody.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ocmesh_api::{AddPeerRequest, MessagesQuery, Origin, ReadRequest, SendRequest};
use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::{
    TestDaemon,
    wait::{PATIENCE, until},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// A place that is posted to: tells what came, and answers unless it holds.
struct Hook {
    url: String,
    holds: Arc<AtomicBool>,
    came: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Hook {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wake", listener.local_addr().unwrap());
        let (tell, came) = mpsc::unbounded_channel();
        let holds = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&holds);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tell, held) = (tell.clone(), Arc::clone(&held));
                tokio::spawn(async move {
                    let mut tcp = BufReader::new(tcp);
                    if let Some(request) = read(&mut tcp).await {
                        let _ = tell.send(request);
                        if held.load(Ordering::SeqCst) {
                            std::future::pending::<()>().await;
                        }
                        let _ = tcp.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    }
                });
            }
        });
        Self { url, holds, came }
    }

    /// The next wake: its delivery, and what it says.
    async fn next(&mut self) -> (String, Value) {
        timeout(PATIENCE, self.came.recv()).await.expect("nobody was woken").unwrap()
    }
}

async fn read(tcp: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut delivery, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if tcp.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("x-ocmesh-delivery", value)) => value.clone_into(&mut delivery),
            Some(("content-length", value)) => length = value.parse().ok()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).await.ok()?;
    Some((delivery, serde_json::from_slice(&body).ok()?))
}

async fn says(ada: &TestDaemon, bob: &str, text: &str) {
    let request = SendRequest { to: bob.to_owned(), content: text.to_owned(), origin: Some(Origin::Owner), ..SendRequest::default() };
    ada.client().unwrap().send(&request).await.unwrap();
}

async fn has(bob: &TestDaemon, unread: usize) {
    let query = MessagesQuery { unread: Some(true), ..MessagesQuery::default() };
    let look = async || (bob.client().ok()?.messages(&query).await.ok()?.items.len() == unread).then_some(());
    until(format!("{unread} unread messages"), PATIENCE, look).await.unwrap();
}

async fn stands(bob: &TestDaemon, state: &str) -> ocmesh_api::WakeStatus {
    let look = async || bob.client().ok()?.wakes().await.ok()?.pop().filter(|wake| wake.state == state);
    until(format!("the target to be {state}"), PATIENCE, look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_survives_kill_9_at_both_ends_of_its_way_and_comes_once_for_many_messages() {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let mut hook = Hook::start().await;
    let daemon = |name: &str| TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name(name);
    let ada = daemon("ada").start().await.unwrap();
    let config = format!("[[wake]]\nid = 'hook'\nkind = 'webhook'\nurl = '{}'\nsecret_file = 'hook.secret'\n", hook.url);
    let mut bob = daemon("bob").config(config).prepare().unwrap();
    let secret = bob.home().join("hook.secret");
    fs::write(&secret, "not-a-real-one").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    bob.start().await.unwrap();
    let key = |daemon: &TestDaemon| daemon.client().unwrap();
    let (ada_key, bob_key) = (key(&ada).identity().await.unwrap().pubkey, key(&bob).identity().await.unwrap().pubkey);
    ada.client().unwrap().add_peer(&AddPeerRequest { peer: bob_key.clone(), petname: None }).await.unwrap();

    // A stranger's message is stored and wakes nobody, not even when a start looks at everything.
    says(&ada, &bob_key, "one").await;
    has(&bob, 1).await;
    bob.kill9().await.unwrap();
    bob.start().await.unwrap();
    assert_eq!(stands(&bob, "idle").await.woke_at, None);
    assert!(hook.came.try_recv().is_err());
    // Accepted, it wakes: the first wake of all.
    bob.client().unwrap().add_peer(&AddPeerRequest { peer: ada_key, petname: None }).await.unwrap();
    hook.holds.store(true, Ordering::SeqCst);
    says(&ada, &bob_key, "two").await;
    let (delivery, body) = hook.next().await;
    let unread = body["payload"]["unread"].clone();

    // In the air, and the daemon is gone. What comes meanwhile belongs to it.
    stands(&bob, "in_flight").await;
    says(&ada, &bob_key, "three").await;
    has(&bob, 3).await;
    bob.kill9().await.unwrap();
    hook.holds.store(false, Ordering::SeqCst);
    bob.start().await.unwrap();
    let (again, body) = hook.next().await;
    assert_eq!((again.as_str(), &body["payload"]["unread"]), (delivery.as_str(), &unread), "the same wake: {body}");
    stands(&bob, "woken").await;

    // Outstanding over another crash, and not sent again.
    bob.kill9().await.unwrap();
    bob.start().await.unwrap();
    let woken = stands(&bob, "woken").await;
    assert!(woken.woke_at.is_some() && woken.acknowledged_at.is_none(), "{woken:?}");
    bob.client().unwrap().mark_read(&ReadRequest { ids: None, all: Some(true) }).await.unwrap();
    assert!(stands(&bob, "idle").await.acknowledged_at.is_some());
    says(&ada, &bob_key, "four").await;
    let (next, body) = hook.next().await;
    assert_eq!(body["payload"]["unread"], 1, "{body}");
    assert_ne!(next, delivery);
    stands(&bob, "woken").await;
    assert!(hook.came.try_recv().is_err(), "three wakes for four messages and three crashes");
    let log = bob.log();
    assert!(log.contains("agent woken") && !log.contains("not-a-real-one"), "{log}");
}
