//! Announcing ourselves: presence on every beat, profile and relay lists when they change, goodbye at the end. Never through the outbox:
//! an announcement that is late is worth nothing, and direct messages go first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    At, CommandId, Draft, Effect, EventId, Lane, Mesh, NotePolicy, PeerStatus, PresenceDraft, PresenceVehicle, RelayUrl, SignedEvent,
    Verdict, agenda::Timer, limit::ANNOUNCED_PER_RELAY_MAX, loading::AHEAD_MS_MAX, mesh::Job, relay_set::PRESENCE_LEASE_MS, time::SECOND,
};

/// After the first relay is open, the first presence waits this long for an inbox relay to be proven, so that it can name one.
const FIRST_BEAT_PATIENCE_MS: u64 = 3 * SECOND;
/// After an inbox relay is proven: a moment for the others, which are usually milliseconds behind.
const GATHER_MS: u64 = 300;
/// Our relay lists are published at most this often. Short, as a list that names one relay of three costs the others' help; long enough
/// for relays that come up one after the other.
const LISTS_INTERVAL_MS: u64 = 10 * SECOND;
/// How long the goodbye may take; a stop must end within 5 s in all.
const GOODBYE_MS: u64 = 2 * SECOND;

/// What was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Published {
    /// Presence in one of its kinds.
    Presence(PresenceVehicle),
    /// Kind 0.
    Profile,
    /// Kind 10050.
    DmRelays,
    /// Kind 10002.
    RelayList,
}

/// What we last said, so that a relay that opens later hears it too.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    current: BTreeMap<Published, SignedEvent>,
    /// Which announcement went to which relay and is not answered yet: so many for each relay of ours.
    in_flight: BTreeMap<(RelayUrl, EventId), (Published, u16)>,
    /// Which relay has which current announcement.
    accepted: BTreeSet<(RelayUrl, Published)>,
    /// The first presence is out.
    begun: bool,
    /// The relays our last presence named.
    named_relays: Vec<RelayUrl>,
    lists_at: Option<At>,
    /// Relays that heard our present profile and lists before this start.
    heard: BTreeSet<RelayUrl>,
}

impl Announcer {
    /// Announcements that no relay answered yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.in_flight.len()
    }

    /// This relay is none of ours any more: what it still answers is nobody's.
    pub(crate) fn disown(&mut self, url: &RelayUrl) {
        self.in_flight.retain(|(relay, _), _| relay != url);
    }
}

impl Mesh {
    /// A relay of ours is open: tell it what it has not heard.
    pub(crate) fn announce_to(&mut self, url: &RelayUrl) {
        if !self.announcer.begun {
            let ready = !self.relays.dm_relays().is_empty();
            self.agenda.set_earlier(Timer::Beat, self.now.plus(if ready { GATHER_MS } else { FIRST_BEAT_PATIENCE_MS }));
            return;
        }
        if !self.agenda.has(&Timer::Beat) {
            // The last beat found no relay open: what we said before is stale.
            self.agenda.set(Timer::Beat, self.now);
        }
        let current: Vec<(Published, SignedEvent)> = self.announcer.current.iter().map(|(what, event)| (*what, event.clone())).collect();
        for (what, event) in current {
            self.announce_one(url, what, &event);
        }
    }

    fn announce_one(&mut self, url: &RelayUrl, what: Published, event: &SignedEvent) {
        let Some(relay) = self.relays.get(url) else { return };
        let waits = self.announcer.in_flight.contains_key(&(url.clone(), event.id));
        if !relay.open || waits || self.announcer.accepted.contains(&(url.clone(), what)) || !relay.may_announce(event.kind, self.now) {
            return;
        }
        if !matches!(what, Published::Presence(_)) && self.announcer.heard.contains(url) {
            return;
        }
        let note = what == Published::Presence(PresenceVehicle::Note);
        let allowed = match self.policy.presence_note {
            NotePolicy::Always => true,
            NotePolicy::Expiring => relay.info.expires_events,
            NotePolicy::Never => false,
        };
        if note && !allowed {
            return;
        }
        if self.announcer.in_flight.keys().filter(|(relay, _)| relay == url).count() >= ANNOUNCED_PER_RELAY_MAX {
            return;
        }
        self.announcer.in_flight.insert((url.clone(), event.id), (what, event.kind));
        let json = Some(Arc::clone(&event.json));
        self.out.effects.push(Effect::Publish { relay: url.clone(), event: event.id, json, lane: Lane::Presence });
    }

