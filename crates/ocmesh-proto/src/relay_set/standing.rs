//! What is told of a relay, and which relays may be used.

use crate::{At, Hearing, Mesh, RelayInfo, RelayOrigin, RelayUrl, limit::PEER_RELAYS_MAX};

/// How the core sees one relay, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayStanding {
    /// One of ours.
    pub own: bool,
    /// How it came to us.
    pub origin: Option<RelayOrigin>,
    /// We read direct messages here and publish that we do.
    pub is_inbox: bool,
    /// Up to when everything stored here was seen.
    pub good_at: Option<At>,
    /// The earliest second of which it may hold more direct messages than it shows.
    pub cut_at: Option<At>,
    /// Why it is not used for reading, as it said.
    pub refused_inbox: Option<String>,
    /// Whether it brings what it takes.
    pub hearing: Hearing,
    /// Since when it is no use to us, as of the last look.
    pub bad_since: Option<At>,
    /// Forged events that it sent lately; at [`FORGED_MAX`] it counts as no use.
    ///
    /// [`FORGED_MAX`]: crate::FORGED_MAX
    pub forged: u64,
    /// What its NIP-11 document says.
    pub info: RelayInfo,
}

impl Mesh {
    /// A stranger's relay hint may be used: public, or one of our own, or the owner allows private ones.
    pub(crate) fn may_use(&self, url: &RelayUrl) -> bool {
        url.is_public() || self.relays.is_own(url) || self.policy.private_relays
    }

    /// The usable ones of a peer's relays, bounded.
    pub(crate) fn usable(&self, relays: &[RelayUrl]) -> Vec<RelayUrl> {
        let mut kept: Vec<RelayUrl> = Vec::new();
        for url in relays {
            if self.may_use(url) && !kept.contains(url) {
                kept.push(url.clone());
            }
        }
        kept.truncate(PEER_RELAYS_MAX);
        kept
    }

    /// How one relay stands.
    #[must_use]
    pub fn relay_standing(&self, url: &RelayUrl) -> Option<RelayStanding> {
        let relay = self.relays.get(url)?;
        Some(RelayStanding {
            own: relay.is_own(),
            origin: relay.record.as_ref().map(|record| record.origin),
            is_inbox: self.relays.dm_relays().contains(url),
            good_at: relay.record.as_ref().and_then(|record| record.good_at),
            cut_at: relay.cuts.earliest(),
            refused_inbox: relay.refused_inbox.clone(),
            bad_since: relay.bad_since(),
            forged: relay.forged.lately(self.now),
            hearing: relay.canary.hearing.clone(),
            info: relay.info.clone(),
        })
    }

    /// Our relays, in the owner's order.
    #[must_use]
    pub fn own_relays(&self) -> Vec<RelayUrl> {
        self.relays.own_urls()
    }

    /// Where we read direct messages.
    #[must_use]
    pub fn dm_relays(&self) -> Vec<RelayUrl> {
        self.relays.dm_relays()
    }
}
