//! What a relay says, as text: the engine's reader against a plain JSON reader.

use ocmesh_relay::fuzzing::{Seen, read_frame};
use serde_json::Value;

use crate::{NOTHING, promises::is_dangerous};

/// Longest event of this target, in bytes: short, so that the fuzzer gets past it.
const EVENT_BYTES_MAX: usize = 2_048;
/// Longest text kept of a relay, in characters.
const SAID_CHARS_MAX: usize = 200;

/// The bytes are one text frame.
pub fn check(data: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(data) else { return NOTHING };
    let seen = read_frame(text, EVENT_BYTES_MAX);
    let plain: Option<Value> = serde_json::from_str(text).ok();
    let Some(seen) = seen else { return "malformed" };
    // The plain reader gives up on deep nesting; beyond that they agree.
    if let Some(plain) = &plain {
        agrees(&seen, plain);
    }
    match seen {
        Seen::Event { json, .. } => {
            assert!(text.contains(json), "the event is not what was written");
            assert!(json.len() <= EVENT_BYTES_MAX, "an event of {} bytes", json.len());
            "event"
        }
        Seen::Words { said, .. } => {
            assert!(said.chars().count() <= SAID_CHARS_MAX, "a relay's words are not cut: {said:?}");
            assert!(!said.chars().any(is_dangerous), "a relay's words are not cleaned: {said:?}");
            "words"
        }
        Seen::Other => "other",
    }
}

/// Both readers see the same label, the same subscription or id, and the same yes or no.
fn agrees(seen: &Seen<'_>, plain: &Value) {
    let text = |index: usize| plain.get(index).and_then(Value::as_str).unwrap_or_default();
    match seen {
        Seen::Event { sub, json, .. } => {
            assert_eq!((text(0), text(1)), ("EVENT", sub.as_str()));
            assert_eq!(serde_json::from_str::<Value>(json).ok().as_ref(), plain.get(2), "another event");
        }
        Seen::Words { label, id, accepted, .. } => {
            assert_eq!(text(0), *label);
            if *label != "NOTICE" {
                assert_eq!(text(1), id.as_str());
            }
            assert_eq!(*accepted, if *label == "OK" { plain.get(2).and_then(Value::as_bool) } else { None });
        }
        Seen::Other => {
            const OURS: [&str; 8] = ["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "NEG-MSG", "NEG-ERR"];
            assert!(!OURS.contains(&text(0)), "a frame was overlooked");
        }
    }
}
