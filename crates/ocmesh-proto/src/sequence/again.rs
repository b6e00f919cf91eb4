//! Our own lines: the number each message gets, and what a peer gets that asks for one again. Only accepted peers are answered, each at a
//! bounded pace, and only with what was written to them.

use std::collections::BTreeMap;

use super::{Reply, reply};
use crate::{
    AskedFacts, At, Change, Draft, DraftBody, Form, HistoryEntry, LineId, Mesh, MessageId, OwnLine, ParcelClass, Place, PubKey,
    SealRefused, Sealed,
    limit::{ASK_NUMBERS_MAX, GIVEN_PEERS_MAX, NUMBER_MAX, OUTBOX_MAX, OWN_LINES_MAX},
    mesh::Job,
    outbox::Posting,
    time::{DAY, SECOND},
};

/// Numbers answered to one peer at once: two full asks.
const GIVEN_BURST: u64 = 64;
/// And then one more each: 30 messages a minute heal a hundred within minutes, and are no burden that a peer could not cause otherwise.
const GIVEN_EVERY_MS: u64 = 2 * SECOND;
/// A message that was wrapped less than this ago is on its way.
const ON_ITS_WAY_MS: u64 = 10 * SECOND;
/// A message given again is tried this long; its peer asks again.
const AGAIN_TTL_MS: u64 = DAY;
/// Answers are tried this long.
const GONE_TTL_MS: u64 = DAY;

/// How much each peer that asked may still be given.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<PubKey, (u64, At)>);

impl Given {
    /// Peers that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// One more number for this peer.
    fn may(&mut self, peer: PubKey, now: At) -> bool {
        let left = |(tokens, at): (u64, At)| tokens.saturating_add(now.since(at) / GIVEN_EVERY_MS).min(GIVEN_BURST);
        if !self.0.contains_key(&peer) && self.0.len() >= GIVEN_PEERS_MAX {
            self.0.retain(|_, entry| left(*entry) < GIVEN_BURST);
            if self.0.len() >= GIVEN_PEERS_MAX {
                return false;
            }
        }
        let entry = self.0.entry(peer).or_insert((GIVEN_BURST, now));
        let tokens = left(*entry);
        if tokens > entry.0 || now < entry.1 {
            *entry = (tokens, now);
        }
        let may = entry.0 > 0;
        entry.0 = entry.0.saturating_sub(1);
        may
    }
}

impl Mesh {
    /// The place of the next message to a peer. It is taken when the message is sealed, in the transaction that writes the message.
    pub(crate) fn next_place(&mut self, to: &PubKey) -> Place {
        match self.own_lines.get(to).filter(|own| own.number < NUMBER_MAX) {
            Some(own) => Place { line: own.line, number: own.number.saturating_add(1), previous: Some(own.last) },
            None => Place { line: LineId(self.random.next()), number: 1, previous: None },
        }
    }

    pub(crate) fn place_taken(&mut self, peer: PubKey, id: MessageId, place: &Place) {
        if !self.own_lines.contains_key(&peer) {
            self.make_room_for_a_line();
        }
        let own = OwnLine { peer, line: place.line, number: place.number, last: id };
        self.own_lines.insert(peer, own);
        self.change(Change::PutOwnLine(own));
    }

    /// When there are too many: the lines to whom we forgot and then the shortest go, one in a hundred of all, so that the search is paid for
    /// rarely. A peer that misses something of such a line is given what is left of it, and gives the rest up in time.
    fn make_room_for_a_line(&mut self) {
        if self.own_lines.len() < OWN_LINES_MAX {
            return;
        }
        let mut lines: Vec<(bool, u64, PubKey)> =
            self.own_lines.values().map(|own| (self.directory.trust(&own.peer).is_some(), own.number, own.peer)).collect();
        lines.sort_unstable();
        let too_many = lines.len().saturating_sub(OWN_LINES_MAX - OWN_LINES_MAX / 100);
        for (_, _, peer) in lines.into_iter().take(too_many) {
            self.own_lines.remove(&peer);
            self.change(Change::DropOwnLine(peer));
        }
    }

    /// A message of ours that we do not know has a place in the line we write in: our store is older than the truth (it was put back from a
    /// copy). Another line begins, so that no further number is used twice.
    pub(crate) fn own_place_seen(&mut self, peer: PubKey, place: &Place) {
        if self.own_lines.get(&peer).is_some_and(|own| own.line == place.line) {
            self.own_lines.remove(&peer);
            self.change(Change::DropOwnLine(peer));
        }
    }

    /// A peer misses messages of ours.
    pub(crate) fn asked_again(&mut self, from: PubKey, line: LineId, numbers: &[u64], asked: &[AskedFacts]) {
        if !self.directory.trust(&from).is_some_and(crate::Trust::is_accepted) {
            return;
        }
        let used = self.own_lines.get(&from).filter(|own| own.line == line).map_or(0, |own| own.number);
        let mut gone = Vec::new();
        for number in numbers.iter().copied().take(ASK_NUMBERS_MAX) {
            if !self.given.may(from, self.now) {
                break; // The rest is asked for again.
            }
            match reply(asked.iter().find(|facts| facts.number == number), number <= used) {
                Reply::Give(id) => self.give_again(id, from),
                Reply::Gone => gone.push(number),
                Reply::Silence => {}
            }
        }
        if !gone.is_empty() {
            self.send_frame(from, Form::Nip17, DraftBody::Gone { line, numbers: gone }, GONE_TTL_MS);
        }
    }

    fn give_again(&mut self, id: MessageId, to: PubKey) {
        let now = self.now;
        for class in [ParcelClass::Again, ParcelClass::Message] {
            let Some(parcel) = self.outbox.get(id, class) else { continue };
            // What no relay has yet will come by itself.
            if now.since(parcel.wrapped_at) >= ON_ITS_WAY_MS && self.outbox.was_taken(id, class) {
                self.change(Change::AddHistory { id, at: now, entry: HistoryEntry::AskedAgain });
                self.send_again((id, class));
            }
            return;
        }
        if self.outbox.len() < OUTBOX_MAX / 2 {
            self.seal(Job::Again { message: id, to }, Draft::Rewrap { id, to, at: now });
        }
    }

    /// A message asked for again is wrapped anew: it goes to where its peer reads now, whatever its status, which stays as it is.
    pub(crate) fn again_sealed(&mut self, message: MessageId, to: PubKey, sealed: Result<Sealed, SealRefused>) {
        let Ok(sealed) = sealed else { return }; // The stored rumor is damaged; the peer gives up in time.
        let (at, route) = (self.now, self.route_to(&to));
        let resent = HistoryEntry::Resent { relays: route.0.clone(), why: route.1 };
        for entry in [HistoryEntry::AskedAgain, resent] {
            self.change(Change::AddHistory { id: message, at, entry });
        }
        let posting = Posting { message, class: ParcelClass::Again, to, form: Form::Nip17, ttl_ms: AGAIN_TTL_MS, route };
        self.post(posting, sealed.event);
    }
}
