//! Keys and ids as callers write them in a path or a query.

use ocmesh_api::ErrorCode;
use ocmesh_proto::{MessageId, PubKey};

use super::error::Fault;

/// Hex, `npub` or `nprofile`; `None` for anything else.
pub(super) fn read(text: &str) -> Option<PubKey> {
    ocmesh_wire::parse_key(text).ok().map(|key| key.pubkey)
}

/// The key in a path.
pub(super) fn in_path(text: &str) -> Result<PubKey, Fault> {
    ocmesh_wire::parse_key(text).map(|key| key.pubkey).map_err(|error| Fault::new(ErrorCode::InvalidPubkey, error.to_string()))
}

/// The message id in a path or a body.
pub(super) fn message_id(text: &str) -> Result<MessageId, Fault> {
    text.parse().map_err(|_| Fault::bad_request("a message id has 64 hexadecimal digits"))
}
