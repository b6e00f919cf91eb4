//! A wall clock that a test sets while a daemon runs, by libfaketime: the daemon's own binary, days in seconds. The steady clock goes on as
//! it does in a machine that slept, so that a shift is what a sleep, a set clock or a wrong clock look like from inside.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::TestDaemonBuilder;

/// One wall clock, shared by the daemons that were built with it.
#[derive(Debug)]
pub struct ShiftedClock {
    library: PathBuf,
    dir: TempDir,
}

impl ShiftedClock {
    /// A clock that is right so far. `None` where libfaketime is not installed; in CI it always is.
    ///
    /// # Errors
    /// When it is missing in CI, or there is no place for its file.
    pub fn new() -> Result<Option<Self>> {
        let Some(library) = library() else {
            ensure!(std::env::var_os("CI").is_none(), "no libfaketime: install the Debian package `faketime`");
            return Ok(None);
        };
        let clock = Self { library, dir: TempDir::with_prefix("ocmesh-clock-")? };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// The daemon lives by this clock.
    #[must_use]
    pub fn on(&self, builder: TestDaemonBuilder) -> TestDaemonBuilder {
        builder
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            // Read at every look, so that a shift holds at once.
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
    }

    /// So many seconds ahead of the machine's clock; negative: behind.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // Renamed into place: a daemon never reads half of it.
        let new = self.dir.path().join("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, self.file())?)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("shift")
    }
}

fn library() -> Option<PathBuf> {
    let named = |dir: &Path| Some(dir.join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    let roots = ["/usr/lib", "/usr/local/lib", "/usr/lib64"].map(PathBuf::from);
    roots.iter().find_map(|root| named(root).or_else(|| fs::read_dir(root).ok()?.flatten().find_map(|entry| named(&entry.path()))))
}
