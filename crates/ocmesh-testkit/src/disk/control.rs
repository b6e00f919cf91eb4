//! The switch of the failing disk: which calls fail, how, and how many there were. A page of a file that the library has mapped.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use anyhow::{Context as _, Result};

/// Kinds of calls, numbered as in the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `write` and its relatives.
    Write,
    /// `fsync`, `fdatasync`.
    Sync,
    /// `read`, `pread`.
    Read,
    /// Opening a file for writing, or making it.
    Open,
    /// `ftruncate`.
    Truncate,
    /// `rename`, `link`, `mkdir`.
    Name,
}

impl Kind {
    /// All that change something: what a full disk refuses.
    pub const CHANGES: [Self; 4] = [Self::Write, Self::Open, Self::Truncate, Self::Name];

    const fn number(self) -> u64 {
        match self {
            Self::Write => 0,
            Self::Sync => 1,
            Self::Read => 2,
            Self::Open => 3,
            Self::Truncate => 4,
            Self::Name => 5,
        }
    }
}

/// What a call that fails does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `ENOSPC`.
    NoSpace,
    /// `EIO`.
    Io,
    /// A write takes half of what it is given, and later ones fail with `ENOSPC`, as on a disk that fills up; a read gives half.
    Half,
    /// A read gives nothing, as behind the end of the file.
    EndOfFile,
    /// The process is gone before the call, as with `kill -9`.
    Killed,
}

impl Failure {
    const fn number(self) -> u64 {
        match self {
            Self::NoSpace => 1,
            Self::Io => 2,
            Self::Half => 3,
            Self::EndOfFile => 4,
            Self::Killed => 5,
        }
    }
}

// Offsets in the page: `struct control` of the library.
const ATTACHED: u64 = 0;
const CALLS: u64 = 8;
const FROM: u64 = 16;
const COUNT: u64 = 24;
const FAULT: u64 = 32;
const KINDS: u64 = 40;
const INJECTED: u64 = 48;
const LAZY: u64 = 56;
const SEEN: u64 = 64;

/// The switch.
#[derive(Debug)]
pub struct Control(File);

impl Control {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(File::options().read(true).write(true).open(path).with_context(|| path.display().to_string())?))
    }

    /// Processes that loaded the library. Where it is 0, nothing is watched.
    ///
    /// # Errors
    /// As for every call here: the page cannot be read or written.
    pub fn attached(&self) -> Result<u64> {
        self.get(ATTACHED)
    }

    /// Which kinds of calls are counted, and may fail.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn choose(&self, kinds: &[Kind]) -> Result<()> {
        self.set(KINDS, kinds.iter().fold(0, |bits, kind| bits | (1 << kind.number())))
    }

    /// Counts from 0 again; the `nth` call from now on (from 1) fails, and `count` calls in all.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn fail(&self, nth: u64, count: u64, failure: Failure) -> Result<()> {
        self.set(FROM, 0)?;
        self.set(CALLS, 0)?;
        self.set(INJECTED, 0)?;
        self.set(FAULT, failure.number())?;
        self.set(COUNT, count)?;
        self.set(FROM, nth)
    }

    /// From the next call on, until [`Self::heal`].
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn fail_from_now(&self, failure: Failure) -> Result<()> {
        self.fail(1, u64::MAX, failure)
    }

    /// No call fails any more.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn heal(&self) -> Result<()> {
        self.set(FROM, 0)
    }

    /// Good syncs are not passed on to the system, which is much faster; record and counts are as ever.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn lazy(&self) -> Result<()> {
        self.set(LAZY, 1)
    }

    /// Calls that were made to fail since [`Self::fail`].
    ///
    /// # Errors
    /// The page cannot be read.
    pub fn injected(&self) -> Result<u64> {
        self.get(INJECTED)
    }

    /// Calls of the chosen kinds since [`Self::fail`].
    ///
    /// # Errors
    /// The page cannot be read.
    pub fn calls(&self) -> Result<u64> {
        self.get(CALLS)
    }

    /// Calls of one kind since the library was loaded.
    ///
    /// # Errors
    /// The page cannot be read.
    pub fn seen(&self, kind: Kind) -> Result<u64> {
        self.get(SEEN + 8 * kind.number())
    }

    fn get(&self, offset: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn set(&self, offset: u64, value: u64) -> Result<()> {
        Ok(self.0.write_all_at(&value.to_ne_bytes(), offset)?)
    }
}
