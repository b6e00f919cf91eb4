//! One relay's task: dial, serve, pause, dial again, until it is told to stop. Knows nothing of other relays.

mod outlet;
mod pulse;
mod session;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Authenticator, Holdings, LinkState, PoolEvent, PublishOutcome, Tuning,
    auth::Allowance,
    backoff::{Backoff, Dice},
    desk::Desk,
    dial::Dialer,
    publish::Answer,
    status::Board,
    subscription::{Out, Subscriptions},
};
use session::Session;
use wire::Wire;

/// What all connections share.
pub(crate) struct Surroundings {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) holdings: Arc<dyn Holdings>,
    pub(crate) dialer: Dialer,
    pub(crate) tuning: Arc<Tuning>,
    pub(crate) events: mpsc::Sender<PoolEvent>,
    /// When the runtime began: what every connection does now and then is done by all at the same moments.
    pub(crate) began: Instant,
}

/// One relay's own things.
pub(crate) struct Link {
    pub(crate) relay: Arc<str>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) board: Arc<Board>,
    pub(crate) cancel: CancellationToken,
    pub(crate) dice: Dice,
    pub(crate) surroundings: Arc<Surroundings>,
}

/// What outlives a connection.
struct Memory {
    subscriptions: Subscriptions,
    /// Signatures the relay may still have.
    allowance: Allowance,
    /// It challenged us before: REQs wait a moment for the challenge.
    challenges: bool,
    /// When its NIP-11 document was last asked for.
    described_at: Option<Instant>,
    /// When its last NOTICE was told.
    noticed_at: Option<Instant>,
}

/// How a connection, or the try to make one, ended.
struct Ended {
    why: String,
    /// The relay does not want us.
    refused: bool,
    /// It was up this long.
    lived: Duration,
    /// What must still be told.
    last_words: Vec<PoolEvent>,
}

/// Serves one relay until the link is cancelled or the owner of the events is gone.
pub(crate) async fn run(mut link: Link) {
    let tuning = Arc::clone(&link.surroundings.tuning);
    let mut memory = Memory {
        subscriptions: Subscriptions::new(Arc::clone(&tuning), link.dice.split()),
        allowance: Allowance::new(&tuning, Instant::now()),
        challenges: false,
        described_at: None,
        noticed_at: None,
    };
    let mut redial = Backoff::new(tuning.redial_base, link.dice.split());
    while !link.cancel.is_cancelled() {
        link.board.enter(LinkState::Connecting, None);
        if !link.tell(PoolEvent::Connecting { relay: Arc::clone(&link.relay) }).await {
            break;
        }
        let ended = link.connect(&mut memory).await;
        if ended.lived >= tuning.steady_after {
            redial.reset();
        }
        let pause = if ended.refused { redial.refused(tuning.refused_redial_max) } else { redial.redial(tuning.redial_max) };
        let retry_at = Instant::now() + pause;
        tracing::debug!(relay = %link.relay, why = ended.why, "relay connection ended");
        link.board.facts().last_error = Some(ended.why.clone());
        link.board.enter(LinkState::Waiting, Some(retry_at));
        let down = PoolEvent::Down { relay: Arc::clone(&link.relay), why: ended.why };
        for event in ended.last_words.into_iter().chain([down]) {
            if !link.tell(event).await {
                return link.board.enter(LinkState::Idle, None);
            }
        }
        if link.pause(&mut memory, retry_at).await {
            redial.reset();
        }
    }
    link.board.enter(LinkState::Idle, None);
}

impl Link {
    /// Dials and serves one connection to its end.
    async fn connect(&self, memory: &mut Memory) -> Ended {
        let ended = |why, refused| Ended { why, refused, lived: Duration::ZERO, last_words: Vec::new() };
        let private_ok = self.desk.papers().options.private_ok;
        let dial = Box::pin(self.surroundings.dialer.websocket(&self.relay, private_ok, self.board.traffic()));
        let socket = match self.cancel.run_until_cancelled(dial).await {
            None => return ended("disconnected".to_owned(), false),
            Some(Err(error)) => return ended(error.why(), error.is_refusal()),
            Some(Ok((socket, time))) => {
                if let Some(told) = time.map(|time| self.time_told(time))
                    && !self.tell(told).await
                {
                    return ended("nobody listens".to_owned(), false);
                }
                socket
            }
        };
        let opened_at = Instant::now();
        let (why, mut last_words) = Box::pin(Session::new(self, memory, Wire::new(socket)).run()).await;
        memory.subscriptions.lost();
        // What was queued and not sent is lost with the connection as well.
        let mut unsent = self.desk.close();
        let answers = std::iter::from_fn(|| unsent.pop()).map(|parcel| Answer {
            id: parcel.id,
            outcome: PublishOutcome::ConnectionLost,
            said: why.clone(),
        });
        last_words.extend(answers.map(|answer| self.answered(answer)));
        Ended { why, refused: false, lived: opened_at.elapsed(), last_words }
    }

    /// Waits for the next dial; true when a wake-up cut it short.
    async fn pause(&self, memory: &mut Memory, until: Instant) -> bool {
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return false,
                () = sleep_until(until) => return false,
                () = self.desk.rung() => {}
            }
            let (wishes, woken) = self.desk.collect();
            let mut outs = Vec::new();
            for (name, wanted) in wishes {
                memory.subscriptions.wish(name, wanted, Instant::now(), &mut outs);
            }
            self.board.facts().subscriptions = memory.subscriptions.len();
            for out in outs {
                if let Some(event) = self.report(out)
                    && !self.tell(event).await
                {
                    return false;
                }
            }
            if woken {
                return true;
            }
        }
    }

    /// Tells the owner, waiting as long as it is slow; false when nobody listens, or not in time after the end was called.
    async fn tell(&self, event: PoolEvent) -> bool {
        let permit = tokio::select! {
            permit = self.surroundings.events.reserve() => permit,
            () = async {
                self.cancel.cancelled().await;
                sleep(self.surroundings.tuning.shutdown_wait).await;
            } => return false,
        };
        permit.map(|permit| permit.send(event)).is_ok()
    }

    fn time_told(&self, time: SystemTime) -> PoolEvent {
        PoolEvent::TimeTold { relay: Arc::clone(&self.relay), time, read_at: std::time::Instant::now() }
    }

    fn answered(&self, answer: Answer) -> PoolEvent {
        PoolEvent::Answered { relay: Arc::clone(&self.relay), event_id: answer.id, outcome: answer.outcome, said: answer.said }
    }

    /// The report of a subscription, where it is one.
    fn report(&self, out: Out) -> Option<PoolEvent> {
        let relay = Arc::clone(&self.relay);
        match out {
            Out::Send(_) | Out::Ask { .. } => None,
            Out::CaughtUp(sub, cut) => Some(PoolEvent::CaughtUp { relay, sub, cut }),
            Out::Closed(sub, said) => Some(PoolEvent::Closed { relay, sub, said }),
        }
    }
}
