//! Is the socket alive: pings out, any byte in, and bytes taken when there are some to write. Reads no socket itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Tuning, next_edge, status::Traffic};

/// In a ping of the clock: nothing. Only one of those is on its way at a time, and five relays a day are 15,000 of them.
const OF_THE_CLOCK: &[u8] = b"";
/// In a probe, which must not take the answer to a ping of the clock for its own.
const OF_A_PROBE: &[u8] = b"?";

/// A ping without an answer.
#[derive(Debug)]
struct Ping {
    payload: &'static [u8],
    at: Instant,
    until: Instant,
    /// Bytes read before it: one more is a sign of life.
    read_before: u64,
}

/// The pulse of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    traffic: Arc<Traffic>,
    tuning: Arc<Tuning>,
    /// All connections ping at the same moments since then: to wake a sleeping machine costs more than five pings.
    began: Instant,
    ping_at: Instant,
    ping: Option<Ping>,
    /// Bytes written when that last grew, or when nothing waited.
    written: (u64, Instant),
    pending: bool,
}

/// What the pulse asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Rest,
    /// Send a ping with this payload.
    Ping(&'static [u8]),
    /// Give the socket up, for this reason.
    Dead(&'static str),
}

impl Pulse {
    pub(super) fn new(traffic: Arc<Traffic>, tuning: Arc<Tuning>, began: Instant, now: Instant) -> Self {
        let ping_at = next_edge(began, tuning.ping_every, now);
        Self { traffic, tuning, began, ping_at, ping: None, written: (0, now), pending: false }
    }

    /// Looks at the socket; `pending` when something waits to be written.
    pub(super) fn beat(&mut self, now: Instant, pending: bool) -> Beat {
        let written = self.traffic.written.load(Ordering::Relaxed);
        if !pending || !self.pending || written != self.written.0 {
            self.written = (written, now);
        } else if now.saturating_duration_since(self.written.1) >= self.tuning.stall_wait {
            return Beat::Dead("the relay stopped taking data");
        }
        self.pending = pending;
        if let Some(ping) = &self.ping
            && ping.until <= now
        {
            if self.read() == ping.read_before {
                return Beat::Dead("the relay stopped answering");
            }
            self.ping = None;
        }
        if self.ping.is_none() && self.ping_at <= now {
            return Beat::Ping(self.ping(now, self.tuning.pong_wait, OF_THE_CLOCK));
        }
        Beat::Rest
    }

    /// Makes the socket prove that it lives, now. Gives the payload to send.
    pub(super) fn probe(&mut self, now: Instant) -> &'static [u8] {
        self.ping(now, self.tuning.probe_wait, OF_A_PROBE)
    }

    fn ping(&mut self, now: Instant, wait: Duration, payload: &'static [u8]) -> &'static [u8] {
        self.ping_at = next_edge(self.began, self.tuning.ping_every, now);
        self.ping = Some(Ping { payload, at: now, until: now + wait, read_before: self.read() });
        payload
    }

    /// A pong came: the round trip, when it answers the newest ping.
    pub(super) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        let ping = self.ping.take_if(|ping| ping.payload == payload)?;
        Some(now.saturating_duration_since(ping.at))
    }

    /// When [`Self::beat`] has something to do.
    pub(super) fn next(&self) -> Instant {
        let ping = self.ping.as_ref().map_or(self.ping_at, |ping| ping.until);
        if self.pending { ping.min(self.written.1 + self.tuning.stall_wait) } else { ping }
    }

    /// Time in which nothing was read proves nothing: whoever was waited for gets the whole wait again.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.written.1 = now;
        if let Some(ping) = &mut self.ping {
            ping.until = now + self.tuning.pong_wait;
        }
    }

    fn read(&self) -> u64 {
        self.traffic.read.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use tokio::time::Instant;

    use super::{Beat, Pulse};
    use crate::{Tuning, next_edge, status::Traffic};

    #[test]
    fn silence_is_found_within_a_minute_and_any_byte_is_life() {
        let (traffic, tuning, start) = (Arc::new(Traffic::default()), Arc::new(Tuning::default()), Instant::now());
        let mut pulse = Pulse::new(Arc::clone(&traffic), Arc::clone(&tuning), start, start);
        assert_eq!(pulse.beat(start, false), Beat::Rest);
        let pinged = pulse.next();
        assert!(matches!(pulse.beat(pinged, false), Beat::Ping(_)));
        traffic.read.fetch_add(1, Ordering::Relaxed);
        let judged = pulse.next();
        assert_eq!(pulse.beat(judged, false), Beat::Rest, "a byte came");
        let pinged = pulse.next();
        assert!(matches!(pulse.beat(pinged, false), Beat::Ping(_)));
        let judged = pulse.next();
        assert!(matches!(pulse.beat(judged, false), Beat::Dead(_)));
        assert!(tuning.ping_every + tuning.pong_wait < std::time::Duration::from_secs(60));
    }

    #[test]
    fn only_the_newest_pong_tells_the_round_trip() {
        let (traffic, tuning, start) = (Arc::new(Traffic::default()), Arc::new(Tuning::default()), Instant::now());
        let mut pulse = Pulse::new(traffic, tuning, start, start);
        let clock = pulse.next();
        let Beat::Ping(of_the_clock) = pulse.beat(clock, false) else { panic!("the clock's ping is due") };
        let probe = pulse.probe(clock);
        assert_eq!(pulse.pong(b"unasked", clock), None);
        assert_eq!(pulse.pong(of_the_clock, clock), None, "of the ping before the probe");
        let later = clock + std::time::Duration::from_millis(30);
        assert_eq!(pulse.pong(probe, later), Some(later - clock));
        assert_eq!(pulse.pong(probe, later), None);
    }

    #[test]
    fn connections_of_a_pool_ping_at_the_same_moments() {
        let (tuning, began) = (Arc::new(Tuning::default()), Instant::now());
        let opened = |after: u64| {
            let now = began + std::time::Duration::from_secs(after);
            (now, Pulse::new(Arc::new(Traffic::default()), Arc::clone(&tuning), began, now))
        };
        let (mut first, mut second) = (opened(1).1, opened(17).1);
        let pinged = first.next();
        assert_eq!((second.next(), next_edge(began, tuning.ping_every, began)), (pinged, pinged));
        for pulse in [&mut first, &mut second] {
            let Beat::Ping(payload) = pulse.beat(pinged, false) else { panic!("a ping is due") };
            assert!(pulse.pong(payload, pinged).is_some());
        }
        assert_eq!((first.next(), second.next()), (pinged + tuning.ping_every, pinged + tuning.ping_every));
        let (now, late) = opened(100);
        assert!(now < late.next() && late.next() <= now + tuning.ping_every, "never later than without it");
    }

    #[test]
    fn a_relay_that_takes_nothing_is_given_up() {
        let (traffic, tuning, start) = (Arc::new(Traffic::default()), Arc::new(Tuning::default()), Instant::now());
        let mut pulse = Pulse::new(Arc::clone(&traffic), Arc::clone(&tuning), start, start);
        pulse.beat(start, true);
        traffic.written.fetch_add(1, Ordering::Relaxed);
        let slow = start + tuning.stall_wait - tuning.probe_wait;
        assert!(!matches!(pulse.beat(slow, true), Beat::Dead(_)), "slow is allowed");
        // Still alive on the reading side.
        traffic.read.fetch_add(1, Ordering::Relaxed);
        assert!(matches!(pulse.beat(slow + tuning.stall_wait, true), Beat::Dead(_)));
    }
}
