//! Comparing a client's set of events with ours ([NIP-77](https://github.com/nostr-protocol/nips/blob/master/77.md)).

use ::negentropy::{Error, Id, Negentropy, NegentropyStorageVector};

use super::{RelayFrame, Session};

/// Longest message of ours, in bytes before hex: 120 KB of text, which clients take.
const FRAME_BYTES_MAX: u64 = 60_000;

/// A set as it was when the client opened the comparison.
#[derive(Debug)]
pub(super) struct Comparison(Negentropy<'static, NegentropyStorageVector>);

impl Comparison {
    fn new(set: &[(u64, [u8; 32])]) -> Result<Self, Error> {
        let mut storage = NegentropyStorageVector::with_capacity(set.len());
        for (created_at, id) in set {
            storage.insert(*created_at, Id::from_byte_array(*id))?;
        }
        storage.seal()?;
        Negentropy::owned(storage, FRAME_BYTES_MAX).map(Self)
    }

    fn answer(&mut self, sub: &str, text: &str) -> Result<RelayFrame, &'static str> {
        let query = hex::decode(text).map_err(|_| "error: the message is not hex")?;
        let answer = self.0.reconcile(&query).map_err(|_| "error: not a message of the protocol")?;
        Ok(RelayFrame::neg_msg(sub, &hex::encode(answer)))
    }
}

impl Session {
    pub(super) fn on_neg_open(&mut self, sub: String, filter: &str, hex: &str, now: u64) -> RelayFrame {
        // One of the same name is closed first.
        self.comparisons.remove(&sub);
        match self.compare(&sub, filter, hex, now) {
            Ok((comparison, answer)) => {
                self.comparisons.insert(sub, comparison);
                answer
            }
            Err(why) => RelayFrame::neg_err(&sub, &why),
        }
    }

    fn compare(&self, sub: &str, filter: &str, hex: &str, now: u64) -> Result<(Comparison, RelayFrame), String> {
        let filter = self.read_filters(&[filter])?.pop().ok_or("invalid: no filter")?;
        let limits = &self.options.limits;
        if self.comparisons.len() >= limits.comparisons_max {
            return Err("blocked: too many comparisons on one connection".to_owned());
        }
        let set = self.store.set(&filter, limits.comparison_events_max, now, &|event| self.may_see(event));
        let set = set.ok_or("blocked: this query is too big")?;
        let mut comparison = Comparison::new(&set).map_err(|error| format!("error: {error}"))?;
        let answer = comparison.answer(sub, hex)?;
        Ok((comparison, answer))
    }

    pub(super) fn on_neg_msg(&mut self, sub: &str, hex: &str) -> RelayFrame {
        let Some(comparison) = self.comparisons.get_mut(sub) else { return RelayFrame::neg_err(sub, "closed: no such comparison is open") };
        match comparison.answer(sub, hex) {
            Ok(answer) => answer,
            Err(why) => {
                self.comparisons.remove(sub);
                RelayFrame::neg_err(sub, why)
            }
        }
    }
}
