//! A copy of the database as it is at one moment, taken while another process writes to it.

use std::{fs::File, path::Path};

use rusqlite::backup::{Backup, StepResult};

use crate::{OpenError, ReadError, StoreKey, open, sound};

/// Every page in one step: a step reads a single moment, and the writer is not in its way nor it in the writer's.
const ALL: i32 = -1;

/// Copies the database at `from` to a new file under the same key. Writers go on meanwhile; what they commit is not in the copy.
///
/// # Errors
/// See [`OpenError`]: of either file. A file that was begun is left behind.
pub fn copy(from: &Path, key: &StoreKey, to: &Path) -> Result<(), OpenError> {
    let source = open::reader(from, key)?;
    let mut target = open::unborn(to, key)?;
    match Backup::new(&source, &mut target)?.step(ALL)? {
        StepResult::Done => {}
        _ => return Err(OpenError::Locked),
    }
    if let Err(ReadError::Corrupt(error)) = sound::check(&source) {
        return Err(OpenError::Damaged { detail: error.to_string() });
    }
    target.close().map_err(|(_, error)| error)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(open::unwritable)
}
