//! Every peer we know, and who is online.

use std::{collections::BTreeSet, sync::Arc};

use crate::{At, Lookalikes, PeerRecord, Peers, PubKey, Refusal, Trust, limit::PEERS_MAX, peers::Glimpse};

/// The peers, by key, with an index of leases. A peer's record changes only through [`Directory::edit`].
#[derive(Debug, Default)]
pub(crate) struct Directory {
    peers: Peers,
    /// Peers that count as online, by the end of their lease.
    leases: BTreeSet<(At, PubKey)>,
    /// The names nobody else should look like. Shared with whoever shows peers; copied when it changes, which is rare.
    lookalikes: Arc<Lookalikes>,
    /// The accepted ones. Shared with whoever opens events; copied when it changes, which is rare.
    accepted: Arc<BTreeSet<PubKey>>,
}

impl Directory {
    pub(crate) fn load(peers: Peers, now: At) -> Self {
        let (mut leases, mut lookalikes, mut accepted) = (BTreeSet::new(), Lookalikes::default(), BTreeSet::new());
        for peer in peers.glimpses() {
            if peer.online_until > now {
                leases.insert((peer.online_until, peer.pubkey));
            }
            if let Some(record) = peer.trust.is_accepted().then(|| peers.get(&peer.pubkey)).flatten() {
                lookalikes.put(&record);
                accepted.insert(peer.pubkey);
            }
        }
        Self { peers, leases, lookalikes: Arc::new(lookalikes), accepted: Arc::new(accepted) }
    }

    pub(crate) fn get(&self, peer: &PubKey) -> Option<PeerRecord> {
        self.peers.get(peer)
    }

    pub(crate) fn trust(&self, peer: &PubKey) -> Option<Trust> {
        self.peers.trust(peer)
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn online(&self) -> usize {
        self.leases.len()
    }

    pub(crate) const fn lookalikes(&self) -> &Arc<Lookalikes> {
        &self.lookalikes
    }

    pub(crate) const fn accepted(&self) -> &Arc<BTreeSet<PubKey>> {
        &self.accepted
    }

    pub(crate) fn work_asked(&self, peer: &PubKey) -> u32 {
        self.peers.work_asked(peer)
    }

    /// Our own name, which nobody else should look like either.
    pub(crate) fn call_ourselves(&mut self, me: PubKey, name: &str) {
        Arc::make_mut(&mut self.lookalikes).put_own(me, name);
    }

    pub(crate) fn insert(&mut self, record: PeerRecord) {
        if self.lookalikes.is_behind(&record) {
            Arc::make_mut(&mut self.lookalikes).put(&record);
        }
        match (record.trust.is_accepted(), self.accepted.contains(&record.pubkey)) {
            (true, false) => _ = Arc::make_mut(&mut self.accepted).insert(record.pubkey),
            (false, true) => _ = Arc::make_mut(&mut self.accepted).remove(&record.pubkey),
            _ => {}
        }
        self.peers.put(record);
    }

    pub(crate) fn remove(&mut self, peer: &PubKey) -> Option<PeerRecord> {
        let record = self.peers.remove(peer)?;
        self.leases.remove(&(record.lease_until, record.pubkey));
        if record.trust.is_accepted() {
            Arc::make_mut(&mut self.lookalikes).remove(peer);
            Arc::make_mut(&mut self.accepted).remove(peer);
        }
        Some(record)
    }

    /// Changes a record and keeps the lease index true. Returns what the caller's closure returns, with whether the peer was online
    /// before and is online after.
    pub(crate) fn edit<T>(&mut self, peer: &PubKey, now: At, change: impl FnOnce(&mut PeerRecord) -> T) -> Option<(T, bool, bool)> {
        let mut record = self.peers.get(peer)?;
        let was = self.leases.remove(&(record.lease_until, record.pubkey));
        let out = change(&mut record);
        let is = record.is_online(now);
        if is {
            self.leases.insert((record.lease_until, record.pubkey));
        }
        self.insert(record);
        Some((out, was, is))
    }

    /// When the next lease ends.
    pub(crate) fn next_lease_end(&self) -> Option<At> {
        self.leases.first().map(|(at, _)| *at)
    }

    /// Takes a peer whose lease has ended.
    pub(crate) fn pop_lapsed(&mut self, now: At) -> Option<PubKey> {
        let (at, _) = self.leases.first()?;
        if *at > now {
            return None;
        }
        self.leases.pop_first().map(|(_, peer)| peer)
    }

    /// Finds a peer by petname, else by a name that only one peer has and that does not look like one already known.
    pub(crate) fn named(&self, text: &str) -> Result<PubKey, Refusal> {
        let wanted = text.trim().to_lowercase();
        let same = |name: Option<&str>| name.is_some_and(|name| name.to_lowercase() == wanted);
        let pick = |mut found: Vec<PubKey>| match (found.len(), found.pop()) {
            (_, None) => Ok(None),
            (1, Some(peer)) => Ok(Some(peer)),
            (count, Some(_)) => Err(Refusal::NameAmbiguous { name: text.to_owned(), count }),
        };
        let found =
            |is_it: &dyn Fn(&Glimpse<'_>) -> bool| self.peers.glimpses().filter(|peer| is_it(peer)).map(|peer| peer.pubkey).collect();
        let petnamed = pick(found(&|peer| same(peer.petname)))?;
        if let Some(peer) = petnamed {
            return Ok(peer);
        }
        let named = pick(found(&|peer| same(peer.name) && peer.trust != Trust::Blocked))?;
        let record = named.and_then(|peer| self.get(&peer)).ok_or_else(|| Refusal::PeerUnknown(text.to_owned()))?;
        let warning = self.lookalikes.warning(&record.pubkey, record.name.as_deref(), record.petname.as_deref(), record.trust);
        match warning.and_then(|warning| warning.looks_like) {
            None => Ok(record.pubkey),
            Some(like) => Err(Refusal::NameLooksLike { name: text.to_owned(), like: like.name }),
        }
    }

    /// When the directory is full: the strangers that were not seen for the longest time, one in a hundred of all, so that the search is
    /// paid for rarely. Accepted and blocked peers are never among them.
    pub(crate) fn strangers_to_forget(&self) -> Vec<PubKey> {
        if self.peers.len() < PEERS_MAX {
            return Vec::new();
        }
        let mut strangers: Vec<(At, PubKey)> = self
            .peers
            .glimpses()
            .filter(|peer| peer.trust == Trust::Unknown && peer.petname.is_none())
            .map(|peer| (peer.last_seen, peer.pubkey))
            .collect();
        strangers.sort_unstable();
        strangers.into_iter().take(PEERS_MAX / 100).map(|(_, peer)| peer).collect()
    }
}
