//! The index of the log (`-shm`), which SQLite keeps in memory that processes share. It counts a transaction only when that was synced, so
//! what it counts and the log has not is lost for certain. After `kill -9` it is exact; after a power cut it may be older, or not there.

use std::{fs::File, io, path::Path};

use super::{Salts, Sum, chunk, fill};
use crate::open::beside;

/// The head is there twice, so that one of them is whole.
const HEAD: usize = 48;
const VERSION: u32 = 3_007_000;

/// Both heads.
pub(super) struct Index([u8; 2 * HEAD]);

impl Index {
    /// `None` when there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut heads = [0; 2 * HEAD];
        let is_there = match File::open(beside(path, "-shm")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            opened => fill(&mut opened?, &mut heads)?,
        };
        Ok(is_there.then_some(Self(heads)))
    }

    /// How many frames the log has at least, if the index is of this time round.
    pub(super) fn frames(&self, salts: Salts) -> Option<u64> {
        self.0.chunks_exact(HEAD).filter_map(|head| counted(head, salts)).max()
    }
}

/// Numbers are in the machine's own order here.
fn counted(head: &[u8], salts: Salts) -> Option<u64> {
    let number = |at| chunk(head, at).map(u32::from_ne_bytes);
    let stored = Sum(number(40)?, number(44)?);
    let sum = Sum::default().over(head.get(..40)?, cfg!(target_endian = "big"));
    let is_good = number(0)? == VERSION && head.get(12) == Some(&1) && sum == stored;
    (is_good && chunk(head, 32)? == salts).then_some(u64::from(number(16)?))
}
