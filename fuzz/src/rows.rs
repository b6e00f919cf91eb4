//! What the store keeps as JSON: whatever can be read is written back as the same, and the core starts from any parcel.

use std::fmt::Debug;

use ocmesh_proto::{
    Chain, Form, Handshake, HistoryEntry, Input, Mesh, Parcel, PeerRelays, Policy, PubKey, ReceiptsSent, RelayUrl, Snapshot, Status,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{NOTHING, people::NOW};

/// The first byte chooses the column, the rest is its text.
pub fn check(data: &[u8]) -> &'static str {
    let Some((column, rest)) = data.split_first() else { return NOTHING };
    let Ok(text) = std::str::from_utf8(rest) else { return NOTHING };
    let read = match column {
        b'p' => return parcel(text),
        b's' => survives::<Status>(text).is_some(),
        b'h' => survives::<HistoryEntry>(text).is_some(),
        b'k' => survives::<Handshake>(text).is_some(),
        b'l' => survives::<PeerRelays>(text).is_some(),
        b'r' => survives::<Vec<RelayUrl>>(text).is_some(),
        b'f' => survives::<Vec<Form>>(text).is_some(),
        b'c' => survives::<Chain>(text).is_some(),
        b'd' => survives::<ReceiptsSent>(text).is_some(),
        _ => return NOTHING,
    };
    if read { "read" } else { "unreadable" }
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = serde_json::from_str(text).ok()?;
    let again = serde_json::to_string(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<T>(&again).ok().as_ref(), Some(&value), "written and read again it is another: {again}");
    Some(value)
}

/// A parcel of any shape is loaded, started, and given up in the end: nothing stays for ever.
fn parcel(text: &str) -> &'static str {
    let Some(parcel) = survives::<Parcel>(text) else { return "unreadable" };
    let me = PubKey::from_bytes([9; 32]);
    let expires_at = parcel.expires_at;
    let snapshot = Snapshot { parcels: vec![parcel], ..Snapshot::default() };
    let mut mesh = Mesh::new(me, Policy::default(), snapshot, 1, NOW);
    mesh.handle(Input::Started, NOW);
    // What was overdue at the start is given one more hour, as the clock may be what is wrong.
    let end = expires_at.max(NOW.plus(60 * 60 * 1_000));
    assert!(mesh.next_wakeup().is_some_and(|at| at <= end), "nobody will look at it again");
    mesh.handle(Input::Ticked, end);
    assert_eq!(mesh.outbox_counts(), (0, 0), "a parcel outlives its time");
    "parcel"
}
