//! Every peer in little memory. A hundred thousand strangers run the same few programs behind the same few relays: what they share is kept
//! once, and what few of them have is kept apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{At, Form, Handshake, PeerRecord, PeerRelays, PeerSource, PeerStatus, PubKey, RelayUrl, Trust};

/// Peers by key. A record goes in whole and comes out whole; in between it is folded together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peers {
    rows: BTreeMap<PubKey, Row>,
    /// Every [`Shared`] that a row has.
    shared: BTreeSet<Arc<Shared>>,
}

/// What a peer has for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    name: Option<Box<str>>,
    labels: Option<Box<Labels>>,
    shared: Arc<Shared>,
    /// `created_at` of the lists in `shared`; zero where there is none.
    pub(crate) dm_at: At,
    pub(crate) read_at: At,
    pub(crate) first_seen: At,
    pub(crate) last_seen: At,
    pub(crate) presence_at: At,
    pub(crate) lease_until: At,
    pub(crate) handshake: Handshake,
    last_form: Option<Form>,
    status: PeerStatus,
    source: PeerSource,
    trust: Trust,
}

/// What few peers have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Labels {
    petname: Option<String>,
    about: Option<String>,
}

/// What many peers have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shared {
    version: Option<String>,
    features: Vec<String>,
    forms: Vec<Form>,
    work_asked: u32,
    presence_relays: Vec<RelayUrl>,
    dm_relays: Option<Vec<RelayUrl>>,
    read_relays: Option<Vec<RelayUrl>>,
    seen_on: Vec<RelayUrl>,
}

/// As much of a peer as a search looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse<'a> {
    pub(crate) pubkey: PubKey,
    pub(crate) name: Option<&'a str>,
    pub(crate) petname: Option<&'a str>,
    pub(crate) trust: Trust,
    pub(crate) last_seen: At,
    /// Until when it counts as online; zero after a goodbye.
    pub(crate) online_until: At,
}

impl Peers {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// This peer's record.
    #[must_use]
    pub fn get(&self, peer: &PubKey) -> Option<PeerRecord> {
        self.rows.get(peer).map(|row| row.record(*peer))
    }

    /// Keeps a record, in place of an earlier one of the same peer.
    pub fn put(&mut self, record: PeerRecord) {
        let peer = record.pubkey;
        let (mut row, shared) = Row::fold(record);
        match self.shared.get(&*shared) {
            Some(known) => row.shared = Arc::clone(known),
            None => _ = self.shared.insert(Arc::clone(&row.shared)),
        }
        if let Some(earlier) = self.rows.insert(peer, row) {
            self.forget(earlier);
        }
    }

    /// Forgets a peer.
    pub fn remove(&mut self, peer: &PubKey) -> Option<PeerRecord> {
        let row = self.rows.remove(peer)?;
        let record = row.record(*peer);
        self.forget(row);
        Some(record)
    }

    /// Every record, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = PeerRecord> {
        self.rows.iter().map(|(peer, row)| row.record(*peer))
    }

    pub(crate) fn glimpses(&self) -> impl Iterator<Item = Glimpse<'_>> {
        self.rows.iter().map(|(peer, row)| Glimpse {
            pubkey: *peer,
            name: row.name.as_deref(),
            petname: row.labels.as_ref().and_then(|labels| labels.petname.as_deref()),
            trust: row.trust,
            last_seen: row.last_seen,
            online_until: if row.status == PeerStatus::Offline { At(0) } else { row.lease_until },
        })
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.values_mut()
    }

    pub(crate) fn trust(&self, peer: &PubKey) -> Option<Trust> {
        self.rows.get(peer).map(|row| row.trust)
    }

    pub(crate) fn work_asked(&self, peer: &PubKey) -> u32 {
        self.rows.get(peer).map_or(0, |row| row.shared.work_asked)
    }

    /// What nobody has any more is not kept: two hands hold it then, the row's that goes and the set's.
    fn forget(&mut self, row: Row) {
        if Arc::strong_count(&row.shared) == 2 {
            self.shared.remove(&row.shared);
        }
    }
}

impl FromIterator<PeerRecord> for Peers {
    fn from_iter<I: IntoIterator<Item = PeerRecord>>(records: I) -> Self {
        let mut peers = Self::default();
        records.into_iter().for_each(|record| peers.put(record));
        peers
    }
}

