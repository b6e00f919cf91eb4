//! The loop around the core: inputs in, one transaction, then notices, then effects. Owns the mesh and the writing store.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use ocmesh_proto::{
    At, Change, Command, CommandId, Effect, Input, Mesh, Notice, Opened, Policy, PubKey, Status,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use ocmesh_relay::Pool;
use ocmesh_store::{OpenError, PruneLimits, ReadError, Store, WriteError};
use ocmesh_wire::Keys;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, oneshot, watch},
};

use super::{
    EngineEnd, Pulse,
    ask::{AskError, NumberedNotice, Question, Told, View},
    effects::After,
    facts::{self, NotAsked},
    ingest::{Handled, Heard},
    journal, parked,
    recent::Recent,
    recover::Failures,
    view,
    worker::{Worked, Worker},
};
use crate::{
    clock::Clock,
    limit::{BATCH_MAX, HEARD_MAX, PRESENCES_MAX},
    shutdown::StopToken,
    wake::{Answered, Dispatcher},
};

/// So long presences wait for more of them in all: nobody waits for one, and a crowd comes within moments.
const GATHER_MAX: Duration = Duration::from_millis(500);
/// They are looked at together after this: to be woken for each costs more than to write it.
const GATHER_PAUSE: Duration = Duration::from_millis(10);
/// A goodbye ends by itself after two seconds; in all a stop has five.
const GOODBYE_MAX: Duration = Duration::from_secs(3);
/// How often old rows are pruned.
const PRUNE_INTERVAL_MS: u64 = HOUR;
/// From one batch to the next while there is more: 500 rows of each kind a second. A steady talk of five messages a second each way makes
/// some thirty.
const PRUNE_PAUSE_MS: u64 = SECOND;
/// How long an idempotency key stands for its first call.
const IDEMPOTENCY_MS: u64 = 7 * DAY;

/// Everything the loop owns.
pub(crate) struct MeshTask {
    pub(crate) pulse: Pulse,
    pub(crate) mesh: Mesh,
    pub(crate) store: Store,
    pub(crate) keys: Arc<Keys>,
    pub(crate) policy: Policy,
    pub(crate) version: &'static str,
    pub(crate) clock: Clock,
    pub(crate) pool: Pool,
    pub(crate) recent: Arc<Mutex<Recent>>,
    /// Whom the door lets in, as the thread that opens events knows it.
    pub(crate) accepted: Arc<Mutex<Arc<BTreeSet<PubKey>>>>,
    pub(crate) worker: Worker,
    pub(crate) worked: mpsc::Receiver<Worked>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) inputs: mpsc::Receiver<Heard>,
    /// Taken from `inputs`, and next.
    pub(crate) heard: VecDeque<Heard>,
    pub(crate) wakes: Dispatcher,
    pub(crate) woken: mpsc::Receiver<Answered>,
    /// How far the owner's clock is ahead of UTC, as the core was told.
    pub(crate) local_ahead_ms: Option<i64>,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) notices: broadcast::Sender<Arc<NumberedNotice>>,
    pub(crate) stop: StopToken,
    /// Who asked in the transaction under way. Each is answered after its commit, so that there are no more than [`BATCH_MAX`].
    pub(crate) waiting: BTreeMap<CommandId, oneshot::Sender<Result<Told, AskError>>>,
    pub(crate) next_command: u64,
    pub(crate) told_to_stop: bool,
    /// When a goodbye ends at the latest, by a clock that nobody sets.
    pub(crate) finish_by: Option<Instant>,
    pub(crate) failed_messages: u64,
    pub(crate) prune_at: At,
    pub(crate) finished: bool,
    /// Inputs that came up after a transaction: one for a publish that the core has in flight, of which each relay has so many, or for a work.
    pub(crate) later: VecDeque<Input>,
    pub(crate) failures: Failures,
    pub(crate) crowd: journal::Crowd,
    /// The disk does not confirm what it keeps.
    pub(crate) gave_up: bool,
}

