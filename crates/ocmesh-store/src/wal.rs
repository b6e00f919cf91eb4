//! The log beside the database (`-wal`), looked at before SQLite recovers it. SQLite takes the first frame that is not good for the end of
//! the log, and says nothing of finished transactions behind it; this is where they are noticed.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html#walformat>, <https://www.sqlite.org/walformat.html>): SQLCipher encrypts
//! the pages in the frames, not the frames' headers, and the checksums are of what is in the file.

mod aside;
mod index;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

pub use aside::DamagedLog;
pub(crate) use aside::{put, settle};

use crate::open::{PAGE_BYTES, beside};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Our page, as a length in memory.
const PAGE: usize = 4_096;
/// The last bit says that the checksums are of big-endian numbers.
const MAGIC: u32 = 0x377f_0682;

/// What distinguishes the frames of one time round the log from those of the times before, which stand behind them.
type Salts = [u8; 8];

/// What a log is found to have lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Something that was finished and synced is gone. Otherwise it may as well be what a power cut leaves of the one transaction that
    /// was being written, and nobody was told that it is kept.
    pub(crate) certain: bool,
    /// Finished transactions that stand behind the break, as far as they can be seen: one too many where damage looks like an end.
    pub(crate) behind: u64,
    /// Some of what stands behind the break was folded into the database already: it is of no single moment any more.
    pub(crate) mixed: bool,
}

/// Looks at the log of the database at `path`; `None` when nothing that was finished stands behind a break.
///
/// Reads the index too, so no connection of this process may be open: closing a file gives up the locks that the process has on it.
pub(crate) fn look(path: &Path) -> io::Result<Option<Broken>> {
    let Some(found) = look_once(path)? else { return Ok(None) };
    // Another process may have been writing while we read. A break stays where it is.
    Ok(look_once(path)?.filter(|again| *again == found).map(|(broken, _)| broken))
}

/// What is broken, and behind which frame.
fn look_once(path: &Path) -> io::Result<Option<(Broken, u64)>> {
    // Before the log, which may grow meanwhile.
    let index = index::Index::read(path)?;
    let mut log = match File::open(beside(path, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => BufReader::with_capacity(FRAME_HEADER + PAGE, opened?),
    };
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let start = Start::read(&header);
    let salts = match &start {
        Some(start) => Some(start.salts),
        // SQLite would throw the whole log away.
        None => salts_of_frames(&mut log)?,
    };
    let Some(salts) = salts else { return Ok(None) };
    let seen = survey(&mut log, start.as_ref(), salts)?;
    let acknowledged = index.is_some_and(|index| index.frames(salts).is_some_and(|frames| frames > seen.good));
    // Each transaction is synced before the next one begins, so that a power cut tears the last one alone. The header is synced by itself.
    let certain = acknowledged || seen.is_followed || (start.is_none() && seen.behind > 0);
    if !certain && seen.behind == 0 {
        return Ok(None);
    }
    let mixed = is_mixed(path, &mut log, salts, seen.good)?;
    Ok(Some((Broken { certain, behind: seen.behind, mixed }, seen.good)))
}

/// What the header says, if it is good.
struct Start {
    salts: Salts,
    big_endian: bool,
    sum: Sum,
}

impl Start {
    fn read(header: &[u8; HEADER]) -> Option<Self> {
        let (magic, page_bytes) = (number(header, 0)?, number(header, 8)?);
        let big_endian = magic & 1 == 1;
        let sum = Sum::default().over(header.get(..24)?, big_endian);
        let is_good = magic & !1 == MAGIC && u64::from(page_bytes) == PAGE_BYTES && Sum::stored(header, 24)? == sum;
        is_good.then_some(Self { salts: chunk(header, 16)?, big_endian, sum })
    }
}

/// The salts that two frames in a row have: of a log whose header is damaged, and perhaps its first frame too.
fn salts_of_frames(log: &mut BufReader<File>) -> io::Result<Option<Salts>> {
    let mut before = None;
    let mut found = None;
    each_frame(log, |frame| {
        let salts = frame.salts();
        if found.is_none() && salts.is_some() && salts == before {
            found = salts;
        }
        before = salts;
        Ok(())
    })?;
    Ok(found.or(before))
}

#[derive(Default)]
struct Survey {
    /// Frames up to the last one that finishes a transaction, all good: what SQLite recovers.
    good: u64,
    /// Frames behind the first one that is not good which finish a transaction, or seem to.
    behind: u64,
    /// One of them is whole, and others were written behind it.
    is_followed: bool,
}

fn survey(log: &mut BufReader<File>, start: Option<&Start>, salts: Salts) -> io::Result<Survey> {
    let mut seen = Survey::default();
    let mut before = start.map(|start| start.sum);
    let (mut is_sound, mut finished) = (true, false);
    each_frame(log, |frame| {
        let is_ours = frame.salts() == Some(salts);
        // By what the frame before says of itself, so that what is whole is known as such behind a break too.
        let is_whole = is_ours && start.zip(before).is_some_and(|(start, before)| frame.follows(before, start.big_endian));
        is_sound = is_sound && is_whole;
        if is_sound && frame.finishes() {
            seen.good = frame.number;
        } else if !is_sound && is_ours {
            seen.is_followed |= finished;
            finished = is_whole && frame.finishes();
            seen.behind = seen.behind.saturating_add(u64::from(frame.finishes()));
        }
        before = frame.sum();
        Ok(())
    })?;
    Ok(seen)
}

/// Whether a page behind the break is in the database already. Every writing of a page has bytes of its own, as it is encrypted anew.
fn is_mixed(path: &Path, log: &mut BufReader<File>, salts: Salts, good: u64) -> io::Result<bool> {
    let mut database = File::open(path)?;
    let mut there = vec![0; PAGE];
    let mut mixed = false;
    each_frame(log, |frame| {
        if frame.number > good && !mixed && frame.salts() == Some(salts) && frame.page() > 0 {
            database.seek(SeekFrom::Start(u64::from(frame.page() - 1).saturating_mul(PAGE_BYTES)))?;
            mixed = fill(&mut database, &mut there)? && frame.content() == Some(there.as_slice());
        }
        Ok(())
    })?;
    Ok(mixed)
}

/// A frame: the header, and the page.
struct Frame<'a> {
    /// Counted from 1, as SQLite does.
    number: u64,
    bytes: &'a [u8],
}

