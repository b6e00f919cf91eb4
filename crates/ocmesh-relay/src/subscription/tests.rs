//! Subscriptions against a script of relay answers, with time as an argument.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{AuthView, Out, Subscriptions};
use crate::{Tuning, backoff::Dice, desk::Wanted, frame::Claim};

const NO_AUTH: AuthView = AuthView { done: false, under_way: false };
const SECOND: Duration = Duration::from_secs(1);

/// Subscriptions on an open connection, with a clock.
struct Bench {
    subs: Subscriptions,
    now: Instant,
    auth: AuthView,
}

impl Bench {
    fn open(tuning: Tuning) -> Self {
        let mut subs = Subscriptions::new(Arc::new(tuning), Dice::new(Some(1)));
        let now = Instant::now();
        subs.opened(now, false);
        Self { subs, now, auth: NO_AUTH }
    }

    fn wish(&mut self, name: &str, live: bool) -> Vec<Out> {
        let mut outs = Vec::new();
        let wanted = Wanted { filters: vec![json!({"kinds": [1]})], live, reconcile: None };
        self.subs.wish(name.into(), Some(wanted), self.now, &mut outs);
        self.subs.advance(self.now, self.auth, &mut outs);
        outs
    }

    fn event(&mut self, id: &str, number: u64, created_at: u64) -> bool {
        let json = json!({"id": format!("{number:064x}"), "pubkey": "p", "kind": 1, "created_at": created_at, "tags": []}).to_string();
        // The half of the id that is remembered must differ.
        let json = json.replacen(&format!("{number:064x}"), &format!("{number:032x}{number:032x}"), 1);
        self.subs.event(id, &Claim::parse(&json).unwrap(), self.now).is_some()
    }

    fn eose(&mut self, id: &str) -> Vec<Out> {
        let mut outs = Vec::new();
        self.subs.eose(id, false, self.now, &mut outs);
        self.subs.advance(self.now, self.auth, &mut outs);
        outs
    }

    fn closed(&mut self, id: &str, said: &str) -> Vec<Out> {
        let mut outs = Vec::new();
        self.subs.closed(id, said.to_owned(), self.now, self.auth, &mut outs);
        self.subs.advance(self.now, self.auth, &mut outs);
        outs
    }

    fn advance(&mut self) -> Vec<Out> {
        let mut outs = Vec::new();
        self.subs.advance(self.now, self.auth, &mut outs);
        outs
    }

    /// Moves the clock to the next moment that matters, until something comes out.
    fn until_out(&mut self) -> Vec<Out> {
        for _ in 0..100 {
            self.now = self.subs.next().expect("something to wait for").max(self.now);
            let outs = self.advance();
            if !outs.is_empty() {
                return outs;
            }
        }
        panic!("nothing came out");
    }
}

/// The REQ ids among what came out.
fn reqs(outs: &[Out]) -> Vec<String> {
    let frame = |out: &Out| if let Out::Send(text) = out { serde_json::from_str::<Value>(text).ok() } else { None };
    outs.iter().filter_map(frame).filter(|frame| frame[0] == "REQ").map(|frame| frame[1].as_str().unwrap().to_owned()).collect()
}

fn caught_up(outs: &[Out]) -> bool {
    outs.iter().any(|out| matches!(out, Out::CaughtUp(_, None)))
}

#[test]
fn whatever_the_relay_says_on_closing_it_is_asked_again_within_a_minute() {
    for said in [
        "error: shutting down idle subscription",
        "ERROR: bad req: x",
        "rate-limited: slow",
        "blocked: x",
        "invalid: x",
        "pow: x",
        "duplicate: x",
        "mute: x",
        "restricted: x",
        "auth-required: x",
        "ERROR: auth-required: x",
        "unheard-of: x",
        "",
    ] {
        let mut bench = Bench::open(Tuning::default());
        assert_eq!(reqs(&bench.wish("s", true)), ["s"]);
        for round in 0..20 {
            let outs = bench.closed("s", said);
            assert_eq!(outs, [Out::Closed("s".into(), said.to_owned())], "round {round}");
            let closed_at = bench.now;
            assert_eq!(reqs(&bench.until_out()), ["s"], "{said}");
            let pause = bench.now - closed_at;
            assert!(pause <= 60 * SECOND && pause >= SECOND / 2, "{said}: {pause:?}");
        }
    }
}

