//! NIP-77: what the owner has compared with what the relay has, and what is missing fetched by id. Sends nothing itself.

use std::collections::{BTreeSet, HashSet};

use negentropy::Negentropy;
use serde_json::Value;
use tokio::time::Instant;

use crate::{HeldSet, Tuning, filter::Check, frame::Claim, limit::SHOWN_MAX};

/// Ids that a relay lists and does not give, before it is left at that: one batch, as one may have expired or been deleted meanwhile.
const LOST_MAX: usize = 100;

/// What the relay showed in answer to REQs, as far as the comparison must list it too.
#[derive(Debug)]
pub(super) struct Shown {
    check: Check,
    ids: HashSet<[u8; 32]>,
}

impl Shown {
    pub(super) fn new(filter: &Value) -> Self {
        Self { check: Check::new(filter), ids: HashSet::new() }
    }

    pub(super) fn note(&mut self, claim: &Claim<'_>) {
        if self.ids.len() < SHOWN_MAX
            && self.check.matches(claim)
            && let Some(id) = bytes(claim.id)
        {
            self.ids.insert(id);
        }
    }
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Talk {
    sets: Negentropy<'static, HeldSet>,
    /// Shown before the comparison, and not held: the relay must list them.
    shown: HashSet<[u8; 32]>,
    missing: BTreeSet<[u8; 32]>,
    rounds: u32,
    idle_rounds: u32,
    ends_at: Instant,
}

/// What follows from a message of the relay.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turnout {
    /// Say this.
    Say(String),
    /// All differences are known.
    Known,
    /// The comparison is no good.
    Failed(&'static str),
}

impl Talk {
    /// Begins; gives the first message too.
    pub(super) fn open(held: HeldSet, shown: Shown, now: Instant, tuning: &Tuning) -> Option<(Self, String)> {
        let mut shown = shown.ids;
        for event in held.iter() {
            shown.remove(&event.id);
        }
        let mut sets = Negentropy::owned(held, tuning.reconcile_frame_bytes).ok()?;
        let first = hex::encode(sets.initiate().ok()?);
        let ends_at = now + tuning.reconcile_wait;
        Some((Self { sets, shown, missing: BTreeSet::new(), rounds: 0, idle_rounds: 0, ends_at }, first))
    }

    /// The relay said something.
    pub(super) fn hear(&mut self, text: &str, now: Instant, tuning: &Tuning) -> Turnout {
        let Ok(message) = hex::decode(text) else { return Turnout::Failed("it sent no hex") };
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let Ok(next) = self.sets.reconcile_with_ids(&message, &mut have, &mut need) else {
            return Turnout::Failed("it sent no message of the protocol");
        };
        let known = self.missing.len();
        for id in need {
            self.missing.insert(id.to_bytes());
        }
        if self.missing.len() > tuning.reconcile_ids_max {
            return Turnout::Failed("too many events are missing");
        }
        self.rounds += 1;
        self.idle_rounds = if self.missing.len() > known { 0 } else { self.idle_rounds + 1 };
        match next {
            None if self.shown.iter().all(|id| self.missing.contains(id)) => Turnout::Known,
            None => Turnout::Failed("it leaves out what it showed before"),
            Some(_) if self.rounds >= tuning.reconcile_rounds_max => Turnout::Failed("it takes too many rounds"),
            Some(_) if self.idle_rounds >= tuning.reconcile_idle_rounds_max => Turnout::Failed("it makes no progress"),
            Some(_) if now >= self.ends_at => Turnout::Failed("it takes too long"),
            Some(next) => Turnout::Say(hex::encode(next)),
        }
    }

