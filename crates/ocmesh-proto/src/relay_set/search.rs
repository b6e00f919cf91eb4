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

/// A scan asks again for so much of what the one before it saw whole: clocks differ, and relays take a moment to show what they took.
const SCAN_OVERLAP_MS: u64 = MINUTE;
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

/// What was seen of the presences that one relay has stored, since it was connected.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// All that is dated before this.
    until: Option<At>,
    /// When the scan under way began.
    began: Option<At>,
}

impl Scanned {
    /// From when the next scan asks, which begins now.
    fn begin(&mut self, now: At) -> At {
        self.began = Some(now);
        let whole = now.minus(PRESENCE_LEASE_MS);
        self.until.map_or(whole, |until| until.minus(SCAN_OVERLAP_MS).max(whole))
    }

    /// The scan under way brought all, but for a second of which there may be more.
    pub(super) fn end(&mut self, cut: Option<At>) {
        if let Some(began) = self.began.take() {
            self.saw_all(began, cut);
        }
    }

    /// All that was stored at that time was brought.
    pub(super) fn saw_all(&mut self, at: At, cut: Option<At>) {
        self.until = self.until.max(Some(cut.map_or(at, |cut| cut.min(at))));
    }
}

impl Mesh {
    /// Asks each relay again for presences: those since the last time that all of them came, as those before are known.
    pub(crate) fn scan(&mut self) {
        let now = self.now;
        for url in self.relays.open_own() {
            let Some(since) = self.relays.get_mut(&url).map(|relay| relay.scanned.begin(now)) else { continue };
            self.subscribe(&url, Sub::Scan, presence_filters(since, &[]), false);
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
