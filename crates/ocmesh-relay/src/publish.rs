//! Events on their way to one relay: two lanes, what is in flight, and exactly one answer for each publish.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

/// What goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Direct messages.
    Direct,
    /// Presence, profile and lists: only when no direct message waits.
    Presence,
}

/// What came of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishOutcome {
    /// The relay said OK.
    Ok {
        /// Its verdict; the reason is in `said`.
        accepted: bool,
    },
    /// The relay said nothing in time.
    TimedOut,
    /// The connection ended first: the relay may have the event or not.
    ConnectionLost,
    /// It was never sent: the relay is not open, or its queue is full.
    NotConnected,
}

/// One event to publish.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) json: Arc<str>,
}

/// The two queues of a relay.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    direct: VecDeque<Parcel>,
    presence: VecDeque<Parcel>,
}

impl Lanes {
    /// Queues it; gives it back when the lane is full.
    pub(crate) fn push(&mut self, lane: Lane, parcel: Parcel, max: usize) -> Result<(), Parcel> {
        let queue = match lane {
            Lane::Direct => &mut self.direct,
            Lane::Presence => &mut self.presence,
        };
        if queue.len() >= max {
            return Err(parcel);
        }
        queue.push_back(parcel);
        Ok(())
    }

    /// The next one: direct messages before presence.
    pub(crate) fn pop(&mut self) -> Option<Parcel> {
        self.direct.pop_front().or_else(|| self.presence.pop_front())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.presence.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.direct.len() + self.presence.len()
    }
}

/// An answer for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) outcome: PublishOutcome,
    pub(crate) said: String,
}

/// One event that was sent.
#[derive(Debug)]
struct Flight {
    json: Arc<str>,
    /// Publishes of the same event that share this flight; each gets its own answer.
    copies: usize,
    until: Instant,
    /// The relay's `auth-required` text, while we wait for NIP-42 to succeed.
    parked: Option<String>,
    retried: bool,
}

/// What is sent and not answered.
#[derive(Debug)]
pub(crate) struct Flights {
    flying: HashMap<String, Flight>,
    /// Sent again after AUTH; goes before the lanes.
    again: VecDeque<String>,
    copies: usize,
    wait: Duration,
}

impl Flights {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { flying: HashMap::new(), again: VecDeque::new(), copies: 0, wait }
    }

    /// Takes it on; true when it must be written to the socket, false when the same event is already on its way.
    pub(crate) fn launch(&mut self, parcel: &Parcel, now: Instant) -> bool {
        self.copies += 1;
        if let Some(flight) = self.flying.get_mut(&parcel.id) {
            flight.copies += 1;
            return false;
        }
        let flight = Flight { json: Arc::clone(&parcel.json), copies: 1, until: now + self.wait, parked: None, retried: false };
        self.flying.insert(parcel.id.clone(), flight);
        true
    }

    /// The next event to be written once more after AUTH.
    pub(crate) fn relaunch(&mut self, now: Instant) -> Option<Arc<str>> {
        while let Some(id) = self.again.pop_front() {
            if let Some(flight) = self.flying.get_mut(&id) {
                flight.until = now + self.wait;
                return Some(Arc::clone(&flight.json));
            }
        }
        None
    }

    pub(crate) fn has_relaunches(&self) -> bool {
        !self.again.is_empty()
    }

    /// An OK came. Unknown ids and second OKs give nothing. With `may_auth` an `auth-required` refusal waits for AUTH, once.
    pub(crate) fn answered(&mut self, id: &str, accepted: bool, said: String, may_auth: bool) -> Vec<Answer> {
        let Some(flight) = self.flying.get_mut(id) else { return Vec::new() };
        if !accepted && may_auth && !flight.retried && crate::text::prefix(&said) == "auth-required" {
            flight.parked = Some(said);
            return Vec::new();
        }
        self.finish(id, PublishOutcome::Ok { accepted }, &said)
    }

    /// NIP-42 succeeded: what waited for it goes again.
    pub(crate) fn authenticated(&mut self) {
        for (id, flight) in &mut self.flying {
            if flight.parked.take().is_some() {
                flight.retried = true;
                self.again.push_back(id.clone());
            }
        }
    }

    /// NIP-42 failed: what waited for it has its answer.
    pub(crate) fn auth_refused(&mut self) -> Vec<Answer> {
        self.finish_where(|flight| flight.parked.is_some())
    }

    /// Answers what waited too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Answer> {
        self.finish_where(|flight| flight.until <= now)
    }

    /// Answers everything: the connection is gone.
    pub(crate) fn lose(&mut self, why: &str) -> Vec<Answer> {
        let ids: Vec<String> = self.flying.keys().cloned().collect();
        ids.iter().flat_map(|id| self.finish(id, PublishOutcome::ConnectionLost, why)).collect()
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.flying.values().map(|flight| flight.until).min()
    }

    /// Time in which nothing was read does not count.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.flying.values_mut().for_each(|flight| flight.until += by);
    }

    /// Publishes without an answer.
    pub(crate) fn len(&self) -> usize {
        self.copies
    }

    fn finish_where(&mut self, is_over: impl Fn(&Flight) -> bool) -> Vec<Answer> {
        let over: Vec<(String, Option<String>)> =
            self.flying.iter().filter(|(_, flight)| is_over(flight)).map(|(id, flight)| (id.clone(), flight.parked.clone())).collect();
        over.into_iter()
            .flat_map(|(id, parked)| match parked {
                // The relay did answer; we only hoped for a better one.
                Some(said) => self.finish(&id, PublishOutcome::Ok { accepted: false }, &said),
                None => self.finish(&id, PublishOutcome::TimedOut, "no answer in time"),
            })
            .collect()
    }

    fn finish(&mut self, id: &str, outcome: PublishOutcome, said: &str) -> Vec<Answer> {
        let Some((id, flight)) = self.flying.remove_entry(id) else { return Vec::new() };
        self.copies = self.copies.saturating_sub(flight.copies);
        vec![Answer { id, outcome, said: said.to_owned() }; flight.copies]
    }
}