impl Frame<'_> {
    fn page(&self) -> u32 {
        number(self.bytes, 0).unwrap_or(0)
    }

    fn finishes(&self) -> bool {
        number(self.bytes, 4).is_some_and(|pages| pages > 0)
    }

    fn salts(&self) -> Option<Salts> {
        chunk(self.bytes, 8)
    }

    fn content(&self) -> Option<&[u8]> {
        self.bytes.get(FRAME_HEADER..)
    }

    fn sum(&self) -> Option<Sum> {
        Sum::stored(self.bytes, 16)
    }

    /// Whether it is good, behind one with the checksum `before`.
    fn follows(&self, before: Sum, big_endian: bool) -> bool {
        let [Some(head), Some(content)] = [self.bytes.get(..8), self.content()] else { return false };
        self.page() > 0 && self.sum() == Some(before.over(head, big_endian).over(content, big_endian))
    }
}

/// Every whole frame, from the first.
fn each_frame(log: &mut BufReader<File>, mut look: impl FnMut(&Frame<'_>) -> io::Result<()>) -> io::Result<()> {
    log.seek(SeekFrom::Start(32))?;
    let mut bytes = vec![0; FRAME_HEADER + PAGE];
    let mut number = 0_u64;
    while fill(log, &mut bytes)? {
        number = number.saturating_add(1);
        look(&Frame { number, bytes: &bytes })?;
    }
    Ok(())
}

/// Whether there was so much to read.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// SQLite's checksum, which goes on from frame to frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum(u32, u32);

impl Sum {
    fn over(self, bytes: &[u8], big_endian: bool) -> Self {
        let read = |word: [u8; 4]| if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
        let (mut first, mut second) = (self.0, self.1);
        for words in bytes.chunks_exact(8) {
            if let (Some(one), Some(other)) = (words.first_chunk(), words.last_chunk()) {
                first = first.wrapping_add(read(*one)).wrapping_add(second);
                second = second.wrapping_add(read(*other)).wrapping_add(first);
            }
        }
        Self(first, second)
    }

    fn stored(bytes: &[u8], at: usize) -> Option<Self> {
        Some(Self(number(bytes, at)?, number(bytes, at.checked_add(4)?)?))
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    chunk(bytes, at).map(u32::from_be_bytes)
}
