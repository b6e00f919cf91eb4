//! Today's log file. Moves itself to the earlier days when the day ends, also after a sleep over midnight and after a restart on another
//! day. Never fails: what cannot be written is counted, and said as soon as writing works again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use ocmesh_proto::At;
use time::{Date, OffsetDateTime, macros::format_description};
use tracing::Level;
use tracing_appender::non_blocking::ErrorCounter;

use super::{line, old_days::OldDays};
use crate::{
    clock::Clock,
    config::LogConfig,
    home::{Home, private_file},
};

/// A day's log beyond this goes to the day's archive early, so that a noisy day cannot fill the disk with plain text.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Enough of a file's end to hold its last whole line.
const TAIL_BYTES: u64 = 8 * 1024;

/// Pause after a day could not be moved to the archives: packing it again for each line would keep the disk busy for nothing.
const RETRY_MS: u64 = 60_000;

/// The file of today, opened when first needed.
pub(super) struct DayFile {
    path: PathBuf,
    old_days: OldDays,
    clock: Clock,
    to_stderr: bool,
    open: Option<OpenFile>,
    lost_lines: u64,
    /// Counts the lines that found no room on the way here.
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// Of those, so many were said to be lost.
    dropped_told: usize,
    rotate_not_before: At,
    bytes_max: u64,
}

struct OpenFile {
    file: File,
    day: Date,
    bytes: u64,
}

impl DayFile {
    pub(super) fn new(home: &Home, config: LogConfig, clock: Clock, to_stderr: bool) -> Self {
        let old_days = OldDays::new(home.old_logs(), config);
        Self {
            path: home.log(),
            old_days,
            clock,
            to_stderr,
            open: None,
            lost_lines: 0,
            dropped: Arc::default(),
            dropped_told: 0,
            rotate_not_before: At(0),
            bytes_max: BYTES_MAX,
        }
    }

    /// Where the counter of lines that find no room is put, once there is one.
    pub(super) fn dropped(&self) -> Arc<OnceLock<ErrorCounter>> {
        Arc::clone(&self.dropped)
    }

    #[cfg(test)]
    pub(super) fn with_bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    fn write_line(&mut self, text: &[u8]) -> io::Result<()> {
        let now = self.clock.now();
        let today = day_of(now);
        self.rotate(now, today)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_file(today)?,
        };
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        let lost = self.lost_lines.saturating_add(u64::try_from(dropped.saturating_sub(self.dropped_told)).unwrap_or(u64::MAX));
        if lost > 0 {
            let mut note = line::head(now, Level::WARN);
            note.push_str("some log lines could not be written");
            line::push_pair(&mut note, "lost", &lost.to_string());
            note.push('\n');
            open.write(note.as_bytes())?;
            (self.lost_lines, self.dropped_told) = (0, dropped);
        }
        open.write(text)?;
        self.open = Some(open);
        Ok(())
    }

    /// Takes away what is not today's. A file that somebody removed or replaced under us is opened again.
    fn rotate(&mut self, now: At, today: Date) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.is_at(&self.path)) {
            self.open = None;
        }
        let (day, bytes) = match &self.open {
            Some(open) => (open.day, open.bytes),
            None => match day_and_size_of(&self.path)? {
                Some(found) => found,
                None => return Ok(()),
            },
        };
        if (day != today || bytes > self.bytes_max) && now >= self.rotate_not_before {
            self.open = None;
            if self.old_days.take_in(&self.path, day, today).is_err() {
                // The line is more important than the order of the files: it goes to the old day's file.
                self.rotate_not_before = now.plus(RETRY_MS);
            }
        }
        Ok(())
    }

    fn open_file(&self, today: Date) -> io::Result<OpenFile> {
        let mut file = private_file(OpenOptions::new().read(true).append(true).create(true), &self.path)?;
        let bytes = file.metadata()?.len();
        if bytes == 0 {
            self.old_days.prune(today);
        } else {
            close_torn_line(&mut file)?;
        }
        Ok(OpenFile { file, day: today, bytes })
    }
}

impl Write for DayFile {
    /// Takes one line, always all of it.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.to_stderr {
            let _ = io::stderr().write_all(text);
        }
        if self.write_line(text).is_err() {
            self.lost_lines = self.lost_lines.saturating_add(1);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Each line went to the system by itself.
    }
}

impl OpenFile {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(text)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Whether the file is still the one at this path.
    #[cfg(unix)]
    fn is_at(&self, path: &std::path::Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let place = |facts: fs::Metadata| (facts.dev(), facts.ino());
        fs::symlink_metadata(path).map(place).ok() == self.file.metadata().map(place).ok()
    }

    #[cfg(not(unix))]
    fn is_at(&self, path: &std::path::Path) -> bool {
        path.exists()
    }
}

/// A line cut short by a full disk or a power cut must not swallow the next one.
fn close_torn_line(file: &mut File) -> io::Result<()> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}

/// The day (UTC) of a moment.
pub(super) fn day_of(at: At) -> Date {
    let secs = i64::try_from(at.secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(secs).map_or(Date::MAX, OffsetDateTime::date)
}

/// The day a log file belongs to, by its last line, else by when it was last written; and its size. `None` when there is none.
fn day_and_size_of(path: &std::path::Path) -> io::Result<Option<(Date, u64)>> {
    let facts = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !facts.is_file() {
        // A pipe would make us wait, a device would never end.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    let mut file = private_file(OpenOptions::new().read(true), path)?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(facts.len().saturating_sub(TAIL_BYTES)))?;
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let day = tail.split(|b| *b == b'\n').rev().find_map(day_of_line);
    let day = match day {
        Some(day) => day,
        None => OffsetDateTime::from(facts.modified()?).date(),
    };
    Ok(Some((day, facts.len())))
}

fn day_of_line(text: &[u8]) -> Option<Date> {
    let day = text.strip_prefix(b"[")?.get(..10)?;
    Date::parse(std::str::from_utf8(day).ok()?, format_description!("[year]-[month]-[day]")).ok()
}