    /// Takes the answer to an announcement; `false` when the event is not one.
    pub(crate) fn announcement_answered(&mut self, url: &RelayUrl, event: EventId, verdict: Verdict) -> bool {
        let Some((what, kind)) = self.announcer.in_flight.remove(&(url.clone(), event)) else { return false };
        let now = self.now;
        if let Some(relay) = self.relays.get_mut(url) {
            relay.announcement_answered(kind, verdict, now);
        }
        let is_current = self.announcer.current.get(&what).is_some_and(|current| current.id == event);
        if verdict == Verdict::Accepted && is_current {
            self.announcer.accepted.insert((url.clone(), what));
            if !matches!(what, Published::Presence(_)) {
                self.remember_lists();
            }
        }
        if self.stopping.is_some() && self.announcer.in_flight.is_empty() {
            self.finish();
        }
        true
    }

    /// Publishes presence and sets the next beat.
    pub(crate) fn beat(&mut self) {
        if self.relays.open_own().is_empty() || self.stopping.is_some() {
            return; // The next relay that opens sets the beat again; after the goodbye nothing more is said.
        }
        let interval = self.random.around(self.policy.presence_interval_ms, 10);
        self.say_presence(self.status(), interval);
        self.agenda.set(Timer::Beat, self.now.plus(interval));
        if !self.announcer.begun {
            self.announcer.begun = true;
            self.publish_lists();
        }
    }

    fn say_presence(&mut self, status: PeerStatus, interval_ms: u64) {
        let created_at = self.next_created_at();
        let relays = self.relays.dm_relays();
        self.announcer.named_relays.clone_from(&relays);
        for vehicle in [PresenceVehicle::Addressable, PresenceVehicle::Note] {
            let draft = PresenceDraft {
                vehicle,
                name: self.name().to_owned(),
                features: self.features().to_vec(),
                status,
                next_at: self.now.plus(interval_ms),
                expires_at: self.now.plus(PRESENCE_LEASE_MS),
                relays: relays.clone(),
                work_asked: self.policy.inbox_work,
                created_at,
            };
            self.seal(Job::Announcement(Published::Presence(vehicle)), Draft::Presence(draft));
        }
    }

    /// `max(now, last + 1 s)`: relays keep the newest, and a clock that went back must not make us silent. What was dated further ahead than
    /// relays accept they do not have, so the next need not be later.
    fn next_created_at(&mut self) -> At {
        let last = Some(self.own.published_at).filter(|at| *at <= self.now.plus(AHEAD_MS_MAX)).unwrap_or_default();
        let at = At::from_secs(self.now.secs().max(last.secs().saturating_add(1)));
        self.own.published_at = at;
        self.put_own();
        at
    }

    /// An announcement is signed: it replaces the one before and goes to every open relay of ours.
    pub(crate) fn announcement_sealed(&mut self, what: Published, event: SignedEvent) {
        self.announcer.accepted.retain(|(_, accepted)| *accepted != what);
        self.announcer.current.insert(what, event.clone());
        for url in self.relays.open_own() {
            self.announce_one(&url, what, &event);
        }
    }

    /// The owner changed what we say of ourselves.
    pub(crate) fn own_changed(&mut self) {
        let name = self.name().to_owned();
        self.directory.call_ourselves(self.me, &name);
        self.put_own();
        self.notice(crate::Notice::OwnChanged);
        if self.announcer.begun {
            self.agenda.set(Timer::Beat, self.now);
            self.agenda.set(Timer::Lists, self.now);
        }
    }

