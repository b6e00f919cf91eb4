//! Damaged logs are kept beside the database, each in a directory of its own with a word on what it cost, until the owner moves it away.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use ocmesh_proto::At;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::Broken;
use crate::{
    OpenError,
    open::{beside, new_private_file, sync_directory, unwritable},
};

/// A disk that damaged more logs than that without anybody looking at them is no place to go on.
const KEPT_MAX: u32 = 16;
const SUFFIX: &str = ".damaged-log-";
const LOG: &str = "ocmesh.db-wal";
const NOTE: &str = "lost.json";

/// A log that was found damaged when the database was opened, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedLog {
    /// The directory in which it is kept.
    pub kept: PathBuf,
    /// Something that was stored is lost. Otherwise a power cut in the middle of a write looks the same, and nothing may be lost.
    pub certain: bool,
    /// Writes that stood behind the damage, as far as they could be counted; each is one or a few messages.
    pub writes: u64,
    /// The newest moment that was not lost.
    pub from: At,
    /// When the log was last written.
    pub until: At,
}

/// [`NOTE`].
#[derive(Serialize, Deserialize)]
struct Note {
    certain: bool,
    writes: u64,
    until: u64,
    /// Not known before the database was opened and our lines were ended.
    from: Option<u64>,
}

/// Copies the log of the database at `path` aside, unless that was done already, and notes what is known so far.
pub(crate) fn put(path: &Path, broken: &Broken) -> Result<(), OpenError> {
    let log = beside(path, "-wal");
    let names: Vec<PathBuf> = (1..=KEPT_MAX).map(|number| beside(path, &format!("{SUFFIX}{number}"))).collect();
    for kept in names.iter().filter(|name| name.exists()) {
        // The last start got no further than this.
        if same(&log, &kept.join(LOG)).map_err(OpenError::Io)? {
            return Ok(());
        }
    }
    let Some(free) = names.iter().find(|name| fs::symlink_metadata(name).is_err()) else {
        let detail = format!("its log was damaged {KEPT_MAX} times; look at the disk, and move {}{SUFFIX}* away", path.display());
        return if broken.certain { Err(OpenError::Damaged { detail }) } else { Ok(()) };
    };
    let unfinished = beside(path, ".damaged-log.new");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io(error)),
        _ => {}
    }
    copy(&log, &unfinished, broken).and_then(|()| fs::rename(&unfinished, free)).map_err(unwritable)?;
    sync_directory(path)?;
    tracing::error!(
        certain = broken.certain,
        writes = broken.behind,
        kept = %free.display(),
        "the log of the database is damaged: what was stored last is lost, or may be"
    );
    Ok(())
}

fn copy(log: &Path, directory: &Path, broken: &Broken) -> io::Result<()> {
    new_private_directory(directory)?;
    let mut from = File::open(log)?;
    let until = from.metadata()?.modified()?;
    let mut to = new_private_file(&directory.join(LOG))?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()?;
    let note = Note { certain: broken.certain, writes: broken.behind, until: since_epoch(until), from: None };
    write_note(directory, &note)
}

fn since_epoch(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (Ok(one), Ok(other)) = (File::open(one), File::open(other)) else { return Ok(false) };
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(one).bytes(), io::BufReader::new(other).bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (one, other) if one != other => return Ok(false),
            _ => {}
        }
    }
}

fn new_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// In place of the one before, if any: a crash leaves either.
fn write_note(directory: &Path, note: &Note) -> io::Result<()> {
    let new = directory.join(".lost.json.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new_private_file(&new)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    file.sync_all()?;
    fs::rename(&new, directory.join(NOTE))?;
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn read_note(directory: &Path) -> Option<Note> {
    serde_json::from_slice(&fs::read(directory.join(NOTE)).ok()?).ok()
}

fn directories(path: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=KEPT_MAX).map(|number| beside(path, &format!("{SUFFIX}{number}"))).filter(|name| name.is_dir())
}

/// After the database was opened without what stood behind the damage: begins new lines, as numbers of the old ones may be out in the world
/// with messages that we do not know any more, and notes from when on things are lost. Does nothing when that was done.
pub(crate) fn settle(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    for directory in directories(path) {
        let Some(note) = read_note(&directory).filter(|note| note.from.is_none()) else { continue };
        connection.execute("DELETE FROM own_lines", [])?;
        let newest = "SELECT at FROM notices ORDER BY seq DESC LIMIT 1";
        let from: Option<i64> = connection.query_row(newest, [], |row| row.get(0)).optional()?;
        let from = u64::try_from(from.unwrap_or(0)).unwrap_or(0);
        write_note(&directory, &Note { from: Some(from), ..note }).map_err(unwritable)?;
    }
    Ok(())
}

impl DamagedLog {
    /// The damaged logs that are kept beside the database at `path`: what its owner is to know, until the directories are moved away.
    #[must_use]
    pub fn beside(path: &Path) -> Vec<Self> {
        let known = |kept: PathBuf| {
            let Note { certain, writes, until, from } = read_note(&kept)?;
            Some(Self { kept, certain, writes, from: At(from.unwrap_or(0)), until: At(until) })
        };
        directories(path).filter_map(known).collect()
    }
}
