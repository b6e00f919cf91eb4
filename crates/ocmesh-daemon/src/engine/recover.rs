//! When the disk fails: nothing is acknowledged, and the mesh starts again from what is on the disk when it can be written again.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use ocmesh_proto::{Mesh, Snapshot};
use tokio::runtime::Handle;

use super::{
    ask::AskError,
    task::{BatchError, MeshTask},
    view,
};

/// Pauses between attempts to write again after the store failed.
const PAUSES: [Duration; 5] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];
/// A store that works for so long after a failure has recovered; one that fails sooner gets longer and longer pauses.
const CALM: Duration = Duration::from_secs(60);
/// Syncs that may fail in the life of a process. A disk that does not confirm what it keeps may lose it at any time; the service manager
/// then starts us anew, and the start says why when it cannot succeed.
const SYNC_FAILURES_MAX: u32 = 3;

/// What is remembered from one failure to the next.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    syncs: u32,
    pauses: usize,
    recovered_at: Option<Instant>,
}

impl Failures {
    fn next_pause(&mut self) -> Duration {
        let [.., longest] = PAUSES;
        let pause = PAUSES.get(self.pauses).copied().unwrap_or(longest);
        self.pauses = self.pauses.saturating_add(1);
        pause
    }
}

impl MeshTask {
    /// The store could not write. What memory believes is not on disk, so it is thrown away: every connection is dropped, and when the
    /// store writes again, the mesh starts from what is on disk. Relays then bring again what was not stored.
    ///
    /// The log says it once, and once more when it is over. Ends the daemon when the disk does not confirm what it keeps again and again;
    /// stays, refusing everything that changes something, when the database is damaged: a new start would not mend it.
    pub(super) fn recover(&mut self, runtime: &Handle, error: &BatchError) {
        tracing::error!(error = error as &dyn std::error::Error, "store cannot write, pausing");
        if self.failures.recovered_at.is_none_or(|at| at.elapsed() > CALM) {
            self.failures.pauses = 0;
        }
        let mut refusal = error.to_ask_error();
        for (_, answer) in std::mem::take(&mut self.waiting) {
            let _ = answer.send(Err(refusal.clone())); // Whoever asked may be gone already.
        }
        for status in self.pool.status() {
            self.pool.disconnect(&status.relay);
        }
        self.count_sync_failure(error);
        while !self.finished {
            self.pulse.beat();
            self.show_failing(&refusal);
            let pause = self.failures.next_pause();
            if runtime.block_on(self.pause(pause, &refusal)) {
                self.finished = true;
                return;
            }
            if matches!(refusal, AskError::Damaged) && self.is_damaged() {
                self.stay_damaged(runtime);
                return;
            }
            match self.reload(0) {
                Ok(()) => {
                    tracing::info!("store writes again");
                    self.failures.recovered_at = Some(Instant::now());
                    return;
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "store still cannot write");
                    refusal = error.to_ask_error();
                    self.count_sync_failure(&error);
                }
            }
        }
    }

    fn count_sync_failure(&mut self, error: &BatchError) {
        if !error.is_not_synced() {
            return;
        }
        self.failures.syncs = self.failures.syncs.saturating_add(1);
        if self.failures.syncs >= SYNC_FAILURES_MAX {
            tracing::error!(times = self.failures.syncs, "the disk does not confirm what it keeps, giving up");
            self.gave_up = true;
            self.finished = true;
        }
    }

    fn show_failing(&self, refusal: &AskError) {
        let why = match refusal {
            AskError::Damaged => {
                "the database is damaged; nothing new is accepted. Stop the daemon; `ocmesh doctor` looks closer, and `ocmesh identity \
                 restore` begins a new database with the same identity and keeps this one"
                    .to_owned()
            }
            other => format!("{other}; nothing new is accepted until it can be written"),
        };
        self.view.send_replace(std::sync::Arc::new(view::of(
            &self.mesh,
            &self.pool,
            self.clock.reading(),
            self.failed_messages,
            Some(why),
        )));
    }

    /// The whole file is looked at with a new connection: what went wrong on the way from the disk into memory is no damage.
    fn is_damaged(&mut self) -> bool {
        if let Err(error) = self.store.reopen() {
            return error.is_damage();
        }
        self.store.integrity_check().map_or_else(|error| error.is_damage(), |findings| !findings.is_empty())
    }

    /// Refuses everything until it is told to stop.
    fn stay_damaged(&mut self, runtime: &Handle) {
        tracing::error!("the database is damaged; nothing is accepted until it is restored: ocmesh doctor, ocmesh identity restore");
        while !self.finished {
            self.pulse.beat();
            self.show_failing(&AskError::Damaged);
            self.finished = runtime.block_on(self.pause(CALM, &AskError::Damaged));
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

    /// Starts the core anew from the disk; the clock stepped by so much meanwhile.
    pub(super) fn reload(&mut self, stepped_ms: i64) -> Result<(), BatchError> {
        // A new connection, which has nothing left of what failed; opening writes and syncs what is in the log.
        self.store.reopen()?;
        let mut snapshot: Snapshot = self.store.load()?;
        snapshot.clock_stepped(stepped_ms);
        // A write that changes nothing proves that writing works.
        self.store.begin()?;
        self.store.apply(&ocmesh_proto::Change::PutOwn(Box::new(snapshot.own.clone())), self.clock.now())?;
        self.store.commit()?;
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.later.clear();
        self.local_ahead_ms = None;
        self.worker.stop_all();
        self.begin_from(snapshot);
        Ok(())
    }

    pub(super) fn begin_from(&mut self, snapshot: Snapshot) {
        let now = self.clock.now();
        self.mesh = Mesh::new(self.mesh.me(), self.policy.clone(), snapshot, super::seed(now), now);
    }
}
