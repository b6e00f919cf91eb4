//! The relays we use: our own, always; a peer's, while something waits for it. Decides who is connected, subscribed, and where we read
//! direct messages. Dialling, re-subscribing and paging are the relay engine's work.

mod catch_up;
mod forged;
mod link;
mod search;
mod standing;

pub use forged::FORGED_MAX;
pub use standing::RelayStanding;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    At, Policy, PubKey, RelayInfo, RelayOrigin, RelayRecord, RelayUrl, Sub, Verdict,
    canary::{CanariesOut, Canary},
    limit::OWN_DM_RELAYS_MAX,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// How often the proven-good time of our relays is written: rarely, as catch-up looks back three days from it anyway.
pub(crate) const GOOD_INTERVAL_MS: u64 = 5 * MINUTE;
/// No input for this long, though [`GOOD_INTERVAL_MS`] has a timer: the machine slept. Sockets that look open may be dead since then.
pub(crate) const SLEPT_MS: u64 = 2 * GOOD_INTERVAL_MS;
/// Catch-up looks this far back before the last proven-good moment: gift wraps carry times up to two days in the past (NIP-59), and a
/// third day covers clocks and wraps that were published late.
pub(crate) const LOOK_BACK_MS: u64 = 3 * DAY;
/// A presence without `next` holds this long; live subscriptions and scans look back as far.
pub(crate) const PRESENCE_LEASE_MS: u64 = 15 * MINUTE;
/// A relay is asked for everything stored this often though nothing seems wrong: what it kept back between two canaries is found then.
const SWEEP_MS: u64 = 4 * HOUR;
/// A peer's relay is let go after this long without use: long enough for a conversation's next turn.
const ROUTE_IDLE_MS: u64 = 2 * MINUTE;
/// An inbox relay that is down for longer leaves our published list.
const INBOX_PATIENCE_MS: u64 = 30 * MINUTE;
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
    pub(crate) caught_up: BTreeSet<Sub>,
    /// Seconds of which it may hold more direct messages than it shows, the earliest of each subscription.
    cuts: catch_up::Cuts,
    /// What the relay said when it closed the inbox subscription, until it works again.
    refused_inbox: Option<String>,
    /// We have read direct messages here, or did before the restart.
    inbox_ok: bool,
    pub(crate) canary: Canary,
    pub(crate) forged: forged::Forged,
    pub(crate) strangers: crate::strangers::Flow,
    /// What time it says it is: its clock less our steady one.
    pub(crate) told_base_ms: Option<i64>,
    /// When it was last asked for everything stored.
    pub(crate) asked_at: At,
    /// What was seen of the presences it has stored.
    pub(crate) scanned: search::Scanned,
    /// Whether it served us at the last look, and since when.
    pub(crate) serving: Option<(bool, At)>,
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

    /// It closed our inbox subscription, and it is not open again.
    pub(crate) const fn is_refused(&self) -> bool {
        self.refused_inbox.is_some()
    }

    /// It is there, and everything stored for us was brought.
    pub(crate) fn is_good(&self) -> bool {
        self.open && self.caught_up.contains(&Sub::Wraps) && self.caught_up.contains(&Sub::Legacy)
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
    pub(crate) canaries_out: CanariesOut,
    /// Stand-ins that had their turn.
    pub(crate) dismissed: BTreeSet<RelayUrl>,
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
        // What is left came at run time, or left the configuration; only the first kind is still wanted, and who stands in only where one may.
        let is_wanted = |record: &RelayRecord| match record.origin {
            RelayOrigin::Added => true,
            RelayOrigin::Substitute => policy.substitutes.contains(&record.url),
            RelayOrigin::Config | RelayOrigin::Removed => false,
        };
        for record in stored.into_values().filter(is_wanted) {
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
        relay.canary.proven_good_at = record.good_at;
        relay.record = Some(record);
    }

    pub(crate) fn disown(&mut self, url: &RelayUrl) {
        self.order.retain(|own| own != url);
        self.canaries_out.retain(|(relay, _)| relay != url);
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

    /// Relays in use, look-ups under way, peers whose last look-up is remembered, and canaries without an answer.
    pub(crate) fn sizes(&self) -> [usize; 4] {
        [self.relays.len(), self.lookups.len(), self.looked_up_at.len(), self.canaries_out.len()]
    }

    fn routes(&self) -> usize {
        self.relays.values().filter(|relay| !relay.is_own()).count()
    }

    /// Where we read direct messages: the first three of our relays that serve us, in the owner's order. Deaf ones only when there is no
    /// other: what they have stored is asked for now and then, which is better than nothing.
    pub(crate) fn dm_relays(&self) -> Vec<RelayUrl> {
        let serving = |deaf_too: bool| {
            let serves = |relay: &RelayInUse| relay.inbox_ok && (deaf_too || !relay.canary.hearing.is_deaf());
            self.order.iter().filter(|url| self.relays.get(*url).is_some_and(serves)).take(OWN_DM_RELAYS_MAX).cloned().collect()
        };
        let hearing: Vec<RelayUrl> = serving(false);
        if hearing.is_empty() { serving(true) } else { hearing }
    }
}
