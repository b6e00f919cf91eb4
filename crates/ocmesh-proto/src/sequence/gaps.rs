//! Gaps in the lines of others: found when a number is passed over, hidden while they may only be late, then shown and asked for until they
//! are healed, gone or given up. They never hold up a message.

use std::collections::{BTreeMap, BTreeSet};

use super::{Due, GRACE_MS, LINES, Standing, ask_delay_ms, due, hear, runs, without};
use crate::{
    At, Change, DraftBody, Form, Gap, GapChange, LineId, Lost, Mesh, MessageId, Notice, Place, PlaceFacts, PubKey, Sub,
    agenda::Timer,
    limit::{ASK_NUMBERS_MAX, GAPS_MAX, GAPS_PER_PEER_MAX},
    time::{HOUR, SECOND},
};

/// An ask that no relay took by then is stale: the next one knows better what is missing.
const ASK_TTL_MS: u64 = HOUR;
/// Asks sent in one step: some milliseconds of sealing. The rest follow a second later.
const ASKS_PER_STEP_MAX: usize = 8;

type Key = (PubKey, LineId, u64);

/// Every gap we know of, with what is due when.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    all: BTreeMap<Key, Gap>,
    due: BTreeSet<(At, Key)>,
}

const fn key(gap: &Gap) -> Key {
    (gap.peer, gap.line, gap.last)
}

impl Gaps {
    pub(crate) fn load(gaps: Vec<Gap>) -> Self {
        let mut all = Self::default();
        gaps.into_iter().for_each(|gap| all.insert(gap));
        all
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    fn insert(&mut self, gap: Gap) {
        self.remove(&key(&gap));
        if gap.lost.is_none() {
            self.due.insert((gap.next_at, key(&gap)));
        }
        self.all.insert(key(&gap), gap);
    }

    fn remove(&mut self, key: &Key) -> Option<Gap> {
        let gap = self.all.remove(key)?;
        self.due.remove(&(gap.next_at, *key));
        Some(gap)
    }

    /// The gaps of a line that miss a number from `first` on, lowest first.
    fn from(&self, peer: PubKey, line: LineId, first: u64) -> impl Iterator<Item = &Gap> {
        self.all.range((peer, line, first)..=(peer, line, u64::MAX)).map(|(_, gap)| gap)
    }

    fn of(&self, peer: PubKey) -> impl Iterator<Item = &Gap> {
        self.all.range((peer, LINES.0, 0)..=(peer, LINES.1, u64::MAX)).map(|(_, gap)| gap)
    }

    pub(crate) fn next_due(&self) -> Option<At> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Messages of a peer that are missing and waited for, and those that are lost.
    pub(crate) fn count(&self, peer: PubKey) -> (u64, u64) {
        self.of(peer).filter(|gap| gap.shown).fold((0, 0), |(missing, lost): (u64, u64), gap| match gap.lost {
            None => (missing.saturating_add(gap.count()), lost),
            Some(_) => (missing, lost.saturating_add(gap.count())),
        })
    }
}

impl Mesh {
    /// A numbered message was stored: does it show that others are missing?
    pub(crate) fn place_heard(&mut self, peer: PubKey, id: MessageId, place: &Place, facts: &PlaceFacts) {
        let heard = hear(peer, id, place, facts, self.now);
        if let Some(line) = facts.oldest_line {
            self.change(Change::DropLine { peer, line });
            let dropped: Vec<Key> = self.gaps.from(peer, line, 0).map(key).collect();
            dropped.iter().for_each(|key| self.drop_gap(key));
        }
        self.change(Change::PutLine(heard.line));
        if heard.breaks {
            self.notice_gap(peer, GapChange::Broken);
        }
        self.number_came(peer, place.line, place.number);
        if let Some((first, last)) = heard.missing {
            let (found_at, next_at) = (self.now, self.now.plus(GRACE_MS));
            self.add_gap(Gap { peer, line: place.line, first, last, found_at, shown: false, asks: 0, next_at, lost: None });
        }
    }

    /// A number is there, or was once and need not come again.
    pub(crate) fn number_came(&mut self, peer: PubKey, line: LineId, number: u64) {
        let Some(gap) = self.gaps.from(peer, line, number).next().copied().filter(|gap| gap.first <= number) else { return };
        self.drop_gap(&key(&gap));
        let soon = self.now.plus(GRACE_MS);
        for rest in without(&gap, number, number).into_iter().flatten() {
            // What helped for one helps for the rest.
            self.put_gap(Gap { asks: 0, next_at: rest.next_at.min(soon), ..rest });
        }
        if gap.shown && gap.count() == 1 {
            self.notice_gap(peer, GapChange::Healed);
        }
    }

    /// Their author says that these will not come.
    pub(crate) fn numbers_gone(&mut self, peer: PubKey, line: LineId, numbers: &[u64]) {
        let mut lost = false;
        for (first, last) in runs(numbers) {
            let hit: Vec<Gap> =
                self.gaps.from(peer, line, first).take_while(|gap| gap.first <= last).filter(|gap| gap.lost.is_none()).copied().collect();
            for gap in hit {
                let (first, last) = (first.max(gap.first), last.min(gap.last));
                self.drop_gap(&key(&gap));
                for rest in without(&gap, first, last).into_iter().flatten() {
                    self.put_gap(Gap { asks: 0, next_at: rest.next_at.min(self.now.plus(GRACE_MS)), ..rest });
                }
                self.lose(Gap { first, last, ..gap }, Lost::Gone);
                lost = true;
            }
        }
        if lost {
            self.notice_gap(peer, GapChange::Lost);
        }
    }