    /// What the relay has and the owner has not.
    pub(super) fn missing(&mut self) -> BTreeSet<[u8; 32]> {
        std::mem::take(&mut self.missing)
    }
}

/// What is missing, on its way in batches.
#[derive(Debug)]
pub(super) struct Fetch {
    filter: Value,
    left: BTreeSet<[u8; 32]>,
    /// Asked for and not come.
    awaited: BTreeSet<[u8; 32]>,
    /// Events of the current batch that came.
    came: usize,
    check: Check,
    /// As many at a time as the relay shows.
    batch: usize,
    /// Listed by the relay, and not given.
    lost: usize,
}

impl Fetch {
    /// Of these ids; the rest of the filter stays as it is, as some relays show direct messages only to whoever asks for his own.
    pub(super) fn new(filter: &Value, left: BTreeSet<[u8; 32]>, tuning: &Tuning) -> Self {
        let mut filter = filter.clone();
        if let Some(fields) = filter.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "since" | "until" | "limit"));
        }
        Self { filter, left, awaited: BTreeSet::new(), came: 0, check: Check::default(), batch: tuning.ids_per_req.max(1), lost: 0 }
    }

    /// The filter of the next batch; `None` when all was asked for, or the relay gives too little of what it lists.
    pub(super) fn next_batch(&mut self) -> Option<Value> {
        if self.lost >= LOST_MAX {
            return None;
        }
        while self.awaited.len() < self.batch {
            let Some(id) = self.left.pop_first() else { break };
            self.awaited.insert(id);
        }
        if self.awaited.is_empty() {
            return None;
        }
        let ids: Vec<Value> = self.awaited.iter().map(|id| hex::encode(id).into()).collect();
        let mut filter = self.filter.clone();
        filter.as_object_mut()?.insert("ids".to_owned(), ids.into());
        self.check = Check::new(&filter);
        self.came = 0;
        Some(filter)
    }

    /// True when the event was asked for.
    pub(super) fn note(&mut self, claim: &Claim<'_>) -> bool {
        if !self.check.matches(claim) {
            return false;
        }
        if bytes(claim.id).is_some_and(|id| self.awaited.remove(&id)) {
            self.came += 1;
        }
        true
    }

    /// The relay said that this is all, or fell silent.
    pub(super) fn end_batch(&mut self) {
        if self.awaited.is_empty() {
            return;
        }
        if self.came == 0 {
            self.lost += self.awaited.len();
            self.awaited.clear();
        } else {
            // It shows no more than so many at a time; what did not come is asked for again.
            self.batch = self.came;
        }
    }

    /// Nothing that the relay listed was held back.
    pub(super) fn is_whole(&self) -> bool {
        self.lost == 0 && self.awaited.is_empty() && self.left.is_empty()
    }
}

/// The filter's `since`.
pub(super) fn since(filter: &Value) -> Option<u64> {
    filter.get("since").and_then(Value::as_u64)
}

fn bytes(id: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(id, &mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(number: usize) -> [u8; 32] {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        bytes
    }

    #[test]
    fn what_a_relay_showed_is_remembered_up_to_a_bound() {
        let mut shown = Shown::new(&json!({"kinds": [1]}));
        for number in 0..SHOWN_MAX + 50 {
            let text = json!({"id": hex::encode(id(number)), "pubkey": "p", "kind": 1, "created_at": 5, "tags": []}).to_string();
            shown.note(&Claim::parse(&text).unwrap());
        }
        assert_eq!(shown.ids.len(), SHOWN_MAX);
    }

    #[test]
    fn a_relay_that_lists_and_does_not_give_is_left_at_that() {
        let tuning = Tuning::default();
        let listed: BTreeSet<_> = (0..LOST_MAX * 100).map(id).collect();
        let mut fetch = Fetch::new(&json!({"kinds": [1]}), listed, &tuning);
        let mut batches = 0;
        while fetch.next_batch().is_some() {
            fetch.end_batch();
            batches += 1;
            assert!(batches <= LOST_MAX, "it is asked without end");
        }
        assert!(fetch.lost >= LOST_MAX && fetch.lost < LOST_MAX + tuning.ids_per_req.max(1), "{} lost", fetch.lost);
        assert!(!fetch.is_whole());
    }
}
