//! The relays we use: our own, always; a peer's, while something waits for it. Decides who is connected, subscribed, and where we read
//! direct messages. Dialling, re-subscribing and paging are the relay engine's work.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    At, Change, Effect, Filter, Link, Mesh, Notice, Policy, PubKey, RelayInfo, RelayOrigin, RelayRecord, RelayRole, RelayUrl, Sub, Verdict,
    agenda::Timer,
    kind,
    limit::{LOOKUPS_MAX, OWN_DM_RELAYS_MAX, PEER_RELAYS_MAX, ROUTE_CONNECTIONS_MAX},
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// How often the proven-good time of our relays is written: rarely, as catch-up looks back three days from it anyway.
pub(crate) const GOOD_INTERVAL_MS: u64 = 5 * MINUTE;
/// No input for this long, though [`GOOD_INTERVAL_MS`] has a timer: the machine slept. Sockets that look open may be dead since then.
pub(crate) const SLEPT_MS: u64 = 2 * GOOD_INTERVAL_MS;
/// Catch-up looks this far back before the last proven-good moment: gift wraps carry times up to two days in the past (NIP-59), and a
/// third day covers clocks and wraps that were published late.
pub(crate) const LOOK_BACK_MS: u64 = 3 * DAY;
/// A kind 4 event cannot be dated anew without becoming another message: one that waited for a relay all its time to live (seven days) has
/// its first date, and a day is for clocks.
const LEGACY_LOOK_BACK_MS: u64 = 8 * DAY;
/// A presence without `next` holds this long; live subscriptions and scans look back as far.
pub(crate) const PRESENCE_LEASE_MS: u64 = 15 * MINUTE;
/// A peer's relay is let go after this long without use: long enough for a conversation's next turn.
const ROUTE_IDLE_MS: u64 = 2 * MINUTE;
/// An inbox relay that is down for longer leaves our published list.
const INBOX_PATIENCE_MS: u64 = 30 * MINUTE;
/// A look-up that no relay ended by then is over.
const LOOKUP_MS_MAX: u64 = MINUTE;
/// First pause after a relay refused a kind of announcement; doubles each time.
const KIND_PAUSE_MS: u64 = 10 * MINUTE;
/// First pace after `rate-limited:`; doubles each time, up to [`PACE_MS_MAX`], and halves with each accepted event.
const PACE_MS: u64 = 5 * SECOND;
const PACE_MS_MAX: u64 = 5 * MINUTE;

/// One relay in use.
#[derive(Debug, Default)]
pub(crate) struct RelayInUse {
    /// Present for our own relays.
    pub(crate) record: Option<RelayRecord>,
    pub(crate) open: bool,
    /// Since when it is down, for an own relay that once was good.
    down_since: Option<At>,
    pub(crate) info: RelayInfo,
    caught_up: BTreeSet<Sub>,
    /// What the relay said when it closed the inbox subscription, until it works again.
    refused_inbox: Option<String>,
    /// We have read direct messages here, or did before the restart.
    inbox_ok: bool,
    pub(crate) in_flight: usize,
    /// No direct message before this.
    pub(crate) paced_until: At,
    pace_ms: u64,
    kind_pauses: BTreeMap<u16, (At, u32)>,
}

impl RelayInUse {
    pub(crate) const fn is_own(&self) -> bool {
        self.record.is_some()
    }

    pub(crate) fn may_announce(&self, kind: u16, now: At) -> bool {
        self.kind_pauses.get(&kind).is_none_or(|(until, _)| *until <= now)
    }

    /// A relay that refuses or rate-limits a kind is left alone for that kind, with growing pauses.
    pub(crate) fn announcement_answered(&mut self, kind: u16, verdict: Verdict, now: At) {
        match verdict {
            Verdict::Accepted => {
                self.kind_pauses.remove(&kind);
            }
            Verdict::Refused | Verdict::RateLimited => {
                let strikes = self.kind_pauses.get(&kind).map_or(0, |(_, strikes)| strikes.saturating_add(1));
                let pause = KIND_PAUSE_MS.saturating_mul(1 << strikes.min(7)).min(DAY);
                self.kind_pauses.insert(kind, (now.plus(pause), strikes));
            }
            Verdict::AuthRequired | Verdict::Failed | Verdict::WrongDate => {}
        }
    }

