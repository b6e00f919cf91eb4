//! One daemon per home: a lock that the operating system holds for as long as the process lives, so that a stale file never blocks.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
};

use crate::home::{Home, private_file};

/// A process id has at most 10 digits; anything longer in the file is not ours.
const PID_BYTES_MAX: u64 = 16;

/// The home is ours until this is dropped or the process ends in any way.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// Why the home could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another ocmesh is running on this home{}", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// Which, where it can be read.
        pid: Option<u32>,
    },
    /// The lock file cannot be created, opened or locked.
    #[error("the lock file cannot be used")]
    Unusable(#[source] io::Error),
}

impl HomeLock {
    /// Takes the lock, or says who has it. Does not wait.
    ///
    /// # Errors
    /// [`LockError::Held`] is an answer, not a fault: the other daemon serves this home.
    pub fn take(home: &Home) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = private_file(&mut options, &home.lock()).map_err(LockError::Unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: read_pid(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(LockError::Unusable(error)),
        }
        // The number is for the message above only. A full disk must not keep the daemon from starting over it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    fn home(dir: &tempfile::TempDir) -> Home {
        Home::locate(|name| (name == "OCMESH_HOME").then(|| dir.path().as_os_str().to_owned())).unwrap()
    }

    #[test]
    fn the_second_is_told_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = HomeLock::take(&home(&dir)).unwrap();
        let error = HomeLock::take(&home(&dir)).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: Some(pid) } if pid == std::process::id()), "{error}");
        drop(first);
        HomeLock::take(&home(&dir)).unwrap();
    }

    #[test]
    fn a_stale_file_does_not_block_and_keeps_nothing_of_its_content() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(home(&dir).lock(), "99999999 and more").unwrap();
        let _lock = HomeLock::take(&home(&dir)).unwrap();
        assert_eq!(fs::read_to_string(home(&dir).lock()).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn the_file_is_private_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = HomeLock::take(&home(&dir)).unwrap();
        assert_eq!(fs::metadata(home(&dir).lock()).unwrap().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        let target = other.path().join("target");
        fs::write(&target, "theirs").unwrap();
        std::os::unix::fs::symlink(&target, home(&other).lock()).unwrap();
        assert!(matches!(HomeLock::take(&home(&other)), Err(LockError::Unusable(_))));
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    }

    #[test]
    fn a_home_that_is_no_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let home = Home::locate(|name| (name == "OCMESH_HOME").then(|| file.clone().into_os_string())).unwrap();
        assert!(matches!(HomeLock::take(&home), Err(LockError::Unusable(_))));
    }
}
