//! Direct messages in all three forms, with real keys around whatever the fuzzer writes, so that it reaches the inside.

use ocmesh_proto::{
    Body, Envelope, Form, InviteState, Opened, PubKey, kind,
    limit::{ASK_NUMBERS_MAX, FEATURE_CHARS_MAX, FEATURES_MAX, INBOUND_CONTENT_BYTES_MAX, NAME_CHARS_MAX},
};
use ocmesh_wire::{OpenError, event_head, open};
use serde_json::{Value, json};

use crate::{
    NOTHING,
    people::{NOW, Signed, bob, bobs_keys, id_of, mallory, nobody, tags_and_text, with_keys},
    promises::is_label,
};

/// A subject's and a type's greatest length; `ocmesh-wire` keeps them to itself.
const SUBJECT_CHARS_MAX: usize = 128;
const TYPE_CHARS_MAX: usize = 48;
const VERSION_CHARS_MAX: usize = 32;

/// The first byte says what the rest is: `r` an event as a relay sends it, `w` a rumor, `m` kind, tags and content of a rumor, `s` a seal,
/// `g` tags and payload of a gift wrap, `4` and `0` tags and plain text of a kind 4 event in NIP-44 and NIP-04, `p` its tags and payload.
/// Everything is by Mallory and for Bob.
pub fn check(data: &[u8]) -> &'static str {
    let Some((mode, rest)) = data.split_first() else { return NOTHING };
    let Ok(text) = std::str::from_utf8(rest) else { return NOTHING };
    let text = with_keys(text);
    let made = match mode {
        b'r' => return raw(&text),
        b'w' => wrapped_rumor(&text).map(|event| (event, Some(rumor_id(&text)))),
        b'm' => made_rumor(&text).and_then(|rumor| wrapped_rumor(&rumor).map(|event| (event, Some(rumor_id(&rumor))))),
        b's' => wrapped(&text).map(|event| (event, None)),
        b'g' => Some((by(&nobody(), kind::GIFT_WRAP, &text), None)),
        b'p' => Some((by(&mallory(), kind::LEGACY_DIRECT, &text), None)),
        b'4' | b'0' => encrypted(*mode, &text).map(|event| (event, None)),
        _ => None,
    };
    let Some((event, rumor_id)) = made else { return NOTHING };
    match open_twice(&event.json) {
        Ok(Opened::Direct(envelope)) => opened(&envelope, &event, rumor_id.flatten().as_deref()),
        Ok(other) => panic!("a direct message was opened as something else: {other:?}"),
        Err(error) => {
            assert!(!error.shows_lying_relay(), "a good signature was refused: {error}");
            refused(error)
        }
    }
}

/// How deep a refusal was.
fn refused(error: OpenError) -> &'static str {
    match error {
        OpenError::BadSeal => "no seal inside",
        OpenError::BadRumor => "no rumor inside",
        OpenError::AuthorMismatch => "another author inside",
        OpenError::NotForUs => "for somebody else",
        OpenError::ContentTooLong => "too long inside",
        OpenError::NotOurs(_) => "another kind inside",
        OpenError::Undecryptable => "not decrypted",
        _ => "refused",
    }
}

/// Opening depends on nothing but its arguments.
fn open_twice(json: &str) -> Result<Opened, OpenError> {
    let keys = bobs_keys();
    let first = open(&keys, json, NOW);
    assert_eq!(first, open(&keys, json, NOW), "the same event opens in two ways");
    first
}

/// Whatever opens was signed by the author it names, and its id is its own.
fn raw(text: &str) -> &'static str {
    let opened = match open_twice(text) {
        Ok(opened) => opened,
        Err(OpenError::BadId) => return "wrong id",
        Err(OpenError::BadSignature) => return "wrong signature",
        Err(OpenError::NotAnEvent) => return "no event",
        Err(error) => return refused(error),
    };
    let head = event_head(text).expect("it was opened");
    let event: Value = serde_json::from_str(text).expect("it was opened");
    assert_eq!(id_of(&event).as_deref(), Some(head.id.to_hex().as_str()), "the id is not the hash of the event");
    let library: nostr::event::Event = serde_json::from_str(text).expect("it was opened");
    assert!(library.verify_signature(), "the signature is not the author's");
    match opened {
        Opened::Direct(envelope) => {
            assert_eq!(envelope.event_id, head.id);
            in_bounds(&envelope);
        }
        state => assert_eq!(state.author(), head.pubkey),
    }
    "opened as it came"
}

