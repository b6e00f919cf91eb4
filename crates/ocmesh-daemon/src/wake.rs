//! Waking: does what the core's wake queue asks for, by one adapter a target. Decides nothing; what a target answered goes back as an input.

mod answer;
mod codex;
mod command;
mod errand;
mod openclaw;
mod secret_file;
mod target;
#[cfg(test)]
mod tests;
mod webhook;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use ocmesh_proto::{Wake, WakeOutcome, WakeTargetId, limit::WAKE_TARGETS_MAX};
use ocmesh_relay::HookClient;
use ocmesh_store::Reader;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    task::AbortHandle,
};

use self::errand::Errand;
pub use self::target::{Adapter, Codex, Include, OpenClaw, OpenClawMode, Program, WakeConfig, Webhook};
use crate::{clock::Clock, shutdown::StopToken};

/// Wakes in the air at one time: each may be a program that runs.
const AT_ONCE_MAX: usize = 4;

impl Adapter {
    async fn wake(&self, errand: &Errand, tools: &Tools) -> WakeOutcome {
        match self {
            Self::OpenClaw(gateway) => gateway.wake(errand, tools).await,
            Self::Webhook(webhook) => webhook.wake(errand, tools).await,
            Self::Command(program) => program.wake(errand, tools).await,
            Self::Codex(codex) => codex.wake(errand, tools).await,
        }
    }
}

/// What adapters share.
pub(crate) struct Tools {
    pub(crate) client: HookClient,
    pub(crate) reader: Reader,
    /// Our key, as people write it.
    pub(crate) npub: String,
    pub(crate) clock: Clock,
    /// For programs that call ours.
    pub(crate) home: PathBuf,
}

/// What became of a wake that the core asked for.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) target: WakeTargetId,
    pub(crate) number: u64,
    pub(crate) outcome: WakeOutcome,
}

/// Starts wakes, and tells what became of them. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher(Arc<Inner>);

struct Inner {
    targets: BTreeMap<WakeTargetId, Adapter>,
    tools: Tools,
    runtime: Handle,
    answers: mpsc::Sender<Answered>,
    in_the_air: Mutex<BTreeMap<WakeTargetId, AbortHandle>>,
    turns: Semaphore,
    stop: StopToken,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.targets.keys()).finish()
    }
}

impl Dispatcher {
    /// A dispatcher for these targets, and where its answers come out: at most one for each target and one that was replaced wait there.
    pub(crate) fn new(targets: &[WakeConfig], tools: Tools, runtime: Handle, stop: StopToken) -> (Self, mpsc::Receiver<Answered>) {
        let (answers, answered) = mpsc::channel(2 * WAKE_TARGETS_MAX);
        let targets = targets.iter().map(|one| (Arc::clone(&one.target.id), one.adapter.clone())).collect();
        let (in_the_air, turns) = (Mutex::default(), Semaphore::new(AT_ONCE_MAX));
        (Self(Arc::new(Inner { targets, tools, runtime, answers, in_the_air, turns, stop })), answered)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(targets: &[WakeConfig], reader: Reader, clock: Clock, stop: StopToken) -> Self {
        let (client, npub, home) = (HookClient::new("ocmesh/test".to_owned()), "npub1me".to_owned(), std::env::temp_dir());
        Self::new(targets, Tools { client, reader, npub, clock, home }, Handle::current(), stop).0
    }

    /// How a target is reached.
    #[must_use]
    pub fn adapter(&self, target: &str) -> Option<&Adapter> {
        self.0.targets.get(target)
    }

    /// Starts a wake; its answer comes, unless the daemon stops before. One of the same target that is still in the air is dropped.
    pub(crate) fn start(&self, target: WakeTargetId, wake: &Wake) {
        let (inner, errand) = (Arc::clone(&self.0), Errand::of(&target, wake));
        let (id, number) = (Arc::clone(&target), wake.number);
        let task = self.0.runtime.spawn(async move {
            let outcome = tokio::select! {
                () = inner.stop.cancelled() => return,
                outcome = inner.wake(&target, &errand) => outcome,
            };
            // Nobody waits for it any more when the mesh is gone.
            let _ = inner.answers.send(Answered { target, number, outcome }).await;
        });
        let earlier = self.0.in_the_air.lock().unwrap_or_else(PoisonError::into_inner).insert(id, task.abort_handle());
        if let Some(earlier) = earlier {
            earlier.abort();
        }
    }

    /// Wakes a target for a test, whatever is unread. `None` when there is no such target.
    pub async fn test(&self, target: &str) -> Option<WakeOutcome> {
        let (id, _) = self.0.targets.get_key_value(target)?;
        let errand = Errand::test(id, self.0.tools.clock.now());
        tokio::select! {
            () = self.0.stop.cancelled() => Some(WakeOutcome::Failed { why: "the daemon is stopping".to_owned(), retry_after_ms: None }),
            outcome = self.0.wake(id, &errand) => Some(outcome),
        }
    }
}

impl Inner {
    async fn wake(&self, target: &str, errand: &Errand) -> WakeOutcome {
        let Some(adapter) = self.targets.get(target) else {
            return WakeOutcome::Refused { why: "it is not in the configuration".to_owned() };
        };
        // Closed never: it lives as long as we do.
        let _turn = self.turns.acquire().await;
        let outcome = adapter.wake(errand, &self.tools).await;
        let (delivery, tries) = (&errand.delivery, errand.tries);
        match &outcome {
            WakeOutcome::Woke => tracing::info!(target_id = target, delivery, tries, unread = errand.unread, "agent woken"),
            WakeOutcome::Failed { why, .. } => tracing::warn!(target_id = target, delivery, tries, why, "agent not woken"),
            WakeOutcome::Refused { why } => {
                tracing::error!(target_id = target, delivery, why, "waking is refused, its owner must look at it");
            }
        }
        outcome
    }
}
