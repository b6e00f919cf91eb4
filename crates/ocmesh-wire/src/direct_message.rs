//! Direct messages in three forms: the two ciphers, the two ways of packing them into events, and what all of them share.

pub(crate) mod kind4;
pub(crate) mod nip04;
pub(crate) mod nip17;
pub(crate) mod nip44;

use ocmesh_proto::{Chain, Place, PubKey, SealRefused, label, limit::INBOUND_CONTENT_BYTES_MAX};

use crate::{keys::is_on_curve, open::OpenError, tag};

/// Longest subject shown, in characters: one line of a terminal, and a little.
const SUBJECT_CHARS_MAX: usize = 128;

/// Whom a message that concerns us is for: us, or, where we wrote it ourselves (on another device, or as our own copy), the peer.
pub(crate) fn recipient(tags: &[Vec<String>], author: PubKey, us: PubKey) -> Result<PubKey, OpenError> {
    let mut people = tag::people(tags);
    let found = if author == us { people.next() } else { people.find(|key| *key == us) };
    found.ok_or(OpenError::NotForUs)
}

/// A decrypted content is one the mesh keeps: not longer than it promises to store.
pub(crate) fn bounded(content: String) -> Result<String, OpenError> {
    if content.len() > INBOUND_CONTENT_BYTES_MAX { Err(OpenError::ContentTooLong) } else { Ok(content) }
}

/// A content is one we may send: not empty, and not longer than we ourselves would read.
fn sendable(content: &str) -> Result<(), SealRefused> {
    match content.len() {
        0 => Err(SealRefused("the content is empty")),
        1..=INBOUND_CONTENT_BYTES_MAX => Ok(()),
        _ => Err(SealRefused("the content is too long")),
    }
}

/// A key can be encrypted to.
fn reachable(key: &PubKey) -> Result<(), SealRefused> {
    if is_on_curve(key) { Ok(()) } else { Err(SealRefused("the recipient's key is not a point on the curve")) }
}

fn subject(tags: &[Vec<String>]) -> Option<String> {
    tag::value(tags, "subject").and_then(|text| label::clean(text, SUBJECT_CHARS_MAX))
}

/// The `seq` tag: `["seq", number, id of the message before or "", line]`. One that says anything else is as if it were not there.
fn place(tags: &[Vec<String>]) -> Option<Place> {
    let [number, previous, line, ..] = tag::all(tags, "seq").next()? else { return None };
    let previous = if previous.is_empty() { None } else { Some(previous.parse().ok()?) };
    Place::checked(line.parse().ok()?, number.parse().ok()?, previous)
}

fn chain(tags: &[Vec<String>]) -> Option<Chain> {
    let [id, hops, ..] = tag::all(tags, "chain").next()? else { return None };
    Some(Chain { id: id.parse().ok()?, hops: hops.parse().ok()? })
}
