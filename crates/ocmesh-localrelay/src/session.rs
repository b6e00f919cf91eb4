//! One client's conversation: what it said in, what to answer out. No socket and no clock, so that every rule is tested without them.

mod negentropy;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use nostr::event::Event;

use crate::{
    filter::Filter,
    frame::{ClientFrame, RelayFrame},
    kind,
    limit::KEYS_MAX,
    nip42,
    options::{AuthMode, RelayOptions},
    store::{News, Store},
    stored::Stored,
    table::Outcome,
};
use negentropy::Comparison;

#[derive(Debug)]
pub(crate) struct Session {
    store: Arc<Store>,
    options: Arc<RelayOptions>,
    /// The addresses under which this client may have found us.
    urls: Vec<String>,
    challenge: String,
    keys: BTreeSet<[u8; 32]>,
    subs: HashMap<String, Subscription>,
    comparisons: HashMap<String, Comparison>,
}

#[derive(Debug)]
struct Subscription {
    name: Arc<str>,
    filters: Vec<Filter>,
    /// Later news than this were not in the stored answer.
    seen: u64,
}

impl Session {
    pub(crate) fn new(store: Arc<Store>, options: Arc<RelayOptions>, urls: Vec<String>, challenge: String) -> Self {
        Self { store, options, urls, challenge, keys: BTreeSet::new(), subs: HashMap::new(), comparisons: HashMap::new() }
    }

    /// What to say first.
    pub(crate) fn greet(&self) -> Option<RelayFrame> {
        self.options.auth.challenges().then(|| RelayFrame::auth(&self.challenge))
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subs.len()
    }