    /// Learns the pace a relay allows for direct messages.
    pub(crate) fn learn_pace(&mut self, verdict: Verdict, now: At) {
        match verdict {
            Verdict::RateLimited => {
                self.pace_ms = self.pace_ms.saturating_mul(2).clamp(PACE_MS, PACE_MS_MAX);
                self.paced_until = now.plus(self.pace_ms);
            }
            Verdict::Accepted => self.pace_ms /= 2,
            _ => {}
        }
    }
}

/// How the core sees one relay, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayStanding {
    /// One of ours.
    pub own: bool,
    /// How it came to us.
    pub origin: Option<RelayOrigin>,
    /// We read direct messages here and publish that we do.
    pub is_inbox: bool,
    /// Up to when everything stored here was seen.
    pub good_at: Option<At>,
    /// Why it is not used for reading, as it said.
    pub refused_inbox: Option<String>,
    /// What its NIP-11 document says.
    pub info: RelayInfo,
}

/// All relays in use.
#[derive(Debug, Default)]
pub(crate) struct RelaySet {
    relays: BTreeMap<RelayUrl, RelayInUse>,
    /// Own relays in their configured order, then the added ones.
    order: Vec<RelayUrl>,
    /// Configured relays that the owner removed.
    pub(crate) removed: BTreeMap<RelayUrl, RelayRecord>,
    /// Look-ups under way, by number, with when they began.
    lookups: BTreeMap<u64, At>,
    next_lookup: u64,
    looked_up_at: BTreeMap<PubKey, At>,
}

impl RelaySet {
    pub(crate) fn load(records: Vec<RelayRecord>, policy: &Policy) -> Self {
        let mut set = Self::default();
        let mut stored: BTreeMap<RelayUrl, RelayRecord> = records.into_iter().map(|record| (record.url.clone(), record)).collect();
        for url in &policy.relays {
            match stored.remove(url) {
                Some(record) if record.origin == RelayOrigin::Removed => {
                    set.removed.insert(url.clone(), record);
                }
                Some(record) => set.own(RelayRecord { origin: RelayOrigin::Config, ..record }),
                None => set.own(RelayRecord { url: url.clone(), origin: RelayOrigin::Config, good_at: None }),
            }
        }
        // What is left came at run time, or left the configuration; only the first kind is still wanted.
        for record in stored.into_values().filter(|record| record.origin == RelayOrigin::Added) {
            set.own(record);
        }
        set
    }

    pub(crate) fn own(&mut self, record: RelayRecord) {
        if !self.order.contains(&record.url) {
            self.order.push(record.url.clone());
        }
        let relay = self.relays.entry(record.url.clone()).or_default();
        relay.inbox_ok = record.good_at.is_some();
        relay.record = Some(record);
    }

    pub(crate) fn disown(&mut self, url: &RelayUrl) {
        self.order.retain(|own| own != url);
        self.relays.remove(url);
    }

