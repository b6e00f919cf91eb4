//! What was written under another clock, made fit for this one. A daemon may have run with a clock that was wrong, or start with one.

use crate::{
    At, Form, Handshake, HopState, INVITE_LIFE_MS_MAX, InviteRecord, OwnRecord, Parcel, Policy, RelayRecord, Snapshot,
    peers::Row,
    time::{DAY, HOUR, MINUTE},
};

/// Dated further ahead than this, it was written under another clock. Others drop presences dated further ahead, too.
pub(crate) const AHEAD_MS_MAX: u64 = 10 * MINUTE;
/// What was due while we were away is given this long at least, since the clock by which it is late may be wrong.
const LAST_CHANCE_MS: u64 = HOUR;
/// No frame and no message lives longer, whatever the policy was when it was queued.
const LIFE_MS_MAX: u64 = 30 * DAY;
/// No pause is longer: see the retries and the sendings again.
const PAUSE_MS_MAX: u64 = 27 * HOUR;

impl Snapshot {
    /// The clock stepped forwards by so much while this was in memory: what was to live for three more days still is.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        let Ok(by_ms) = u64::try_from(by_ms) else { return };
        for parcel in &mut self.parcels {
            parcel.expires_at = parcel.expires_at.plus(by_ms);
        }
        self.wakes.iter_mut().for_each(|record| record.move_times(|at| at.plus(by_ms), |at| at.plus(by_ms)));
    }

    /// Takes out what cannot be: moments that lie ahead.
    pub(crate) fn fit(&mut self, policy: &Policy, now: At) {
        own(&mut self.own, now);
        self.peers.rows_mut().for_each(|row| peer(row, now));
        self.parcels.iter_mut().for_each(|waiting| parcel(waiting, policy, now));
        self.relays.iter_mut().for_each(|record| relay(record, now));
        self.invites.iter_mut().for_each(|record| invite(record, now));
        self.wakes.iter_mut().for_each(|record| record.move_times(|at| at.min(now), |at| at.min(now.plus(HOUR))));
    }
}

fn is_ahead(at: At, now: At) -> bool {
    at > now.plus(AHEAD_MS_MAX)
}

fn own(own: &mut OwnRecord, now: At) {
    if is_ahead(own.published_at, now) {
        own.published_at = now;
    }
}

/// A presence or list from ahead would shadow every later one until then.
fn peer(row: &mut Row, now: At) {
    if is_ahead(row.presence_at, now) {
        row.presence_at = At(0);
        row.lease_until = At(0);
    }
    row.first_seen = row.first_seen.min(now);
    row.last_seen = row.last_seen.min(now);
    for list_at in [&mut row.dm_at, &mut row.read_at] {
        if is_ahead(*list_at, now) {
            *list_at = At(0);
        }
    }
    if let Handshake::Sent { at, .. } | Handshake::Handshaked { at } | Handshake::Unanswered { at } = &mut row.handshake {
        *at = (*at).min(now);
    }
}

fn parcel(parcel: &mut Parcel, policy: &Policy, now: At) {
    let life_ms = policy.message_ttl_ms.clamp(7 * DAY, LIFE_MS_MAX);
    parcel.expires_at = parcel.expires_at.min(now.plus(life_ms));
    if parcel.expires_at <= now {
        parcel.expires_at = now.plus(LAST_CHANCE_MS.min(policy.message_ttl_ms));
    }
    parcel.queued_at = parcel.queued_at.min(now);
    if is_ahead(parcel.wrapped_at, now) {
        // A wrap from ahead is one that relays refuse: it is wrapped again. A kind 4 event cannot be.
        parcel.wrapped_at = if parcel.form == Form::Nip17 { At(0) } else { now };
    }
    if let Some(resend) = &mut parcel.resend {
        resend.at = resend.at.min(now.plus(PAUSE_MS_MAX));
        resend.taken_at = resend.taken_at.min(now);
    }
    for hop in &mut parcel.hops {
        if let HopState::Waiting { next_at, .. } = &mut hop.state {
            *next_at = (*next_at).min(now.plus(6 * HOUR));
        }
    }
}

/// No invite lives longer than the longest, and none ended in the time to come.
fn invite(record: &mut InviteRecord, now: At) {
    record.expires_at = record.expires_at.min(now.plus(INVITE_LIFE_MS_MAX));
    record.changed_at = record.changed_at.min(now);
}

/// When it was good is not known, so everything is asked for.
fn relay(record: &mut RelayRecord, now: At) {
    record.good_at = record.good_at.filter(|at| !is_ahead(*at, now));
}