fn opened(envelope: &Envelope, event: &Signed, rumor_id: Option<&str>) -> &'static str {
    let Envelope { author, recipient, form, event_id, id, .. } = envelope;
    assert_eq!(*author, mallory().key(), "the author is not who signed");
    assert_eq!(*recipient, bob().key(), "for somebody else");
    assert_eq!(event_id.to_hex(), event.id, "the event's id is another");
    if *form == Form::Nip17 {
        assert_eq!(Some(id.to_hex().as_str()), rumor_id, "the message's id is not the rumor's");
    } else {
        assert_eq!(id, event_id);
    }
    in_bounds(envelope);
    match (form, &envelope.body) {
        (Form::Nip17, Body::Text(_)) => "nip17 text",
        (Form::Nip17, _) => "nip17 frame",
        (Form::Nip44, Body::Text(_)) => "nip44 text",
        (Form::Nip44, _) => "nip44 frame",
        (Form::Nip04, Body::Text(_)) => "nip04 text",
        (Form::Nip04, _) => "nip04 frame",
    }
}

/// Everything in it is as long as it may be, and what is shown in one line is cleaned.
fn in_bounds(envelope: &Envelope) {
    if let Some(subject) = &envelope.subject {
        is_label(subject, SUBJECT_CHARS_MAX);
    }
    match &envelope.body {
        Body::Text(text) => assert!(text.len() <= INBOUND_CONTENT_BYTES_MAX, "a text of {} bytes", text.len()),
        Body::Structured { kind, json } => {
            is_label(kind, TYPE_CHARS_MAX);
            assert!(json.len() <= INBOUND_CONTENT_BYTES_MAX, "a frame of {} bytes", json.len());
        }
        Body::Intro { name, capabilities, version } => {
            name.iter().for_each(|name| is_label(name, NAME_CHARS_MAX));
            version.iter().for_each(|version| is_label(version, VERSION_CHARS_MAX));
            crate::promises::are_labels(capabilities, FEATURES_MAX, FEATURE_CHARS_MAX);
        }
        Body::Missing { numbers, .. } | Body::Gone { numbers, .. } => {
            assert!(!numbers.is_empty() && numbers.len() <= ASK_NUMBERS_MAX, "{} numbers", numbers.len());
        }
        Body::JoinRefused { why, .. } => assert!(!matches!(why, InviteState::Open | InviteState::Joined), "{why:?} is no refusal"),
        Body::Ping | Body::Pong | Body::Canary | Body::Delivered(_) | Body::Read(_) | Body::Join(_) | Body::Joined(_) => {}
    }
}

/// The id that a rumor has, whatever it claims.
fn rumor_id(rumor: &str) -> Option<String> {
    id_of(&serde_json::from_str(rumor).ok()?)
}

/// `kind`, a blank, tags as JSON, a line break, and the content: a well-formed rumor.
fn made_rumor(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once(' ')?;
    let (tags, content) = tags_and_text(rest);
    let rumor = json!({
        "pubkey": mallory().key(), "created_at": NOW.secs(), "kind": kind.parse::<u16>().ok()?, "tags": tags, "content": content,
    });
    Some(rumor.to_string())
}

fn wrapped_rumor(rumor: &str) -> Option<Signed> {
    let content = mallory().nip44(&bob(), rumor)?;
    wrapped(&mallory().sign(kind::SEAL, NOW.secs(), &Vec::new(), &content).json)
}

fn wrapped(seal: &str) -> Option<Signed> {
    let content = nobody().nip44(&bob(), seal)?;
    Some(nobody().sign(kind::GIFT_WRAP, NOW.secs(), &vec![for_one(&bob().key())], &content))
}

fn encrypted(mode: u8, text: &str) -> Option<Signed> {
    let (tags, plain) = tags_and_text(text);
    let payload = if mode == b'4' { mallory().nip44(&bob(), plain) } else { mallory().nip04(&bob(), plain) }?;
    Some(mallory().sign(kind::LEGACY_DIRECT, NOW.secs(), &tags, &payload))
}

fn by(person: &crate::people::Person, kind: u16, text: &str) -> Signed {
    let (tags, payload) = tags_and_text(text);
    person.sign(kind, NOW.secs(), &tags, payload)
}

fn for_one(key: &PubKey) -> Vec<String> {
    vec!["p".to_owned(), key.to_hex()]
}
