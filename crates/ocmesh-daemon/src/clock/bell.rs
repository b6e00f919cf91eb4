//! The system's word that its clock was set, also by waking up from a sleep. Linux gives it; elsewhere the watch looks often.

#[cfg(target_os = "linux")]
pub(super) use told::Bell;
#[cfg(not(target_os = "linux"))]
pub(super) use untold::Bell;

#[cfg(target_os = "linux")]
mod told {
    use std::io;

    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
    use tokio::net::unix::pipe::Receiver;

    /// A timer of the wall clock that never comes, and is cancelled when that clock is set. It is read as a pipe is.
    #[derive(Debug)]
    pub(in crate::clock) struct Bell(Receiver);

    impl Bell {
        pub(in crate::clock) fn new() -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            let never = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
            Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
        }

        /// Waits for the next word. Safe to drop and call again.
        pub(in crate::clock) async fn rung(&self) {
            const CANCELLED: Option<i32> = Some(rustix::io::Errno::CANCELED.raw_os_error());
            while self.0.readable().await.is_ok() {
                // It stands as before, and tells the next time too.
                match self.0.try_read(&mut [0; 8]) {
                    Err(error) if error.raw_os_error() == CANCELLED => return,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Not a word that we know; the looks go on without it.
                    _ => break,
                }
            }
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod untold {
    use std::io;

    #[derive(Debug)]
    pub(in crate::clock) enum Bell {}

    impl Bell {
        pub(in crate::clock) fn new() -> io::Result<Self> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }

        #[allow(clippy::unused_async, reason = "as where there is one")]
        pub(in crate::clock) async fn rung(&self) {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime, clock_settime};

    use super::Bell;

    #[tokio::test]
    async fn nothing_rings_while_nobody_sets_the_clock() {
        let bell = Bell::new().unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(50), bell.rung()).await;
        assert!(quiet.is_err(), "rang by itself");
    }

    #[tokio::test]
    #[ignore = "sets the machine's clock to what it is, which needs the right to; run with cargo test -p ocmesh-daemon --lib the_system_rings -- --ignored"]
    async fn the_system_rings_each_time_its_clock_is_set() {
        let bell = Bell::new().unwrap();
        for _ in 0..2 {
            clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).unwrap();
            tokio::time::timeout(Duration::from_secs(20), bell.rung()).await.unwrap();
        }
        assert!(tokio::time::timeout(Duration::from_millis(50), bell.rung()).await.is_err(), "rang once too often");
    }
}
