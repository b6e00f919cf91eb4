//! Every Nostr kind number we use, and only here. What an event of a kind looks like inside is `ocmesh-wire`'s knowledge.

/// A profile, [NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md).
pub const PROFILE: u16 = 0;
/// A short text note, [NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md): the presence for people.
pub const NOTE: u16 = 1;
/// A direct message, [NIP-04](https://github.com/nostr-protocol/nips/blob/master/04.md); its content may also be a NIP-44 payload.
pub const LEGACY_DIRECT: u16 = 4;
/// A seal, [NIP-59](https://github.com/nostr-protocol/nips/blob/master/59.md). Never published by itself.
pub const SEAL: u16 = 13;
/// A text rumor, [NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md).
pub const TEXT_RUMOR: u16 = 14;
/// A file rumor, [NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md).
pub const FILE_RUMOR: u16 = 15;
/// An application's rumor, [NIP-78](https://github.com/nostr-protocol/nips/blob/master/78.md): our structured messages.
pub const APP_RUMOR: u16 = 78;
/// A gift wrap, [NIP-59](https://github.com/nostr-protocol/nips/blob/master/59.md).
pub const GIFT_WRAP: u16 = 1059;
/// Relays used in general, [NIP-65](https://github.com/nostr-protocol/nips/blob/master/65.md).
pub const RELAY_LIST: u16 = 10_002;
/// Relays for direct messages, [NIP-17](https://github.com/nostr-protocol/nips/blob/master/17.md).
pub const DM_RELAYS: u16 = 10_050;
/// The answer to a relay's challenge, [NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md).
pub const AUTH: u16 = 22_242;
/// The presence that agents read. An audio app uses the number too: only events tagged `app=ocmesh` are ours.
pub const PRESENCE: u16 = 31_337;
