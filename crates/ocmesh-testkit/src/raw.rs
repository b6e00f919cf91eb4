//! A websocket client that knows nothing of Nostr but how to wait for an answer: to see what a relay really says.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use nostr::event::Event;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::wait::PATIENCE;

/// What a relay said.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// JSON, as Nostr has it.
    Json(Value),
    /// Text that is no JSON.
    Text(String),
    /// The connection ended, with the reason where there is one.
    Ended(String),
}

/// A raw connection to a relay.
#[derive(Debug)]
pub struct RawClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl RawClient {
    /// Connects, within 20 s.
    ///
    /// # Errors
    /// When the relay does not let us in.
    pub async fn connect(url: &str) -> Result<Self> {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = timeout(PATIENCE, connect_async_with_config(url, Some(config), true)).await.context("no handshake")??;
        Ok(Self { socket })
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, text: impl Into<String>) -> Result<()> {
        Ok(self.socket.send(Message::text(text.into())).await?)
    }

    /// Sends any websocket message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, message: Message) -> Result<()> {
        Ok(self.socket.send(message).await?)
    }

    /// The next thing the relay says, within 20 s. Pings and pongs are passed over.
    ///
    /// # Errors
    /// When it says nothing.
    pub async fn hear(&mut self) -> Result<Heard> {
        self.hear_within(PATIENCE).await
    }

    /// The next thing the relay says within `limit`.
    ///
    /// # Errors
    /// When it says nothing.
    pub async fn hear_within(&mut self, limit: Duration) -> Result<Heard> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str(&text).map_or_else(|_| Heard::Text(text.as_str().to_owned()), Heard::Json);
                    }
                    Some(Ok(Message::Close(frame))) => return Heard::Ended(frame.map(|f| f.reason.to_string()).unwrap_or_default()),
                    Some(Err(error)) => return Heard::Ended(error.to_string()),
                    None => return Heard::Ended(String::new()),
                    Some(Ok(_)) => {}
                }
            }
        };
        timeout(limit, next).await.context("the relay says nothing")
    }

    /// The next JSON the relay says.
    ///
    /// # Errors
    /// When it says anything else, or nothing.
    pub async fn hear_json(&mut self) -> Result<Value> {
        match self.hear().await? {
            Heard::Json(value) => Ok(value),
            other => bail!("expected JSON, heard {other:?}"),
        }
    }

    /// Hears until the first word of a message is `word`; gives everything heard, that one included.
    ///
    /// # Errors
    /// When the connection ends or falls silent first.
    pub async fn hear_until(&mut self, word: &str) -> Result<Vec<Value>> {
        let mut heard = Vec::new();
        loop {
            let value = self.hear_json().await.with_context(|| format!("waiting for {word} after {} messages", heard.len()))?;
            let last = value.get(0).and_then(Value::as_str) == Some(word);
            heard.push(value);
            if last {
                return Ok(heard);
            }
        }
    }

    /// Sends an EVENT without waiting for its OK.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn publish(&mut self, event: &Event) -> Result<()> {
        self.say(format!(r#"["EVENT",{}]"#, event.as_json())).await
    }

    /// Publishes and gives the OK: whether the relay took it, and its words.
    ///
    /// # Errors
    /// When the next thing heard is not the OK of this event.
    pub async fn publish_ok(&mut self, event: &Event) -> Result<(bool, String)> {
        self.publish(event).await?;
        let heard = self.hear_json().await?;
        match heard.as_array().map(Vec::as_slice) {
            Some([word, id, Value::Bool(accepted), Value::String(why)]) if word == "OK" && *id == event.id.to_hex() => {
                Ok((*accepted, why.clone()))
            }
            _ => bail!("expected the OK of {}, heard {heard}", event.id.to_hex()),
        }
    }

    /// Sends a REQ with one filter.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn req(&mut self, sub: &str, filter: &Value) -> Result<()> {
        self.say(json!(["REQ", sub, filter]).to_string()).await
    }

    /// The stored events for a filter, up to EOSE. The subscription is closed again.
    ///
    /// # Errors
    /// When anything but events comes before EOSE.
    pub async fn stored(&mut self, filter: &Value) -> Result<Vec<Value>> {
        self.req("stored", filter).await?;
        let mut heard = self.hear_until("EOSE").await?;
        heard.pop();
        self.say(r#"["CLOSE","stored"]"#).await?;
        heard
            .into_iter()
            .map(|mut frame| match frame.get(0).and_then(Value::as_str) {
                Some("EVENT") => frame.get_mut(2).map(Value::take).context("an EVENT without an event"),
                _ => bail!("expected events, heard {frame}"),
            })
            .collect()
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let _ = timeout(PATIENCE, self.socket.close(None)).await;
    }
}
