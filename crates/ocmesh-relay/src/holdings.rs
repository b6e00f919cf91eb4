//! What the owner already has, as far as relays can be asked about it: the engine keeps no events itself.

/// One event the owner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldEvent {
    /// Its `created_at`, in seconds.
    pub created_at: u64,
    /// Its id.
    pub id: [u8; 32],
}

/// Knows which events of a subscription the owner has, for comparing sets with a relay
/// ([NIP-77](https://github.com/nostr-protocol/nips/blob/master/77.md)).
pub trait Holdings: Send + Sync {
    /// The events of a subscription, dated at or after `since`, that were verified and are kept. An id too many hides an event for
    /// good; an id too few costs a fetch. May block; `None` when it cannot be told, or when there are too many to compare.
    fn held(&self, sub: &str, since: Option<u64>) -> Option<Vec<HeldEvent>>;
}
