//! The tables of numbered messages: which message has which number, our lines, those of others, and the gaps in them.

use std::collections::BTreeMap;

use ocmesh_proto::{
    Change, Direction, Gap, LineId, MessageId, MessageRecord, OwnLine, PeerLine, Place, PlaceFacts, PubKey, limit::LINES_PER_PEER_MAX,
};

/// Lines, gaps, and the index of numbers.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Lines {
    pub(in crate::sim) own: BTreeMap<PubKey, OwnLine>,
    pub(in crate::sim) theirs: BTreeMap<(PubKey, LineId), PeerLine>,
    pub(in crate::sim) gaps: BTreeMap<(PubKey, LineId, u64), Gap>,
    /// The first message of each number; `true` for ours.
    places: BTreeMap<(PubKey, bool, LineId, u64), MessageId>,
}

impl Lines {
    pub(super) fn place(&mut self, message: &MessageRecord) {
        if let Some(place) = &message.place {
            let key = (message.peer, message.direction == Direction::Out, place.line, place.number);
            self.places.entry(key).or_insert(message.id);
        }
    }

    pub(super) fn unplace(&mut self, message: &MessageRecord) {
        if let Some(place) = &message.place {
            self.places.remove(&(message.peer, message.direction == Direction::Out, place.line, place.number));
        }
    }

    /// The message at a number of a line.
    pub(in crate::sim) fn at(&self, peer: PubKey, ours: bool, line: LineId, number: u64) -> Option<MessageId> {
        self.places.get(&(peer, ours, line, number)).copied()
    }

    /// What lies around a place.
    pub(super) fn around(&self, peer: PubKey, place: &Place, messages: &BTreeMap<MessageId, MessageRecord>) -> PlaceFacts {
        let at = |number: Option<u64>| self.at(peer, false, place.line, number?);
        let line = self.theirs.get(&(peer, place.line)).copied();
        let mut known: Vec<&PeerLine> = self.theirs.values().filter(|line| line.peer == peer).collect();
        known.sort_by_key(|line| std::cmp::Reverse(line.heard_at));
        let after = at(place.number.checked_add(1)).and_then(|id| messages.get(&id));
        PlaceFacts {
            line,
            same: at(Some(place.number)),
            before: at(place.number.checked_sub(1)),
            named_after: after.and_then(|message| message.place?.previous),
            oldest_line: known.get(LINES_PER_PEER_MAX - 1).map(|line| line.line).filter(|_| line.is_none()),
        }
    }

    /// The changes that concern these tables alone.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutOwnLine(own) => {
                self.own.insert(own.peer, own);
            }
            Change::DropOwnLine(peer) => {
                self.own.remove(&peer);
            }
            Change::PutLine(line) => {
                self.theirs.insert((line.peer, line.line), line);
            }
            Change::DropLine { peer, line } => {
                self.theirs.remove(&(peer, line));
            }
            Change::PutGap(gap) => {
                self.gaps.insert((gap.peer, gap.line, gap.last), gap);
            }
            Change::DropGap { peer, line, last } => {
                self.gaps.remove(&(peer, line, last));
            }
            _ => {}
        }
    }
}
