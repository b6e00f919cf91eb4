//! One relay's conversation in virtual time: subscriptions, sign-in and publishes as a session joins them, and what must hold after every line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Tuning,
    auth::{Allowance, Auth, Authenticator, Move},
    backoff::Dice,
    desk::Wanted,
    frame::{BadFrame, Frame},
    publish::{Answer, Flights, Parcel},
    subscription::{AuthView, Listing, Out, Subscriptions},
};

/// Lines looked at; more would only be slow.
const LINES_MAX: usize = 256;
/// Subscriptions wanted at a time.
const NAMES_MAX: usize = 8;
/// Longest pause of one line.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Once the relay behaves, everything wanted is open within this: the longest pause after a CLOSED, a sign-in, and the turns of look-ups.
const HEALED_WITHIN: Duration = Duration::from_secs(20 * 60);
/// Turns at one moment; more is work without end.
const TURNS_MAX: usize = 1_000;

/// What came of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Events handed out.
    pub events: usize,
    /// Challenges signed.
    pub signatures: u32,
    /// Publishes answered.
    pub answers: usize,
    /// Times everything stored was told to have come.
    pub caught_up: usize,
}

/// Lines: a frame of the relay, or `!open` (a new connection), `!wait MS`, `!want NAME FILTER` (live), `!compare NAME FILTER` (live, by
/// NIP-77), `!once NAME FILTER`, `!list` (the relay lists NIP-77), `!drop NAME`, `!publish ID`. In the end the relay behaves.
///
/// # Panics
/// The engine broke a promise: deaf, talking without end, signing too often, or a publish without its one answer.
#[must_use]
pub fn converse(lines: &str) -> Heard {
    let mut talk = Talk::new();
    for line in lines.lines().take(LINES_MAX) {
        match line.strip_prefix('!') {
            Some(order) => talk.happen(order),
            // Junk is counted and ignored, as the session does.
            None => _ = talk.frame(line),
        }
        talk.settle();
        talk.check();
    }
    talk.heal();
    talk.heard
}

struct Talk {
    tuning: Arc<Tuning>,
    subscriptions: Subscriptions,
    auth: Auth,
    allowance: Allowance,
    flights: Flights,
    start: Instant,
    now: Instant,
    /// What is wanted, and whether it stays open.
    wanted: BTreeMap<String, bool>,
    /// What the relay holds open, by what we said and what it said.
    open: BTreeSet<String>,
    launched: usize,
    heard: Heard,
}

struct Signer(u32);

impl Authenticator for Signer {
    fn sign_auth(&self, _: &str, _: &str) -> Option<String> {
        Some(format!("{{\"id\":\"a{}\"}}", self.0))
    }
}

impl Talk {
    fn new() -> Self {
        let (tuning, start) = (Arc::new(Tuning::default()), Instant::now());
        let mut subscriptions = Subscriptions::new(Arc::clone(&tuning), Dice::new(Some(1)));
        subscriptions.opened(start, false);
        Self {
            auth: Auth::new(),
            allowance: Allowance::new(&tuning, start),
            flights: Flights::new(tuning.publish_wait),
            subscriptions,
            tuning,
            start,
            now: start,
            wanted: BTreeMap::new(),
            open: BTreeSet::new(),
            launched: 0,
            heard: Heard::default(),
        }
    }

