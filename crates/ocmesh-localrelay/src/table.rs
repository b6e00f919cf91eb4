//! The events in memory with their indexes. Decides what is kept, replaced, deleted and forgotten; knows neither files nor clients.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    filter::{Filter, unhex},
    kind::{self, Keeping},
    options::Limits,
    stored::{Address, Key, Stored},
};

/// Events in the order NIP-01 sends them.
type Shelf = BTreeMap<Key, Arc<Stored>>;

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// New, and kept.
    Kept,
    /// New, and only passed on.
    Passed,
    /// Here already.
    Duplicate,
    /// A newer version is here.
    Older,
    /// Its author deleted it.
    Deleted,
    /// Past its expiration.
    Expired,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    all: Shelf,
    by_id: HashMap<[u8; 32], (Arc<Stored>, u64)>,
    authors: HashMap<[u8; 32], Shelf>,
    kinds: HashMap<u16, Shelf>,
    tags: HashMap<char, HashMap<Arc<str>, Shelf>>,
    addresses: HashMap<Address, [u8; 32]>,
    expirations: BTreeSet<(u64, [u8; 32])>,
    /// By order of arrival. Not by `created_at`: gift wraps are dated up to two days back and would be forgotten first.
    arrivals: BTreeMap<u64, [u8; 32]>,
    arrived: u64,
    weight: usize,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Takes a verified event in.
    pub(crate) fn insert(&mut self, event: &Arc<Stored>, now: u64, limits: &Limits) -> Outcome {
        if self.by_id.contains_key(&event.id) {
            return Outcome::Duplicate;
        }
        if event.is_expired(now) {
            return Outcome::Expired;
        }
        if kind::keeping(event.kind) == Keeping::Ephemeral {
            return Outcome::Passed;
        }
        if self.is_deleted(event) {
            return Outcome::Deleted;
        }
        if let Some(address) = event.address() {
            if let Some(current) = self.addresses.get(&address).and_then(|id| self.by_id.get(id)) {
                // NIP-01: of equal times the lowest id is kept. Keys order just so.
                if current.0.key() < event.key() {
                    return Outcome::Older;
                }
                let id = current.0.id;
                self.remove(&id);
            }
            self.addresses.insert(address, event.id);
        }
        self.index(event);
        if event.kind == kind::DELETION {
            self.delete(event);
        }
        self.shrink(now, limits);
        Outcome::Kept
    }

    fn index(&mut self, event: &Arc<Stored>) {
        let key = event.key();
        self.arrived += 1;
        self.weight += event.weight();
        self.by_id.insert(event.id, (Arc::clone(event), self.arrived));
        self.arrivals.insert(self.arrived, event.id);
        self.all.insert(key, Arc::clone(event));
        self.authors.entry(event.author).or_default().insert(key, Arc::clone(event));
        self.kinds.entry(event.kind).or_default().insert(key, Arc::clone(event));
        for (letter, value) in &event.tags {
            self.tags.entry(*letter).or_default().entry(Arc::clone(value)).or_default().insert(key, Arc::clone(event));
        }
        if let Some(at) = event.expires_at {
            self.expirations.insert((at, event.id));
        }
    }

    /// Takes an event out.
    pub(crate) fn remove(&mut self, id: &[u8; 32]) {
        let Some((event, arrival)) = self.by_id.remove(id) else { return };
        let key = event.key();
        self.weight = self.weight.saturating_sub(event.weight());
        self.arrivals.remove(&arrival);
        self.all.remove(&key);
        take(&mut self.authors, &event.author, &key);
        take(&mut self.kinds, &event.kind, &key);
        for (letter, value) in &event.tags {
            if let Some(values) = self.tags.get_mut(letter) {
                take(values, value, &key);
            }
        }
        if let Some(at) = event.expires_at {
            self.expirations.remove(&(at, event.id));
        }
        if let Some(address) = event.address()
            && self.addresses.get(&address) == Some(id)
        {
            self.addresses.remove(&address);
        }
    }

    /// [NIP-09](https://github.com/nostr-protocol/nips/blob/master/09.md): only the author's own events, and never a deletion.
    fn delete(&mut self, request: &Stored) {
        let named: Vec<[u8; 32]> = request
            .values('e')
            .filter_map(|hex| unhex(hex))
            .chain(request.values('a').filter_map(|text| parse_address(text)).filter_map(|address| self.addresses.get(&address).copied()))
            .collect();
        for id in named {
            if self.by_id.get(&id).is_some_and(|(event, _)| deletes(request, event)) {
                self.remove(&id);
            }
        }
    }

    fn is_deleted(&self, event: &Stored) -> bool {
        let by_id = nostr::event::EventId::from_byte_array(event.id).to_hex();
        let by_address = event
            .address()
            .map(|(kind, author, d)| format!("{kind}:{}:{d}", nostr::key::PublicKey::from_byte_array(author).to_hex()))
            .unwrap_or_default();
        [('e', by_id), ('a', by_address)].iter().any(|(letter, value)| {
            let requests = self.tags.get(letter).and_then(|values| values.get(value.as_str()));
            requests.is_some_and(|shelf| shelf.values().any(|request| request.kind == kind::DELETION && deletes(request, event)))
        })
    }

    /// Forgets what has expired; says how much that was.
    pub(crate) fn sweep(&mut self, now: u64) -> usize {
        let due: Vec<_> = self.expirations.range(..=(now, [0xff; 32])).map(|(_, id)| *id).collect();
        for id in &due {
            self.remove(id);
        }
        due.len()
    }

    fn shrink(&mut self, now: u64, limits: &Limits) {
        let too_much = |table: &Self| table.len() > limits.events_max || table.weight > limits.memory_bytes_max;
        if too_much(self) {
            self.sweep(now);
        }
        while too_much(self) {
            let Some((_, id)) = self.arrivals.first_key_value().map(|(n, id)| (*n, *id)) else { return };
            self.remove(&id);
        }
    }

    /// Every event, in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.arrivals.values().filter_map(|id| self.by_id.get(id)).map(|(event, _)| event)
    }

    /// The newest events a filter asks for, at most `max`, that `allowed` lets pass.
    pub(crate) fn query(&self, filter: &Filter, max: usize, now: u64, allowed: &dyn Fn(&Stored) -> bool) -> Shelf {
        let wanted = |event: &Stored| filter.matches(event) && !event.is_expired(now) && allowed(event);
        let mut found = Shelf::new();
        if max == 0 {
            return found;
        }
        if let Some(ids) = &filter.ids {
            found.extend(
                ids.iter()
                    .filter_map(|id| self.by_id.get(id))
                    .filter(|(e, _)| wanted(e))
                    .map(|(event, _)| (event.key(), Arc::clone(event))),
            );
        } else {
            let newest = (u64::MAX - filter.until.unwrap_or(u64::MAX), [0; 32]);
            let oldest = (u64::MAX - filter.since.unwrap_or(0), [0xff; 32]);
            if newest > oldest {
                return found;
            }
            // The newest of a union are among the newest of each part.
            for shelf in self.smallest(filter) {
                let part = shelf.range(newest..=oldest).filter(|(_, event)| wanted(event)).take(max);
                found.extend(part.map(|(key, event)| (*key, Arc::clone(event))));
            }
        }
        while found.len() > max {
            found.pop_last();
        }
        found
    }

    /// The shelves to look through: of the lists in the filter, the one with the fewest events.
    fn smallest(&self, filter: &Filter) -> Vec<&Shelf> {
        let mut choices: Vec<Vec<&Shelf>> = Vec::new();
        if let Some(authors) = &filter.authors {
            choices.push(authors.iter().filter_map(|author| self.authors.get(author)).collect());
        }
        if let Some(kinds) = &filter.kinds {
            choices.push(kinds.iter().filter_map(|kind| self.kinds.get(kind)).collect());
        }
        for (letter, wanted) in &filter.tags {
            let values = self.tags.get(letter);
            choices.push(wanted.iter().filter_map(|value| values?.get(value.as_str())).collect());
        }
        let fewest = choices.into_iter().min_by_key(|shelves| shelves.iter().map(|shelf| shelf.len()).sum::<usize>());
        fewest.unwrap_or_else(|| vec![&self.all])
    }
}

fn take<K: std::hash::Hash + Eq>(shelves: &mut HashMap<K, Shelf>, name: &K, key: &Key) {
    if let Some(shelf) = shelves.get_mut(name) {
        shelf.remove(key);
        if shelf.is_empty() {
            shelves.remove(name);
        }
    }
}

fn deletes(request: &Stored, event: &Stored) -> bool {
    if request.author != event.author || event.kind == kind::DELETION {
        return false;
    }
    request.values('e').any(|hex| unhex(hex) == Some(event.id))
        || (event.created_at <= request.created_at
            && event.address().is_some_and(|own| request.values('a').any(|text| parse_address(text).as_ref() == Some(&own))))
}

fn parse_address(text: &str) -> Option<Address> {
    let mut parts = text.splitn(3, ':');
    let kind = parts.next()?.parse().ok()?;
    let author = unhex(parts.next()?)?;
    Some((kind, author, Arc::from(parts.next().unwrap_or_default())))
}

#[cfg(test)]
mod tests;
