//! Connections of our relays and of routes: dialled, subscribed, caught up, lost. What is good is proven here.

use super::{
    GOOD_INTERVAL_MS, INBOX_PATIENCE_MS, PRESENCE_LEASE_MS, ROUTE_IDLE_MS, RelayInUse, SWEEP_MS,
    search::{Scanned, presence_filters},
};
use crate::{
    At, Change, Effect, Filter, Link, Mesh, Notice, RelayInfo, RelayRole, RelayUrl, Sub, agenda::Timer, limit::ROUTE_CONNECTIONS_MAX,
    skew::Told,
};

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
                relay.scanned = Scanned::default();
                if own {
                    self.subscribe_own(url);
                    self.announce_to(url);
                }
                self.pump_all_waiting(url);
            }
            Link::Down { .. } => {
                relay.open = false;
                relay.caught_up.clear();
                relay.canary.abandon();
                relay.down_since.get_or_insert(now);
            }
        }
        if own {
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    pub(crate) fn time_told(&mut self, url: &RelayUrl, base_ms: i64) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.told_base_ms = Some(base_ms);
        }
    }

    /// What our own relays say the time is. A peer's relay is anybody's.
    #[must_use]
    pub fn told_time(&self) -> Option<Told> {
        Told::of(self.relays.own_urls().iter().filter_map(|url| self.relays.get(url)?.told_base_ms).collect())
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

    pub(crate) fn subscribe_own(&mut self, url: &RelayUrl) {
        if let Some(relay) = self.relays.get_mut(url) {
            relay.asked_at = self.now;
        }
        self.subscribe_direct(url);
        self.subscribe(url, Sub::Presence, presence_filters(self.now.minus(PRESENCE_LEASE_MS), &[]), true);
    }

    pub(super) fn subscribe(&mut self, url: &RelayUrl, sub: Sub, filters: Vec<Filter>, live: bool) {
        self.out.effects.push(Effect::Subscribe { relay: url.clone(), sub, filters, live, reconcile: None });
    }

    pub(crate) fn caught_up(&mut self, url: &RelayUrl, sub: Sub, cut: Option<At>) {
        if let Sub::Lookup(number) = sub {
            self.relays.lookups.remove(&number);
            return;
        }
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.caught_up.insert(sub);
        match sub {
            Sub::Scan => relay.scanned.end(cut),
            Sub::Presence => relay.scanned.saw_all(relay.asked_at, cut),
            Sub::Wraps | Sub::Legacy | Sub::Lookup(_) => {}
        }
        if !matches!(sub, Sub::Wraps | Sub::Legacy) {
            return;
        }
        relay.refused_inbox = None;
        relay.cuts.note(sub, cut);
        let is_good = relay.is_good();
        if sub == Sub::Wraps {
            self.plan_first_canary(url);
        }
        if is_good {
            self.note_good(url);
            self.inbox_set_may_have_changed();
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    pub(crate) fn note_good(&mut self, url: &RelayUrl) {
        let now = self.now;
        let Some(relay) = self.relays.get_mut(url) else { return };
        relay.inbox_ok = true;
        // A relay that took a canary and did not bring it may keep more from us.
        if let Some(record) = relay.record.as_mut().filter(|_| !relay.canary.hearing.is_in_doubt()) {
            record.good_at = Some(relay.cuts.good_until(record.good_at, now));
            let record = Box::new(record.clone());
            self.change(Change::PutRelay(record));
        }
    }

    /// Every few minutes: relays that are open and caught up are good until now; those long gone are no inbox any more.
    pub(crate) fn note_good_relays(&mut self) {
        let now = self.now;
        for url in self.relays.own_urls() {
            let Some(relay) = self.relays.get_mut(&url) else { continue };
            if relay.is_good() {
                let sweep = now.since(relay.asked_at) >= SWEEP_MS;
                self.note_good(&url);
                if sweep {
                    self.abandon_canary(&url);
                    self.subscribe_own(&url);
                }
            } else if relay.down_since.is_some_and(|at| now.since(at) > INBOX_PATIENCE_MS) {
                relay.inbox_ok = false;
            }
        }
        self.look_after_relays();
        self.inbox_set_may_have_changed();
        self.agenda.set(Timer::Good, self.now.plus(GOOD_INTERVAL_MS));
    }

    /// After a sleep a timer may come before anybody knows that a socket is dead: an open relay is good again when it has caught up again.
    pub(crate) fn prove_relays_again(&mut self) {
        let now = self.now;
        for url in self.relays.own_urls() {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.look_anew(now);
            }
        }
        for url in self.relays.open_own() {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.caught_up.clear();
                relay.canary.abandon();
                relay.scanned = Scanned::default();
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
            self.abandon_canary(url);
            self.notice(Notice::RelayChanged { relay: url.clone() });
        }
    }

    pub(crate) fn authenticated(&mut self, url: &RelayUrl) {
        // Subscriptions may be opened again now, and bring it as something stored.
        self.abandon_canary(url);
        self.pump_all_waiting(url);
        if self.relays.is_own(url) {
            self.announce_to(url);
        }
    }
}
