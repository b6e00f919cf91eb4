//! One open connection: everything that happens between the upgrade and the end of the socket.

mod inbound;
mod outbound;

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Link, Memory,
    outlet::Outlet,
    pulse::{Beat, Pulse},
    wire::{Turn, Wire},
};
use crate::{
    HeldSet, LinkState, PoolEvent,
    auth::{Auth, Move},
    info::{self, Found},
    limit::{ANSWERS_MAX, CONTROL_MAX},
    publish::{Answer, Flights},
    subscription::{AuthView, Listing, Out},
};

/// Pauses in reading move deadlines when they add up to this: moving them costs a walk over all of them.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// A timer that is put off by more is made anew: tokio leaves the old one where it was, and wakes us there for nothing.
const PUT_OFF: Duration = Duration::from_secs(1);

/// Messages read in one go: those of a full buffer, which come without another call to the system. Then it is another relay's turn, several times
/// before the way to the owner is full (64): whoever waits for room there gets it for one event, and would fall behind those who do not, by more
/// than the owner remembers of what it has seen.
const AT_ONCE: usize = 4;

/// The NIP of comparing sets.
const NEGENTROPY: u16 = 77;

/// Why a session ends.
type Lost = String;

/// What the owner has of a subscription, for the question of that number.
type Told = (Arc<str>, u32, Option<HeldSet>);

pub(super) struct Session<'a> {
    link: &'a Link,
    memory: &'a mut Memory,
    wire: Wire,
    outlet: Outlet,
    flights: Flights,
    auth: Auth,
    /// Challenges are answered.
    signs: bool,
    pulse: Pulse,
    /// REQ, CLOSE, AUTH and pings, which go before events.
    control: VecDeque<Message>,
    /// Malformed frames, and since when they are counted.
    bad: (u32, Instant),
    /// Since when the owner is slow and nothing is read.
    paused_at: Option<Instant>,
    /// Pauses that moved no deadline yet.
    paused: Duration,
    info: Option<Pin<Box<dyn Future<Output = Option<Found>> + Send + 'a>>>,
    answers: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
}

impl<'a> Session<'a> {
    pub(super) fn new(link: &'a Link, memory: &'a mut Memory, wire: Wire) -> Self {
        let (surroundings, now) = (&link.surroundings, Instant::now());
        let tuning = &surroundings.tuning;
        let options = link.desk.papers().options;
        let is_stale = memory.described_at.is_none_or(|at| now.saturating_duration_since(at) >= tuning.info_every);
        let info = is_stale.then(|| {
            memory.described_at = Some(now);
            let fetch = info::fetch(&surroundings.dialer, &link.relay, options.private_ok, tuning);
            Box::pin(fetch) as Pin<Box<dyn Future<Output = Option<Found>> + Send + 'a>>
        });
        Self {
            wire,
            outlet: Outlet::new(surroundings.events.clone()),
            flights: Flights::new(tuning.publish_wait),
            auth: Auth::new(),
            signs: options.auth,
            pulse: Pulse::new(link.board.traffic(), Arc::clone(tuning), link.surroundings.began, now),
            control: VecDeque::new(),
            bad: (0, now),
            paused_at: None,
            paused: Duration::ZERO,
            info,
            answers: mpsc::channel(ANSWERS_MAX),
            link,
            memory,
        }
    }

    /// Serves the connection to its end. Gives the reason and what must still be told.
    pub(super) async fn run(mut self) -> (Lost, Vec<PoolEvent>) {
        self.open();
        let why = match self.serve().await {
            Err(why) => why,
            Ok(()) => {
                // A relay that takes nothing any more must not hold up the end.
                let _ = timeout(self.link.surroundings.tuning.shutdown_wait, self.goodbye()).await;
                "disconnected".to_owned()
            }
        };
        if self.info.is_some() {
            // Cut off with the connection: the next one asks again.
            self.memory.described_at = None;
        }
        let answers = self.flights.lose(&why);
        self.answer(answers);
        self.post();
        (why, self.outlet.into_waiting())
    }

