//! The logs of earlier days: `logs/ocmesh-YYYY-MM-DD.log.gz`, added to, and pruned by age and total size.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use time::{Date, Duration, macros::format_description};

use crate::{
    config::LogConfig,
    home::{create_private_dir, private_file},
};

/// Where the archives are, and how much of them stays.
pub(super) struct OldDays {
    dir: PathBuf,
    keep: LogConfig,
}

impl OldDays {
    pub(super) fn new(dir: PathBuf, keep: LogConfig) -> Self {
        Self { dir, keep }
    }

    /// Moves a log file into the archive of its day, behind what is already there. A crash in the middle loses nothing; at worst the
    /// same lines are in the archive twice.
    pub(super) fn take_in(&self, log: &Path, day: Date, today: Date) -> io::Result<()> {
        match create_private_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let archive = self.dir.join(name_of(day)?);
        let new = self.dir.join("new.tmp");
        let _ = fs::remove_file(&new); // left behind by a crash
        let added = self.write_archive(&archive, log, &new).and_then(|()| fs::rename(&new, &archive));
        if added.is_err() {
            let _ = fs::remove_file(&new);
        }
        added?;
        fs::remove_file(log)?;
        self.prune(today);
        Ok(())
    }

    /// A gzip file may have several members one after the other (RFC 1952): what is there stays as it is, the new day follows it.
    fn write_archive(&self, archive: &Path, log: &Path, new: &Path) -> io::Result<()> {
        let mut log = private_file(OpenOptions::new().read(true), log)?;
        let mut out = private_file(OpenOptions::new().write(true).create_new(true), new)?;
        match private_file(OpenOptions::new().read(true), archive) {
            Ok(mut earlier) => drop(io::copy(&mut earlier, &mut out)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut gzip = GzEncoder::new(out, Compression::default());
        io::copy(&mut log, &mut gzip)?;
        let mut out: File = gzip.finish()?;
        out.flush()?;
        out.sync_all()
    }

    /// Removes archives that are too old, then the oldest until the rest is small enough. Touches only files of our own naming.
    pub(super) fn prune(&self, today: Date) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut archives: Vec<(Date, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((day_in(entry.file_name().to_str()?)?, entry.metadata().ok()?.len(), entry.path())))
            .collect();
        archives.sort();
        let oldest = today.checked_sub(Duration::days(self.keep.keep_days.into())).unwrap_or(Date::MIN);
        let mut bytes: u64 = archives.iter().map(|(_, bytes, _)| bytes).sum();
        let bytes_max = u64::from(self.keep.keep_mb).saturating_mul(1_000_000);
        for (day, size, path) in archives {
            if day >= oldest && bytes <= bytes_max {
                break;
            }
            if fs::remove_file(path).is_ok() {
                bytes = bytes.saturating_sub(size);
            }
        }
    }
}

fn name_of(day: Date) -> io::Result<String> {
    day.format(format_description!("ocmesh-[year]-[month]-[day].log.gz")).map_err(io::Error::other)
}

fn day_in(name: &str) -> Option<Date> {
    Date::parse(name, format_description!("ocmesh-[year]-[month]-[day].log.gz")).ok()
}
