//! The optional file under the memory: one JSON event a line, appended as events come in, rewritten when most of it is history.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use nostr::event::Event;

use crate::stored::Stored;

/// Below this many dead lines a rewrite is not worth it.
const DEAD_LINES_MIN: usize = 10_000;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Opening or reading failed.
    #[error("the event file {0} cannot be read or written")]
    Io(PathBuf, #[source] io::Error),
    /// Another relay has it.
    #[error("the event file {0} is in use by another relay")]
    InUse(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<File>,
    path: PathBuf,
    lines: usize,
}

impl Journal {
    /// Opens or creates the file and reads what it holds, in order of arrival. Lines that are no events (a torn last line after a power
    /// cut) are skipped. Signatures were checked before writing and are not checked again.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Stored>), JournalError> {
        let failed = |error| JournalError::Io(path.to_owned(), error);
        let mut file = lock(path)?;
        let (mut events, mut lines, mut bad) = (Vec::new(), 0_usize, 0_usize);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut torn = false;
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            lines += 1;
            torn = line.last() != Some(&b'\n');
            match Event::from_json(&line) {
                Ok(event) => events.push(Stored::new(&event)),
                Err(_) => bad += 1,
            }
            line.clear();
        }
        if bad > 0 {
            tracing::warn!(lines = bad, "skipped unreadable lines of the event file");
        }
        if torn {
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok((Self { file: Arc::new(file), path: path.to_owned(), lines }, events))
    }

    /// Hands one event to the operating system.
    pub(crate) fn append(&mut self, event: &Stored) -> io::Result<()> {
        let mut line = Vec::with_capacity(event.json.len() + 1);
        line.extend_from_slice(event.json.as_bytes());
        line.push(b'\n');
        (&*self.file).write_all(&line)?;
        self.lines += 1;
        Ok(())
    }

    /// For syncing without holding up the relay.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn is_mostly_history(&self, live: usize) -> bool {
        self.lines.saturating_sub(live) > DEAD_LINES_MIN.max(live)
    }

    /// Writes what is still kept to a new file and puts it in place of the old one.
    pub(crate) fn rewrite<'a>(&mut self, events: impl Iterator<Item = &'a Arc<Stored>>) -> Result<(), JournalError> {
        let failed = |error| JournalError::Io(self.path.clone(), error);
        let fresh = self.path.with_extension("new");
        let file = lock(&fresh)?;
        file.set_len(0).map_err(failed)?;
        let mut lines = 0;
        let mut writer = BufWriter::new(&file);
        for event in events {
            writer.write_all(event.json.as_bytes()).and_then(|()| writer.write_all(b"\n")).map_err(failed)?;
            lines += 1;
        }
        writer.flush().map_err(failed)?;
        drop(writer);
        file.sync_data().map_err(failed)?;
        std::fs::rename(&fresh, &self.path).map_err(failed)?;
        self.file = Arc::new(file);
        self.lines = lines;
        Ok(())
    }
}

/// The lock is the operating system's and goes with the process.
fn lock(path: &Path) -> Result<File, JournalError> {
    let mut how = OpenOptions::new();
    how.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    let file = how.open(path).map_err(|error| JournalError::Io(path.to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(JournalError::Io(path.to_owned(), error)),
    }
}
