//! What the system says of a running daemon: its memory, its open files, its use of the processor. Linux only.

use std::fs;

use crate::TestDaemon;
use anyhow::{Context as _, Result};

/// A field of `/proc/<pid>/status` in kilobytes.
fn kilobytes(daemon: &TestDaemon, field: &str) -> Result<i64> {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid().context("the daemon does not run")?))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} in {text}"))?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse()?)
}

/// Resident memory before a fault, to compare its peak with.
#[derive(Debug)]
pub struct Memory {
    before: i64,
}

impl Memory {
    /// Forgets earlier peaks and notes what is in use now.
    ///
    /// # Errors
    /// When the daemon does not run.
    pub fn note(daemon: &TestDaemon) -> Result<Self> {
        // 5 resets the peak (proc_pid_clear_refs(5)).
        fs::write(format!("/proc/{}/clear_refs", daemon.pid().context("the daemon does not run")?), "5")?;
        Ok(Self { before: kilobytes(daemon, "VmRSS")? })
    }

    /// Megabytes (2^20) of the peak since, above what was in use then.
    ///
    /// # Errors
    /// When the daemon does not run.
    pub fn grown_mb(&self, daemon: &TestDaemon) -> Result<f64> {
        let grown = i32::try_from(kilobytes(daemon, "VmHWM")? - self.before)?;
        Ok(f64::from(grown) / 1_024.0)
    }
}

/// Megabytes of the peak since the start.
///
/// # Errors
/// When the daemon does not run.
pub fn peak_mb(daemon: &TestDaemon) -> Result<f64> {
    Ok(f64::from(i32::try_from(kilobytes(daemon, "VmHWM")?)?) / 1_024.0)
}

/// Processor time used so far, user and system, in milliseconds.
///
/// # Errors
/// When the daemon does not run.
pub fn cpu_ms(daemon: &TestDaemon) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", daemon.pid().context("the daemon does not run")?))?;
    // The second field is a name in brackets and may hold spaces.
    let after = text.rsplit_once(") ").context("no name in stat")?.1;
    let mut fields = after.split(' ').skip(11);
    let mut ticks = || -> Result<u64> { Ok(fields.next().context("a short stat")?.parse()?) };
    // Linux counts in hundredths of a second on every platform we run on.
    Ok((ticks()? + ticks()?) * 10)
}

/// Resident memory now, in kilobytes.
///
/// # Errors
/// When the daemon does not run.
pub fn rss_kb(daemon: &TestDaemon) -> Result<u32> {
    Ok(u32::try_from(kilobytes(daemon, "VmRSS")?)?)
}

/// The part of it that the process itself asked for, in kilobytes: not the pages of its program file and libraries, which come in as code is
/// first run and which the system can drop at any time.
///
/// # Errors
/// When the daemon does not run.
pub fn own_kb(daemon: &TestDaemon) -> Result<u32> {
    Ok(u32::try_from(kilobytes(daemon, "RssAnon")?)?)
}

/// Open file descriptors.
///
/// # Errors
/// When the daemon does not run.
pub fn descriptors(daemon: &TestDaemon) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/fd", daemon.pid().context("the daemon does not run")?))?.count())
}

/// Bytes of all files in the daemon's home whose path from there begins so, those in its folders included; 0 when there are none.
///
/// # Errors
/// When the home cannot be read.
pub fn bytes_of(daemon: &TestDaemon, beginning: &str) -> Result<u64> {
    let mut bytes = 0;
    for place in [daemon.home().to_owned(), daemon.home().join("logs")] {
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let inside = path.strip_prefix(daemon.home())?.to_string_lossy().starts_with(beginning);
            // A file may go away between the list and the look.
            bytes += entry.metadata().ok().filter(|found| inside && found.is_file()).map_or(0, |found| found.len());
        }
    }
    Ok(bytes)
}
