//! The NIP-11 document of a relay: fetched small, read with tolerance. A lie in it must cost nothing but politeness.

use std::time::SystemTime;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::{
    Tuning,
    dial::{self, Dialer, Target},
    text::clean,
};

/// What we read of a NIP-11 document. Everything is the relay's own claim, and optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayInfo {
    /// Its name.
    pub name: Option<String>,
    /// Its software, mostly an address of a repository.
    pub software: Option<String>,
    /// The software's version.
    pub version: Option<String>,
    /// The NIPs it says it follows.
    pub supported_nips: Vec<u16>,
    /// Its limits.
    pub limitation: RelayLimitation,
}

/// The `limitation` part of a NIP-11 document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayLimitation {
    /// NIP-42 is needed before anything else.
    pub auth_required: Option<bool>,
    /// Writing costs money.
    pub payment_required: Option<bool>,
    /// Writing needs some condition.
    pub restricted_writes: Option<bool>,
    /// Longest frame, in bytes.
    pub max_message_length: Option<u64>,
    /// Most subscriptions of one connection.
    pub max_subscriptions: Option<u64>,
    /// Greatest `limit`, and so the page cap.
    pub max_limit: Option<u64>,
    /// Oldest `created_at`, in seconds before now.
    pub created_at_lower_limit: Option<u64>,
    /// Newest `created_at`, in seconds after now.
    pub created_at_upper_limit: Option<u64>,
}

/// A document, and the time that the relay told with it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) info: RelayInfo,
    pub(crate) time: Option<SystemTime>,
}

/// NIPs kept; there are not many more.
const NIPS_MAX: usize = 500;

impl RelayInfo {
    /// Reads a document; fields of another shape are as absent. `None` when it is no JSON object.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let document = document.as_object()?;
        let text = |key| document.get(key).and_then(Value::as_str).map(clean).filter(|text| !text.is_empty());
        let nip = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|nip| u16::try_from(nip).ok());
        let nips = document.get("supported_nips").and_then(Value::as_array);
        let limits = document.get("limitation");
        let flag = |key| limits?.get(key)?.as_bool();
        let number = |key| limits?.get(key)?.as_u64();
        Some(Self {
            name: text("name"),
            software: text("software"),
            version: text("version"),
            supported_nips: nips.into_iter().flatten().filter_map(nip).take(NIPS_MAX).collect(),
            limitation: RelayLimitation {
                auth_required: flag("auth_required"),
                payment_required: flag("payment_required"),
                restricted_writes: flag("restricted_writes"),
                max_message_length: number("max_message_length"),
                max_subscriptions: number("max_subscriptions"),
                max_limit: number("max_limit"),
                created_at_lower_limit: number("created_at_lower_limit"),
                created_at_upper_limit: number("created_at_upper_limit"),
            },
        })
    }
}

/// Fetches the document over the same checked dial as the websocket, without following redirects
/// ([NIP-11](https://github.com/nostr-protocol/nips/blob/master/11.md)). Any failure is `None`.
pub(crate) async fn fetch(dialer: &Dialer, relay: &str, private_ok: bool, tuning: &Tuning) -> Option<Found> {
    tokio::time::timeout(tuning.info_wait, request(dialer, relay, private_ok, tuning.info_bytes_max)).await.ok()?
}

async fn request(dialer: &Dialer, relay: &str, private_ok: bool, bytes_max: usize) -> Option<Found> {
    let target = Target::parse(relay).ok()?;
    let stream = dialer.stream(&target, private_ok, None).await.ok()?;
    let request = Request::get(target.path())
        .header(header::HOST, target.authority())
        .header(header::ACCEPT, "application/nostr+json")
        .header(header::USER_AGENT, dialer.user_agent())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let (mut sender, connection) = http1::Builder::new().max_buf_size(bytes_max.max(8_192)).handshake(TokioIo::new(stream)).await.ok()?;
    let exchange = async move {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let time = dial::date(response.headers());
        let body = Limited::new(response.into_body(), bytes_max).collect().await.ok()?;
        Some(Found { info: RelayInfo::parse(&body.to_bytes())?, time })
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        found = &mut exchange => found,
        // The relay closed; what it sent before is still to be read.
        _ = &mut connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::RelayInfo;

    #[test]
    fn a_document_is_read_with_tolerance() {
        let info = RelayInfo::parse(
            br#"{"name":"a\u202eb","software":7,"supported_nips":[1,"11",-4,99999,40,null],"limitation":{"auth_required":true,"max_limit":"x","max_subscriptions":20,"created_at_upper_limit":900}}"#,
        )
        .unwrap();
        assert_eq!(info.name.as_deref(), Some("ab"));
        assert_eq!(info.software, None);
        assert_eq!(info.supported_nips, [1, 11, 40]);
        assert_eq!(info.limitation.auth_required, Some(true));
        assert_eq!((info.limitation.max_limit, info.limitation.max_subscriptions), (None, Some(20)));
        assert_eq!(info.limitation.created_at_upper_limit, Some(900));
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = "[".repeat(60_000);
        for bytes in ["", "[]", "{", "<html>", &deep] {
            assert_eq!(RelayInfo::parse(bytes.as_bytes()), None);
        }
        assert_eq!(RelayInfo::parse(br#"{"limitation":[1]}"#), Some(RelayInfo::default()));
    }
}