    /// An inbox relay was proven or given up.
    pub(crate) fn inbox_set_may_have_changed(&mut self) {
        if !self.announcer.begun {
            self.agenda.set_earlier(Timer::Beat, self.now.plus(GATHER_MS));
            return;
        }
        if self.announcer.named_relays != self.relays.dm_relays() {
            let soon = self.now.plus(GATHER_MS.saturating_mul(10));
            self.agenda.set_earlier(Timer::Beat, soon);
            let lists = self.announcer.lists_at.map_or(soon, |at| at.plus(LISTS_INTERVAL_MS).max(soon));
            self.agenda.set_earlier(Timer::Lists, lists);
        }
    }

    fn lists_fingerprint(&self) -> String {
        let urls = |list: &[RelayUrl]| list.iter().map(RelayUrl::as_str).collect::<Vec<_>>().join(" ");
        [self.name(), self.about(), &self.features().join(" "), &urls(&self.relays.dm_relays()), &urls(&self.relays.own_urls())]
            .map(|part| part.replace('\n', " "))
            .join("\t")
    }

    /// Publishes profile and relay lists, unless every one of our relays heard exactly these already, before a restart too.
    pub(crate) fn publish_lists(&mut self) {
        let fingerprint = self.lists_fingerprint();
        let heard: BTreeSet<RelayUrl> = match self.own.published_profile.as_deref().and_then(|text| text.split_once('\n')) {
            Some((before, urls)) if before == fingerprint => urls.lines().filter_map(|url| RelayUrl::parse(url).ok()).collect(),
            _ => BTreeSet::new(),
        };
        let own = self.relays.own_urls();
        let nobody_waits = own.iter().all(|url| heard.contains(url));
        self.announcer.heard = heard;
        if nobody_waits || self.stopping.is_some() {
            return;
        }
        self.announcer.lists_at = Some(self.now);
        let created_at = self.next_created_at();
        let dm_relays = self.relays.dm_relays();
        let (name, about, features) = (self.name().to_owned(), self.about().to_owned(), self.features().to_vec());
        self.seal(Job::Announcement(Published::Profile), Draft::Profile { name, about, features, created_at });
        if !dm_relays.is_empty() {
            self.seal(Job::Announcement(Published::DmRelays), Draft::DmRelays { relays: dm_relays, created_at });
        }
        self.seal(Job::Announcement(Published::RelayList), Draft::RelayList { relays: own, created_at });
    }

    /// Writes down which relays have our lists, once a relay has all of them.
    fn remember_lists(&mut self) {
        let wanted: Vec<Published> =
            self.announcer.current.keys().copied().filter(|what| !matches!(what, Published::Presence(_))).collect();
        let have_all = |url: &RelayUrl| {
            self.announcer.heard.contains(url) || wanted.iter().all(|what| self.announcer.accepted.contains(&(url.clone(), *what)))
        };
        let urls: Vec<String> = self.relays.own_urls().iter().filter(|url| have_all(url)).map(ToString::to_string).collect();
        let text = format!("{}\n{}", self.lists_fingerprint(), urls.join("\n"));
        if !urls.is_empty() && self.own.published_profile.as_deref() != Some(text.as_str()) {
            self.own.published_profile = Some(text);
            self.put_own();
        }
    }

    /// Says goodbye on every open relay, then finishes.
    pub(crate) fn begin_stop(&mut self, id: CommandId) {
        self.stopping = Some(id);
        self.note_good_relays();
        self.agenda.clear(&Timer::Beat);
        // Peers may still see us online from before a restart, so it does not matter whether this run said hello.
        if self.relays.open_own().is_empty() || self.own.published_at == At(0) {
            self.finish();
            return;
        }
        self.announcer.in_flight.clear();
        self.say_presence(PeerStatus::Offline, 0);
        self.agenda.set(Timer::Finish, self.now.plus(GOODBYE_MS));
    }

    pub(crate) fn finish(&mut self) {
        if let Some(id) = self.stopping {
            self.agenda.clear(&Timer::Finish);
            self.reply(id, Ok(crate::Answer::Done));
            self.out.effects.push(Effect::Finish);
        }
    }
}
