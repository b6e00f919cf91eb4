//! `ocmesh logs`: the newest lines of the log, and those that come, over midnight and over a restart.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use super::Place;
use crate::{
    cli::LogsArgs,
    error::CliError,
    ui::{Ui, safe},
};

/// How often a followed file is looked at: soon enough for a person, cheap enough to forget.
const LOOK: Duration = Duration::from_millis(200);
/// Read at most so much of the end of the file for the first lines: 200 bytes a line make 40,000 lines.
const TAIL_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A line longer than this is shown in pieces.
const LINE_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn run(ui: &Ui, place: &Place, args: &LogsArgs) -> Result<(), CliError> {
    let path = place.home.log();
    let mut tail = Tail::new(&path);
    let first = tail.newest(args.lines).map_err(|error| unreadable(&path, &error))?;
    if first.is_none() && !args.follow {
        return Err(
            CliError::could_not("no_log", format!("there is no log yet at {}", path.display())).hint("the daemon writes it: ocmesh daemon")
        );
    }
    for line in first.unwrap_or_default() {
        show(ui, &line)?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        for line in tail.more().map_err(|error| unreadable(&path, &error))? {
            show(ui, &line)?;
        }
        std::thread::sleep(LOOK);
    }
}

fn show(ui: &Ui, line: &str) -> Result<(), CliError> {
    if ui.json { ui.json_line(&json!({"line": line})) } else { ui.line(safe(line)) }
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::could_not("log_unreadable", format!("could not read {}", path.display())).why(error).hint("ocmesh doctor")
}

/// Follows a file by name: when another file has taken the name, the old one is read to its end first.
struct Tail {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    identity: Option<(u64, u64)>,
    read: u64,
    partial: Vec<u8>,
}

impl Tail {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }

    /// The last `count` lines; `None` when there is no file.
    fn newest(&mut self, count: usize) -> io::Result<Option<Vec<String>>> {
        let Some(mut open) = Open::at(&self.path)? else { return Ok(None) };
        let length = open.file.metadata()?.len();
        let start = length.saturating_sub(TAIL_BYTES_MAX);
        open.read = open.file.seek(SeekFrom::Start(start))?;
        let mut lines = open.lines()?;
        if start > 0 && !lines.is_empty() {
            // The first one was most likely cut.
            lines.remove(0);
        }
        self.open = Some(open);
        Ok(Some(lines.split_off(lines.len().saturating_sub(count))))
    }

    /// What came since.
    fn more(&mut self) -> io::Result<Vec<String>> {
        let mut lines = match &mut self.open {
            Some(open) => open.lines()?,
            None => Vec::new(),
        };
        let now = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lines),
            other => other?,
        };
        let same = self.open.as_ref().is_some_and(|open| open.identity == identity(&now) && now.len() >= open.read);
        if !same {
            if let Some(old) = &mut self.open {
                // Lines written between our look and the renaming.
                if identity(&now) != old.identity {
                    lines.extend(old.lines()?);
                    lines.extend(old.rest());
                }
            }
            self.open = Open::at(&self.path)?;
            if let Some(open) = &mut self.open {
                lines.extend(open.lines()?);
            }
        }
        Ok(lines)
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => {
                let file = other?;
                let identity = identity(&file.metadata()?);
                Ok(Some(Self { file, identity, read: 0, partial: Vec::new() }))
            }
        }
    }

    /// Whole lines from where we are to the end.
    fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut bytes = std::mem::take(&mut self.partial);
        let read = self.file.read_to_end(&mut bytes)?;
        self.read = self.read.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default();
        let mut lines: Vec<String> = lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        self.partial = rest.to_vec();
        if self.partial.len() > LINE_BYTES_MAX {
            lines.extend(self.rest());
        }
        Ok(lines)
    }

    /// A last line without its end.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

/// What tells one file from another under the same name; elsewhere than on Unix only a shorter file is noticed.
#[cfg(unix)]
fn identity(facts: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((facts.dev(), facts.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn following_survives_midnight_and_truncation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocmesh.log");
        let mut tail = Tail::new(&path);
        assert_eq!(tail.newest(2).unwrap(), None);
        assert!(tail.more().unwrap().is_empty());
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail.more().unwrap(), ["one", "two", "three"]);
        assert_eq!(Tail::new(&path).newest(2).unwrap().unwrap(), ["two", "three"]);

        let mut file = File::options().append(true).open(&path).unwrap();
        write!(file, "four\nfi").unwrap();
        assert_eq!(tail.more().unwrap(), ["four"]);
        // Midnight: the last lines of the old day are still shown, then those of the new one.
        writeln!(file, "ve").unwrap();
        fs::rename(&path, directory.path().join("old.log")).unwrap();
        assert_eq!(tail.more().unwrap(), ["five"]);
        writeln!(file, "late").unwrap();
        // Longer than the old one, so that only its identity tells that it is another.
        let six = "six ".repeat(20);
        fs::write(&path, format!("{six}\n")).unwrap();
        assert_eq!(tail.more().unwrap(), ["late", six.as_str()]);
        fs::write(&path, "7\n").unwrap();
        assert_eq!(tail.more().unwrap(), ["7"]);
    }
}
