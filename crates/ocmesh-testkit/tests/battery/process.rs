//! What the system says of a running daemon: its memory and its use of the processor.

use std::fs;

use anyhow::{Context as _, Result};
use ocmesh_testkit::TestDaemon;

/// A field of `/proc/<pid>/status` in kilobytes.
fn kilobytes(daemon: &TestDaemon, field: &str) -> Result<i64> {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid().context("the daemon does not run")?))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} in {text}"))?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse()?)
}

/// Resident memory before a fault, to compare its peak with.
#[derive(Debug)]
pub(crate) struct Memory {
    before: i64,
}

impl Memory {
    /// Forgets earlier peaks and notes what is in use now.
    pub(crate) fn note(daemon: &TestDaemon) -> Result<Self> {
        // 5 resets the peak (proc_pid_clear_refs(5)).
        fs::write(format!("/proc/{}/clear_refs", daemon.pid().context("the daemon does not run")?), "5")?;
        Ok(Self { before: kilobytes(daemon, "VmRSS")? })
    }

    /// Megabytes (2^20) of the peak since, above what was in use then.
    pub(crate) fn grown_mb(&self, daemon: &TestDaemon) -> Result<f64> {
        let grown = i32::try_from(kilobytes(daemon, "VmHWM")? - self.before)?;
        Ok(f64::from(grown) / 1_024.0)
    }
}

/// Megabytes of the peak since the start.
pub(crate) fn peak_mb(daemon: &TestDaemon) -> Result<f64> {
    Ok(f64::from(i32::try_from(kilobytes(daemon, "VmHWM")?)?) / 1_024.0)
}

/// Processor time used so far, user and system, in milliseconds.
pub(crate) fn cpu_ms(daemon: &TestDaemon) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", daemon.pid().context("the daemon does not run")?))?;
    // The second field is a name in brackets and may hold spaces.
    let after = text.rsplit_once(") ").context("no name in stat")?.1;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // Linux counts in hundredths of a second on every platform we run on.
    Ok(ticks * 10)
}
