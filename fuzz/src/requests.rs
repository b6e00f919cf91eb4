//! What a caller of the Local API writes: JSON bodies, and the values of a query string.

#[path = "../../crates/ocmesh-store/src/cursor.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store uses all of it")]
mod cursor;
#[path = "../../crates/ocmesh-store/src/key_range.rs"]
mod key_range;
#[path = "../../crates/ocmesh-daemon/src/http/moment.rs"]
#[allow(unreachable_pub)]
mod moment;

use std::fmt::Debug;

use ocmesh_api::{
    AddPeerRequest, AddRelayRequest, ApiError, Event, IdentityPatch, Message, MessageDetail, OutboxEntry, PeerPatch, ReadRequest,
    SendRequest,
};
use ocmesh_proto::{At, MessageId, limit::PEER_RELAYS_MAX};
use serde::{Serialize, de::DeserializeOwned};

use crate::{NOTHING, promises::are_relays};

/// The first byte says what the rest is meant to be.
pub fn check(data: &[u8]) -> &'static str {
    let Some((what, rest)) = data.split_first() else { return NOTHING };
    let Ok(text) = std::str::from_utf8(rest) else { return NOTHING };
    let read = match what {
        b's' => survives::<SendRequest>(text),
        b'r' => survives::<ReadRequest>(text),
        b'a' => survives::<AddPeerRequest>(text),
        b'p' => survives::<PeerPatch>(text),
        b'l' => survives::<AddRelayRequest>(text),
        b'i' => survives::<IdentityPatch>(text),
        // The client reads what a daemon of another version may say.
        b'm' => survives::<Message>(text),
        b'd' => survives::<MessageDetail>(text),
        b'o' => survives::<OutboxEntry>(text),
        b'v' => survives::<Event>(text),
        b'e' => survives::<ApiError>(text),
        b'k' => key(text),
        b'R' => range(text),
        b't' => time(text),
        b'c' => place(text),
        _ => return NOTHING,
    };
    if read { "read" } else { "refused" }
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<T>(text) else { return false };
    let again = serde_json::to_string(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<T>(&again).ok().as_ref(), Some(&value), "written and read again it is another: {again}");
    true
}

/// A key in any spelling is one key.
fn key(text: &str) -> bool {
    let Ok(key) = ocmesh_wire::parse_key(text) else { return false };
    are_relays(&key.relays, PEER_RELAYS_MAX);
    for spelling in [ocmesh_wire::npub(&key.pubkey), key.pubkey.to_hex()] {
        assert_eq!(ocmesh_wire::parse_key(&spelling).map(|again| again.pubkey), Ok(key.pubkey), "{spelling} is another key");
    }
    true
}

/// What somebody has typed so far of a key is a range that holds it.
fn range(text: &str) -> bool {
    let Some((lowest, highest)) = key_range::key_range(text) else { return false };
    assert!(lowest <= highest, "an empty range for {text:?}");
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!((&lowest, &highest), (id.as_bytes(), id.as_bytes()));
    }
    true
}

/// A moment that is read is written as the same moment.
fn time(text: &str) -> bool {
    let Some(at) = moment::read(text) else { return false };
    assert_eq!(moment::read(&moment::write(at)), Some(at), "{text} is another moment when it is written");
    let shown = moment::write(At(at.0.wrapping_mul(0x9e37_79b9)));
    assert!(moment::read(&shown).is_some(), "a moment is written that cannot be read: {shown}");
    true
}

/// A cursor goes into a URL as it is.
fn place(text: &str) -> bool {
    let Ok(cursor) = text.parse::<cursor::Cursor>() else { return false };
    let shown = cursor.to_string();
    assert!(shown.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'), "not fit for a URL: {shown}");
    assert_eq!(shown.parse(), Ok(cursor), "{text} is another place when it is written");
    true
}
