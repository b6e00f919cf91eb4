//! The loop around the core: inputs in, one transaction, then effects, then notices. Owns the mesh and the writing store.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ocmesh_proto::{
    Answer, At, Command, CommandId, Effect, Input, Lane, Mesh, Notice, Policy, Refusal, RelayRole, Snapshot, Status, Verdict,
    time::{HOUR, MINUTE},
};
use ocmesh_relay::{ConnectOptions, Pool};
use ocmesh_store::{PruneLimits, ReadError, Store, WriteError};
use ocmesh_wire::Keys;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, oneshot, watch},
};

use super::{
    Pulse,
    ask::{AskError, NumberedNotice, Question, Told, View},
    facts::{self, NotAsked},
    journal,
    recent::Recent,
    view,
};
use crate::{clock::Clock, shutdown::StopToken};

/// Inputs written in one transaction: enough to share a disk flush under load, few enough that a caller waits only milliseconds.
const BATCH_MAX: usize = 128;
/// Pauses between attempts to write again after the store failed.
const RECOVERY_PAUSES: [Duration; 5] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];
/// How often old rows are pruned.
const PRUNE_INTERVAL_MS: u64 = HOUR;

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
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) notices: broadcast::Sender<Arc<NumberedNotice>>,
    pub(crate) stop: StopToken,
    pub(crate) waiting: BTreeMap<CommandId, oneshot::Sender<Result<Told, AskError>>>,
    pub(crate) next_command: u64,
    pub(crate) told_to_stop: bool,
    pub(crate) failed_messages: u64,
    pub(crate) prune_at: At,
    pub(crate) finished: bool,
}

/// What woke the loop. Lives for a moment on one stack, so its size does not matter.
#[allow(clippy::large_enum_variant)]
enum Arrival {
    Question(Question),
    Input(Input),
    Stop,
    /// Every sender is gone.
    Closed,
}

/// What a batch does after its transaction.
#[derive(Default)]
struct After {
    effects: Vec<Effect>,
    notices: Vec<NumberedNotice>,
    replies: Vec<(CommandId, Result<Answer, Refusal>)>,
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl BatchError {
    fn to_ask_error(&self) -> AskError {
        match self {
            Self::Write(error) if error.is_disk_full() => AskError::DiskFull,
            other => AskError::Store(other.to_string()),
        }
    }
}

impl MeshTask {
    /// Runs until the goodbye is said, then closes pool and store. Blocking: give it a thread of its own.
    pub(crate) fn run(mut self, runtime: &Handle) {
        let mut arrival = Arrival::Input(Input::Started);
        while !self.finished {
            self.pulse.beat();
            if let Err(error) = self.batch(arrival) {
                self.recover(runtime, &error);
                arrival = Arrival::Input(Input::Started);
                continue;
            }
            self.show();
            if self.finished {
                break;
            }
            self.prune_when_due();
            arrival = runtime.block_on(self.next_arrival());
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
    }

    async fn next_arrival(&mut self) -> Arrival {
        let due = self.mesh.next_wakeup().map(|at| at.since(self.clock.now()));
        let tick = async {
            match due {
                // Never sleep past a minute: a clock that was set back must not silence us for long.
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms.min(MINUTE))).await,
                None => std::future::pending().await,
            }
        };
        // A stopping mesh is not told twice.
        let stop = async {
            if self.told_to_stop {
                std::future::pending::<()>().await;
            }
            self.stop.cancelled().await;
        };
        tokio::select! {
            biased;
            () = stop => Arrival::Stop,
            Some(question) = self.questions.recv() => Arrival::Question(question),
            input = self.inputs.recv() => input.map_or(Arrival::Closed, Arrival::Input),
            () = tick => Arrival::Input(Input::Ticked),
        }
    }

    fn try_next(&mut self) -> Option<Arrival> {
        self.questions.try_recv().map(Arrival::Question).or_else(|_| self.inputs.try_recv().map(Arrival::Input)).ok()
    }

