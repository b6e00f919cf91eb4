//! Events that are wrong, or right and unwanted.

use nostr::{
    event::{EventBuilder, FinalizeEvent as _, Kind, Tag},
    key::Keys,
    types::Timestamp,
};
use serde_json::{Value, json};

use super::fault::Fault;

/// A copy of an event, forged as the fault says.
pub(crate) fn forged(event: &Value, fault: &Fault) -> Option<Value> {
    let field = match fault {
        Fault::BadSignature => "sig",
        Fault::BadId => "id",
        Fault::SameIdOtherContent => "content",
        _ => return None,
    };
    let mut copy = event.clone();
    let value = copy.get_mut(field)?;
    let text = value.as_str()?;
    *value = Value::from(if field == "content" { format!("{text} forged") } else { other_hex(text) });
    Some(copy)
}

/// The same length, all digits hexadecimal, another value.
pub(crate) fn other_hex(text: &str) -> String {
    text.chars().rev().map(|digit| if digit == '0' { '1' } else { '0' }).collect()
}

/// An event that fits the filter, signed by a new key.
pub(crate) fn fitting(filter: &Value, created_at: u64, more_tags: usize) -> Option<Value> {
    let first = |value: &Value| value.get(0).cloned();
    let kind = filter.get("kinds").and_then(first).and_then(|kind| kind.as_u64()).unwrap_or(1);
    let mut tags: Vec<Tag> = Vec::new();
    for (name, values) in filter.as_object()? {
        if let (Some(letter), Some(value)) = (name.strip_prefix('#'), first(values)) {
            tags.push(Tag::parse([letter, value.as_str()?]).ok()?);
            if matches!(value.as_str()?, "ocmesh" | "ocmesh-presence") {
                // What asks for presences gets one that an agent takes for a peer's.
                tags.push(Tag::parse(["app", "ocmesh"]).ok()?);
            }
        }
    }
    for number in 0..more_tags {
        tags.push(Tag::parse(["x".to_owned(), number.to_string()]).ok()?);
    }
    let keys = Keys::generate();
    let builder = EventBuilder::new(Kind::from_u16(u16::try_from(kind).ok()?), format!("from {}", keys.public_key().to_hex()));
    let event = builder.tags(tags).custom_created_at(Timestamp::from_secs(created_at)).finalize(&keys).ok()?;
    serde_json::from_str(&event.as_json()).ok()
}

/// A valid event that hardly anybody asks for.
pub(crate) fn unwanted() -> Option<Value> {
    fitting(&json!({ "kinds": [7777], "#z": ["unwanted"] }), crate::fixture::now(), 0)
}

/// Events as text, with times no event can have. Only the date is wrong about them that does not follow from it.
pub(crate) fn oddly_dated(filter: &Value) -> Vec<String> {
    let Some(good) = fitting(filter, 4_242_424_242, 0).map(|event| event.to_string()) else { return Vec::new() };
    ["-1", "9007199254740993", "1e400", "0.5", "\"now\""].iter().map(|date| good.replace("4242424242", date)).collect()
}
