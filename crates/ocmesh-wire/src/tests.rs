//! Tests of the two doors, with the people and the forgeries they share.

mod attacks;
mod frames;
mod hostile;
mod keys;
mod messages;
mod state;
mod vectors;

use ocmesh_proto::{At, Body, DirectDraft, Draft, DraftBody, Envelope, EventId, Form, Opened, PubKey, Sealed};

use crate::{
    Keys, OpenError,
    direct_message::nip44,
    event::{Template, id_of},
    kind, open, seal,
    tag::{Tags, tag},
};

const NOW: At = At::from_secs(1_800_000_000);
const VERSION: &str = "0.3.0";

fn alice() -> Keys {
    Keys::from_secret_bytes(&[1; 32]).unwrap()
}

fn bob() -> Keys {
    Keys::from_secret_bytes(&[2; 32]).unwrap()
}

fn mallory() -> Keys {
    Keys::from_secret_bytes(&[3; 32]).unwrap()
}

/// A well-signed event of any shape.
fn signed(keys: &Keys, kind: u16, created_at: At, tags: Tags, content: &str) -> String {
    Template { created_at: created_at.secs(), kind, tags, content: content.to_owned() }.sign(keys).json.to_string()
}

fn draft(to: PubKey, form: Form, body: DraftBody) -> DirectDraft {
    let (reply_to, subject, chain, place) = (None, None, None, None);
    DirectDraft { to, form, body, written_at: At(1_799_999_990_123), reply_to, subject, chain, place, urgent: false, own_copy: false }
}

fn sealed(keys: &Keys, draft: DirectDraft) -> Sealed {
    seal(keys, VERSION, &Draft::Direct(draft), None, NOW).unwrap()
}

fn direct(keys: &Keys, json: &str) -> Envelope {
    match open(keys, json, NOW) {
        Ok(Opened::Direct(envelope)) => envelope,
        other => panic!("not a message: {other:?}"),
    }
}

/// A rumor as its author claims it, with the id that belongs to it.
fn rumor(author: PubKey, kind: u16, tags: Tags, content: &str) -> serde_json::Value {
    let id = id_of(&author, NOW.secs(), kind, &tags, content);
    serde_json::json!({"id": id, "pubkey": author, "created_at": NOW.secs(), "kind": kind, "tags": tags, "content": content})
}

/// Any text, sealed by `sealer` and wrapped for `to`.
fn wrapped(sealer: &Keys, to: &Keys, rumor: &str) -> String {
    let to = to.public();
    let content = nip44::encrypt(sealer, &to, rumor).unwrap();
    wrapped_seal(&to, &signed(sealer, kind::SEAL, NOW, vec![], &content))
}

/// Any text in place of a seal, wrapped for `to`.
fn wrapped_seal(to: &PubKey, seal: &str) -> String {
    let one_time = Keys::generate();
    let content = nip44::encrypt(&one_time, to, seal).unwrap();
    signed(&one_time, kind::GIFT_WRAP, NOW, vec![tag(["p", &to.to_hex()])], &content)
}

/// A kind 4 event as the Node agents write it: NIP-04, a `p` tag and nothing else.
fn node_frame(from: &Keys, to: &Keys, content: &str) -> String {
    let payload = crate::direct_message::nip04::encrypt(from, &to.public(), content).unwrap();
    signed(from, kind::LEGACY_DIRECT, NOW, vec![tag(["p", &to.public().to_hex()])], &payload)
}

fn refused(keys: &Keys, json: &str) -> OpenError {
    open(keys, json, NOW).unwrap_err()
}

fn text(text: &str) -> Body {
    Body::Text(text.to_owned())
}

fn id(byte: u8) -> EventId {
    EventId::from_bytes([byte; 32])
}
