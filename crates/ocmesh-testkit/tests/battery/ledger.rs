//! The independent log: what a daemon said it took, and what a daemon handed out. Knows nothing of how messages travel.

use std::collections::{BTreeMap, BTreeSet};

use ocmesh_api::Message;

/// A message that the Local API acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Acked {
    from: String,
    to: String,
    content: String,
}

/// All acks and all hand-outs of one test.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acked: BTreeMap<String, Acked>,
    /// How often each message was handed out, and what was in it.
    handed: BTreeMap<String, Vec<Acked>>,
    /// Messages whose sender was told that they failed: not delivered, and not lost in silence.
    told_failed: BTreeSet<String>,
}

/// What a ledger shows. All four must be 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Acknowledged and not handed out.
    pub(crate) lost: usize,
    /// Handed out again after it was marked as read.
    pub(crate) duplicated: usize,
    /// Handed out and never sent.
    pub(crate) phantom: usize,
    /// Handed out with another content, author or recipient.
    pub(crate) torn: usize,
}

impl Ledger {
    pub(crate) fn sent(&mut self, id: &str, from: &str, to: &str, content: &str) {
        let acked = Acked { from: from.to_owned(), to: to.to_owned(), content: content.to_owned() };
        assert_eq!(self.acked.insert(id.to_owned(), acked), None, "the id {id} was given twice");
    }

    pub(crate) fn failed(&mut self, id: &str) {
        self.told_failed.insert(id.to_owned());
    }

    /// `by` handed this out; it is marked as read next, so it must not come again.
    pub(crate) fn handed_out(&mut self, by: &str, message: &Message) {
        let got = Acked { from: message.from.clone(), to: by.to_owned(), content: message.content.clone() };
        self.handed.entry(message.id.clone()).or_default().push(got);
    }

    pub(crate) fn tally(&self) -> Tally {
        let lost = |(id, _): &(&String, &Acked)| !self.handed.contains_key(*id) && !self.told_failed.contains(*id);
        let torn = |(id, got): (&String, &Vec<Acked>)| self.acked.get(id).is_some_and(|sent| got.iter().any(|one| one != sent));
        Tally {
            lost: self.acked.iter().filter(lost).count(),
            duplicated: self.handed.values().map(|got| got.len() - 1).sum(),
            phantom: self.handed.keys().filter(|id| !self.acked.contains_key(*id)).count(),
            torn: self.handed.iter().filter(|(id, got)| torn((id, got))).count(),
        }
    }

    pub(crate) fn acked(&self) -> usize {
        self.acked.len()
    }
}

#[test]
fn a_ledger_sees_all_four_wrongs() {
    let message = |id: &str, content: &str| Message { id: id.into(), from: "a".into(), content: content.into(), ..Message::example() };
    let mut ledger = Ledger::default();
    for id in ["lost", "twice", "torn", "good", "failed"] {
        ledger.sent(id, "a", "b", id);
    }
    ledger.failed("failed");
    for id in ["twice", "twice", "good", "phantom"] {
        ledger.handed_out("b", &message(id, id));
    }
    ledger.handed_out("b", &message("torn", "to"));
    assert_eq!(ledger.tally(), Tally { lost: 1, duplicated: 1, phantom: 1, torn: 1 });
}