    /// One transaction: the arrival and whatever else is already there.
    fn batch(&mut self, first: Arrival) -> Result<(), BatchError> {
        let mut after = After::default();
        self.store.begin()?;
        let mut next = Some(first);
        let mut count = 0usize;
        while let Some(arrival) = next.take() {
            self.take(arrival, &mut after)?;
            count = count.saturating_add(1);
            if count < BATCH_MAX {
                next = self.try_next();
            }
        }
        self.store.commit()?;
        self.act(after);
        Ok(())
    }

    fn take(&mut self, arrival: Arrival, after: &mut After) -> Result<(), BatchError> {
        match arrival {
            Arrival::Closed => Ok(()),
            Arrival::Stop => {
                let id = self.command_id();
                self.told_to_stop = true;
                self.feed(Input::Commanded { id, command: Command::Stop }, after)
            }
            Arrival::Question(Question { ask, answer }) => self.take_question(ask, answer, after),
            Arrival::Input(Input::EventOpened { relay, opened, .. }) => {
                let facts = facts::of_event(&self.store, &opened)?;
                self.feed(Input::EventOpened { relay, opened, facts }, after)
            }
            Arrival::Input(input) => self.feed(input, after),
        }
    }

    fn take_question(
        &mut self,
        ask: super::Ask,
        answer: oneshot::Sender<Result<Told, AskError>>,
        after: &mut After,
    ) -> Result<(), BatchError> {
        let commands = match facts::commands(&self.store, ask, self.clock.now()) {
            Ok(commands) => commands,
            Err(NotAsked::Refused(error)) => {
                let _ = answer.send(Err(error)); // Whoever asked may be gone already.
                return Ok(());
            }
            Err(NotAsked::Store(error)) => {
                let _ = answer.send(Err(AskError::Store(error.to_string())));
                return Err(error.into());
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
                        inputs.push_back(Input::DraftSealed { job, sealed });
                    }
                    Effect::FindUnreceipted { peer } => {
                        let messages = self.store.unreceipted_facts(&peer, 1_000)?;
                        inputs.push_back(Input::UnreceiptedFound { peer, messages });
                    }
                    Effect::Reply { to, answer } => after.replies.push((to, answer)),
                    later => after.effects.push(later),
                }
            }
        }
        Ok(())
    }

    /// After the commit: effects, answers, notices, in this order.
    fn act(&mut self, after: After) {
        for effect in after.effects {
            self.start(effect);
        }
        for (id, answer) in after.replies {
            if let Some(waiting) = self.waiting.remove(&id) {
                // Whoever asked may be gone already.
                let _ = waiting.send(answer.map(told).map_err(AskError::from));
            }
        }
        for notice in after.notices {
            journal::write(&self.mesh, &notice.notice);
            // No listener is no fault.
            let _ = self.notices.send(Arc::new(notice));
        }
    }

    fn start(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { relay, role } => {
                let private_ok = match role {
                    RelayRole::Own => true,
                    RelayRole::Route { private_ok } => private_ok,
                };
                self.pool.connect(relay.as_str(), ConnectOptions { private_ok, auth: true });
            }
            Effect::Disconnect { relay } => self.pool.disconnect(relay.as_str()),
            Effect::SignInAgain { relay } => self.pool.sign_in_again(relay.as_str()),
            Effect::Subscribe { relay, sub, filters, live } => {
                let filters = filters.iter().map(ocmesh_wire::filter_json).collect();
                self.pool.subscribe(relay.as_str(), &sub.to_string(), filters, live);
            }
            Effect::Unsubscribe { relay, sub } => self.pool.unsubscribe(relay.as_str(), &sub.to_string()),
            Effect::Publish { relay, event, json, lane } => {
                let lane = match lane {
                    Lane::Direct => ocmesh_relay::Lane::Direct,
                    Lane::Presence => ocmesh_relay::Lane::Presence,
                };
                let json = json.map_or_else(|| self.store.sealed(&event), |json| Ok(Some(json)));
                match json {
                    Ok(Some(json)) => self.pool.publish(relay.as_str(), &event.to_hex(), json, lane),
                    missing => {
                        let said = missing.err().map_or_else(|| "the event is not in the store".to_owned(), |error| error.to_string());
                        tracing::warn!(%relay, ?event, said, "event not published");
                        let input = Input::PublishAnswered { relay, event, verdict: Verdict::Failed, said };
                        self.feed_later(input);
                    }
                }
            }
            Effect::Finish => self.finished = true,
            Effect::Seal { .. } | Effect::FindUnreceipted { .. } | Effect::Reply { .. } => {}
        }
    }

    /// An input that came up after a transaction; written in one of its own.
    fn feed_later(&mut self, input: Input) {
        let mut after = After::default();
        let fed = self.store.begin().map_err(BatchError::from).and_then(|()| self.feed(input, &mut after));
        match fed.and_then(|()| Ok(self.store.commit()?)) {
            Ok(()) => self.act(after),
            Err(error) => {
                // The next batch meets the same store and recovers.
                tracing::warn!(%error, "store failed after an effect");
                let _ = self.store.rollback();
            }
        }
    }

    fn show(&self) {
        let view = Arc::new(view::of(&self.mesh, &self.pool, self.failed_messages, None));
        let before = self.view.send_replace(Arc::clone(&view));
        journal::compare(&before, &view);
    }

    fn prune_when_due(&mut self) {
        let now = self.clock.now();
        if now < self.prune_at {
            return;
        }
        self.prune_at = now.plus(PRUNE_INTERVAL_MS);
        match self.store.prune(now, &PruneLimits::default()) {
            Ok(report) => tracing::debug!(?report, "store pruned"),
            Err(error) => tracing::warn!(%error, "store not pruned"),
        }
    }

    /// The store could not write. What memory believes is not on disk, so it is thrown away: every connection is dropped, and when the
    /// store writes again, the mesh starts from what is on disk. Relays then bring again what was not stored.
    fn recover(&mut self, runtime: &Handle, error: &BatchError) {
        tracing::error!(%error, "store cannot write, pausing");
        if let Err(error) = self.store.rollback() {
            tracing::debug!(%error, "nothing to roll back");
        }
        let refusal = error.to_ask_error();
        for (_, answer) in std::mem::take(&mut self.waiting) {
            let _ = answer.send(Err(refusal.clone()));
        }
        for status in self.pool.status() {
            self.pool.disconnect(&status.relay);
        }
        self.view.send_replace(Arc::new(view::of(&self.mesh, &self.pool, self.failed_messages, Some(error.to_string()))));
        let mut pauses = RECOVERY_PAUSES.iter().copied();
        let mut pause = Duration::from_secs(1);
        loop {
            self.pulse.beat();
            pause = pauses.next().unwrap_or(pause);
            if runtime.block_on(self.pause(pause, &refusal)) {
                self.finished = true;
                return;
            }
            match self.reload() {
                Ok(()) => {
                    tracing::info!("store writes again");
                    return;
                }
                Err(error) => tracing::warn!(%error, "store still cannot write"),
            }
        }
    }

    /// Waits, refusing questions and dropping inputs; `true` when the daemon is to stop.
    async fn pause(&mut self, pause: Duration, refusal: &AskError) -> bool {
        let end = tokio::time::sleep(pause);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return true,
                () = &mut end => return false,
                Some(question) = self.questions.recv() => {
                    let _ = question.answer.send(Err(refusal.clone()));
                }
                Some(_) = self.inputs.recv() => {}
                else => return true,
            }
        }
    }

    fn reload(&mut self) -> Result<(), BatchError> {
        let snapshot: Snapshot = self.store.load()?;
        // A write that changes nothing proves that writing works.
        self.store.begin()?;
        self.store.apply(&ocmesh_proto::Change::PutOwn(Box::new(snapshot.own.clone())), self.clock.now())?;
        self.store.commit()?;
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let now = self.clock.now();
        self.mesh = Mesh::new(self.mesh.me(), self.policy.clone(), snapshot, now.0, now);
        Ok(())
    }
}

fn told(answer: Answer) -> Told {
    match answer {
        Answer::Done => Told::Done,
        Answer::Queued { id, to, written_at, status } => Told::Queued { id, to, written_at, status },
        Answer::Marked(count) => Told::Marked(count),
        Answer::Peer(peer) => Told::Peer(peer),
    }
}