#[cfg(test)]
mod tests {
    use super::{Flights, Lane, Lanes, Parcel, PublishOutcome};
    use std::time::Duration;
    use tokio::time::Instant;

    const WAIT: Duration = Duration::from_secs(10);

    fn parcel(id: &str) -> Parcel {
        Parcel { id: id.to_owned(), json: "{}".into() }
    }

    #[test]
    fn direct_goes_before_presence_and_a_full_lane_says_so() {
        let mut lanes = Lanes::default();
        lanes.push(Lane::Presence, parcel("p"), 1).unwrap();
        assert!(lanes.push(Lane::Presence, parcel("q"), 1).is_err());
        lanes.push(Lane::Direct, parcel("d"), 1).unwrap();
        let order: Vec<String> = std::iter::from_fn(|| lanes.pop()).map(|parcel| parcel.id).collect();
        assert_eq!(order, ["d", "p"]);
    }

    #[test]
    fn an_ok_counts_once_and_only_for_what_is_in_flight() {
        let mut flights = Flights::new(WAIT);
        assert!(flights.answered("a", true, String::new(), true).is_empty(), "before the event");
        flights.launch(&parcel("a"), Instant::now());
        assert!(flights.answered("b", true, String::new(), true).is_empty(), "another id");
        assert_eq!(flights.answered("a", true, String::new(), true).len(), 1);
        assert!(flights.answered("a", false, String::new(), true).is_empty(), "twice");
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn two_publishes_of_one_event_get_two_answers() {
        let mut flights = Flights::new(WAIT);
        assert!(flights.launch(&parcel("a"), Instant::now()));
        assert!(!flights.launch(&parcel("a"), Instant::now()), "written once");
        assert_eq!(flights.answered("a", true, String::new(), true).len(), 2);
    }

    #[test]
    fn auth_required_is_tried_once_more_and_then_final() {
        let mut flights = Flights::new(WAIT);
        let now = Instant::now();
        flights.launch(&parcel("a"), now);
        let said = || "ERROR: auth-required: who".to_owned();
        assert!(flights.answered("a", false, said(), true).is_empty());
        assert!(flights.relaunch(now).is_none(), "not before AUTH");
        flights.authenticated();
        assert!(flights.relaunch(now).is_some());
        let answers = flights.answered("a", false, said(), true);
        assert_eq!(answers.first().unwrap().outcome, PublishOutcome::Ok { accepted: false });
    }

    #[test]
    fn what_waits_for_auth_in_vain_keeps_the_relays_own_words() {
        let mut flights = Flights::new(WAIT);
        let now = Instant::now();
        flights.launch(&parcel("a"), now);
        flights.answered("a", false, "auth-required: x".to_owned(), true);
        assert!(flights.expire(now).is_empty());
        let answers = flights.expire(now + WAIT);
        assert_eq!(answers.first().unwrap().outcome, PublishOutcome::Ok { accepted: false });
        assert_eq!(answers.first().unwrap().said, "auth-required: x");
    }

    #[test]
    fn silence_and_loss_are_answered() {
        let mut flights = Flights::new(WAIT);
        let now = Instant::now();
        flights.launch(&parcel("a"), now);
        flights.launch(&parcel("b"), now + WAIT);
        assert_eq!(flights.next(), Some(now + WAIT));
        assert_eq!(flights.expire(now + WAIT).first().unwrap().outcome, PublishOutcome::TimedOut);
        assert_eq!(flights.lose("gone").first().unwrap().outcome, PublishOutcome::ConnectionLost);
        assert!(flights.lose("gone").is_empty());
    }
}
