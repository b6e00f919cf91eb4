//! Direct messages in a kind 4 event, with a NIP-04 or a NIP-44 payload. Everything but the content is public, so it carries no more tags
//! than it must: subject and chain stay out.

use ocmesh_proto::{At, DirectDraft, Envelope, Form, PubKey, SealRefused, Sealed};

use super::{bounded, chain, nip04, nip44, reachable, sendable, subject};
use crate::{
    event::{Event, Template},
    keys::Keys,
    kind, legacy,
    open::OpenError,
    pow,
    tag::{self, tag},
};

/// Opens a checked event.
pub(crate) fn open(keys: &Keys, event: &Event, recipient: PubKey) -> Result<Envelope, OpenError> {
    let peer = if event.pubkey == keys.public() { recipient } else { event.pubkey };
    let (form, content) = if nip04::is_payload(&event.content) {
        (Form::Nip04, nip04::decrypt(keys, &peer, &event.content)?)
    } else {
        (Form::Nip44, nip44::decrypt(keys, &peer, &event.content)?)
    };
    Ok(Envelope {
        id: event.id,
        event_id: event.id,
        author: event.pubkey,
        recipient,
        form,
        written_at: At::from_secs(event.created_at),
        reply_to: tag::parent(&event.tags),
        subject: subject(&event.tags),
        chain: chain(&event.tags),
        place: None,
        urgent: false,
        work: pow::work(&event.id, &event.tags),
        body: legacy::read(bounded(content)?),
    })
}

/// Encrypts with `cipher` and signs. The message's id is the event's id.
pub(crate) fn seal(keys: &Keys, version: &str, draft: &DirectDraft, cipher: Cipher) -> Result<Sealed, SealRefused> {
    reachable(&draft.to)?;
    let (content, _) = legacy::write(&draft.body, &keys.public(), draft.written_at, version);
    sendable(&content)?;
    let content = match cipher {
        Cipher::Nip04 => nip04::encrypt(keys, &draft.to, &content)?,
        Cipher::Nip44 => nip44::encrypt(keys, &draft.to, &content)?,
    };
    let mut tags = vec![tag(["p", &draft.to.to_hex()])];
    tags.extend(draft.reply_to.map(|id| tag(["e", &id.to_hex()])));
    let event = Template { created_at: draft.written_at.secs(), kind: kind::LEGACY_DIRECT, tags, content }.sign(keys);
    Ok(Sealed { message_id: event.id, event, own_copy: None, rumor: None, chain: None })
}

/// The two payloads a kind 4 event may carry.
#[derive(Clone, Copy)]
pub(crate) enum Cipher {
    Nip04,
    Nip44,
}
