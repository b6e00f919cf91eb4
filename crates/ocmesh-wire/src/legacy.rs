//! The frames of the Node ocmesh 0.1 and 0.2: JSON objects with a `type`, which we speak too, and our own: `missing`, `gone`, `join`, `joined`, `join_refused`. How they are encrypted is not known here.

use ocmesh_proto::{
    At, Body, DraftBody, InviteId, InviteSecret, InviteState, JoinFrame, JoinedFrame, LineId, MessageId, PubKey, label,
    limit::{ASK_NUMBERS_MAX, NAME_CHARS_MAX, NUMBER_MAX},
};
use serde_json::{Map, Value, json};

use crate::presence::{VERSION_CHARS_MAX, features};

/// Longest `type` shown, in characters; the known ones have at most 12.
const TYPE_CHARS_MAX: usize = 48;
/// The type of a message to ourselves that only asks whether a relay brings it. Nobody else sends or reads it.
const CANARY_TYPE: &str = "ocmesh-canary";
/// The types the Node agents have.
const KNOWN_TYPES: [&str; 12] =
    ["text", "ping", "pong", "intro", "ocmesh-hello", "delivered", "read", "task", "result", "error", "profile", "file"];

/// Reads the decrypted content of a message: a frame, or else plain text. Never fails: what is no frame is text.
pub(crate) fn read(content: String) -> Body {
    let Some((object, kind)) = parse(&content) else { return Body::Text(content) };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let about = || text("msgId").and_then(|id| id.parse::<MessageId>().ok());
    let read = match kind.as_str() {
        "text" => text("body").map(|body| Body::Text(body.to_owned())),
        "ping" => Some(Body::Ping),
        "pong" => Some(Body::Pong),
        CANARY_TYPE => Some(Body::Canary),
        "intro" => Some(Body::Intro {
            name: text("name").and_then(|name| label::clean(name, NAME_CHARS_MAX)),
            capabilities: features(object.get("capabilities").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)),
            version: text("v").and_then(|version| label::clean(version, VERSION_CHARS_MAX)),
        }),
        "ocmesh-hello" => Some(Body::Intro {
            name: None,
            capabilities: Vec::new(),
            version: text("version").and_then(|version| label::clean(version, VERSION_CHARS_MAX)),
        }),
        "delivered" => about().map(Body::Delivered),
        "read" => about().map(Body::Read),
        "missing" => numbers(&object).map(|(line, numbers)| Body::Missing { line, numbers }),
        "gone" => numbers(&object).map(|(line, numbers)| Body::Gone { line, numbers }),
        "join" => join(&object).map(Body::Join),
        "joined" => joined(&object).map(Body::Joined),
        "join_refused" => refused(&object),
        _ => None,
    };
    read.unwrap_or(Body::Structured { kind, json: content })
}

/// The numbers of one line that a frame speaks of. Anything that is not exactly that is no such frame: an agent may use the word too.
fn numbers(object: &Map<String, Value>) -> Option<(LineId, Vec<u64>)> {
    let line = object.get("line")?.as_str()?.parse().ok()?;
    let listed = object.get("numbers")?.as_array()?;
    if listed.is_empty() || listed.len() > ASK_NUMBERS_MAX {
        return None;
    }
    let number = |value: &Value| value.as_u64().filter(|number| (1..=NUMBER_MAX).contains(number));
    Some((line, listed.iter().map(number).collect::<Option<_>>()?))
}

/// Bytes in hexadecimal, exactly as many as are wanted, in one spelling only.
fn bytes<const N: usize>(object: &Map<String, Value>, name: &str) -> Option<[u8; N]> {
    let text = object.get(name)?.as_str()?;
    let is_lower = text.len() == N.saturating_mul(2) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0u8; N];
    for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    is_lower.then_some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invite(object: &Map<String, Value>) -> Option<InviteId> {
    object.get("invite")?.as_str()?.parse().ok()
}

fn join(object: &Map<String, Value>) -> Option<JoinFrame> {
    Some(JoinFrame { invite: invite(object)?, nonce: bytes(object, "nonce")?, proof: bytes(object, "proof")? })
}

fn joined(object: &Map<String, Value>) -> Option<JoinedFrame> {
    Some(JoinedFrame { invite: invite(object)?, seed: InviteSecret(bytes(object, "seed")?), proof: bytes(object, "proof")? })
}

fn refused(object: &Map<String, Value>) -> Option<Body> {
    let why = InviteState::parse(object.get("why")?.as_str()?)?;
    let is_reason = matches!(why, InviteState::Expired | InviteState::Revoked | InviteState::Used);
    Some(Body::JoinRefused { invite: invite(object).filter(|_| is_reason)?, why })
}

/// A JSON object with a `type` that shows something. The depth is bounded by the parser, the size by the caller.
fn parse(content: &str) -> Option<(Map<String, Value>, String)> {
    // Almost all text ends here, before any JSON is read.
    if !content.trim_start().starts_with('{') {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(content).ok()?;
    let kind = label::clean(object.get("type")?.as_str()?, TYPE_CHARS_MAX)?;
    Some((object, kind))
}

/// The content is a frame of any type.
pub(crate) fn is_frame(content: &str) -> bool {
    parse(content).is_some()
}

/// The content is a frame of a type the Node agents have.
pub(crate) fn is_known_frame(content: &str) -> bool {
    parse(content).is_some_and(|(_, kind)| KNOWN_TYPES.contains(&kind.as_str()))
}

/// Writes what we have to say as content, and whether that is a frame (`true`) or plain text.
pub(crate) fn write(body: &DraftBody, author: &PubKey, written_at: At, version: &str) -> (String, bool) {
    let (ts, v) = (written_at.0, version);
    let frame = match body {
        DraftBody::Text(text) => return (text.clone(), is_frame(text)),
        DraftBody::Intro { name, capabilities } => {
            json!({"type": "intro", "name": name, "capabilities": capabilities, "from": author, "ts": ts, "v": v})
        }
        DraftBody::Pong => json!({"type": "pong", "ts": ts, "v": v}),
        DraftBody::Delivered(id) => json!({"type": "delivered", "msgId": id, "ts": ts, "v": v}),
        DraftBody::Read(id) => json!({"type": "read", "msgId": id, "ts": ts, "v": v}),
        DraftBody::Missing { line, numbers } => json!({"type": "missing", "line": line.to_string(), "numbers": numbers, "ts": ts, "v": v}),
        DraftBody::Join(JoinFrame { invite, nonce, proof }) => {
            json!({"type": "join", "invite": invite.to_string(), "nonce": hex(nonce), "proof": hex(proof), "ts": ts, "v": v})
        }
        DraftBody::Joined(JoinedFrame { invite, seed, proof }) => {
            json!({"type": "joined", "invite": invite.to_string(), "seed": hex(&seed.0), "proof": hex(proof), "ts": ts, "v": v})
        }
        DraftBody::JoinRefused { invite, why } => {
            json!({"type": "join_refused", "invite": invite.to_string(), "why": why.as_str(), "ts": ts, "v": v})
        }
        DraftBody::Gone { line, numbers } => json!({"type": "gone", "line": line.to_string(), "numbers": numbers, "ts": ts, "v": v}),
    };
    (frame.to_string(), true)
}

/// The content of a canary.
pub(crate) fn canary(at: At, version: &str) -> String {
    json!({"type": CANARY_TYPE, "ts": at.0, "v": version}).to_string()
}
