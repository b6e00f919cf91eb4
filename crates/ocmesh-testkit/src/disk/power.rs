//! The disk as a power cut leaves it, built from a record: what was synced is there; of the rest, a seed chooses what is there, what is
//! not, and what is there in part. Stricter than any real file system in three ways: a sync of a file says nothing of its name, files are
//! independent of each other, and what a failed sync should have written no later sync writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::Result;

use super::record::{Op, What};
use crate::dice::Dice;

/// A disk writes so many bytes at once, or not.
const SECTOR: usize = 512;

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Everything, as after `kill -9`.
    Everything,
    /// Whole writes by chance, in any order.
    SomeWrites,
    /// Sectors by chance.
    SomeSectors,
}

impl Left {
    /// Every way, to choose from.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Everything, Self::SomeWrites, Self::SomeSectors];
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Memory,
    Disk,
    /// Its sync failed: it may or may not be on the disk, and no later sync changes that.
    Astray,
}

#[derive(Debug, Clone)]
enum Edit {
    Write { offset: u64, bytes: Vec<u8> },
    Cut { length: u64 },
}

/// A change of names, with the directories it touches.
#[derive(Debug, Clone)]
enum Naming {
    Put { path: String, file: usize },
    Directory { path: String },
    Move { from: String, to: String },
    Link { from: String, to: String },
    Remove { path: String },
}

impl Naming {
    fn touches(&self, directory: &str) -> bool {
        match self {
            Self::Put { path, .. } | Self::Directory { path } | Self::Remove { path } | Self::Link { to: path, .. } => {
                parent(path) == directory
            }
            Self::Move { from, to } => parent(from) == directory || parent(to) == directory,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A disk that a record is played to.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<Vec<(Reach, Edit)>>,
    by_inode: BTreeMap<u64, usize>,
    names: Vec<(bool, Naming)>,
}

impl Disk {
    /// A disk that holds nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A disk that holds what is in `directory` now, all of it synced.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holding(directory: &Path) -> Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let mut disk = Self::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let bytes = fs::read(entry.path())?;
            let inode = entry.metadata()?.ino();
            disk.edit(inode, Edit::Write { offset: 0, bytes });
            disk.settle(inode, Reach::Disk);
            let file = disk.file(inode);
            disk.names.push((true, Naming::Put { path: entry.file_name().to_string_lossy().into_owned(), file }));
        }
        Ok(disk)
    }

    /// Plays one change.
    pub fn play(&mut self, op: &Op) {
        match &op.what {
            What::Created { inode } => {
                // The number may have belonged to a file that is gone.
                self.by_inode.remove(inode);
                let file = self.file(*inode);
                self.names.push((false, Naming::Put { path: op.path.clone(), file }));
            }
            What::Written { inode, offset, bytes } => {
                self.edit(*inode, Edit::Write { offset: *offset, bytes: bytes.clone() });
            }
            What::Truncated { inode, length } => self.edit(*inode, Edit::Cut { length: *length }),
            What::Synced { inode } => self.settle(*inode, Reach::Disk),
            What::NotSynced { inode } => self.settle(*inode, Reach::Astray),
            What::NamesSynced => {
                for (synced, _) in self.names.iter_mut().filter(|(_, naming)| naming.touches(&op.path)) {
                    *synced = true;
                }
            }
            What::DirectoryMade => self.names.push((false, Naming::Directory { path: op.path.clone() })),
            What::Renamed { to } => self.names.push((false, Naming::Move { from: op.path.clone(), to: to.clone() })),
            What::Linked { to } => self.names.push((false, Naming::Link { from: op.path.clone(), to: to.clone() })),
            What::Unlinked => self.names.push((false, Naming::Remove { path: op.path.clone() })),
            What::Noted(_) => {}
        }
    }

    fn file(&mut self, inode: u64) -> usize {
        let fresh = self.files.len();
        let file = *self.by_inode.entry(inode).or_insert(fresh);
        if file == fresh {
            self.files.push(Vec::new());
        }
        file
    }

    fn edit(&mut self, inode: u64, edit: Edit) {
        let file = self.file(inode);
        if let Some(edits) = self.files.get_mut(file) {
            edits.push((Reach::Memory, edit));
        }
    }

    fn settle(&mut self, inode: u64, to: Reach) {
        let file = self.file(inode);
        for (reach, _) in self.files.get_mut(file).into_iter().flatten().filter(|(reach, _)| *reach == Reach::Memory) {
            *reach = to;
        }
    }

    /// The power goes: every file by its path, and every directory.
    #[must_use]
    pub fn cut(&self, left: Left, seed: u64) -> (BTreeMap<String, Vec<u8>>, BTreeSet<String>) {
        let mut dice = Dice::new(seed);
        let contents: Vec<Vec<u8>> = self.files.iter().map(|edits| content(edits, left, &mut dice)).collect();
        // A file system keeps names in order: of what was not synced, a beginning is there.
        let kept = match left {
            Left::Nothing => 0,
            Left::Everything => self.names.len(),
            Left::SomeWrites | Left::SomeSectors => dice.index(self.names.len() + 1),
        };
        let (mut files, mut directories) = (BTreeMap::<String, usize>::new(), BTreeSet::from([String::new()]));
        for (index, (synced, naming)) in self.names.iter().enumerate() {
            if *synced || index < kept {
                rename(naming, &mut files, &mut directories);
            }
        }
        files.retain(|path, _| directories.contains(parent(path)));
        let there = files.into_iter().filter_map(|(path, file)| Some((path, contents.get(file)?.clone()))).collect();
        (there, directories)
    }

