//! Event kinds by name. The only place in the repository, beside foreign fixtures, where their numbers are written.

/// Profile ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)).
pub const PROFILE: u16 = 0;
/// Short text note; one that carries `app=ocmesh` and `t=ocmesh` is a presence.
pub const NOTE: u16 = 1;
/// Encrypted direct message, public envelope ([NIP-04](https://github.com/nostr-protocol/nips/blob/master/04.md)).
pub const LEGACY_DM: u16 = 4;
/// Seal ([NIP-59](https://github.com/nostr-protocol/nips/blob/master/59.md)).
pub const SEAL: u16 = 13;
/// Chat message rumor ([NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md)).
pub const CHAT: u16 = 14;
/// File message rumor (NIP-17).
pub const FILE: u16 = 15;
/// Application data rumor: our structured messages, tagged `app=ocmesh`.
pub const FRAME: u16 = 78;
/// Gift wrap (NIP-59).
pub const WRAP: u16 = 1059;
/// Relay list ([NIP-65](https://github.com/nostr-protocol/nips/blob/master/65.md)).
pub const RELAY_LIST: u16 = 10002;
/// Relays for direct messages (NIP-17).
pub const DM_RELAYS: u16 = 10050;
/// Answer to an AUTH challenge ([NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md)).
pub const AUTH: u16 = 22242;
/// Presence as the Node agents publish it; shared with an audio application, so the `app` tag decides.
pub const PRESENCE: u16 = 31337;
