//! Asking our relays about others: the scan for presence, and look-ups of one peer.

use std::collections::BTreeMap;

use crate::{
    At, Effect, Filter, Mesh, PubKey, RelayUrl, Sub,
    agenda::Timer,
    kind,
    limit::{LOOKED_UP_MAX, LOOKUPS_MAX},
    relay_set::PRESENCE_LEASE_MS,
    time::{HOUR, MINUTE},
};

/// A look-up that no relay ended by then is over.
const LOOKUP_MS_MAX: u64 = MINUTE;

pub(super) fn presence_filters(since: At, authors: &[PubKey]) -> Vec<Filter> {
    let tagged = |number: u16, tag: char, value: &str| Filter {
        kinds: vec![number],
        authors: authors.to_vec(),
        tags: BTreeMap::from([(tag, vec![value.to_owned()])]),
        since: Some(since),
        ..Filter::default()
    };
    vec![tagged(kind::NOTE, 't', "ocmesh"), tagged(kind::PRESENCE, 'd', "ocmesh-presence")]
}

impl Mesh {
    pub(crate) fn scan(&mut self) {
        let filters = presence_filters(self.now.minus(PRESENCE_LEASE_MS), &[]);
        for url in self.relays.open_own() {
            self.subscribe(&url, Sub::Scan, filters.clone(), false);
        }
        self.agenda.set(Timer::Scan, self.now.plus(self.random.around(self.policy.discovery_interval_ms, 10)));
    }

    /// Asks our relays, and nobody else, for a peer's lists, profile and presence. At most once in ten minutes a peer.
    pub(crate) fn look_up(&mut self, peer: PubKey, at_once: bool) {
        let recent = self.relays.looked_up_at.get(&peer).is_some_and(|at| self.now.since(*at) < 10 * MINUTE);
        if recent && !at_once {
            return;
        }
        let open = self.relays.open_own();
        self.end_old_lookups(&open);
        if open.is_empty() || self.relays.lookups.len() >= LOOKUPS_MAX {
            return;
        }
        let number = self.relays.next_lookup;
        self.relays.next_lookup = number.wrapping_add(1);
        let now = self.now;
        self.relays.looked_up_at.retain(|_, at| now.since(*at) < HOUR);
        if self.relays.looked_up_at.len() >= LOOKED_UP_MAX
            && let Some(oldest) = self.relays.looked_up_at.iter().min_by_key(|(_, at)| **at).map(|(peer, _)| *peer)
        {
            self.relays.looked_up_at.remove(&oldest);
        }
        self.relays.looked_up_at.insert(peer, now);
        self.relays.lookups.insert(number, now);
        let mut filters =
            vec![Filter { kinds: vec![kind::PROFILE, kind::RELAY_LIST, kind::DM_RELAYS], authors: vec![peer], ..Filter::default() }];
        filters.extend(presence_filters(self.now.minus(PRESENCE_LEASE_MS), &[peer]));
        for url in open {
            self.subscribe(&url, Sub::Lookup(number), filters.clone(), false);
        }
    }

    /// A relay that never says it has told everything must not keep a look-up's place for ever.
    fn end_old_lookups(&mut self, open: &[RelayUrl]) {
        let now = self.now;
        let old: Vec<u64> =
            self.relays.lookups.iter().filter(|(_, at)| now.since(**at) > LOOKUP_MS_MAX).map(|(number, _)| *number).collect();
        for number in old {
            self.relays.lookups.remove(&number);
            for url in open {
                self.out.effects.push(Effect::Unsubscribe { relay: url.clone(), sub: Sub::Lookup(number) });
            }
        }
    }
}
