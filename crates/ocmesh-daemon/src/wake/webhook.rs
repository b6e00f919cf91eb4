//! A signed POST to any program: an event in the shape of the Node skill's, with the moment and the delivery in a signature of their own.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hyper::{HeaderMap, header::HeaderValue};
use ocmesh_api::untrusted::{Author, Fence, untrusted};
use ocmesh_proto::{Direction, WakeOutcome};
use ocmesh_store::{MessageQuery, MessageRow, ReadError, Reader};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Include, Tools, Webhook,
    answer::{failed, judge, refused},
    errand::{Errand, object},
    secret_file,
};
use crate::http::moment;

/// A hook that takes longer does its work before it answers.
const WAIT: Duration = Duration::from_secs(15);
/// Messages that are sent along, the newest; the rest is in the inbox.
const MESSAGES_MAX: usize = 10;
/// Unread messages looked through for these: strangers' are passed over.
const LOOKED_THROUGH_MAX: usize = 200;
/// Of each message so much: as long as a message of ours may be.
const BODY_CHARS_MAX: usize = ocmesh_proto::limit::CONTENT_CHARS_MAX;

impl Webhook {
    pub(super) async fn wake(&self, errand: &Errand, tools: &Tools) -> WakeOutcome {
        let secret = match secret_file::read(&self.secret_file) {
            Ok(secret) => secret,
            Err(why) => return refused(&why),
        };
        let mut payload = errand.facts();
        payload.extend(object([("agent", json!(tools.npub))]));
        if self.include == Include::Messages && !errand.is_test() {
            match messages(tools.reader.clone()).await {
                Ok(messages) => payload.extend(object([("messages", messages)])),
                Err(why) => return failed(&why),
            }
        }
        let event = if errand.is_test() { "wake.test" } else { "message.received" };
        let now = tools.clock.now();
        let body = json!({"event": event, "ts": now.0, "payload": payload}).to_string();
        let stamp = now.secs().to_string();
        let signed = [
            ("x-ocmesh-event", event.to_owned()),
            ("x-ocmesh-delivery", errand.delivery.clone()),
            ("x-ocmesh-timestamp", stamp.clone()),
            ("x-ocmesh-signature", sign(secret.as_bytes(), &[body.as_bytes()])),
            ("x-ocmesh-proof", sign(secret.as_bytes(), &[stamp.as_bytes(), errand.delivery.as_bytes(), body.as_bytes()])),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            match HeaderValue::from_str(&value) {
                Ok(value) => headers.insert(name, value),
                Err(_) => return refused("the delivery is not fit for a header"),
            };
        }
        judge(tools.client.post(&self.url, headers, body, WAIT).await).map_or_else(|outcome| outcome, |_| WakeOutcome::Woke)
    }
}

/// HMAC-SHA256 over the parts with a full stop between them.
fn sign(secret: &[u8], parts: &[&[u8]]) -> String {
    // A key of any length will do; the type says it could fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            mac.update(b".");
        }
        mac.update(part);
    }
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The newest unread messages that are worth a wake, each in its envelope.
async fn messages(reader: Reader) -> Result<Value, String> {
    let read = move || -> Result<Vec<MessageRow>, ReadError> {
        let query =
            MessageQuery { unread: Some(true), direction: Some(Direction::In), limit: LOOKED_THROUGH_MAX, ..MessageQuery::default() };
        Ok(reader.messages(&query)?.items)
    };
    let rows = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    let rows = rows.map_err(|error| format!("the messages cannot be read: {error}"))?;
    rows.iter().filter(|row| row.peer_trust.is_accepted()).take(MESSAGES_MAX).map(enveloped).collect()
}

fn enveloped(row: &MessageRow) -> Result<Value, String> {
    let mut code = [0; 16];
    getrandom::fill(&mut code).map_err(|_| "the system gives no randomness".to_owned())?;
    let from = row.record.peer.to_hex();
    let author = Author { pubkey: &from, name: row.peer_name.as_deref(), trust: row.peer_trust.as_str() };
    let words = untrusted(author, &row.record.content, BODY_CHARS_MAX, Fence::new(code));
    let mut about = object([("id", json!(row.record.id.to_hex())), ("received_at", json!(moment::write(row.record.stored_at)))]);
    if let Value::Object(words) = serde_json::to_value(&words).map_err(|error| error.to_string())? {
        about.extend(words);
    }
    Ok(Value::Object(about))
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// RFC 4231, test case 2, and the same with its text in parts.
    #[test]
    fn the_signature_is_hmac_sha256() {
        let known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(b"Jefe", &[b"what do ya want for nothing?"]), known);
        assert_eq!(sign(b"k", &[b"1", b"a", b"{}"]), sign(b"k", &[b"1.a.{}"]));
        assert_ne!(sign(b"k", &[b"1", b"a", b"{}"]), sign(b"k", &[b"1", b"b", b"{}"]));
    }
}
