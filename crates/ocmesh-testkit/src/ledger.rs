//! The independent log: what a daemon said it took, and what a daemon handed out. Knows nothing of how messages travel.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use ocmesh_api::Message;

/// All acks and all hand-outs of one test. Of each message it keeps a fingerprint only, so that it can watch for days.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages that the Local API acknowledged.
    sent: BTreeMap<String, u64>,
    handed: BTreeMap<String, Handed>,
    /// Messages whose sender was told that they failed: not delivered, and not lost in silence.
    told_failed: BTreeSet<String>,
}

/// What became of one message at its reader.
#[derive(Debug)]
struct Handed {
    fingerprint: u64,
    /// It was handed out with another content or author at another time.
    changed: bool,
    /// The daemon confirmed that it is marked as read, so it must not come again.
    acknowledged: bool,
    /// Hand-outs after that.
    again: usize,
}

/// What a ledger shows. All four must be 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged and not handed out.
    pub lost: usize,
    /// Handed out again after it was marked as read.
    pub duplicated: usize,
    /// Handed out and never sent.
    pub phantom: usize,
    /// Handed out with another content, author or recipient.
    pub torn: usize,
}

impl Tally {
    /// One more tally beside this one.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            phantom: self.phantom + other.phantom,
            torn: self.torn + other.torn,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lost, duplicated, phantom, torn } = self;
        write!(f, "{lost} lost, {duplicated} duplicated, {phantom} phantom, {torn} torn")
    }
}

fn fingerprint(from: &str, to: &str, content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (from, to, content).hash(&mut hasher);
    hasher.finish()
}

impl Ledger {
    /// `POST /send` said 200 with this id.
    ///
    /// # Panics
    /// When another message got the same id.
    pub fn sent(&mut self, id: &str, from: &str, to: &str, content: &str) {
        assert_eq!(self.sent.insert(id.to_owned(), fingerprint(from, to, content)), None, "the id {id} was given twice");
    }

    /// The sender was told that this message failed.
    pub fn failed(&mut self, id: &str) {
        self.told_failed.insert(id.to_owned());
    }

    /// `by` handed this out.
    pub fn handed_out(&mut self, by: &str, message: &Message) {
        let fingerprint = fingerprint(&message.from, by, &message.content);
        let new = || Handed { fingerprint, changed: false, acknowledged: false, again: 0 };
        let handed = self.handed.entry(message.id.clone()).or_insert_with(new);
        handed.changed |= handed.fingerprint != fingerprint;
        handed.again += usize::from(handed.acknowledged);
    }

    /// The reader's daemon confirmed that this is marked as read: it must not be handed out again. A reader whose confirmation was cut off
    /// does not know, and may see the message once more.
    pub fn acknowledged(&mut self, id: &str) {
        if let Some(handed) = self.handed.get_mut(id) {
            handed.acknowledged = true;
        }
    }

    /// What went wrong so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let torn = |(id, handed): &(&String, &Handed)| {
            handed.changed || self.sent.get(*id).is_some_and(|fingerprint| *fingerprint != handed.fingerprint)
        };
        Tally {
            lost: self.missing().count(),
            duplicated: self.handed.values().map(|handed| handed.again).sum(),
            phantom: self.handed.keys().filter(|id| !self.sent.contains_key(*id)).count(),
            torn: self.handed.iter().filter(torn).count(),
        }
    }

    /// Messages that were acknowledged, did not fail, and were not handed out.
    pub fn missing(&self) -> impl Iterator<Item = &String> {
        self.sent.keys().filter(|id| !self.handed.contains_key(*id) && !self.told_failed.contains(*id))
    }

    /// How many messages were acknowledged.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.sent.len()
    }

    /// How many of them failed, with their sender told.
    #[must_use]
    pub fn told_failed(&self) -> usize {
        self.told_failed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, content: &str) -> Message {
        Message { id: id.into(), from: "a".into(), content: content.into(), ..Message::example() }
    }

    #[test]
    fn a_ledger_sees_all_four_wrongs() {
        let mut ledger = Ledger::default();
        for id in ["lost", "twice", "torn", "good", "failed"] {
            ledger.sent(id, "a", "b", id);
        }
        ledger.failed("failed");
        for id in ["twice", "twice", "good", "phantom"] {
            ledger.handed_out("b", &message(id, id));
            ledger.acknowledged(id);
        }
        ledger.handed_out("b", &message("torn", "to"));
        assert_eq!(ledger.tally(), Tally { lost: 1, duplicated: 1, phantom: 1, torn: 1 });
        assert_eq!(ledger.missing().collect::<Vec<_>>(), ["lost"]);
    }

    #[test]
    fn what_was_not_confirmed_as_read_may_come_again_but_not_otherwise() {
        let mut ledger = Ledger::default();
        ledger.sent("one", "a", "b", "one");
        ledger.handed_out("b", &message("one", "one"));
        ledger.handed_out("b", &message("one", "one"));
        assert_eq!(ledger.tally(), Tally::default());
        ledger.handed_out("b", &message("one", "two"));
        assert_eq!(ledger.tally(), Tally { torn: 1, ..Tally::default() });
    }
}
