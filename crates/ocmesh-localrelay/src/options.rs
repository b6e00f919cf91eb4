//! What the owner of a relay may choose.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// How to run a relay. The default listens on a free loopback port, keeps events in memory and asks nobody to authenticate.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// `name` in the NIP-11 document.
    pub name: String,
    /// `description` in the NIP-11 document.
    pub description: String,
    /// The address clients use, when it is not the one bound (a name, a proxy, TLS in front). NIP-42 answers must name the relay.
    pub public_url: Option<String>,
    /// Whether clients must say who they are (NIP-42).
    pub auth: AuthMode,
    /// Bounds.
    pub limits: Limits,
    /// Where events live.
    pub storage: Storage,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "ocmesh local relay".to_owned(),
            description: "A small relay for development, demos and closed networks.".to_owned(),
            public_url: None,
            auth: AuthMode::Off,
            limits: Limits::default(),
            storage: Storage::Memory,
        }
    }
}

/// When clients must authenticate ([NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md)).
///
/// In every mode but `Off`, direct messages (kinds 4, 1059 and 21059) are shown only to a client that proved to be their author or a
/// recipient named in a `p` tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMode {
    /// No challenge is sent.
    #[default]
    Off,
    /// A challenge is sent; needed for direct messages only.
    Optional,
    /// Needed for REQ and COUNT.
    RequiredToRead,
    /// Needed for EVENT.
    RequiredToWrite,
    /// Needed for everything.
    Required,
}

impl AuthMode {
    pub(crate) const fn challenges(self) -> bool {
        !matches!(self, Self::Off)
    }

    pub(crate) const fn needed_to_read(self) -> bool {
        matches!(self, Self::RequiredToRead | Self::Required)
    }

    pub(crate) const fn needed_to_write(self) -> bool {
        matches!(self, Self::RequiredToWrite | Self::Required)
    }
}

/// Bounds of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections_max: usize,
    /// Subscriptions of one connection.
    pub subscriptions_max: usize,
    /// Filters of one REQ.
    pub filters_max: usize,
    /// Stored events answered for one filter, whatever `limit` it asks for.
    pub events_per_filter_max: usize,
    /// Comparisons of sets (NIP-77) that one connection may have open.
    pub comparisons_max: usize,
    /// Events in the set of one comparison.
    pub comparison_events_max: usize,
    /// Bytes of one event as JSON.
    pub event_bytes_max: usize,
    /// Bytes of one websocket message.
    pub frame_bytes_max: usize,
    /// Tags of one event.
    pub tags_max: usize,
    /// How far ahead of our clock an event may be dated, in seconds.
    pub future_seconds_max: u64,
    /// Events kept; the earliest arrived goes first.
    pub events_max: usize,
    /// Bytes of memory for events, estimated with their indexes.
    pub memory_bytes_max: usize,
    /// How long one write may wait for a client to read, in milliseconds, before the client is cut off.
    pub write_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Well under the usual 1,024 open files of a process.
            connections_max: 512,
            subscriptions_max: 64,
            // A client with more puts them in a second REQ.
            filters_max: 20,
            // What strfry answers, and most public relays with it.
            events_per_filter_max: 500,
            // Each holds its set, 40 bytes an event, until it is closed.
            comparisons_max: 4,
            comparison_events_max: 100_000,
            // Room for a gift wrap around the largest NIP-44 version 2 payload of the short form (65,535 bytes, twice base64).
            event_bytes_max: 128 * 1024,
            frame_bytes_max: 512 * 1024,
            tags_max: 2_000,
            // As strfry has it.
            future_seconds_max: 900,
            events_max: 100_000,
            memory_bytes_max: 256 * 1024 * 1024,
            // A client that takes nothing for so long is gone or stuck.
            write_ms_max: 20_000,
        }
    }
}

/// Where events live.
#[derive(Debug, Clone, Default)]
pub enum Storage {
    /// In memory; gone with the process.
    #[default]
    Memory,
    /// In memory and in this file, one JSON event a line. The directory must exist. An event is handed to the operating system before the
    /// client gets its OK, so a killed relay loses nothing; the file is synced to disk once a second, so a power cut may lose that second.
    File(PathBuf),
}