/// What woke the loop. Lives for a moment on one stack, so its size does not matter.
#[allow(clippy::large_enum_variant)]
enum Arrival {
    Question(Question),
    Heard(Heard),
    Worked(Worked),
    Stop,
    /// The goodbye took too long.
    Overdue,
    /// Every sender is gone.
    Closed,
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl BatchError {
    pub(super) fn to_ask_error(&self) -> AskError {
        match self {
            Self::Write(WriteError::DiskFull) | Self::Open(OpenError::DiskFull) => AskError::DiskFull,
            Self::Write(error) if error.is_damage() => AskError::Damaged,
            Self::Read(error) if error.is_damage() => AskError::Damaged,
            Self::Open(error) if error.is_damage() => AskError::Damaged,
            Self::Write(WriteError::Busy) | Self::Read(ReadError::Busy) | Self::Open(OpenError::Locked) => AskError::Locked,
            other => AskError::Store(other.to_string()),
        }
    }

    pub(super) const fn is_not_synced(&self) -> bool {
        matches!(self, Self::Write(WriteError::NotSynced(_)) | Self::Open(OpenError::NotSynced(_)))
    }
}

impl MeshTask {
    /// Reads the store, runs until the goodbye is said, then closes pool and store. Blocking: give it a thread of its own.
    pub(crate) fn run(mut self, runtime: &Handle) -> Result<(), EngineEnd> {
        let snapshot = self.store.load()?;
        self.begin_from(snapshot);
        let mut arrival = heard(Input::Started);
        while !self.finished {
            self.pulse.beat();
            if let Err(error) = self.keep_time().and_then(|()| self.batch(arrival)).and_then(|()| self.tidy_when_due()) {
                self.recover(runtime, &error);
                arrival = heard(Input::Started);
                continue;
            }
            self.show();
            if self.finished {
                break;
            }
            arrival = self.next_arrival();
            if matches!(arrival, Arrival::Closed) {
                break;
            }
        }
        for (_, answer) in std::mem::take(&mut self.waiting) {
            // Whoever asked may be gone already.
            let _ = answer.send(Err(AskError::Stopping));
        }
        runtime.block_on(self.pool.shutdown());
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "store not closed cleanly");
        }
        if self.gave_up { Err(EngineEnd::NotSynced) } else { Ok(()) }
    }

    /// Follows the clock where that is right. Where the time steps, memory is thrown away: what it holds is dated by another clock, and a mesh
    /// that starts anew from the disk asks relays for everything it needs.
    fn keep_time(&mut self) -> Result<(), BatchError> {
        // A goodbye has a few seconds; the next start looks at the clock anyway.
        let Some(by_ms) = (if self.told_to_stop { None } else { self.clock.settle(self.mesh.told_time()) }) else { return Ok(()) };
        tracing::warn!(by_ms, "the time stepped, the mesh starts anew");
        for status in self.pool.status() {
            self.pool.disconnect(&status.relay);
        }
        self.reload(by_ms)?;
        self.prune_at = self.clock.now();
        self.batch(heard(Input::Started))
    }

    /// The owner's time of day, where the core does not know it: after a start, a journey, and twice a year.
    fn local_time(&mut self) -> Option<Input> {
        if self.policy.wakes.iter().all(|wake| wake.quiet.is_none()) {
            return None;
        }
        let ahead_ms = self.clock.local_ahead_ms();
        (self.local_ahead_ms.replace(ahead_ms) != Some(ahead_ms)).then_some(Input::LocalTimeTold { ahead_ms })
    }

    /// Waits for whatever is next, on this thread and by its own clock.
    fn next_arrival(&mut self) -> Arrival {
        if let Some(input) = self.later.pop_front() {
            return heard(input);
        }
        let tidy = self.clock.is_sure().then_some(self.prune_at);
        let due = self.mesh.next_wakeup().into_iter().chain(tidy).min().map(|at| self.clock.until(at));
        // Never sleep past a minute: a clock that was set back must not silence us for long.
        let tick = due.map(|wait| Instant::now() + wait.min(Duration::from_millis(MINUTE)));
        let overdue = self.finish_by;
        let is_over = || overdue.is_some_and(|at| at <= Instant::now());
        if is_over() {
            return Arrival::Overdue;
        }
        match parked::wait(self.arrivals(), tick.into_iter().chain(overdue).min()) {
            Some(arrival) => arrival,
            None if is_over() => Arrival::Overdue,
            None => heard(Input::Ticked),
        }
    }

    /// Whatever comes, but for time.
    async fn arrivals(&mut self) -> Arrival {
        tokio::select! {
            biased;
            // A stopping mesh is not told twice.
            () = self.stop.cancelled(), if self.finish_by.is_none() => Arrival::Stop,
            Some(question) = self.questions.recv() => Arrival::Question(question),
            Some(Answered { target, number, outcome }) = self.woken.recv() => heard(Input::WakeAnswered { target, number, outcome }),
            Some(worked) = self.worked.recv() => Arrival::Worked(worked),
            input = next_heard(&mut self.heard, &mut self.inputs) => input.map_or(Arrival::Closed, Arrival::Heard),
        }
    }

    fn try_next(&mut self) -> Option<Arrival> {
        if let Some(input) = self.later.pop_front() {
            return Some(heard(input));
        }
        if let Ok(question) = self.questions.try_recv() {
            return Some(Arrival::Question(question));
        }
        next_heard(&mut self.heard, &mut self.inputs).now_or_never().flatten().map(Arrival::Heard)
    }

    /// Lets presences come, for a moment. A question does not wait.
    fn gather(&mut self) -> Option<Arrival> {
        // paces: the commit is put off, nothing is awaited
        match parked::wait(self.questions.recv(), Some(Instant::now() + GATHER_PAUSE)) {
            Some(Some(question)) => Some(Arrival::Question(question)),
            Some(None) | None => self.try_next(),
        }
    }

    /// One transaction: the arrival and whatever else is already there. Presences wait a moment for more.
    fn batch(&mut self, first: Arrival) -> Result<(), BatchError> {
        let mut after = After::default();
        let local = self.local_time();
        if let Err(error) = self.store.begin() {
            let error = BatchError::from(error);
            if let Arrival::Question(question) = first {
                // Whoever asked may be gone already.
                let _ = question.answer.send(Err(error.to_ask_error()));
            }
            return Err(error);
        }
        if let Some(local) = local {
            self.feed(local, &mut after)?;
        }
        let began = Instant::now();
        let mut next = Some(first);
        let mut count = 0usize;
        let mut presences_alone = true;
        while let Some(arrival) = next.take() {
            presences_alone &= is_presence(&arrival);
            self.take(arrival, &mut after)?;
            count = count.saturating_add(1);
            if count < if presences_alone { PRESENCES_MAX } else { BATCH_MAX } {
                next = self.try_next();
                if next.is_none() && presences_alone && began.elapsed() < GATHER_MAX {
                    next = self.gather();
                }
            }
        }
        self.store.commit()?;
        self.act(after);
        Ok(())
    }

    fn take(&mut self, arrival: Arrival, after: &mut After) -> Result<(), BatchError> {
        match arrival {
            Arrival::Worked(worked) if self.worker.take(&worked) => self.feed(worked.into(), after),
            Arrival::Closed | Arrival::Worked(_) => Ok(()),
            Arrival::Overdue => {
                tracing::warn!("goodbye took too long");
                self.finished = true;
                Ok(())
            }
            Arrival::Stop => {
                let id = self.command_id();
                self.told_to_stop = true;
                self.finish_by = Some(Instant::now() + GOODBYE_MAX);
                self.feed(Input::Commanded { id, command: Command::Stop }, after)
            }
            Arrival::Question(Question { ask, answer }) => self.take_question(ask, answer, after),
            Arrival::Heard(Heard { input, handled }) => {
                match input {
                    Some(Input::EventOpened { relay, opened, .. }) => {
                        let facts = facts::of_event(&self.store, &opened, &self.mesh, self.clock.now())?;
                        self.feed(Input::EventOpened { relay, opened, facts }, after)?;
                    }
                    Some(input) => self.feed(input, after)?,
                    None => {}
                }
                match handled {
                    Some(Handled { kind, dated, id }) => Ok(self.store.hold(kind, dated, &id)?),
                    None => Ok(()),
                }
            }
        }
    }

    fn take_question(
        &mut self,
        ask: super::Ask,
        answer: oneshot::Sender<Result<Told, AskError>>,
        after: &mut After,
    ) -> Result<(), BatchError> {
        let commands = match facts::commands(&self.store, &self.mesh.me(), ask, self.keys_since()) {
            Ok(commands) => commands,
            Err(NotAsked::Refused(error)) => {
                let _ = answer.send(Err(error)); // Whoever asked may be gone already.
                return Ok(());
            }
            Err(NotAsked::Store(error)) => {
                let error = BatchError::from(error);
                let _ = answer.send(Err(error.to_ask_error()));
                return Err(error);
            }
        };
        // Commands that answer at once; only the last one's answer is told, and a refusal ends the row.
        let mut answer = Some(answer);
        let last = commands.len().saturating_sub(1);
        for (index, command) in commands.into_iter().enumerate() {
            let id = self.command_id();
            if index == last
                && let Some(answer) = answer.take()
            {
                self.waiting.insert(id, answer);
            }
            self.feed(Input::Commanded { id, command }, after)?;
            if index != last
                && let Some(position) = after.replies.iter().position(|(to, answer)| *to == id && answer.is_err())
                && let (_, Err(refusal)) = after.replies.swap_remove(position)
            {
                if let Some(answer) = answer.take() {
                    let _ = answer.send(Err(refusal.into()));
                }
                return Ok(());
            }
        }
        if let Some(answer) = answer {
            let _ = answer.send(Ok(Told::Done)); // Nothing was asked for.
        }
        Ok(())
    }

    /// Since when an idempotency key stands. A clock that may be wrong makes none forgotten.
    fn keys_since(&self) -> At {
        if self.clock.is_sure() { self.clock.now().minus(IDEMPOTENCY_MS) } else { At(0) }
    }

    fn command_id(&mut self) -> CommandId {
        self.next_command = self.next_command.wrapping_add(1);
        CommandId(self.next_command)
    }

    /// Hands an input to the core and writes what follows, including what sealing leads to.
    fn feed(&mut self, input: Input, after: &mut After) -> Result<(), BatchError> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.clock.now();
            let step = self.mesh.handle(input, now);
            for change in &step.changes {
                self.store.apply(change, now)?;
                if let Change::PutSealed { event, .. } = change {
                    after.sealed.insert(event.id, Arc::clone(&event.json));
                }
            }
            for notice in step.notices {
                if matches!(notice, Notice::MessageMoved { status: Status::Failed { .. }, .. }) {
                    self.failed_messages = self.failed_messages.saturating_add(1);
                }
                let seq = self.store.add_notice(now, &notice)?;
                after.notices.push(NumberedNotice { seq, at: now, notice });
            }
            for effect in step.effects {
                match effect {
                    Effect::Seal { job, draft } => {
                        let rumor = match &draft {
                            ocmesh_proto::Draft::Rewrap { id, .. } => self.store.rumor(id)?,
                            _ => None,
                        };
                        let sealed = ocmesh_wire::seal(&self.keys, self.version, &draft, rumor.as_deref(), now);
                        if let Some(copy) = sealed.as_ref().ok().and_then(|sealed| sealed.own_copy.as_ref()) {
                            after.copies.extend(self.know_copy(copy)?);
                        }
                        inputs.push_back(Input::DraftSealed { job, sealed });
                    }
                    Effect::FindUnreceipted { peer } => {
                        let messages = self.store.unreceipted_facts(&peer, 1_000)?;
                        inputs.push_back(Input::UnreceiptedFound { peer, messages });
                    }
                    Effect::FindUnread => inputs.push_back(Input::UnreadFound(self.store.worth_a_wake()?)),
                    Effect::Reply { to, answer } => after.replies.push((to, answer)),
                    later => after.effects.push(later),
                }
            }
        }
        Ok(())
    }

    fn show(&self) {
        let view = Arc::new(view::of(&self.mesh, &self.pool, self.clock.reading(), self.failed_messages, None));
        let before = self.view.send_replace(Arc::clone(&view));
        journal::compare(&before, &view);
    }

    /// Once an hour, and again at once as long as there is more: old rows are forgotten, and the log is folded in. SQLite folds it in by itself too, but says nothing when that fails,
    /// and the log would grow without end.
    fn tidy_when_due(&mut self) -> Result<(), BatchError> {
        let now = self.clock.now();
        // What is forgotten by a wrong clock is gone.
        if now < self.prune_at || self.finished || !self.clock.is_sure() {
            return Ok(());
        }
        self.prune_at = now.plus(PRUNE_INTERVAL_MS);
        let pruned = self.store.prune(now, &PruneLimits::default()).and_then(|report| {
            if !report.more {
                self.store.checkpoint()?;
            }
            Ok(report)
        });
        match pruned {
            Ok(report) => {
                if report.more {
                    self.prune_at = now.plus(PRUNE_PAUSE_MS);
                }
                tracing::debug!(?report, "store pruned");
            }
            Err(WriteError::Busy) => tracing::warn!("store busy, not pruned"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The next of what was heard; `None` when no more will come. Cancel-safe.
async fn next_heard(heard: &mut VecDeque<Heard>, inputs: &mut mpsc::Receiver<Heard>) -> Option<Heard> {
    if heard.is_empty() {
        let mut taken = Vec::new();
        inputs.recv_many(&mut taken, HEARD_MAX).await;
        heard.extend(taken);
    }
    heard.pop_front()
}

fn is_presence(arrival: &Arrival) -> bool {
    matches!(arrival, Arrival::Heard(Heard { input: Some(Input::EventOpened { opened: Opened::Presence(_), .. }), .. }))
}

fn heard(input: Input) -> Arrival {
    Arrival::Heard(input.into())
}

#[cfg(test)]
mod tests;