    pub(crate) fn own_count(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn own_urls(&self) -> Vec<RelayUrl> {
        self.order.clone()
    }

    pub(crate) fn get(&self, url: &RelayUrl) -> Option<&RelayInUse> {
        self.relays.get(url)
    }

    pub(crate) fn get_mut(&mut self, url: &RelayUrl) -> Option<&mut RelayInUse> {
        self.relays.get_mut(url)
    }

    pub(crate) fn is_own(&self, url: &RelayUrl) -> bool {
        self.relays.get(url).is_some_and(RelayInUse::is_own)
    }

    pub(crate) fn open_own(&self) -> Vec<RelayUrl> {
        self.order.iter().filter(|url| self.relays.get(*url).is_some_and(|relay| relay.open)).cloned().collect()
    }

    fn routes(&self) -> usize {
        self.relays.values().filter(|relay| !relay.is_own()).count()
    }

    /// Where we read direct messages: the first three of our relays that serve us, in the owner's order.
    pub(crate) fn dm_relays(&self) -> Vec<RelayUrl> {
        self.order.iter().filter(|url| self.relays.get(*url).is_some_and(|relay| relay.inbox_ok)).take(OWN_DM_RELAYS_MAX).cloned().collect()
    }
}

fn presence_filters(since: At, authors: &[PubKey]) -> Vec<Filter> {
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
    pub(crate) fn open_own_relays(&mut self) {
        for url in self.relays.own_urls() {
            self.open_own_relay(url);
        }
    }

    pub(crate) fn open_own_relay(&mut self, url: RelayUrl) {
        if let Some(record) = self.relays.get(&url).and_then(|relay| relay.record.clone()) {
            self.change(Change::PutRelay(Box::new(record)));
        }
        self.out.effects.push(Effect::Connect { relay: url, role: RelayRole::Own });
    }

    /// Makes sure a relay on a route is connected, within the bound. Returns whether it is in use.
    pub(crate) fn want_route(&mut self, url: &RelayUrl) -> bool {
        if self.relays.get(url).is_some() {
            self.agenda.clear(&Timer::RouteIdle(url.clone()));
            return true;
        }
        if self.relays.routes() >= ROUTE_CONNECTIONS_MAX {
            return false;
        }
        self.relays.relays.insert(url.clone(), RelayInUse::default());
        let role = RelayRole::Route { private_ok: self.policy.private_relays };
        self.out.effects.push(Effect::Connect { relay: url.clone(), role });
        true
    }

    /// Lets a peer's relay go a while after the last parcel for it.
    pub(crate) fn release_route(&mut self, url: &RelayUrl) {
        if !self.relays.is_own(url) && self.relays.get(url).is_some() && !self.outbox.needs(url) {
            self.agenda.set_earlier(Timer::RouteIdle(url.clone()), self.now.plus(ROUTE_IDLE_MS));
        }
    }

    pub(crate) fn close_idle_route(&mut self, url: &RelayUrl) {
        if self.relays.is_own(url) || self.outbox.needs(url) || self.relays.get(url).is_none() {
            return;
        }
        self.relays.relays.remove(url);
        self.agenda.clear(&Timer::Pump(url.clone()));
        self.out.effects.push(Effect::Disconnect { relay: url.clone() });
        // A place is free: somebody may have waited for it.
        self.want_routes();
    }

    /// Connects the relays that something in the outbox waits for, within the bound.
    pub(crate) fn want_routes(&mut self) {
        for waiting in self.outbox.unconnected(&self.relays) {
            if !self.want_route(&waiting) {
                break;
            }
        }
    }

    pub(crate) fn relay_changed(&mut self, url: &RelayUrl, link: Link) {
        let now = self.now;
        let Some(relay) = self.relays.get_mut(url) else { return };
        let own = relay.is_own();
        match link {
            Link::Connecting => return,
            Link::Open => {
                relay.open = true;
                relay.down_since = None;
                relay.caught_up.clear();
                if own {
                    self.subscribe_own(url);
                    self.announce_to(url);
                }
                self.pump_all_waiting(url);
            }
            Link::Down { .. } => {
                relay.open = false;
                relay.caught_up.clear();
                relay.down_since.get_or_insert(now);
            }
        }
        if own {
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    pub(crate) fn relay_described(&mut self, url: &RelayUrl, info: RelayInfo) {
        if let Some(relay) = self.relays.get_mut(url) {
            let expires_now = info.expires_events && !relay.info.expires_events;
            relay.info = info;
            if expires_now && relay.is_own() && relay.open {
                self.announce_to(url);
            }
        }
    }

    fn subscribe_own(&mut self, url: &RelayUrl) {
        let good_at = self.relays.get(url).and_then(|relay| relay.record.as_ref()).and_then(|record| record.good_at);
        let since = |look_back_ms: u64| good_at.map(|at| at.min(self.now).minus(look_back_ms));
        let to_me = |kind: u16, since: Option<At>| Filter {
            kinds: vec![kind],
            tags: BTreeMap::from([('p', vec![self.me.to_hex()])]),
            since,
            ..Filter::default()
        };
        let wraps = vec![to_me(kind::GIFT_WRAP, since(LOOK_BACK_MS))];
        let legacy = vec![to_me(kind::LEGACY_DIRECT, since(LEGACY_LOOK_BACK_MS))];
        let presence = presence_filters(self.now.minus(PRESENCE_LEASE_MS), &[]);
        for (sub, filters) in [(Sub::Wraps, wraps), (Sub::Legacy, legacy), (Sub::Presence, presence)] {
            self.subscribe(url, sub, filters, true);
        }
    }

    fn subscribe(&mut self, url: &RelayUrl, sub: Sub, filters: Vec<Filter>, live: bool) {
        self.out.effects.push(Effect::Subscribe { relay: url.clone(), sub, filters, live });
    }

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

    pub(crate) fn caught_up(&mut self, url: &RelayUrl, sub: Sub) {
        if let Sub::Lookup(number) = sub {
            self.relays.lookups.remove(&number);
            return;
        }
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.caught_up.insert(sub);
        if !matches!(sub, Sub::Wraps | Sub::Legacy) {
            return;
        }
        relay.refused_inbox = None;
        if relay.caught_up.contains(&Sub::Wraps) && relay.caught_up.contains(&Sub::Legacy) {
            self.note_good(url);
            self.inbox_set_may_have_changed();
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    fn note_good(&mut self, url: &RelayUrl) {
        let now = self.now;
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.inbox_ok = true;
        if let Some(record) = &mut relay.record {
            record.good_at = Some(now);
            let record = Box::new(record.clone());
            self.change(Change::PutRelay(record));
        }
    }

    /// Every few minutes: relays that are open and caught up are good until now; those long gone are no inbox any more.
    pub(crate) fn note_good_relays(&mut self) {
        let now = self.now;
        for url in self.relays.own_urls() {
            let Some(relay) = self.relays.get_mut(&url) else { continue };
            if relay.open && relay.caught_up.contains(&Sub::Wraps) && relay.caught_up.contains(&Sub::Legacy) {
                self.note_good(&url);
            } else if relay.down_since.is_some_and(|at| now.since(at) > INBOX_PATIENCE_MS) {
                relay.inbox_ok = false;
            }
        }
        self.inbox_set_may_have_changed();
        self.agenda.set(Timer::Good, self.now.plus(GOOD_INTERVAL_MS));
    }

    /// After a sleep a timer may come before anybody knows that a socket is dead: an open relay is good again when it has caught up again.
    pub(crate) fn prove_relays_again(&mut self) {
        for url in self.relays.open_own() {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.caught_up.clear();
            }
            self.subscribe_own(&url);
        }
    }

    pub(crate) fn subscription_closed(&mut self, url: &RelayUrl, sub: Sub, said: String) {
        if let Sub::Lookup(number) = sub {
            self.relays.lookups.remove(&number);
            return;
        }
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.caught_up.remove(&sub);
        if matches!(sub, Sub::Wraps | Sub::Legacy) && relay.is_own() {
            relay.refused_inbox = Some(said);
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    pub(crate) fn authenticated(&mut self, url: &RelayUrl) {
        self.pump_all_waiting(url);
        if self.relays.is_own(url) {
            self.announce_to(url);
        }
    }

    /// A stranger's relay hint may be used: public, or one of our own, or the owner allows private ones.
    pub(crate) fn may_use(&self, url: &RelayUrl) -> bool {
        url.is_public() || self.relays.is_own(url) || self.policy.private_relays
    }

    /// The usable ones of a peer's relays, bounded.
    pub(crate) fn usable(&self, relays: &[RelayUrl]) -> Vec<RelayUrl> {
        let mut kept: Vec<RelayUrl> = Vec::new();
        for url in relays {
            if self.may_use(url) && !kept.contains(url) {
                kept.push(url.clone());
            }
        }
        kept.truncate(PEER_RELAYS_MAX);
        kept
    }

    /// How one relay stands.
    #[must_use]
    pub fn relay_standing(&self, url: &RelayUrl) -> Option<RelayStanding> {
        let relay = self.relays.get(url)?;
        Some(RelayStanding {
            own: relay.is_own(),
            origin: relay.record.as_ref().map(|record| record.origin),
            is_inbox: self.relays.dm_relays().contains(url),
            good_at: relay.record.as_ref().and_then(|record| record.good_at),
            refused_inbox: relay.refused_inbox.clone(),
            info: relay.info.clone(),
        })
    }

    /// Our relays, in the owner's order.
    #[must_use]
    pub fn own_relays(&self) -> Vec<RelayUrl> {
        self.relays.own_urls()
    }

    /// Where we read direct messages.
    #[must_use]
    pub fn dm_relays(&self) -> Vec<RelayUrl> {
        self.relays.dm_relays()
    }
}
