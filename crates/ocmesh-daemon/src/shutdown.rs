//! Stopping: signals become one token that every task watches; and what the service manager is told about it.

use std::{io, time::Duration};

#[cfg(target_os = "linux")]
use ocmesh_relay::whole_edges;
use tokio_util::sync::CancellationToken;

/// Exit code when a second signal ends the process at once: it could not stop cleanly.
const EXIT_IMPATIENT: i32 = 1;

/// Cancelled when the daemon is to stop. Clone it into every task, and wait for `cancelled()`.
pub type StopToken = CancellationToken;

/// Listens for signals until dropped. Hold it as long as the daemon runs.
#[derive(Debug)]
pub struct SignalWatch(tokio::task::JoinHandle<()>);

impl SignalWatch {
    /// The first of SIGTERM, SIGINT or SIGHUP (Windows: Ctrl-C, Ctrl-Break, close, shutdown) cancels `stop`; a second one ends the
    /// process at once.
    ///
    /// # Errors
    /// The system does not let us listen.
    pub fn start(stop: StopToken) -> io::Result<Self> {
        let signals = Signals::new()?;
        Ok(Self(tokio::spawn(watch(signals, stop, || std::process::exit(EXIT_IMPATIENT)))))
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(mut signals: Signals, stop: StopToken, at_once: impl FnOnce() + Send) {
    let name = signals.next().await;
    tracing::info!(signal = name, "stopping");
    stop.cancel();
    let name = signals.next().await;
    tracing::warn!(signal = name, "stopping at once");
    at_once();
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // A terminal that is closed under a foreground daemon.
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

#[cfg(windows)]
struct Signals {
    ctrl_c: tokio::signal::windows::CtrlC,
    ctrl_break: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self { ctrl_c: ctrl_c()?, ctrl_break: ctrl_break()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.ctrl_c.recv() => "Ctrl-C",
            _ = self.ctrl_break.recv() => "Ctrl-Break",
            _ = self.close.recv() => "close",
            _ = self.shutdown.recv() => "shutdown",
        }
    }
}

/// What the service manager is told (systemd's `sd_notify`); nothing elsewhere, or when nobody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// The Local API answers.
    Ready,
    /// On the way out.
    Stopping,
    /// Still alive; due every [`watchdog_interval`].
    Alive,
}

/// Tells the service manager. Best effort: a manager that does not listen is no fault of ours.
pub fn tell_service_manager(state: ServiceState) {
    #[cfg(target_os = "linux")]
    {
        let state = match state {
            ServiceState::Ready => sd_notify::NotifyState::Ready,
            ServiceState::Stopping => sd_notify::NotifyState::Stopping,
            ServiceState::Alive => sd_notify::NotifyState::Watchdog,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::debug!(%error, "the service manager could not be told");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}

/// How often [`ServiceState::Alive`] is due: half of what the service manager waits, or a little sooner. `None` when it does not watch.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return sd_notify::watchdog_enabled().map(|limit| whole_edges(limit / 2));
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// One test for both signals: they go to the whole process.
    #[tokio::test]
    async fn the_first_signal_stops_and_the_second_stops_at_once() {
        let stop = StopToken::new();
        let (ended, end) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(watch(Signals::new().unwrap(), stop.clone(), move || ended.send(()).unwrap()));
        let bound = Duration::from_secs(20);
        kill_process(getpid(), Signal::TERM).unwrap();
        tokio::time::timeout(bound, stop.cancelled()).await.unwrap();
        assert!(!task.is_finished(), "one signal must not end the process");
        kill_process(getpid(), Signal::INT).unwrap();
        tokio::time::timeout(bound, end).await.unwrap().unwrap();
    }

    /// Runs this test binary again as a service would run, with the manager's socket in its environment.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_service_manager_hears_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "shutdown::tests::as_a_service"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        for expected in ["READY=1\n", "WATCHDOG=1\n", "STOPPING=1\n"] {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "run by the_service_manager_hears_of_it"]
    fn as_a_service() {
        assert_eq!(watchdog_interval(), Some(whole_edges(Duration::from_secs(15))));
        tell_service_manager(ServiceState::Ready);
        tell_service_manager(ServiceState::Alive);
        tell_service_manager(ServiceState::Stopping);
    }
}
