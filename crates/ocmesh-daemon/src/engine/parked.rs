//! Waiting on the mesh's own thread, with a clock of its own: the runtime's timers wake its thread several times on the way to a moment that
//! is minutes away, and then ours.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

/// Waits for a future on this thread, until a moment at the latest; `None` when that came first. What the future waits for may be anything but
/// the runtime's sockets and timers.
pub(super) fn wait<T>(future: impl Future<Output = T>, until: Option<Instant>) -> Option<T> {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        // To be woken for nothing is allowed: then it is asked again.
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        thread,
        time::{Duration, Instant},
    };

    use tokio::sync::mpsc;

    use super::wait;

    #[test]
    fn what_is_there_comes_at_once_whatever_the_time() {
        assert_eq!(wait(ready(7), Some(Instant::now())), Some(7));
        assert_eq!(wait(ready(7), None), Some(7));
    }

    #[test]
    fn the_moment_comes_and_not_sooner() {
        let until = Instant::now() + Duration::from_millis(20);
        // Woken before, for nothing.
        thread::current().unpark();
        assert_eq!(wait(pending::<()>(), Some(until)), None);
        assert!(Instant::now() >= until);
    }

    #[test]
    fn another_thread_wakes_it() {
        let (sender, mut receiver) = mpsc::channel(1);
        let (ready, is_waiting) = std::sync::mpsc::channel();
        let waiting = thread::spawn(move || {
            let mut told = false;
            let next = std::future::poll_fn(|context| {
                let next = receiver.poll_recv(context);
                if !std::mem::replace(&mut told, true) {
                    ready.send(next.is_pending()).unwrap();
                }
                next
            });
            wait(next, None)
        });
        assert!(is_waiting.recv().unwrap(), "nothing is there yet");
        sender.blocking_send(3).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(Some(3)));
    }
}