#[test]
fn a_subscription_that_lived_starts_its_pauses_anew() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    for _ in 0..10 {
        bench.closed("s", "error: x");
        bench.until_out();
    }
    bench.eose("s");
    bench.now += 61 * SECOND;
    let closed_at = bench.now;
    bench.closed("s", "error: x");
    bench.until_out();
    assert!(bench.now - closed_at <= SECOND);
}

#[test]
fn restricted_in_spite_of_auth_is_asked_slowly_but_for_ever() {
    let mut bench = Bench::open(Tuning::default());
    bench.auth.done = true;
    bench.wish("s", true);
    for _ in 0..10 {
        bench.closed("s", "restricted: not you");
        let closed_at = bench.now;
        assert_eq!(reqs(&bench.until_out()), ["s"]);
        assert!(bench.now - closed_at >= 30 * SECOND && bench.now - closed_at <= 600 * SECOND);
    }
}

#[test]
fn auth_opens_what_waited_for_it_and_what_was_opened_before_it() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("waits", true);
    bench.wish("silent", true);
    bench.auth.under_way = true;
    bench.closed("waits", "ERROR: auth-required: x");
    bench.eose("silent");
    bench.auth = AuthView { done: true, under_way: false };
    let mut outs = Vec::new();
    bench.subs.authenticated(bench.now, &mut outs);
    outs.extend(bench.advance());
    let ids = reqs(&outs);
    assert!(ids.contains(&"waits".to_owned()));
    // An EOSE of the REQ before AUTH must not be taken for the one after it.
    let again = ids.iter().find(|id| id.starts_with("silent:")).expect("asked again under another id").clone();
    assert!(outs.iter().any(|out| *out == Out::Send("[\"CLOSE\",\"silent\"]".to_owned())));
    assert!(!caught_up(&bench.eose("silent")));
    assert!(caught_up(&bench.eose(&again)));
    // What was opened after AUTH stays as it is when the relay asks once more.
    let mut outs = Vec::new();
    bench.subs.authenticated(bench.now, &mut outs);
    assert!(reqs(&outs).is_empty() && reqs(&bench.advance()).is_empty());
}

#[test]
fn pages_follow_until_nothing_new_and_live_events_flow_meanwhile() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    assert!(bench.event("s", 1, 100) && bench.event("s", 2, 99));
    assert!(!bench.event("s", 2, 99), "a repetition within the catch-up");
    let page = reqs(&bench.eose("s")).pop().unwrap();
    assert!(page.starts_with("s:p"));
    assert!(bench.event("s", 9, 500), "live");
    assert!(!bench.event(&page, 2, 99) && bench.event(&page, 3, 98));
    let outs = bench.eose(&page);
    assert_eq!(outs.first(), Some(&Out::Send(format!("[\"CLOSE\",\"{page}\"]"))));
    let page = reqs(&outs).pop().unwrap();
    assert!(!bench.event(&page, 3, 98));
    assert!(caught_up(&bench.eose(&page)));
    assert!(!caught_up(&bench.eose(&page)) && !caught_up(&bench.eose("s")), "a second EOSE means nothing");
    assert!(bench.event("s", 10, 501), "live afterwards");
    assert!(!bench.event(&page, 11, 97), "a page that is over");
    assert!(!bench.event("other", 12, 500));
}

#[test]
fn without_eose_nothing_is_claimed_but_all_is_tried_and_proven_later() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    assert!(bench.event("s", 1, 100));
    let began = bench.now;
    let mut pages = Vec::new();
    while bench.now - began < 600 * SECOND {
        let outs = bench.until_out();
        assert!(!caught_up(&outs));
        pages.extend(reqs(&outs));
        assert!(bench.event("s", 1_000 + pages.len() as u64, 200), "live continues");
    }
    assert!(pages.len() >= 2, "{pages:?}");
    // Now the relay behaves.
    let page = loop {
        if let Some(page) = reqs(&bench.until_out()).pop() {
            break page;
        }
    };
    let mut outs = bench.eose(&page);
    // The broken-off catch-up ends without proof; the next one is proven.
    for _ in 0..20 {
        if caught_up(&outs) {
            return;
        }
        outs = match reqs(&outs).pop() {
            Some(page) => bench.eose(&page),
            None => bench.until_out(),
        };
    }
    panic!("never proven");
}

