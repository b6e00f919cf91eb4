//! A raw websocket client: sends text, reads text, waits at most 10 s.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use nostr::{
    event::{Event, EventBuilder, FinalizeEvent as _, Kind, Tag},
    key::Keys,
};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        Self { socket: connect_async(url).await.unwrap().0 }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next text as JSON, or `None` when the relay closed.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the relay says nothing") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn publish(&mut self, event: &Event) -> Value {
        self.say(&format!(r#"["EVENT",{}]"#, event.as_json())).await;
        self.hear().await.unwrap()
    }

    /// Ids of the stored events for a filter.
    pub(crate) async fn stored(&mut self, filter: &str) -> Vec<String> {
        self.say(&format!(r#"["REQ","stored",{filter}]"#)).await;
        let mut ids = Vec::new();
        loop {
            let frame = self.hear().await.unwrap();
            match frame[0].as_str() {
                Some("EVENT") => ids.push(frame[2]["id"].as_str().unwrap().to_owned()),
                Some("EOSE") => break,
                _ => panic!("{frame}"),
            }
        }
        self.say(r#"["CLOSE","stored"]"#).await;
        ids
    }
}

pub(crate) fn note(keys: &Keys, content: &str, tags: &[&[&str]]) -> Event {
    let tags = tags.iter().map(|tag| Tag::parse(tag.iter().copied()).unwrap());
    EventBuilder::new(Kind::from_u16(1), content).tags(tags).finalize(keys).unwrap()
}
