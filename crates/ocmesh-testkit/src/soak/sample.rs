//! What two daemons use at one moment, and what a run of such moments says.

use std::time::Duration;

use anyhow::Result;

use super::trend::{Trend, median, trend};
use crate::{load::TalkCounts, process, scenario::Agent};

/// What one daemon uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Resident memory, in megabytes (2^20).
    pub rss_mb: f64,
    /// Of that, what is not a file's: see [`process::own_kb`].
    pub own_mb: f64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Bytes of logs, today's and earlier ones.
    pub log_bytes: u64,
    /// Bytes of the database without its write-ahead log, which is bounded and comes and goes.
    pub db_bytes: u64,
}

/// One moment of a soak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Since the talk began.
    pub at: Duration,
    /// Both daemons.
    pub usage: [Usage; 2],
    /// The talk so far.
    pub counts: TalkCounts,
}

/// Whole numbers as far as a soak's go.
pub(super) fn real(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn hours(span: Duration) -> f64 {
    span.as_secs_f64() / 3_600.0
}

impl Usage {
    /// Of this agent's daemon, now.
    ///
    /// # Errors
    /// When the daemon does not run.
    pub fn of(agent: &Agent) -> Result<Self> {
        let daemon = &agent.daemon;
        Ok(Self {
            rss_mb: f64::from(process::rss_kb(daemon)?) / 1_024.0,
            own_mb: f64::from(process::own_kb(daemon)?) / 1_024.0,
            descriptors: process::descriptors(daemon)?,
            log_bytes: process::bytes_of(daemon, "ocmesh.log")? + process::bytes_of(daemon, "logs/")?,
            db_bytes: std::fs::metadata(daemon.home().join("ocmesh.db"))?.len(),
        })
    }
}

/// What the samples of one daemon say about one kind of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Megabytes at the first sample, the last, and the most.
    pub mb: [f64; 3],
    /// The trend over the second half, in megabytes.
    pub trend: Option<Trend>,
}

/// What the samples of one daemon say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// Resident memory.
    pub rss: Memory,
    /// What of it is not a file's.
    pub own: Memory,
    /// Descriptors at the first sample, the last, and their most.
    pub descriptors: [usize; 3],
    /// Bytes of logs at the end.
    pub log_bytes: u64,
    /// Bytes of the database for each message that came or went, in the first half and in the second.
    pub db_per_message: [f64; 2],
}

/// The course of daemon `which`. `None` when there are no samples.
#[must_use]
pub fn course(samples: &[Sample], which: usize) -> Option<Course> {
    let used: Vec<(&Sample, Usage)> = samples.iter().filter_map(|sample| Some((sample, *sample.usage.get(which)?))).collect();
    let ((_, first), (end, last)) = (*used.first()?, *used.last()?);
    // In the first minute peers meet and presences come.
    let (start, settled) = used.iter().find(|(sample, _)| sample.at >= Duration::from_secs(60)).or(used.first())?;
    let (middle, half) = used.iter().find(|(sample, _)| sample.at >= end.at / 2)?;
    let memory = |figure: fn(&Usage) -> f64| {
        let late: Vec<(Duration, f64)> =
            used.iter().filter(|(sample, _)| sample.at >= end.at / 2).map(|(sample, usage)| (sample.at, figure(usage))).collect();
        let most = used.iter().map(|(_, usage)| figure(usage)).fold(0.0, f64::max);
        Memory { mb: [figure(&first), figure(&last), most], trend: trend(&by_minute(&late)) }
    };
    let grown = |from: (&Sample, &Usage), to: (&Sample, &Usage)| {
        let messages = real(to.0.counts.acked.saturating_sub(from.0.counts.acked));
        real(to.1.db_bytes.saturating_sub(from.1.db_bytes)) / messages.max(1.0)
    };
    Some(Course {
        rss: memory(|usage| usage.rss_mb),
        own: memory(|usage| usage.own_mb),
        descriptors: [first.descriptors, last.descriptors, used.iter().map(|(_, usage)| usage.descriptors).max().unwrap_or(0)],
        log_bytes: last.log_bytes,
        db_per_message: [grown((start, settled), (middle, half)), grown((middle, half), (end, &last))],
    })
}

/// The median of each minute, so that one moment's peak is not a trend.
fn by_minute(samples: &[(Duration, f64)]) -> Vec<(f64, f64)> {
    let minute = |at: Duration| at.as_secs() / 60;
    let of_one = |group: &[(Duration, f64)]| {
        let values: Vec<f64> = group.iter().map(|(_, value)| *value).collect();
        group.get(group.len() / 2).map(|(at, _)| (hours(*at), median(&values)))
    };
    samples.chunk_by(|one, next| minute(one.0) == minute(next.0)).filter_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_looks_at_the_second_half_minute_by_minute() {
        let usage = |second: u64| Usage {
            // Filling for half an hour, then level, with a peak that one sample in six sees.
            rss_mb: real(second.min(1_800)) / 100.0 + if second % 60 == 10 { 50.0 } else { 0.0 },
            own_mb: 12.0,
            descriptors: 20,
            log_bytes: second,
            db_bytes: second * 5_000,
        };
        let sample = |second: u64| Sample {
            at: Duration::from_secs(second),
            usage: [usage(second); 2],
            counts: TalkCounts { acked: second * 2, ..TalkCounts::default() },
        };
        let samples: Vec<Sample> = (0..=360).map(|number| sample(number * 10)).collect();
        let course = course(&samples, 1).unwrap();
        let trend = course.rss.trend.unwrap();
        assert!(trend.per_hour.abs() < 0.01 && trend.samples == 31, "{trend}");
        assert_eq!(course.own.mb, [12.0; 3]);
        assert_eq!((course.descriptors, course.log_bytes), ([20, 20, 20], 3_600));
        assert!((course.rss.mb[2] - 68.0).abs() < 0.2, "{course:?}");
        assert!(course.db_per_message.iter().all(|bytes| (bytes - 2_500.0).abs() < 1.0), "{course:?}");
    }
}
