//! What the system says of a running process: its use of the processor and of memory. Linux only, as the laboratory is.

use std::fs;

use anyhow::{Context as _, Result};

/// Nanoseconds of processor time so far, of all threads that still live, by the scheduler's own count; or, where threads came and went, by
/// the process's clock ticks, whichever is more.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    Ok((of_all_threads(pid, 0)? / 1e9).max(ticks(pid)? / 100.0))
}

/// User and system time in hundredths of a second.
fn ticks(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in brackets and may hold spaces.
    let after = text.rsplit_once(") ").context("no name in stat")?.1;
    let mut fields = after.split(' ').skip(11);
    let mut next = || -> Result<f64> { Ok(fields.next().context("a short stat")?.parse()?) };
    Ok(next()? + next()?)
}

/// How often its threads began to run so far: each is a processor that is woken, or kept from something else.
pub(crate) fn wakeups(pid: u32) -> Result<f64> {
    of_all_threads(pid, 2)
}

/// The scheduler's count of that number, summed over all threads that still live: 0 is nanoseconds run, 2 how often.
fn of_all_threads(pid: u32, field: usize) -> Result<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let Ok(text) = fs::read_to_string(path) else { continue };
        sum += text.split_whitespace().nth(field).and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(sum)
}

/// Resident memory now, in megabytes (2^20).
pub(crate) fn rss_mb(pid: u32) -> Result<f64> {
    megabytes(pid, "VmRSS:")
}

/// The most it ever was since the start.
pub(crate) fn peak_mb(pid: u32) -> Result<f64> {
    megabytes(pid, "VmHWM:")
}

fn megabytes(pid: u32, field: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} of {pid}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1_024.0)
}
