//! Does the work that peers ask of strangers (NIP-13), beside everything else: one thread, one wrap after the other. What is to be worked
//! for, and how much in an hour, the core decides.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use ocmesh_proto::{Input, JobId, MessageId, PubKey, SealRefused, Sealed, limit::WORKS_MAX};
use ocmesh_wire::Keys;
use tokio::sync::mpsc;

use super::task::MeshTask;
use crate::clock::Clock;

/// One wrap to work for.
pub(crate) struct Order {
    pub(crate) job: JobId,
    pub(crate) message: MessageId,
    pub(crate) rumor: Arc<str>,
    pub(crate) to: PubKey,
    pub(crate) bits: u32,
}

/// A wrap that was worked for, or why not.
pub(crate) struct Worked {
    pub(crate) job: JobId,
    pub(crate) sealed: Result<Sealed, SealRefused>,
    /// Names the order: a mesh that started anew uses the numbers of jobs again.
    stopped: Arc<AtomicBool>,
}

impl From<Worked> for Input {
    fn from(worked: Worked) -> Self {
        Self::DraftSealed { job: worked.job, sealed: worked.sealed }
    }
}

/// The way to the thread that works. Dropped, everything stops.
pub(crate) struct Worker {
    orders: SyncSender<(Order, Arc<AtomicBool>)>,
    waiting: BTreeMap<JobId, Arc<AtomicBool>>,
}

impl Worker {
    /// Starts the thread. What it has done comes out of the channel, which has room for everything that can be under way.
    pub(crate) fn start(keys: Arc<Keys>, clock: Clock) -> io::Result<(Self, mpsc::Receiver<Worked>, JoinHandle<()>)> {
        let (orders, taken) = sync_channel(WORKS_MAX);
        let (done, worked) = mpsc::channel(WORKS_MAX.saturating_mul(2));
        let thread = thread::Builder::new().name("work".to_owned()).spawn(move || work(&keys, &clock, &taken, &done))?;
        Ok((Self { orders, waiting: BTreeMap::new() }, worked, thread))
    }

    /// Takes an order; `false` when there are too many, which the core does not let happen.
    pub(crate) fn order(&mut self, order: Order) -> bool {
        let (job, stopped) = (order.job, Arc::new(AtomicBool::new(false)));
        let taken = self.orders.try_send((order, Arc::clone(&stopped))).is_ok();
        if taken {
            self.waiting.insert(job, stopped);
        }
        taken
    }

    /// Nobody waits for this any more.
    pub(crate) fn stop(&mut self, job: JobId) {
        if let Some(stopped) = self.waiting.remove(&job) {
            stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Nobody waits for anything any more.
    pub(crate) fn stop_all(&mut self) {
        for stopped in std::mem::take(&mut self.waiting).into_values() {
            stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Somebody still waits for this.
    pub(crate) fn take(&mut self, worked: &Worked) -> bool {
        let is_it = self.waiting.get(&worked.job).is_some_and(|stopped| Arc::ptr_eq(stopped, &worked.stopped));
        if is_it {
            self.waiting.remove(&worked.job);
        }
        is_it
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop_all();
    }
}

impl MeshTask {
    /// Whoever is written to is let in before it can answer.
    pub(super) fn tell_accepted(&self) {
        if self.mesh.work_asked() == 0 {
            return; // Then nobody asks who is accepted, and the set need not be copied when it changes.
        }
        // A poisoned set is a set all the same: it is replaced whole.
        let mut told = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&told, self.mesh.accepted_peers()) {
            *told = Arc::clone(self.mesh.accepted_peers());
        }
    }

    pub(super) fn work(&mut self, job: JobId, message: MessageId, to: PubKey, bits: u32) {
        let ordered = match self.store.rumor(&message) {
            Ok(Some(rumor)) => self.worker.order(Order { job, message, rumor, to, bits }),
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "a message cannot be read to work for it");
                false
            }
        };
        if !ordered {
            let sealed = Err(SealRefused("it cannot be worked for now"));
            self.later.push_back(Input::DraftSealed { job, sealed });
        }
    }
}

fn work(keys: &Keys, clock: &Clock, orders: &Receiver<(Order, Arc<AtomicBool>)>, done: &mpsc::Sender<Worked>) {
    while let Ok((Order { job, message, rumor, to, bits }, stopped)) = orders.recv() {
        let give_up = || stopped.load(Ordering::Relaxed) || done.is_closed();
        if give_up() {
            continue;
        }
        let began = std::time::Instant::now();
        let sealed = ocmesh_wire::work(keys, message, &rumor, &to, bits, clock.now(), &give_up);
        tracing::debug!(bits, ms = began.elapsed().as_millis(), done = sealed.is_ok(), "worked for a message");
        if !give_up() && done.blocking_send(Worked { job, sealed, stopped }).is_err() {
            return; // The mesh is gone.
        }
    }
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::{DirectDraft, Draft, DraftBody, Form, limit::WORK_BITS_MAX};

    use super::*;

    fn order(keys: &Keys, job: u64, bits: u32) -> Order {
        let to = Keys::generate().public();
        let draft = Draft::Direct(DirectDraft {
            to,
            form: Form::Nip17,
            body: DraftBody::Text("hello".to_owned()),
            written_at: Clock::system().now(),
            reply_to: None,
            subject: None,
            chain: None,
            place: None,
            urgent: false,
            own_copy: false,
        });
        let sealed = ocmesh_wire::seal(keys, "0.3.0", &draft, None, Clock::system().now()).unwrap();
        Order { job: JobId(job), message: sealed.message_id, rumor: sealed.rumor.unwrap(), to, bits }
    }

    #[test]
    fn work_is_done_beside_everything_else_and_stopped_work_says_nothing() {
        let keys = Arc::new(Keys::generate());
        let (mut worker, mut worked, thread) = Worker::start(Arc::clone(&keys), Clock::system()).unwrap();
        // Half a minute's work in front; nobody waits for it any more.
        assert!(worker.order(order(&keys, 1, WORK_BITS_MAX)));
        assert!(worker.order(order(&keys, 2, 8)));
        worker.stop(JobId(1));
        let first = worked.blocking_recv().unwrap();
        assert_eq!(first.job, JobId(2));
        let sealed = first.sealed.as_ref().unwrap();
        assert!(sealed.event.json.contains("\"nonce\"") && sealed.event.id.to_hex().starts_with("00"), "{}", sealed.event.json);
        assert!(worker.take(&first) && !worker.take(&first));
        // A mesh that starts anew names its jobs as the one before did.
        assert!(worker.order(order(&keys, 3, 1)));
        let old = worked.blocking_recv().unwrap();
        worker.stop_all();
        assert!(worker.order(order(&keys, 3, 1)));
        let new = worked.blocking_recv().unwrap();
        assert!(!worker.take(&old), "the answer to what an earlier mesh wanted");
        assert!(worker.take(&new));
        // The end stops what is under way.
        assert!(worker.order(order(&keys, 4, WORK_BITS_MAX)));
        drop(worker);
        thread.join().unwrap();
    }
}