    /// Answers one message.
    pub(crate) fn hear(&mut self, text: &str, now: u64) -> Vec<RelayFrame> {
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Event(json)) => vec![self.on_event(json, now)],
            Ok(ClientFrame::Auth(json)) => vec![self.on_auth(json, now)],
            Ok(ClientFrame::Req { sub, filters }) => self.on_req(sub, &filters, now),
            Ok(ClientFrame::Count { sub, filters }) => vec![self.on_count(&sub, &filters, now)],
            Ok(ClientFrame::Close { sub }) => {
                self.subs.remove(&sub);
                Vec::new()
            }
            Ok(ClientFrame::NegOpen { sub, filter, hex }) => vec![self.on_neg_open(sub, filter, &hex, now)],
            Ok(ClientFrame::NegMsg { sub, hex }) => vec![self.on_neg_msg(&sub, &hex)],
            Ok(ClientFrame::NegClose { sub }) => {
                self.comparisons.remove(&sub);
                Vec::new()
            }
            Err(error) => vec![RelayFrame::notice(&format!("invalid: {error}"))],
        }
    }

    /// Passes news on to the subscriptions that want it.
    pub(crate) fn tell(&self, news: &News) -> Vec<RelayFrame> {
        if self.subs.is_empty() || !self.may_see(&news.event) {
            return Vec::new();
        }
        let wants = |sub: &&Subscription| news.number > sub.seen && sub.filters.iter().any(|filter| filter.matches(&news.event));
        self.subs.values().filter(wants).map(|sub| sub.event(&news.event)).collect()
    }

    fn on_event(&self, json: &str, now: u64) -> RelayFrame {
        let Ok(event) = Event::from_json(json) else {
            return match id_of(json) {
                Some(id) => RelayFrame::ok(&id, false, "invalid: not an event as NIP-01 has it"),
                None => RelayFrame::notice("invalid: not an event as NIP-01 has it"),
            };
        };
        let id = event.id.to_hex();
        if let Err(why) = self.check(&event, json.len(), now) {
            return RelayFrame::ok(&id, false, why);
        }
        let (accepted, why) = match self.store.accept(Stored::new(&event), now) {
            Ok(Outcome::Kept | Outcome::Passed) => (true, ""),
            Ok(Outcome::Duplicate) => (true, "duplicate: already have this event"),
            Ok(Outcome::Older) => (false, "replaced: have newer event"),
            Ok(Outcome::Deleted) => (false, "blocked: its author deleted this event"),
            Ok(Outcome::Expired) => (false, "invalid: past its expiration"),
            Err(error) => {
                tracing::error!(%error, "could not write an event to the file");
                (false, "error: could not store the event")
            }
        };
        RelayFrame::ok(&id, accepted, why)
    }

    fn check(&self, event: &Event, bytes: usize, now: u64) -> Result<(), &'static str> {
        let limits = &self.options.limits;
        if self.options.auth.needed_to_write() && self.keys.is_empty() {
            return Err("auth-required: authenticate to publish");
        }
        if event.kind.as_u16() == kind::AUTH {
            return Err("invalid: an authentication event is not published");
        }
        if bytes > limits.event_bytes_max {
            return Err("invalid: the event is too large");
        }
        if event.tags.len() > limits.tags_max {
            return Err("invalid: the event has too many tags");
        }
        if event.created_at.as_secs() > now.saturating_add(limits.future_seconds_max) {
            return Err("invalid: created_at is too far in the future");
        }
        // NIP-70: only its author may publish it, proven by AUTH.
        if event.tags.iter().any(|tag| tag.kind() == "-") && !self.keys.contains(&event.pubkey.to_bytes()) {
            return Err(match self.options.auth {
                AuthMode::Off => "blocked: protected events need authentication, which is off here",
                _ => "auth-required: only its author may publish a protected event",
            });
        }
        if !event.verify_id() {
            return Err("invalid: the id is not the hash of the event");
        }
        if !event.verify_signature() {
            return Err("invalid: bad signature");
        }
        Ok(())
    }

    fn on_auth(&mut self, json: &str, now: u64) -> RelayFrame {
        let Ok(event) = Event::from_json(json) else { return RelayFrame::notice("invalid: not an event as NIP-01 has it") };
        let id = event.id.to_hex();
        if !self.options.auth.challenges() {
            return RelayFrame::ok(&id, false, "error: this relay does not authenticate");
        }
        match nip42::check(&event, &self.challenge, &self.urls, now) {
            Ok(()) if self.keys.len() >= KEYS_MAX => RelayFrame::ok(&id, false, "rate-limited: too many keys on one connection"),
            Ok(()) => {
                self.keys.insert(event.pubkey.to_bytes());
                RelayFrame::ok(&id, true, "")
            }
            Err(error) => RelayFrame::ok(&id, false, &format!("invalid: {error}")),
        }
    }

    fn on_req(&mut self, sub: String, filters: &[&str], now: u64) -> Vec<RelayFrame> {
        // NIP-01: a REQ replaces the one of the same name, so a refused one leaves none behind.
        self.subs.remove(&sub);
        let filters = match self.read_filters(filters) {
            Ok(filters) => filters,
            Err(why) => return vec![RelayFrame::closed(&sub, &why)],
        };
        if self.subs.len() >= self.options.limits.subscriptions_max {
            return vec![RelayFrame::closed(&sub, "rate-limited: too many subscriptions on one connection")];
        }
        let (events, seen) = self.store.query(&filters, now, &|event| self.may_see(event));
        let subscription = Subscription { name: Arc::from(sub.as_str()), filters, seen };
        let mut answer: Vec<_> = events.iter().map(|event| subscription.event(event)).collect();
        answer.push(RelayFrame::eose(&sub));
        self.subs.insert(sub, subscription);
        answer
    }

    fn on_count(&self, sub: &str, filters: &[&str], now: u64) -> RelayFrame {
        match self.read_filters(filters) {
            Ok(filters) => RelayFrame::count(sub, self.store.count(&filters, now, &|event| self.may_see(event))),
            Err(why) => RelayFrame::closed(sub, &why),
        }
    }

    fn read_filters(&self, filters: &[&str]) -> Result<Vec<Filter>, String> {
        if self.options.auth.needed_to_read() && self.keys.is_empty() {
            return Err("auth-required: authenticate to read".to_owned());
        }
        if filters.is_empty() || filters.len() > self.options.limits.filters_max {
            return Err(format!("invalid: 1 to {} filters", self.options.limits.filters_max));
        }
        let filters: Result<Vec<_>, _> = filters.iter().map(|json| Filter::parse(json)).collect();
        let filters = filters.map_err(|error| format!("invalid: {error}"))?;
        let asks_private = filters.iter().any(|filter| filter.names_kind(kind::is_private));
        if asks_private && self.options.auth.challenges() && self.keys.is_empty() {
            return Err("auth-required: direct messages are for their author and recipients".to_owned());
        }
        Ok(filters)
    }

    fn may_see(&self, event: &Stored) -> bool {
        !self.options.auth.challenges()
            || !kind::is_private(event.kind)
            || self.keys.contains(&event.author)
            || event.values('p').filter_map(|hex| crate::filter::unhex(hex)).any(|key| self.keys.contains(&key))
    }
}

impl Subscription {
    fn event(&self, event: &Stored) -> RelayFrame {
        RelayFrame::Event { sub: Arc::clone(&self.name), json: Arc::clone(&event.json) }
    }
}

/// The id of something that is otherwise no event, so that the client learns which one was refused.
fn id_of(json: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(json).ok().map(|named| named.id).filter(|id| crate::filter::unhex(id).is_some())
}

#[cfg(test)]
mod tests;