    fn open(&mut self) {
        let board = &self.link.board;
        board.enter(LinkState::Open, None);
        board.facts().connects += 1;
        // First, as the owner may publish as soon as it hears of it.
        self.link.desk.open();
        self.outlet.emit(PoolEvent::Open { relay: Arc::clone(&self.link.relay) });
        self.memory.subscriptions.opened(Instant::now(), self.signs && self.memory.challenges);
        self.collect();
    }

    /// Until the socket is lost (`Err`) or the link is cancelled (`Ok`).
    async fn serve(&mut self) -> Result<(), Lost> {
        let timer = sleep_until(Instant::now());
        tokio::pin!(timer);
        loop {
            let next = self.settle()?;
            match next {
                Some(next) if next > timer.deadline() + PUT_OFF => timer.set(sleep_until(next)),
                Some(next) if next != timer.deadline() => timer.as_mut().reset(next),
                _ => {}
            }
            let (read, write) = (!self.outlet.is_blocked(), self.has_mail());
            tokio::select! {
                () = self.link.cancel.cancelled() => return Ok(()),
                heard = self.outlet.pass(), if !read => if !heard {
                    return Err("nobody listens".to_owned());
                },
                () = self.link.desk.rung() => self.collect(),
                turn = self.wire.turn(read, write) => {
                    let has_read = matches!(turn, Turn::Read(_));
                    self.turn(turn)?;
                    if has_read && self.read_on()? {
                        yield_now().await;
                    }
                }
                found = poll_info(&mut self.info), if self.info.is_some() => self.described(found),
                Some((sub, ask, held)) = self.answers.1.recv() => self.told(&sub, ask, held),
                () = &mut timer, if next.is_some() => {}
            }
        }
    }

    /// Does what time asks for; gives the next moment that asks, or `None` while reading is paused.
    fn settle(&mut self) -> Result<Option<Instant>, Lost> {
        let now = Instant::now();
        if self.outlet.is_blocked() {
            self.paused_at.get_or_insert(now);
            self.post();
            return Ok(None);
        }
        if let Some(paused_at) = self.paused_at.take() {
            self.resume(now, now.saturating_duration_since(paused_at));
        }
        self.advance_auth(now);
        if self.memory.subscriptions.next().is_some_and(|at| at <= now) {
            let mut outs = Vec::new();
            self.memory.subscriptions.advance(now, self.auth_view(), &mut outs);
            self.act(outs);
        }
        if self.flights.next().is_some_and(|at| at <= now) {
            let answers = self.flights.expire(now);
            self.answer(answers);
        }
        let pending = self.has_mail() || self.wire.is_unflushed();
        match self.pulse.beat(now, pending) {
            Beat::Rest => {}
            Beat::Ping(payload) => self.control.push_back(Message::Ping(payload.into())),
            Beat::Dead(why) => return Err(why.to_owned()),
        }
        if self.control.len() > CONTROL_MAX {
            return Err("the relay stopped taking data".to_owned());
        }
        self.post();
        let auth = self.auth.next().filter(|_| self.signs);
        let others = [auth, self.memory.subscriptions.next(), self.flights.next()];
        Ok(others.into_iter().flatten().chain([self.pulse.next()]).min())
    }

    /// Time in which nothing was read counts against nobody.
    fn resume(&mut self, now: Instant, paused: Duration) {
        self.paused += paused;
        if self.paused >= PAUSE_MIN {
            let paused = std::mem::take(&mut self.paused);
            self.flights.postpone(paused);
            self.memory.subscriptions.postpone(paused);
            self.auth.postpone(paused);
            self.pulse.postpone(now);
        }
    }

    fn advance_auth(&mut self, now: Instant) {
        if !self.signs || self.auth.next().is_none_or(|at| at > now) {
            return;
        }
        let surroundings = &self.link.surroundings;
        let signer = surroundings.authenticator.as_ref();
        let step = self.auth.advance(now, &self.link.relay, signer, &mut self.memory.allowance, &surroundings.tuning);
        if let Some(step) = step {
            self.auth_step(step, now);
        }
    }