impl Row {
    fn fold(record: PeerRecord) -> (Self, Arc<Shared>) {
        let at = |list: &Option<PeerRelays>| list.as_ref().map_or(At(0), |list| list.created_at);
        let (dm_at, read_at) = (at(&record.dm_relays), at(&record.read_relays));
        let shared = Arc::new(Shared {
            version: record.version,
            features: record.features,
            forms: record.forms,
            work_asked: record.work_asked,
            presence_relays: record.presence_relays,
            dm_relays: record.dm_relays.map(|list| list.relays),
            read_relays: record.read_relays.map(|list| list.relays),
            seen_on: record.seen_on,
        });
        let has_labels = record.petname.is_some() || record.about.is_some();
        let row = Self {
            name: record.name.map(String::into_boxed_str),
            labels: has_labels.then(|| Box::new(Labels { petname: record.petname, about: record.about })),
            shared: Arc::clone(&shared),
            dm_at,
            read_at,
            first_seen: record.first_seen,
            last_seen: record.last_seen,
            presence_at: record.presence_at,
            lease_until: record.lease_until,
            handshake: record.handshake,
            last_form: record.last_form,
            status: record.status,
            source: record.source,
            trust: record.trust,
        };
        (row, shared)
    }

    fn record(&self, pubkey: PubKey) -> PeerRecord {
        let list = |relays: &Option<Vec<RelayUrl>>, created_at| relays.clone().map(|relays| PeerRelays { created_at, relays });
        let label = |of: fn(&Labels) -> &Option<String>| self.labels.as_deref().and_then(|labels| of(labels).clone());
        PeerRecord {
            pubkey,
            name: self.name.as_deref().map(str::to_owned),
            petname: label(|labels| &labels.petname),
            about: label(|labels| &labels.about),
            version: self.shared.version.clone(),
            features: self.shared.features.clone(),
            forms: self.shared.forms.clone(),
            last_form: self.last_form,
            work_asked: self.shared.work_asked,
            status: self.status,
            presence_relays: self.shared.presence_relays.clone(),
            dm_relays: list(&self.shared.dm_relays, self.dm_at),
            read_relays: list(&self.shared.read_relays, self.read_at),
            seen_on: self.shared.seen_on.clone(),
            source: self.source,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            presence_at: self.presence_at,
            lease_until: self.lease_until,
            handshake: self.handshake,
            trust: self.trust,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerRecord {
        PeerRecord::new(PubKey::from_bytes([number; 32]), PeerSource::Presence, At(u64::from(number)))
    }

    fn relay(host: &str) -> RelayUrl {
        RelayUrl::parse(&format!("wss://{host}.example.com")).unwrap()
    }

    /// A record in which every field differs from that of an empty one.
    fn whole(number: u8) -> PeerRecord {
        let list = |at, host| Some(PeerRelays { created_at: At(at), relays: vec![relay(host)] });
        PeerRecord {
            name: Some("ada".to_owned()),
            petname: Some("friend".to_owned()),
            about: Some("counts".to_owned()),
            version: Some("0.3.0".to_owned()),
            features: vec!["chat".to_owned()],
            forms: vec![Form::Nip17],
            last_form: Some(Form::Nip04),
            work_asked: 16,
            status: PeerStatus::Busy,
            presence_relays: vec![relay("a")],
            dm_relays: list(7, "b"),
            read_relays: list(8, "c"),
            seen_on: vec![relay("d")],
            source: PeerSource::Added,
            presence_at: At(9),
            lease_until: At(10),
            handshake: Handshake::Sent { at: At(11), tries: 2 },
            trust: Trust::Trusted,
            ..peer(number)
        }
    }

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let records = [peer(1), whole(2), PeerRecord { about: Some(String::new()), dm_relays: None, ..whole(3) }, peer(4)];
        let peers: Peers = records.iter().cloned().collect();
        assert_eq!(peers.iter().collect::<Vec<_>>(), records);
        assert_eq!(peers.get(&records[1].pubkey).as_ref(), Some(&records[1]));
        assert_eq!(peers.get(&PubKey::from_bytes([9; 32])), None);
    }

    #[test]
    fn what_peers_have_in_common_is_kept_once_and_no_longer_than_one_of_them() {
        let mut peers: Peers = (1..=50).map(whole).collect();
        assert_eq!((peers.len(), peers.shared.len()), (50, 1));
        peers.put(PeerRecord { seen_on: vec![relay("e")], ..whole(1) });
        assert_eq!((peers.len(), peers.shared.len()), (50, 2));
        peers.put(whole(1));
        assert_eq!(peers.shared.len(), 1, "nobody was seen there alone any more");
        for number in 1..=50 {
            assert_eq!(peers.remove(&PubKey::from_bytes([number; 32])), Some(whole(number)));
        }
        assert!(peers.is_empty() && peers.shared.is_empty());
    }

    #[test]
    fn a_row_is_small() {
        assert!(size_of::<Row>() <= 112, "{}", size_of::<Row>());
    }
}
