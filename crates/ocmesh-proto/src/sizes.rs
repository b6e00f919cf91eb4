//! How full the collections of the core are, each beside the bound it never passes: what memory may be, whoever floods us.

use crate::{
    Mesh,
    limit::{
        ANNOUNCED_PER_RELAY_MAX, ANSWERED_MAX, CANARIES_PER_RELAY_MAX, CHAINS_MAX, FRAMES_MAX, FRAMES_PER_PEER_MAX, GAPS_MAX,
        GIVEN_PEERS_MAX, HEARD_MAX, HELLOS_WAITING_MAX, INVITES_MAX, INVITES_OPEN_MAX, LOOKED_UP_MAX, LOOKUPS_MAX, OUTBOX_MAX,
        OWN_LINES_MAX, OWN_RELAYS_MAX, PEERS_MAX, RECEIPTED_MAX, ROUTE_CONNECTIONS_MAX, STRANGERS_ANSWERED_MAX, WORKS_MAX,
    },
};

/// One collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// What it holds.
    pub what: &'static str,
    /// How many it holds now.
    pub held: usize,
    /// How many it may hold.
    pub most: usize,
}

impl Mesh {
    /// Every collection that others can fill. What only our owner fills is not among them: whom it accepts and writes to, its wake targets.
    #[must_use]
    pub fn sizes(&self) -> Vec<Size> {
        let [runs, heard, said] = self.chains.sizes();
        let [relays, lookups, looked_up, canaries] = self.relays.sizes();
        let (frames, frames_to_one) = self.outbox.frames();
        [
            ("peers", self.directory.len(), PEERS_MAX),
            ("peers online", self.directory.online(), PEERS_MAX),
            ("peers that wait for a hello", self.hellos.len(), HELLOS_WAITING_MAX),
            // The last message that finds room brings its own copy.
            ("parcels", self.outbox.len(), OUTBOX_MAX + FRAMES_MAX + 1),
            ("frames", frames, FRAMES_MAX),
            ("frames to one peer", frames_to_one, FRAMES_PER_PEER_MAX),
            ("relays", relays, OWN_RELAYS_MAX + ROUTE_CONNECTIONS_MAX),
            ("look-ups in flight", lookups, LOOKUPS_MAX),
            ("look-ups remembered", looked_up, LOOKED_UP_MAX),
            ("runs of messages", runs, CHAINS_MAX),
            ("peers who wrote", heard, HEARD_MAX),
            ("peers we wrote to", said, CHAINS_MAX),
            ("gaps", self.gaps.len(), GAPS_MAX),
            ("peers that asked again", self.given.len(), GIVEN_PEERS_MAX),
            ("peers answered", self.answered.len(), ANSWERED_MAX),
            ("strangers answered", self.strangers_answered.len(), STRANGERS_ANSWERED_MAX),
            ("receipts repeated", self.receipted.len(), RECEIPTED_MAX),
            ("announcements unanswered", self.announcer.unanswered(), OWN_RELAYS_MAX * ANNOUNCED_PER_RELAY_MAX),
            ("canaries unanswered", canaries, OWN_RELAYS_MAX * CANARIES_PER_RELAY_MAX),
            ("lines of ours", self.own_lines.len(), OWN_LINES_MAX),
            ("invites", self.invites.len(), INVITES_MAX + 2 * INVITES_OPEN_MAX),
            ("invites answered", self.invite_answers.len(), INVITES_MAX + 2 * INVITES_OPEN_MAX),
            ("works", self.works.len(), WORKS_MAX),
            // Between two inputs; what one step asks to be sealed is sealed before the next.
            ("drafts unsealed", self.unsealed(), WORKS_MAX),
        ]
        .map(|(what, held, most)| Size { what, held, most })
        .to_vec()
    }
}
