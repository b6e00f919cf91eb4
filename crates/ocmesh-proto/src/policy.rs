//! The owner's wishes, checked, as the core uses them. The shell fills it from the configuration.

use crate::{
    PeerStatus, RelayUrl, SecretsPolicy, WakeTarget,
    time::{DAY, MINUTE},
};

/// Everything the core takes from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Name in presence and hello.
    pub name: String,
    /// `about` of the profile.
    pub about: String,
    /// Features in presence and hello.
    pub features: Vec<String>,
    /// Status in presence.
    pub status: PeerStatus,
    /// Relays from the configuration. What the owner added or removed at run time is in the store and wins.
    pub relays: Vec<RelayUrl>,
    /// Relays that may stand in for ours, in order. Empty where the owner named relays: then nothing else is dialled.
    pub substitutes: Vec<RelayUrl>,
    /// Between two presences, before jitter, in milliseconds.
    pub presence_interval_ms: u64,
    /// On which relays the kind 1 note is published.
    pub presence_note: NotePolicy,
    /// Between two scans, in milliseconds.
    pub discovery_interval_ms: u64,
    /// Whom to send a hello.
    pub handshake: HandshakeMode,
    /// Hellos a minute.
    pub hellos_per_minute: u32,
    /// Hellos a day.
    pub hellos_per_day: u32,
    /// Which form to use.
    pub encryption: EncryptionPolicy,
    /// How long a message is tried, in milliseconds.
    pub message_ttl_ms: u64,
    /// What strangers may do.
    pub inbox: InboxPolicy,
    /// Zero bits of work (NIP-13) that a stranger's message needs; 0 asks for none.
    pub inbox_work: u32,
    /// About how often a message to ourselves goes through each inbox relay, in milliseconds: from half of this to twice of it.
    pub inbox_check_interval_ms: u64,
    /// Turns that agents may take in answering each other, all together.
    pub loop_turns_max: u32,
    /// What becomes of a message that looks as if it held a secret.
    pub secrets: SecretsPolicy,
    /// Messages an hour that an agent may send to one peer; ten times as many who does not say what it is.
    pub agent_sends_per_hour: u32,
    /// Dial relays with private addresses that a peer named. Off unless the owner wrote it.
    pub private_relays: bool,
    /// Who is woken when messages of accepted peers come, at most [`crate::limit::WAKE_TARGETS_MAX`].
    pub wakes: Vec<WakeTarget>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            features: vec!["messaging".to_owned(), "query".to_owned()],
            status: PeerStatus::Online,
            relays: Vec::new(),
            substitutes: Vec::new(),
            presence_interval_ms: 5 * MINUTE,
            presence_note: NotePolicy::Expiring,
            discovery_interval_ms: 2 * MINUTE,
            handshake: HandshakeMode::Auto,
            hellos_per_minute: 6,
            hellos_per_day: 200,
            encryption: EncryptionPolicy::Auto,
            message_ttl_ms: 7 * DAY,
            inbox: InboxPolicy::Open,
            inbox_work: 0,
            inbox_check_interval_ms: 30 * MINUTE,
            loop_turns_max: 10,
            secrets: SecretsPolicy::Refuse,
            agent_sends_per_hour: 60,
            private_relays: false,
            wakes: Vec::new(),
        }
    }
}

/// `presence.note`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotePolicy {
    /// On every relay.
    Always,
    /// On relays that list NIP-40, as NIP-40 asks of clients.
    Expiring,
    /// Nowhere.
    Never,
}

/// `handshake.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeMode {
    /// Every newly found peer.
    Auto,
    /// Accepted peers only.
    Known,
    /// Nobody.
    Off,
}

/// `messages.encryption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionPolicy {
    /// By what the peer understands.
    Auto,
    /// Always NIP-17.
    Nip17,
    /// Always NIP-04.
    Nip04,
}

/// `inbox.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxPolicy {
    /// Strangers' messages arrive, marked.
    Open,
    /// Strangers' messages wait for consent.
    Ask,
    /// Strangers' messages are dropped.
    Closed,
}