    /// Writes what [`Self::cut`] leaves into an empty directory, files and directories closed to others as ours are.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn cut_into(&self, directory: &Path, left: Left, seed: u64) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let (files, directories) = self.cut(left, seed);
        for below in directories.iter().filter(|path| !path.is_empty()) {
            fs::create_dir_all(directory.join(below))?;
            fs::set_permissions(directory.join(below), fs::Permissions::from_mode(0o700))?;
        }
        for (path, bytes) in files {
            fs::write(directory.join(&path), bytes)?;
            fs::set_permissions(directory.join(&path), fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }
}

fn rename(naming: &Naming, files: &mut BTreeMap<String, usize>, directories: &mut BTreeSet<String>) {
    match naming {
        Naming::Put { path, file } => drop(files.insert(path.clone(), *file)),
        Naming::Directory { path } => drop(directories.insert(path.clone())),
        Naming::Link { from, to } => {
            if let Some(file) = files.get(from).copied() {
                files.insert(to.clone(), file);
            }
        }
        Naming::Remove { path } => drop(files.remove(path)),
        Naming::Move { from, to } => {
            if let Some(file) = files.remove(from) {
                files.insert(to.clone(), file);
            }
        }
    }
}

fn content(edits: &[(Reach, Edit)], left: Left, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (reach, edit) in edits {
        let keep = *reach == Reach::Disk
            || match left {
                Left::Nothing => false,
                Left::Everything => true,
                Left::SomeWrites => dice.chance(500),
                // Each sector is asked for below; a cut has none.
                Left::SomeSectors => matches!(edit, Edit::Write { .. }) || dice.chance(500),
            };
        match edit {
            Edit::Cut { length } if keep => bytes.resize(usize::try_from(*length).unwrap_or(0), 0),
            Edit::Write { offset, bytes: written } if keep => {
                let torn = *reach != Reach::Disk && left == Left::SomeSectors;
                write(&mut bytes, *offset, written, || !torn || dice.chance(500));
            }
            _ => {}
        }
    }
    bytes
}

/// Writes sector by sector, as far as `keep` says.
fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8], mut keep: impl FnMut() -> bool) {
    let mut at = usize::try_from(offset).unwrap_or(0);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (sector, more) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
        if keep() {
            let end = at + sector.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            if let Some(place) = file.get_mut(at..end) {
                place.copy_from_slice(sector);
            }
        }
        (at, rest) = (at + sector.len(), more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(path: &str, what: What) -> Op {
        Op { path: path.to_owned(), what }
    }

    fn written(inode: u64, offset: u64, text: &str) -> Op {
        op("", What::Written { inode, offset, bytes: text.as_bytes().to_vec() })
    }

    fn disk(ops: &[Op]) -> Disk {
        let mut disk = Disk::empty();
        ops.iter().for_each(|op| disk.play(op));
        disk
    }

    #[test]
    fn only_what_was_synced_is_there_for_sure() {
        let ops = [
            op("a", What::Created { inode: 1 }),
            op("", What::NamesSynced),
            written(1, 0, "old"),
            op("a", What::Synced { inode: 1 }),
            written(1, 0, "new"),
            op("b", What::Created { inode: 2 }),
            written(2, 0, "b"),
            op("b", What::Synced { inode: 2 }),
        ];
        let disk = disk(&ops);
        let (files, _) = disk.cut(Left::Nothing, 1);
        assert_eq!(files, BTreeMap::from([("a".to_owned(), b"old".to_vec())]), "the name of b was not synced");
        let (files, _) = disk.cut(Left::Everything, 1);
        assert_eq!(files.into_values().collect::<Vec<_>>(), [b"new".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn what_a_failed_sync_lost_no_later_sync_brings() {
        let ops = [
            op("a", What::Created { inode: 1 }),
            op("", What::NamesSynced),
            written(1, 0, "lost"),
            op("a", What::NotSynced { inode: 1 }),
            written(1, 4, "kept"),
            op("a", What::Synced { inode: 1 }),
        ];
        assert_eq!(disk(&ops).cut(Left::Nothing, 1).0.into_values().collect::<Vec<_>>(), [b"\0\0\0\0kept".to_vec()]);
    }

    #[test]
    fn sectors_tear_and_a_seed_fixes_how() {
        let text = "x".repeat(64 * SECTOR);
        let ops = [op("a", What::Created { inode: 1 }), op("", What::NamesSynced), written(1, 0, &text)];
        let disk = disk(&ops);
        let one = disk.cut(Left::SomeSectors, 7).0.into_values().next().unwrap();
        assert_eq!(one, disk.cut(Left::SomeSectors, 7).0.into_values().next().unwrap());
        assert_ne!(one, disk.cut(Left::SomeSectors, 8).0.into_values().next().unwrap());
        let there = one.chunks(SECTOR).filter(|sector| sector[0] == b'x').count();
        assert!((10..54).contains(&there), "{there} of 64");
    }

    #[test]
    fn a_file_in_a_directory_that_is_not_there_is_gone() {
        let ops = [
            op("home", What::DirectoryMade),
            op("home/a", What::Created { inode: 1 }),
            op("home", What::NamesSynced),
            op("b", What::Created { inode: 2 }),
            op("b", What::Renamed { to: "home/b".to_owned() }),
        ];
        assert!(disk(&ops).cut(Left::Nothing, 1).0.is_empty());
        assert_eq!(disk(&ops).cut(Left::Everything, 1).0.into_keys().collect::<Vec<_>>(), ["home/a", "home/b"]);
    }
}