    fn happen(&mut self, order: &str) {
        let mut words = order.splitn(3, ' ');
        let (verb, first, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_name = first.len() <= 8 && !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match verb {
            "wait" => self.now += Duration::from_millis(first.parse().unwrap_or(0)).min(WAIT_MAX),
            "open" => self.reconnect(),
            "list" => self.subscriptions.list(Listing::Negentropy, self.now),
            "want" | "compare" | "once" if is_name && (self.wanted.len() < NAMES_MAX || self.wanted.contains_key(first)) => {
                let filters: Value = serde_json::from_str(rest).unwrap_or_else(|_| serde_json::json!({"kinds": [1]}));
                let live = verb != "once";
                self.wanted.insert(first.to_owned(), live);
                let reconcile = (verb == "compare").then(|| filters.clone());
                self.wish(first, Some(Wanted { filters: vec![filters], live, reconcile }));
            }
            "drop" if is_name => {
                self.wanted.remove(first);
                self.wish(first, None);
            }
            "publish" => {
                let parcel = Parcel { id: first.to_owned(), json: "{}".into() };
                self.flights.launch(&parcel, self.now);
                self.launched += 1;
            }
            _ => {}
        }
    }

    fn wish(&mut self, name: &str, wanted: Option<Wanted>) {
        let mut outs = Vec::new();
        self.subscriptions.wish(name.into(), wanted, self.now, &mut outs);
        self.act(outs);
    }

    fn reconnect(&mut self) {
        self.subscriptions.lost();
        let answers = self.flights.lose("gone");
        self.answered(&answers);
        assert!(self.flights.len() == 0, "a publish outlives its connection");
        self.open.clear();
        self.auth = Auth::new();
        self.subscriptions.opened(self.now, false);
    }

    fn view(&self) -> AuthView {
        AuthView { done: self.auth.is_done(), under_way: self.auth.is_under_way() }
    }

    fn frame(&mut self, text: &str) -> Result<(), BadFrame> {
        let mut outs = Vec::new();
        match Frame::parse(text, self.tuning.event_bytes_max)? {
            Frame::Event { sub, claim } => {
                let name = self.subscriptions.event(&sub, &claim, self.now);
                if let Some(name) = name {
                    assert!(self.open.contains(&*sub), "an event of a subscription that is not open was taken: {sub}");
                    assert!(self.wanted.contains_key(&*name), "an event for nobody: {name}");
                    self.heard.events += 1;
                }
            }
            Frame::Ok { id, accepted, said } => match self.auth.answered(&id, accepted, &said, self.now) {
                Some(step) => self.auth_step(step),
                None => {
                    let may_auth = !self.auth.is_done() && !self.auth.is_refused();
                    let answers = self.flights.answered(&id, accepted, said, may_auth);
                    self.answered(&answers);
                }
            },
            Frame::Eose { sub, finish } => self.subscriptions.eose(&sub, finish, self.now, &mut outs),
            Frame::Closed { sub, said } => {
                let view = self.view();
                self.subscriptions.closed(&sub, said, self.now, view, &mut outs);
                self.open.remove(&*sub);
            }
            Frame::Auth(challenge) => self.auth.challenged(&challenge, self.now),
            Frame::NegMsg { sub, hex } => self.subscriptions.neg_msg(&sub, &hex, self.now, &mut outs),
            Frame::NegErr { sub, said } => self.subscriptions.neg_err(&sub, &said, self.now, self.view()),
            Frame::Notice(_) | Frame::Other => {}
        }
        self.act(outs);
        Ok(())
    }

    fn auth_step(&mut self, step: Move) {
        match step {
            Move::Wait => {}
            Move::Send(_) => self.heard.signatures += 1,
            Move::Succeeded | Move::Unconfirmed => {
                self.flights.authenticated();
                let mut outs = Vec::new();
                self.subscriptions.authenticated(self.now, &mut outs);
                self.act(outs);
            }
            Move::Failed(_) => {
                let answers = self.flights.auth_refused();
                self.answered(&answers);
            }
        }
    }

    fn answered(&mut self, answers: &[Answer]) {
        self.heard.answers += answers.len();
    }

    /// Keeps book of what the relay holds open.
    fn act(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Send(frame) => self.sent(&frame),
                // The owner has nothing yet, and says so in time.
                Out::Ask { name, ask, .. } => {
                    let mut more = Vec::new();
                    self.subscriptions.held(&name, ask, Some(crate::HeldSet::default()), self.now, &mut more);
                    self.act(more);
                }
                Out::CaughtUp(name, _) => {
                    let live = self.wanted.get(&*name).copied();
                    assert!(live.is_some(), "caught up with what nobody wants: {name}");
                    if live == Some(false) {
                        self.wanted.remove(&*name);
                    }
                    self.heard.caught_up += 1;
                }
                Out::Closed(name, _) => assert!(self.wanted.contains_key(&*name), "closed what nobody wants: {name}"),
            }
        }
    }

    fn sent(&mut self, frame: &str) {
        let parts: Vec<Value> = serde_json::from_str(frame).unwrap_or_default();
        let text = |index: usize| parts.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text(0).as_str() {
            "REQ" => assert!(self.open.insert(text(1)), "asked twice under one id: {frame}"),
            "NEG-OPEN" | "NEG-MSG" | "NEG-CLOSE" => {}
            "CLOSE" => _ = self.open.remove(&text(1)),
            _ => unreachable!("not a frame: {frame}"),
        }
    }

    /// Does what is due now, until nothing is.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let (now, due) = (self.now, |at: Option<Instant>| at.is_some_and(|at| at <= self.now));
            let (auth, subscriptions, flights) = (due(self.auth.next()), due(self.subscriptions.next()), due(self.flights.next()));
            if auth {
                let signer = Signer(self.heard.signatures);
                let step = self.auth.advance(now, "wss://r.example", &signer, &mut self.allowance, &self.tuning);
                step.into_iter().for_each(|step| self.auth_step(step));
            }
            if subscriptions {
                let (view, mut outs) = (self.view(), Vec::new());
                self.subscriptions.advance(now, view, &mut outs);
                self.act(outs);
            }
            if flights {
                let answers = self.flights.expire(now);
                self.answered(&answers);
            }
            while self.flights.relaunch(now).is_some() {}
            if !(auth || subscriptions || flights) {
                return;
            }
        }
        unreachable!("there is no end to what is due at one moment");
    }

    fn check(&self) {
        assert_eq!(self.heard.answers + self.flights.len(), self.launched, "a publish has not its one answer");
        let minutes = self.now.saturating_duration_since(self.start).as_secs() / self.tuning.auth_every.as_secs();
        let allowed = u64::from(self.tuning.auth_burst) + minutes;
        assert!(u64::from(self.heard.signatures) <= allowed, "{} signatures, {allowed} allowed", self.heard.signatures);
        let short = self.open.iter().filter(|id| self.is_short(id)).count();
        assert!(short <= self.tuning.short_reqs_max, "{short} pages and look-ups at a time: {:?}", self.open);
        for (name, _) in self.wanted.iter().filter(|(_, live)| **live) {
            assert!(self.is_open(name) || self.subscriptions.next().is_some(), "deaf: nothing will open {name}");
        }
    }

    /// A page or a look-up.
    fn is_short(&self, id: &str) -> bool {
        let (name, serial) = id.split_once(':').unwrap_or((id, ""));
        serial.starts_with('p') || self.wanted.get(name) == Some(&false)
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|id| id == name || id.strip_prefix(name).is_some_and(|serial| serial.starts_with(":r")))
    }

    /// The relay behaves from now on: everything wanted is open and stays open, and every look-up ends.
    fn heal(&mut self) {
        let end = self.now + HEALED_WITHIN;
        while let Some(at) = self.subscriptions.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.settle();
            let ids: Vec<String> = self.open.iter().cloned().collect();
            for id in ids {
                let mut outs = Vec::new();
                self.subscriptions.eose(&id, true, self.now, &mut outs);
                self.act(outs);
            }
            self.settle();
            self.check();
        }
        for (name, live) in &self.wanted {
            assert!(*live, "a look-up never ended: {name}");
            assert!(self.is_open(name), "deaf: {name} is not open though the relay behaves");
        }
        self.now = end;
        self.settle();
        let answers = self.flights.lose("the end");
        self.answered(&answers);
        assert_eq!(self.heard.answers, self.launched, "a publish has not its one answer");
    }
}
