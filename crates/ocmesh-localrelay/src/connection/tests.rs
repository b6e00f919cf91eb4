//! A connection that is as far behind as it may be, and one event further.

use std::sync::Arc;

use nostr::{
    event::{EventBuilder, FinalizeEvent as _, Kind},
    key::Keys,
};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::{RelayOptions, Storage, limit::NEWS_MAX, store::Store, stored::Stored};

/// A client that subscribed, and its connection, which has not run since; meanwhile so many events came.
async fn behind_by(events: usize) -> (WebSocketStream<DuplexStream>, Connection<DuplexStream>) {
    let options = Arc::new(RelayOptions::default());
    let store = Arc::new(Store::open(&Storage::Memory, options.limits, clock::now()).unwrap());
    let mut session = Session::new(Arc::clone(&store), options, vec!["ws://127.0.0.1:7777".to_owned()], "a-challenge".to_owned());
    assert_eq!(session.hear(r#"["REQ","s",{}]"#, clock::now()).len(), 1, "nothing is stored");
    let news = store.listen();
    let keys = Keys::generate();
    for n in 0..events {
        let event = EventBuilder::new(Kind::from_u16(20_001), n.to_string()).finalize(&keys).unwrap();
        store.accept(Stored::new(&event), clock::now()).unwrap();
    }
    let (near, far) = duplex(64 * 1_024);
    let socket = WebSocketStream::from_raw_socket(near, Role::Server, None).await;
    let subscriptions = Arc::new(std::sync::atomic::AtomicUsize::new(1));
    let (cancel, write_max) = (CancellationToken::new(), Duration::from_secs(20));
    (
        WebSocketStream::from_raw_socket(far, Role::Client, None).await,
        Connection { socket, session, news, cancel, subscriptions, write_max },
    )
}

#[tokio::test]
async fn a_connection_that_is_too_far_behind_is_cut_off_and_one_that_is_not_gets_everything() {
    let (mut client, connection) = behind_by(NEWS_MAX).await;
    let serving = tokio::spawn(connection.run());
    for n in 0..NEWS_MAX {
        let message = client.next().await.unwrap().unwrap();
        assert!(message.to_text().unwrap().contains(&format!(r#""content":"{n}""#)), "{n}: {message:?}");
    }
    drop(client);
    assert_eq!(serving.await.unwrap(), Ended::ByClient);

    let (mut client, connection) = behind_by(NEWS_MAX + 1).await;
    let serving = tokio::spawn(connection.run());
    let Message::Close(Some(close)) = client.next().await.unwrap().unwrap() else { panic!("it is told why first of all") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Policy, "reading too slowly"));
    assert_eq!(serving.await.unwrap(), Ended::Slow);
}
