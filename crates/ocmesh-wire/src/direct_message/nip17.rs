//! Private messages: a rumor in a seal in a gift wrap ([NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md),
//! [NIP-59](https://github.com/nostr-protocol/nips/blob/master/59.md)). Only the recipient learns who wrote, and when.

mod rumor;

use std::sync::Arc;

use ocmesh_proto::{At, Body, Chain, DirectDraft, DraftBody, Envelope, EventId, Form, MessageId, PubKey, SealRefused, Sealed, SignedEvent};
use serde_json::json;

use self::rumor::Rumor;
use super::{bounded, chain, nip44, place, reachable, recipient, sendable, subject};
use crate::{
    event::{self, Event, Template},
    keys::Keys,
    kind, legacy,
    open::{Gate, OpenError},
    pow,
    presence::APP,
    random,
    tag::{self, Tags, tag},
};

/// How much a message matters to its author: `["class", "urgent"]`. Inside the encryption, so that nobody else can weigh messages by it.
const CLASS: &str = "class";
const URGENT: &str = "urgent";

/// Opens a checked gift wrap that is addressed to us.
///
/// "Clients MUST verify if pubkey of the kind:13 is the same pubkey on the kind:14, otherwise any sender can impersonate others by simply
/// changing the pubkey on kind:14."
///
/// Who wrote it shows after the first of two decryptions: then the gate is asked, before the seal's signature is looked at.
pub(crate) fn open(keys: &Keys, wrap: &Event, gate: &mut dyn Gate) -> Result<Envelope, OpenError> {
    let seal = nip44::decrypt_once(keys, &wrap.pubkey, &wrap.content)?;
    let seal: Event = event::object(&seal).ok_or(OpenError::BadSeal)?;
    let work = pow::work(&wrap.id, &wrap.tags);
    if !gate.lets_in(&seal.pubkey, work) {
        return Err(OpenError::TooLittleWork);
    }
    if seal.kind != kind::SEAL || !seal.is_genuine() {
        return Err(OpenError::BadSeal);
    }
    let rumor = Rumor::parse(&nip44::decrypt(keys, &seal.pubkey, &seal.content)?)?;
    if rumor.pubkey != seal.pubkey {
        return Err(OpenError::AuthorMismatch);
    }
    let id = rumor.checked_id()?;
    // Also for a stranger's good seal: a rumor that names others was meant for others.
    let recipient = recipient(&rumor.tags, rumor.pubkey, keys.public())?;
    Ok(Envelope {
        id,
        event_id: wrap.id,
        author: rumor.pubkey,
        recipient,
        form: Form::Nip17,
        written_at: At::from_secs(rumor.created_at),
        reply_to: tag::parent(&rumor.tags),
        subject: subject(&rumor.tags),
        chain: chain(&rumor.tags),
        place: place(&rumor.tags),
        urgent: tag::has(&rumor.tags, CLASS, URGENT),
        work,
        body: body(rumor)?,
    })
}

/// Frames are only read where the `app` tag says that the author meant one: a person may well write JSON to another.
fn body(rumor: Rumor) -> Result<Body, OpenError> {
    let is_app = tag::has(&rumor.tags, "app", APP);
    match rumor.kind {
        kind::APP_RUMOR if is_app => Ok(legacy::read(bounded(rumor.content)?)),
        kind::TEXT_RUMOR if is_app && legacy::is_known_frame(&rumor.content) => Ok(legacy::read(bounded(rumor.content)?)),
        kind::TEXT_RUMOR => Ok(Body::Text(bounded(rumor.content)?)),
        // The file's key and type are in the tags, so they belong to what is kept.
        kind::FILE_RUMOR => {
            let json = json!({"type": "file", "url": rumor.content, "tags": rumor.tags}).to_string();
            Ok(Body::Structured { kind: "file".to_owned(), json: bounded(json)? })
        }
        other => Err(OpenError::NotOurs(other)),
    }
}

/// Writes the rumor, then wraps it. The message's id is the rumor's id, whatever wraps follow.
pub(crate) fn seal(keys: &Keys, version: &str, draft: &DirectDraft, now: At) -> Result<Sealed, SealRefused> {
    reachable(&draft.to)?;
    let us = keys.public();
    let (content, is_frame) = legacy::write(&draft.body, &us, draft.written_at, version);
    sendable(&content)?;
    let kind = if is_frame { kind::APP_RUMOR } else { kind::TEXT_RUMOR };
    let chain = match (draft.chain, &draft.body) {
        (Some(chain), _) => Some(chain),
        // A message cannot name its own id, so a new chain gets a random one.
        (None, DraftBody::Text(_)) => Some(Chain { id: EventId::from_bytes(random::bytes()?), hops: 0 }),
        // Hellos and receipts are the daemon's words, not the agent's.
        (None, _) => None,
    };
    let tags = tags(draft, is_frame, chain)?;
    let rumor = Rumor::new(us, Template { created_at: draft.written_at.secs(), kind, tags, content });
    let (message_id, text) = rumor.into_text();
    let own_copy = if draft.own_copy { Some(wrap(keys, &text, &us, now, None, None)?) } else { None };
    Ok(Sealed { message_id, event: wrap(keys, &text, &draft.to, now, None, None)?, own_copy, rumor: Some(Arc::from(text)), chain })
}

