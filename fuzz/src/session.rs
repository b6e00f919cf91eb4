//! A whole conversation with one relay: subscriptions, sign-in and publishes under frames and pauses that the fuzzer writes.

use crate::NOTHING;

/// Lines, each a frame of the relay or, after `!`, something that happens; `ocmesh_relay::fuzzing` says which there are.
pub fn check(data: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(data) else { return NOTHING };
    let heard = ocmesh_relay::fuzzing::converse(text);
    match (heard.events, heard.signatures, heard.answers) {
        (0, 0, 0) => "silence",
        (0, 0, _) => "answers",
        (0, ..) => "sign-in",
        (_, 0, _) => "events",
        _ => "events and sign-in",
    }
}
