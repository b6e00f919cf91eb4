//! The log: one line for each event, written by its own thread, rotated by day. Nothing that happens to the log stops the daemon.

mod day_file;
mod escape;
mod line;
mod old_days;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    clock::Clock,
    config::{LogConfig, LogLevel},
    home::Home,
    limit::LINES_WAITING_MAX,
};
use day_file::DayFile;
use line::LineLayer;

/// Keep this as long as lines are to be written; dropping it writes out what is waiting (for at most about a second).
#[derive(Debug)]
pub struct LogGuard {
    _writing: WorkerGuard,
}

/// The log could not be set up: something else in this process already logs.
#[derive(Debug, thiserror::Error)]
#[error("the log is already set up")]
pub struct LogError;

/// Starts the log of the whole process. With `to_stderr` each line also goes to the standard error stream.
///
/// # Errors
/// [`LogError`] on a second call. A file that cannot be written is not an error: the lines are lost until it can.
pub fn start(home: &Home, config: LogConfig, clock: Clock, to_stderr: bool) -> Result<LogGuard, LogError> {
    let (writer, guard) = lines_to(DayFile::new(home, config, clock.clone(), to_stderr));
    tracing_subscriber::registry().with(LineLayer::new(writer, clock)).with(filter(config.level)).try_init().map_err(|_| LogError)?;
    log_panics();
    Ok(LogGuard { _writing: guard })
}

fn lines_to(file: DayFile) -> (NonBlocking, WorkerGuard) {
    let dropped = file.dropped();
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING_MAX).thread_name("log").finish(file);
    // The first and only time.
    let _ = dropped.set(writer.error_counter());
    (writer, guard)
}

/// Our own crates at the level asked for; everyone else's warnings at most.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("ocmesh", ours)
}

/// A panic is an error line too. Only its place: its text may hold content.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a part of the daemon panicked");
        before(panic);
    }));
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