#[test]
fn a_late_eose_of_a_slow_relay_starts_the_proof_at_once() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    bench.now += 16 * SECOND;
    assert!(bench.advance().is_empty());
    bench.now += 14 * SECOND;
    let page = reqs(&bench.eose("s")).pop().expect("asked again at once");
    bench.now += 29 * SECOND;
    assert!(bench.advance().is_empty(), "this time it has longer");
    assert!(caught_up(&bench.eose(&page)));
}

#[test]
fn a_one_shot_is_closed_after_its_first_page_and_gone_after_its_last() {
    let mut bench = Bench::open(Tuning::default());
    assert_eq!(reqs(&bench.wish("look", false)), ["look"]);
    bench.event("look", 1, 100);
    let outs = bench.eose("look");
    assert_eq!(outs.first(), Some(&Out::Send("[\"CLOSE\",\"look\"]".to_owned())));
    let page = reqs(&outs).pop().unwrap();
    assert!(caught_up(&bench.eose(&page)));
    assert_eq!(bench.subs.len(), 0);
}

#[test]
fn look_ups_take_turns_and_none_is_forgotten() {
    let mut bench = Bench::open(Tuning::default());
    let names: Vec<String> = (0..40).map(|n| format!("look-{n}")).collect();
    let mut open: Vec<String> = names.iter().flat_map(|name| reqs(&bench.wish(name, false))).collect();
    assert_eq!(open.len(), Tuning::default().short_reqs_max);
    let (mut done, mut turns) = (0, 0);
    while done < 40 {
        turns += 1;
        assert!(turns < 1_000, "{done} of 40");
        // Every fourth is not answered when it asks.
        let outs = match open.pop() {
            Some(id) if turns % 4 != 0 => bench.eose(&id),
            _ => bench.until_out(),
        };
        done += outs.iter().filter(|out| matches!(out, Out::CaughtUp(_, None))).count();
        open.extend(reqs(&outs));
        assert!(bench.subs.short_reqs() <= Tuning::default().short_reqs_max);
    }
    assert_eq!(bench.subs.len(), 0);
}

#[test]
fn a_new_connection_asks_for_everything_again() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("live", true);
    bench.wish("look", false);
    bench.eose("live");
    bench.subs.lost();
    assert!(bench.advance().is_empty());
    bench.now += SECOND;
    bench.subs.opened(bench.now, false);
    let mut ids = reqs(&bench.advance());
    ids.sort();
    assert_eq!(ids, ["live", "look"]);
    assert!(caught_up(&bench.eose("live")));
}

#[test]
fn a_closed_page_is_asked_for_again() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    bench.event("s", 1, 100);
    let page = reqs(&bench.eose("s")).pop().unwrap();
    bench.event(&page, 2, 99);
    bench.closed(&page, "rate-limited: slow down");
    let page = reqs(&bench.until_out()).pop().unwrap();
    bench.event(&page, 2, 99);
    assert!(!caught_up(&bench.eose(&page)), "the page brought something new, so there may be more");
}

#[test]
fn asking_again_is_no_way_around_the_pause() {
    let mut bench = Bench::open(Tuning::default());
    bench.wish("s", true);
    bench.closed("s", "error: x");
    assert!(reqs(&bench.wish("s", true)).is_empty());
    assert_eq!(reqs(&bench.until_out()), ["s"]);
}

#[test]
fn one_too_many_is_refused_aloud() {
    let mut bench = Bench::open(Tuning { subscriptions_max: 1, ..Tuning::default() });
    bench.wish("a", true);
    assert!(matches!(bench.wish("b", true).first(), Some(Out::Closed(..))));
    assert!(reqs(&bench.wish("a", true)).first().is_some_and(|id| id.starts_with("a:")), "replacing is no addition");
}

#[test]
fn names_with_an_answer_on_its_way_are_kept_up_to_a_bound() {
    let mut bench = Bench::open(Tuning::default());
    for number in 0..super::TAINTED_MAX + 50 {
        let name: Arc<str> = format!("look-up {number:05}").into();
        bench.wish(&name, true);
        bench.subs.wish(name, None, bench.now, &mut Vec::new());
    }
    assert_eq!(bench.subs.tainted.len(), super::TAINTED_MAX);
}
