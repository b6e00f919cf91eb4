//! Hellos: one to each newly found peer, through a bucket, retried days apart. Only an authentic answer makes a peer handshaked.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    At, DirectDraft, Draft, DraftBody, Form, Handshake, HandshakeMode, Mesh, PeerChange, Policy, PubKey, Trust,
    agenda::Timer,
    limit::HELLOS_WAITING_MAX,
    mesh::Job,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// A peer that did not answer gets another hello after this long, times the number of tries.
const HELLO_RETRY_MS: u64 = DAY;
/// Tries before a peer counts as unanswered.
const HELLO_TRIES_MAX: u32 = 3;
/// A hello that no relay took by then is stale: the next sighting sends a fresh one.
const HELLO_TTL_MS: u64 = HOUR;
/// Hellos wait this long for a relay when none is open.
const NO_RELAY_MS: u64 = 5 * SECOND;

/// Who waits for a hello, and how many may leave.
#[derive(Debug)]
pub(crate) struct Hellos {
    /// Newest peers first.
    queue: BTreeSet<(Reverse<At>, PubKey)>,
    /// Thousandths of a hello.
    tokens: u64,
    filled_at: At,
}

impl Hellos {
    pub(crate) fn new(policy: &Policy, now: At) -> Self {
        Self { queue: BTreeSet::new(), tokens: u64::from(policy.hellos_per_minute).saturating_mul(1_000), filled_at: now }
    }

    /// Peers that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl Mesh {
    /// A peer was found or seen again: does it get a hello?
    pub(crate) fn consider_hello(&mut self, peer: &PubKey) {
        let now = self.now;
        let Some(record) = self.directory.get(peer) else { return };
        let wanted = match self.policy.handshake {
            HandshakeMode::Auto => record.trust != Trust::Blocked,
            HandshakeMode::Known => record.trust.is_accepted(),
            HandshakeMode::Off => false,
        };
        if !wanted {
            return;
        }
        let first_seen = record.first_seen;
        match record.handshake {
            Handshake::None => {}
            Handshake::Sent { at, tries } if now.since(at) >= HELLO_RETRY_MS.saturating_mul(u64::from(tries)) => {
                if tries >= HELLO_TRIES_MAX {
                    self.directory.edit(peer, now, |record| record.handshake = Handshake::Unanswered { at });
                    self.put_peer(peer);
                    return;
                }
            }
            Handshake::Sent { .. } | Handshake::Handshaked { .. } | Handshake::Unanswered { .. } => return,
        }
        self.hellos.queue.insert((Reverse(first_seen), *peer));
        if self.hellos.queue.len() > HELLOS_WAITING_MAX {
            self.hellos.queue.pop_last();
        }
        self.agenda.set_earlier(Timer::Hello, now);
    }

    /// Sends hellos as far as the bucket allows.
    pub(crate) fn send_hellos(&mut self) {
        let now = self.now;
        if self.hellos.queue.is_empty() {
            return;
        }
        if self.relays.open_own().is_empty() {
            self.agenda.set(Timer::Hello, now.plus(NO_RELAY_MS));
            return;
        }
        let per_minute = u64::from(self.policy.hellos_per_minute.max(1));
        let gained = now.since(self.hellos.filled_at).saturating_mul(per_minute).saturating_mul(1_000) / MINUTE;
        if gained > 0 {
            self.hellos.tokens = self.hellos.tokens.saturating_add(gained).min(per_minute.saturating_mul(1_000));
            self.hellos.filled_at = now;
        }
        let today = now.0 / DAY;
        if self.own.hellos_today.0 != today {
            self.own.hellos_today = (today, 0);
        }
        while let Some(entry) = self.hellos.queue.first().copied() {
            if self.own.hellos_today.1 >= self.policy.hellos_per_day {
                self.agenda.set(Timer::Hello, At(today.saturating_add(1).saturating_mul(DAY)));
                return;
            }
            if self.hellos.tokens < 1_000 {
                let missing = 1_000u64.saturating_sub(self.hellos.tokens);
                self.agenda.set(Timer::Hello, now.plus((missing.saturating_mul(MINUTE) / (per_minute.saturating_mul(1_000))).max(1)));
                return;
            }
            self.hellos.queue.remove(&entry);
            if self.say_hello(&entry.1) {
                self.hellos.tokens = self.hellos.tokens.saturating_sub(1_000);
                self.own.hellos_today.1 = self.own.hellos_today.1.saturating_add(1);
                self.put_own();
            }
        }
    }

    fn say_hello(&mut self, peer: &PubKey) -> bool {
        let now = self.now;
        let Some(record) = self.directory.get(peer) else { return false };
        let tries = match record.handshake {
            Handshake::None => 0,
            Handshake::Sent { tries, .. } => tries,
            Handshake::Handshaked { .. } | Handshake::Unanswered { .. } => return false,
        };
        if record.trust == Trust::Blocked {
            return false;
        }
        self.directory.edit(peer, now, |record| record.handshake = Handshake::Sent { at: now, tries: tries.saturating_add(1) });
        self.put_peer(peer);
        self.send_intro(*peer);
        true
    }

    /// Our hello is NIP-04 in kind 4: every kind of ocmesh node reads it.
    pub(crate) fn send_intro(&mut self, peer: PubKey) {
        let body = DraftBody::Intro { name: self.name().to_owned(), capabilities: self.features().to_vec() };
        self.send_frame(peer, Form::Nip04, body, HELLO_TTL_MS);
    }

    /// Seals a protocol frame; it goes through the outbox like a message, without history. Where there is no room it is not sent.
    pub(crate) fn send_frame(&mut self, to: PubKey, form: Form, body: DraftBody, ttl_ms: u64) {
        if !self.outbox.has_room_for_frame(&to) {
            return;
        }
        let (reply_to, subject, chain, place) = (None, None, None, None);
        let draft = DirectDraft { to, form, body, written_at: self.now, reply_to, subject, chain, place, urgent: false, own_copy: false };
        self.seal(Job::Frame { to, form, ttl_ms }, Draft::Direct(draft));
    }

    /// Something authentic came from a peer. Returns whether it was news.
    pub(crate) fn mark_handshaked(&mut self, peer: &PubKey) {
        let now = self.now;
        let changed = self.directory.edit(peer, now, |record| {
            let news = !matches!(record.handshake, Handshake::Handshaked { .. });
            if news {
                record.handshake = Handshake::Handshaked { at: now };
            }
            (news, record.first_seen)
        });
        if let Some(((true, first_seen), _, _)) = changed {
            self.hellos.queue.remove(&(Reverse(first_seen), *peer));
            self.notice_peer(*peer, PeerChange::Handshaked);
        }
    }
}
