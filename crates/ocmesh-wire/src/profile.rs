//! Kind 0 profiles: a JSON object in the content ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md), and `bot` of
//! [NIP-24](https://github.com/nostr-protocol/nips/blob/master/24.md)).

use ocmesh_proto::{
    At, Profile, label,
    limit::{ABOUT_CHARS_MAX, NAME_CHARS_MAX},
};
use serde_json::{Map, Value, json};

use crate::{
    event::{Event, Template},
    kind,
    presence::APP,
};

/// Reads a checked kind 0 event; `None` when its content is no JSON object.
pub(crate) fn read(event: &Event) -> Option<Profile> {
    let object: Map<String, Value> = serde_json::from_str(&event.content).ok()?;
    let text = |name: &str, chars_max| object.get(name).and_then(Value::as_str).and_then(|text| label::clean(text, chars_max));
    Some(Profile {
        author: event.pubkey,
        created_at: At::from_secs(event.created_at),
        name: text("name", NAME_CHARS_MAX).or_else(|| text("display_name", NAME_CHARS_MAX)),
        about: text("about", ABOUT_CHARS_MAX),
    })
}

/// Writes our profile. `app`, `v` and `capabilities` are what Node agents look at.
pub(crate) fn write(name: &str, about: &str, features: &[String], version: &str, created_at: At) -> Template {
    let content = json!({"name": name, "about": about, "bot": true, "app": APP, "v": version, "capabilities": features}).to_string();
    Template { created_at: created_at.secs(), kind: kind::PROFILE, tags: Vec::new(), content }
}
