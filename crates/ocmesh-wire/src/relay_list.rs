//! Relay lists: kind 10050 ([NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md)) and kind 10002
//! ([NIP-65](https://github.com/nostr-protocol/nips/blob/master/65.md)). Private addresses are not filtered here.

use ocmesh_proto::{At, ListPurpose, RelayList, RelayUrl, limit::PEER_RELAYS_MAX};

use crate::{
    event::{Event, Template},
    kind,
    tag::{self, tag},
};

/// Reads a checked event of one of the two kinds.
pub(crate) fn read(event: &Event, purpose: ListPurpose) -> RelayList {
    let relays = match purpose {
        ListPurpose::DirectMessages => tag::relays(tag::values(&event.tags, "relay"), PEER_RELAYS_MAX),
        ListPurpose::Read => {
            // No marker means "read and write".
            let is_read = |rest: &&[String]| matches!(rest.get(1).map_or("", String::as_str), "" | "read");
            tag::relays(tag::all(&event.tags, "r").filter(is_read).filter_map(|rest| rest.first().map(String::as_str)), PEER_RELAYS_MAX)
        }
    };
    RelayList { author: event.pubkey, created_at: At::from_secs(event.created_at), purpose, relays }
}

/// Writes our list for direct messages.
pub(crate) fn write_dm(relays: &[RelayUrl], created_at: At) -> Template {
    write(kind::DM_RELAYS, "relay", relays, created_at)
}

/// Writes our list for everything else; without markers, as we read and write on all of them.
pub(crate) fn write_general(relays: &[RelayUrl], created_at: At) -> Template {
    write(kind::RELAY_LIST, "r", relays, created_at)
}

fn write(kind: u16, name: &str, relays: &[RelayUrl], created_at: At) -> Template {
    let tags = relays.iter().map(|relay| tag([name, relay.as_str()])).collect();
    Template { created_at: created_at.secs(), kind, tags, content: String::new() }
}
