//! Presences, profiles and relay lists: well-signed events whose tags and content the fuzzer writes.

use ocmesh_proto::{
    At, Opened, Presence, Profile, kind,
    limit::{ABOUT_CHARS_MAX, FEATURE_CHARS_MAX, FEATURES_MAX, NAME_CHARS_MAX, PEER_RELAYS_MAX},
    time::DAY,
};
use ocmesh_wire::{OpenError, open};

use crate::{
    NOTHING,
    people::{NOW, bobs_keys, mallory, tags_and_text},
    promises::{are_labels, are_relays, is_label},
};

const VERSION_CHARS_MAX: usize = 32;

/// The first byte chooses the kind, then come tags as JSON, a line break, and the content.
pub fn check(data: &[u8]) -> &'static str {
    let Some((letter, rest)) = data.split_first() else { return NOTHING };
    let Ok(text) = std::str::from_utf8(rest) else { return NOTHING };
    let (kind, created_at) = match letter {
        b'n' => (kind::NOTE, NOW),
        b'p' => (kind::PRESENCE, NOW),
        b'0' => (kind::PROFILE, NOW),
        b'd' => (kind::DM_RELAYS, NOW),
        b'r' => (kind::RELAY_LIST, NOW),
        b'f' => (kind::PRESENCE, NOW.plus(DAY)),
        _ => return NOTHING,
    };
    let (tags, content) = tags_and_text(text);
    let event = mallory().sign(kind, created_at.secs(), &tags, content);
    let opened = match open(&bobs_keys(), &event.json, NOW) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.shows_lying_relay(), "a good signature was refused: {error}");
            return if error == OpenError::Future { "dated ahead" } else { "refused" };
        }
    };
    assert_eq!(opened.author(), mallory().key(), "the author is not who signed");
    assert_eq!(created_at, NOW, "an announcement from tomorrow");
    match opened {
        Opened::Presence(presence) => in_presence(&presence),
        Opened::Profile(Profile { name, about, .. }) => {
            name.iter().for_each(|name| is_label(name, NAME_CHARS_MAX));
            about.iter().for_each(|about| is_label(about, ABOUT_CHARS_MAX));
            "profile"
        }
        Opened::RelayList(list) => {
            are_relays(&list.relays, PEER_RELAYS_MAX);
            if list.relays.is_empty() { "empty list" } else { "relay list" }
        }
        Opened::Direct(envelope) => panic!("an announcement was opened as a message: {envelope:?}"),
    }
}

fn in_presence(presence: &Presence) -> &'static str {
    presence.name.iter().for_each(|name| is_label(name, NAME_CHARS_MAX));
    presence.version.iter().for_each(|version| is_label(version, VERSION_CHARS_MAX));
    are_labels(&presence.features, FEATURES_MAX, FEATURE_CHARS_MAX);
    are_relays(&presence.relays, PEER_RELAYS_MAX);
    for (index, form) in presence.forms.iter().enumerate() {
        assert!(!presence.forms.iter().take(index).any(|earlier| earlier == form), "{form:?} is there twice");
    }
    let believed = |at: &At| *at >= presence.created_at && at.since(presence.created_at) <= DAY;
    assert!(presence.next_at.as_ref().is_none_or(believed), "a promise that is not believed: {:?}", presence.next_at);
    if presence.relays.is_empty() { "presence" } else { "presence with relays" }
}
