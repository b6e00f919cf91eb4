//! A NIP-01 filter as plain data.

use std::collections::BTreeMap;

use crate::{At, EventId, PubKey};

/// What to ask a relay for ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)). Empty lists mean "any".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Event ids.
    pub ids: Vec<EventId>,
    /// Kinds.
    pub kinds: Vec<u16>,
    /// Authors.
    pub authors: Vec<PubKey>,
    /// Single-letter tags, e.g. `p` or `t`, with their accepted values.
    pub tags: BTreeMap<char, Vec<String>>,
    /// Not older than this.
    pub since: Option<At>,
    /// Not newer than this.
    pub until: Option<At>,
    /// At most this many stored events.
    pub limit: Option<u32>,
}

/// The subscriptions the core opens. Its text form is the NIP-01 subscription id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sub {
    /// Gift wraps to us. Never shares a REQ with anything else: some relays drop direct messages from a mixed one in silence.
    Wraps,
    /// Kind 4 to us.
    Legacy,
    /// Live presence.
    Presence,
    /// A scan of presence.
    Scan,
    /// A look-up of one peer's lists and presence.
    Lookup(u64),
}

impl std::fmt::Display for Sub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wraps => f.write_str("wraps"),
            Self::Legacy => f.write_str("legacy"),
            Self::Presence => f.write_str("presence"),
            Self::Scan => f.write_str("scan"),
            Self::Lookup(number) => write!(f, "lookup-{number}"),
        }
    }
}

impl std::str::FromStr for Sub {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "wraps" => Self::Wraps,
            "legacy" => Self::Legacy,
            "presence" => Self::Presence,
            "scan" => Self::Scan,
            other => Self::Lookup(other.strip_prefix("lookup-").and_then(|n| n.parse().ok()).ok_or(())?),
        })
    }
}