    /// Keeps a gap as lost, as one with the lost one just below it.
    fn lose(&mut self, gap: Gap, why: Lost) {
        let below = self.gaps.from(gap.peer, gap.line, gap.first.saturating_sub(1)).next().copied();
        let below = below.filter(|below| below.last.saturating_add(1) == gap.first && below.lost == Some(why));
        if let Some(below) = below {
            self.drop_gap(&key(&below));
        }
        let first = below.map_or(gap.first, |below| below.first);
        self.put_gap(Gap { first, shown: true, lost: Some(why), ..gap });
    }

    /// Looks at every gap that is due.
    pub(crate) fn gaps_due(&mut self) {
        let mut asked = 0usize;
        while let Some((at, key)) = self.gaps.due.first().copied() {
            if at > self.now {
                return self.agenda.set(Timer::Gaps, at);
            }
            if asked >= ASKS_PER_STEP_MAX {
                return self.agenda.set(Timer::Gaps, self.now.plus(SECOND));
            }
            let Some(gap) = self.gaps.all.get(&key).copied() else { return };
            match due(&gap, self.standing_to(&gap.peer), self.now) {
                Due::Hide { until } => self.put_gap(Gap { next_at: until, ..gap }),
                Due::Show { until } => {
                    self.put_gap(Gap { shown: true, next_at: until, ..gap });
                    self.notice_shown(&[gap]);
                }
                Due::Ask => {
                    self.ask_for(gap.peer, gap.line);
                    asked += 1;
                }
                Due::GiveUp => {
                    self.drop_gap(&key);
                    self.lose(gap, Lost::GivenUp);
                    self.notice_gap(gap.peer, GapChange::Lost);
                }
                Due::Forget => self.drop_gap(&key),
            }
        }
    }

    fn standing_to(&self, peer: &PubKey) -> Standing {
        let open = self.relays.open_own();
        Standing {
            trust: self.directory.trust(peer),
            online: !open.is_empty(),
            catching_up: open.iter().any(|url| self.relays.get(url).is_some_and(|relay| !relay.caught_up.contains(&Sub::Wraps))),
        }
    }

    /// Asks for what is due of one line, a bounded number of messages at a time.
    fn ask_for(&mut self, peer: PubKey, line: LineId) {
        let now = self.now;
        let is_due = |gap: &&Gap| gap.lost.is_none() && gap.next_at <= now;
        let gaps: Vec<Gap> = self.gaps.from(peer, line, 0).filter(is_due).take(ASK_NUMBERS_MAX).copied().collect();
        let mut numbers: Vec<u64> = Vec::new();
        for gap in &gaps {
            let room = ASK_NUMBERS_MAX.saturating_sub(numbers.len());
            if room == 0 {
                break; // Due still: the next round asks for it.
            }
            numbers.extend((gap.first..=gap.last).take(room));
            let asks = gap.asks.saturating_add(1);
            let next_at = now.plus(self.random.around(ask_delay_ms(asks), 10));
            self.put_gap(Gap { shown: true, asks, next_at, ..*gap });
        }
        self.notice_shown(&gaps);
        self.send_frame(peer, Form::Nip17, DraftBody::Missing { line, numbers }, ASK_TTL_MS);
    }

    /// The peer is there, or may be asked now: what is missing of it is asked for within `ms`.
    pub(crate) fn ask_soon(&mut self, peer: &PubKey, ms: u64) {
        let soon = self.now.plus(ms);
        let later = |gap: &&Gap| gap.shown && gap.lost.is_none() && gap.next_at > soon;
        let gaps: Vec<Gap> = self.gaps.of(*peer).filter(later).copied().collect();
        for gap in gaps {
            self.put_gap(Gap { next_at: soon, ..gap });
        }
    }

    /// A peer was blocked or forgotten: nothing is missed of it any more.
    pub(crate) fn forget_gaps(&mut self, peer: &PubKey) {
        let gaps: Vec<Key> = self.gaps.of(*peer).map(key).collect();
        gaps.iter().for_each(|key| self.drop_gap(key));
    }

    /// Adds a gap within the bounds: the oldest of the same peer makes room, lost ones first. When the gaps of others fill everything, a
    /// stranger's is not kept.
    fn add_gap(&mut self, gap: Gap) {
        let trusted = self.directory.trust(&gap.peer).is_some_and(crate::Trust::is_accepted);
        let full = self.gaps.all.len() >= if trusted { GAPS_MAX } else { GAPS_MAX / 2 };
        let own: Vec<(bool, At, Key)> = self.gaps.of(gap.peer).map(|gap| (gap.lost.is_none(), gap.found_at, key(gap))).collect();
        if full || own.len() >= GAPS_PER_PEER_MAX {
            let Some((_, _, oldest)) = own.into_iter().min() else { return };
            self.drop_gap(&oldest);
        }
        self.put_gap(gap);
    }

    fn put_gap(&mut self, gap: Gap) {
        self.change(Change::PutGap(gap));
        self.gaps.insert(gap);
        if gap.lost.is_none() {
            self.agenda.set_earlier(Timer::Gaps, gap.next_at);
        }
    }

    fn drop_gap(&mut self, key: &Key) {
        if let Some(gap) = self.gaps.remove(key) {
            self.change(Change::DropGap { peer: gap.peer, line: gap.line, last: gap.last });
        }
    }

    /// These gaps of one peer are shown now; it is news when one of them was not before.
    fn notice_shown(&mut self, before: &[Gap]) {
        if let Some(gap) = before.iter().find(|gap| !gap.shown) {
            self.notice_gap(gap.peer, GapChange::Found);
        }
    }

    fn notice_gap(&mut self, peer: PubKey, what: GapChange) {
        let (missing, lost) = self.gaps.count(peer);
        self.notice(Notice::GapChanged { peer, what, missing, lost });
    }
}