fn tags(draft: &DirectDraft, is_frame: bool, chain: Option<Chain>) -> Result<Tags, SealRefused> {
    let mut tags = vec![tag(["p", &draft.to.to_hex()])];
    if is_frame {
        tags.push(tag(["app", APP]));
    }
    tags.extend(draft.reply_to.map(|id| tag(["e", &id.to_hex(), "", "reply"])));
    tags.extend(draft.subject.as_deref().map(|subject| tag(["subject", subject])));
    tags.extend(chain.map(|chain| tag(["chain", &chain.id.to_hex(), &chain.hops.to_string()])));
    tags.extend(draft.place.map(|place| {
        let previous = place.previous.map(|id| id.to_hex()).unwrap_or_default();
        tag(["seq", &place.number.to_string(), &previous, &place.line.to_string()])
    }));
    if draft.urgent {
        tags.push(tag([CLASS, URGENT]));
    }
    // The same words twice in one second are two messages, and must not share an id.
    tags.push(tag(["salt", &format!("{:016x}", u64::from_le_bytes(random::bytes()?))]));
    Ok(tags)
}

/// The same rumor in a new seal and a new wrap, for `to`.
pub(crate) fn rewrap(
    keys: &Keys,
    id: MessageId,
    rumor: &str,
    to: &PubKey,
    now: At,
    work: Option<&Work<'_>>,
) -> Result<Sealed, SealRefused> {
    reachable(to)?;
    let damaged = |_| SealRefused("the stored rumor is damaged");
    let parsed = Rumor::parse(rumor).map_err(damaged)?;
    if parsed.checked_id().map_err(damaged)? != id || parsed.pubkey != keys.public() {
        return Err(SealRefused("the stored rumor belongs to another message"));
    }
    Ok(Sealed {
        message_id: id,
        event: wrap(keys, rumor, to, now, None, work)?,
        own_copy: None,
        rumor: Some(Arc::from(rumor)),
        chain: None,
    })
}

/// A frame to ourselves, wrapped like any message; only that relays may forget it soon shows outside.
pub(crate) fn canary(keys: &Keys, version: &str, at: At, expires_at: At) -> Result<Sealed, SealRefused> {
    let us = keys.public();
    let salt = format!("{:016x}", u64::from_le_bytes(random::bytes()?));
    let tags = vec![tag(["p", &us.to_hex()]), tag(["app", APP]), tag(["salt", &salt])];
    let content = legacy::canary(at, version);
    let rumor = Rumor::new(us, Template { created_at: at.secs(), kind: kind::APP_RUMOR, tags, content });
    let (message_id, text) = rumor.into_text();
    Ok(Sealed { message_id, event: wrap(keys, &text, &us, at, Some(expires_at), None)?, own_copy: None, rumor: None, chain: None })
}

/// Work to be done for a wrap.
pub(crate) struct Work<'a> {
    pub(crate) bits: u32,
    /// Nobody waits for it any more.
    pub(crate) give_up: &'a dyn Fn() -> bool,
}

/// Seals and wraps, each dated on its own somewhere in the last two days; the wrap is signed by a key that is thrown away.
fn wrap(
    keys: &Keys,
    rumor: &str,
    to: &PubKey,
    now: At,
    expires_at: Option<At>,
    work: Option<&Work<'_>>,
) -> Result<SignedEvent, SealRefused> {
    let seal = Template {
        created_at: random::hidden_secs(now.secs())?,
        kind: kind::SEAL,
        tags: Vec::new(),
        content: nip44::encrypt(keys, to, rumor)?,
    };
    let one_time = Keys::generate();
    let mut tags = vec![tag(["p", &to.to_hex()])];
    tags.extend(expires_at.map(|at| tag(["expiration", &at.secs().to_string()])));
    let mut wrap = Template {
        created_at: random::hidden_secs(now.secs())?,
        kind: kind::GIFT_WRAP,
        tags,
        content: nip44::encrypt_once(&one_time, to, &seal.sign(keys).json)?,
    };
    if let Some(work) = work {
        pow::mine(&mut wrap, &one_time.public(), work.bits, work.give_up)?;
    }
    Ok(wrap.sign(&one_time))
}
