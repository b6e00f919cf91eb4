//! The record of a watched directory: every change in the order in which it happened.

use anyhow::{Context as _, Result, bail};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// The path below the watched directory; empty for the directory itself.
    pub path: String,
    /// What happened.
    pub what: What,
}

/// What happened to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file was made.
    Created {
        /// Its number in the file system, until it is removed.
        inode: u64,
    },
    /// Bytes were written.
    Written {
        /// Of the file.
        inode: u64,
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The file was cut or grown.
    Truncated {
        /// Of the file.
        inode: u64,
        /// Its new length.
        length: u64,
    },
    /// The file's content was synced.
    Synced {
        /// Of the file.
        inode: u64,
    },
    /// A sync failed. The system takes what was to be written for written all the same, so that no later sync writes it.
    NotSynced {
        /// Of the file.
        inode: u64,
    },
    /// The names in a directory were synced.
    NamesSynced,
    /// A directory was made.
    DirectoryMade,
    /// A file or directory got another name.
    Renamed {
        /// The new one.
        to: String,
    },
    /// A file got a second name.
    Linked {
        /// The second one.
        to: String,
    },
    /// A name was removed.
    Unlinked,
    /// The child noted something; no change of the disk.
    Noted(String),
}

/// Bytes in front of each record: `struct head` of the library.
const HEAD: usize = 40;

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the record ends in the middle")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<usize> {
        Ok(usize::try_from(u32::from_ne_bytes(self.take(4)?.try_into()?))?)
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_ne_bytes(self.take(8)?.try_into()?))
    }

    fn text(&mut self, count: usize) -> Result<String> {
        Ok(String::from_utf8(self.take(count)?.to_vec())?)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Op>> {
    let mut rest = Bytes(bytes);
    let mut ops = Vec::new();
    while !rest.0.is_empty() {
        let mut head = Bytes(rest.take(HEAD)?);
        let kind = head.take(4)?.first().copied().unwrap_or_default();
        let (first, second, more) = (head.u32()?, head.u32()?, head.u32()?);
        let (inode, offset, length) = (head.u64()?, head.u64()?, head.u64()?);
        let (path, to) = (rest.text(first)?, rest.text(second)?);
        let data = rest.take(more)?.to_vec();
        let what = match kind {
            b'C' => What::Created { inode },
            b'W' => What::Written { inode, offset, bytes: data },
            b'T' => What::Truncated { inode, length: offset },
            b'S' => What::Synced { inode },
            b'F' => What::NotSynced { inode },
            b'D' => What::NamesSynced,
            b'M' => What::DirectoryMade,
            b'R' => What::Renamed { to },
            b'L' => What::Linked { to },
            b'U' => What::Unlinked,
            b'A' => What::Noted(String::from_utf8(data)?),
            other => bail!("a record of kind {other} and length {length}"),
        };
        ops.push(Op { path, what });
    }
    Ok(ops)
}
