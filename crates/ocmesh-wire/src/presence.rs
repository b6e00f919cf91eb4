//! An agent's announcement, in its two kinds, read and written. When to announce, and how long one is believed, the mesh decides.

use ocmesh_proto::{
    At, Form, PeerStatus, Presence, PresenceDraft, PresenceVehicle, label,
    limit::{FEATURE_CHARS_MAX, FEATURES_MAX, NAME_CHARS_MAX, OWN_DM_RELAYS_MAX, PEER_RELAYS_MAX, WORK_BITS_MAX},
    time::DAY,
};

use crate::{
    event::{Event, Template},
    kind,
    tag::{self, Tags, tag},
};

/// The `app` and `t` of every event that is ours.
pub(crate) const APP: &str = "ocmesh";
/// Longest software version shown, in characters: room for a version and a commit.
pub(crate) const VERSION_CHARS_MAX: usize = 32;
/// A promise of the next announcement further ahead than this is not believed: it would keep a silent peer online for ever.
const NEXT_MS_MAX: u64 = DAY;
const CONTENT_ONLINE: &str = "ocmesh-agent-online";
const CONTENT_OFFLINE: &str = "ocmesh-agent-offline";

/// An event of a presence kind is an agent's announcement, and not a person's note or somebody's audio track. Kind 31337 needs no `d` of
/// ours: older nodes spell it in their own way.
pub(crate) fn is_presence(event: &Event) -> bool {
    match event.kind {
        kind::NOTE => tag::has(&event.tags, "app", APP) && tag::has(&event.tags, "t", APP),
        kind::PRESENCE => tag::has(&event.tags, "app", APP),
        _ => false,
    }
}

/// Reads a checked event for which [`is_presence`] holds.
pub(crate) fn read(event: &Event) -> Presence {
    let tags = &event.tags;
    let created_at = At::from_secs(event.created_at);
    Presence {
        author: event.pubkey,
        created_at,
        version: tag::value(tags, "v").and_then(|text| label::clean(text, VERSION_CHARS_MAX)),
        name: tag::value(tags, "name").and_then(|text| label::clean(text, NAME_CHARS_MAX)),
        features: features(tag::values(tags, "feature")),
        forms: forms(tags),
        status: status(event),
        next_at: next_at(tags, created_at),
        relays: tag::relays(tag::values(tags, "relay"), PEER_RELAYS_MAX),
        work_asked: work_asked(tags),
    }
}

/// What is asked of strangers' messages. Who asks for more than we do for anybody gets none.
fn work_asked(tags: &Tags) -> u32 {
    let asked = tag::value(tags, "pow").and_then(|text| text.parse().ok());
    asked.filter(|bits| *bits <= WORK_BITS_MAX).unwrap_or(0)
}

fn status(event: &Event) -> PeerStatus {
    if event.content == CONTENT_OFFLINE || tag::has(&event.tags, "status", PeerStatus::Offline.as_str()) {
        return PeerStatus::Offline;
    }
    tag::value(&event.tags, "status").and_then(PeerStatus::parse).unwrap_or_default()
}

fn forms(tags: &Tags) -> Vec<Form> {
    let mut forms = Vec::new();
    for form in tag::values(tags, "dm").filter_map(Form::parse) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

fn next_at(tags: &Tags, created_at: At) -> Option<At> {
    let next_at = At::from_secs(tag::value(tags, "next")?.parse().ok()?);
    (next_at >= created_at && next_at.since(created_at) <= NEXT_MS_MAX).then_some(next_at)
}

/// A stranger's list of abilities: different, cleaned, bounded.
pub(crate) fn features<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut features = Vec::new();
    for feature in texts.filter_map(|text| label::clean(text, FEATURE_CHARS_MAX)) {
        if features.len() == FEATURES_MAX {
            break;
        }
        if !features.contains(&feature) {
            features.push(feature);
        }
    }
    features
}

/// Writes our presence as an event to sign, with an expiration
/// ([NIP-40](https://github.com/nostr-protocol/nips/blob/master/40.md)) in both kinds.
pub(crate) fn write(draft: &PresenceDraft, version: &str) -> Template {
    let (kind, content) = match draft.vehicle {
        PresenceVehicle::Note => (kind::NOTE, note(draft)),
        PresenceVehicle::Addressable if draft.status == PeerStatus::Offline => (kind::PRESENCE, CONTENT_OFFLINE.to_owned()),
        PresenceVehicle::Addressable => (kind::PRESENCE, CONTENT_ONLINE.to_owned()),
    };
    let mut tags = Tags::new();
    if draft.vehicle == PresenceVehicle::Addressable {
        tags.push(tag(["d", "ocmesh-presence"]));
    }
    tags.extend([tag(["app", APP]), tag(["t", APP]), tag(["v", version]), tag(["name", &draft.name])]);
    tags.extend(draft.features.iter().map(|feature| tag(["feature", feature])));
    tags.extend([Form::Nip17, Form::Nip04].map(|form| tag(["dm", form.as_str()])));
    if draft.work_asked > 0 {
        tags.push(tag(["pow", &draft.work_asked.to_string()]));
    }
    tags.push(tag(["status", draft.status.as_str()]));
    tags.push(tag(["next", &draft.next_at.secs().to_string()]));
    tags.extend(draft.relays.iter().take(OWN_DM_RELAYS_MAX).map(|relay| tag(["relay", relay.as_str()])));
    tags.push(tag(["expiration", &draft.expires_at.secs().to_string()]));
    Template { created_at: draft.created_at.secs(), kind, tags, content }
}

/// One line for people who meet the note in a client.
fn note(draft: &PresenceDraft) -> String {
    let name = label::clean(&draft.name, NAME_CHARS_MAX).unwrap_or_else(|| "An agent".to_owned());
    let can = if draft.features.is_empty() { String::new() } else { format!(": {}", draft.features.join(", ")) };
    match draft.status {
        PeerStatus::Offline => format!("{name} has left the ocmesh agent mesh."),
        PeerStatus::Online => format!("{name} is on the ocmesh agent mesh{can}"),
        PeerStatus::Busy | PeerStatus::Quiet => format!("{name} is on the ocmesh agent mesh ({}){can}", draft.status.as_str()),
    }
}