    fn auth_step(&mut self, step: Move, now: Instant) {
        let relay = Arc::clone(&self.link.relay);
        match step {
            Move::Wait => {}
            Move::Send(frame) => self.control.push_back(Message::text(frame)),
            Move::Succeeded | Move::Unconfirmed => {
                if step == Move::Succeeded {
                    self.outlet.emit(PoolEvent::Authenticated { relay });
                }
                self.flights.authenticated();
                let mut outs = Vec::new();
                self.memory.subscriptions.authenticated(now, &mut outs);
                self.act(outs);
            }
            Move::Failed(said) => {
                self.outlet.emit(PoolEvent::AuthRefused { relay, said });
                let answers = self.flights.auth_refused();
                self.answer(answers);
            }
        }
    }

    fn auth_view(&self) -> AuthView {
        AuthView { done: self.auth.is_done(), under_way: self.signs && self.auth.is_under_way() }
    }

    /// Takes what the owner left on the desk; the lanes are emptied as the socket takes their events.
    fn collect(&mut self) {
        let (wishes, woken) = self.link.desk.collect();
        let (now, mut outs) = (Instant::now(), Vec::new());
        if self.link.desk.is_to_sign_in_again() {
            self.auth.again(now);
        }
        for (name, wanted) in wishes {
            self.memory.subscriptions.wish(name, wanted, now, &mut outs);
        }
        self.act(outs);
        if woken {
            let payload = self.pulse.probe(now);
            self.control.push_back(Message::Ping(payload.into()));
        }
    }

    fn act(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Send(frame) => self.control.push_back(Message::text(frame)),
                Out::Ask { name, ask, since } => self.ask(name, ask, since),
                told => self.link.report(told).into_iter().for_each(|event| self.outlet.emit(event)),
            }
        }
    }

    fn answer(&mut self, answers: Vec<Answer>) {
        for answer in answers {
            self.outlet.emit(self.link.answered(answer));
        }
    }

    /// Asks the owner what it has, on a thread that may block.
    fn ask(&self, sub: Arc<str>, ask: u32, since: Option<u64>) {
        let (holdings, answers) = (Arc::clone(&self.link.surroundings.holdings), self.answers.0.clone());
        tokio::task::spawn_blocking(move || {
            let held = holdings.held(&sub, since);
            // Nobody takes it when the connection is gone.
            let _ = answers.blocking_send((sub, ask, held));
        });
    }

    fn told(&mut self, sub: &str, ask: u32, held: Option<HeldSet>) {
        let mut outs = Vec::new();
        self.memory.subscriptions.held(sub, ask, held, Instant::now(), &mut outs);
        self.act(outs);
    }

    fn described(&mut self, found: Option<Found>) {
        self.info = None;
        let lists = found.as_ref().is_some_and(|found| found.info.supported_nips.contains(&NEGENTROPY));
        self.memory.subscriptions.list(if lists { Listing::Negentropy } else { Listing::Pages }, Instant::now());
        if let Some(Found { info, time }) = found {
            if let Some(time) = time {
                self.outlet.emit(self.link.time_told(time));
            }
            self.outlet.emit(PoolEvent::Described { relay: Arc::clone(&self.link.relay), info });
        }
    }

    fn turn(&mut self, turn: Turn) -> Result<(), Lost> {
        match turn {
            Turn::Read(message) => self.read(message),
            Turn::Writable => self.write(),
            Turn::Lost(why) => Err(why),
        }
    }

    /// Reads what is there already, before time, the desk and everything else are looked at again; whether there may be more.
    fn read_on(&mut self) -> Result<bool, Lost> {
        for _ in 1..AT_ONCE {
            if self.outlet.is_blocked() {
                return Ok(false);
            }
            match self.wire.turn(true, false).now_or_never() {
                Some(turn) => self.turn(turn)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Brings the status up to date.
    fn post(&self) {
        let mut facts = self.link.board.facts();
        facts.auth = self.auth.state();
        facts.in_flight = self.flights.len();
        facts.subscriptions = self.memory.subscriptions.len();
    }
}

async fn poll_info(info: &mut Option<Pin<Box<dyn Future<Output = Option<Found>> + Send + '_>>>) -> Option<Found> {
    info.as_mut()?.await
}

#[cfg(test)]
mod tests;
