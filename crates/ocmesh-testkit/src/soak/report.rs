//! What a soak found, in words, and whether that is good.

use std::{fmt, time::Duration};

use super::{
    sample::{Course, Memory, Sample, Usage, real},
    trend::Trend,
};
use crate::{ledger::Tally, load::TalkCounts};

/// Memory may not be shown to grow by more than this, in megabytes an hour.
const RSS_PER_HOUR_MAX: f64 = 0.1;
/// Descriptors may rise by this between the first sample, at which not every reading connection is open, and the end.
const DESCRIPTORS_MORE_MAX: usize = 12;
/// A day's log before it goes to the archive, the archives (`log.keep_mb`), and the largest archive that may be in the making.
const LOG_BYTES_MAX: u64 = 32 * 1_024 * 1_024 + 64_000_000 + 8 * 1_024 * 1_024;
/// A message may cost so many times the database it cost in the first half.
const DB_PER_MESSAGE_GROWTH_MAX: f64 = 1.1;
/// A run shorter than this says nothing about memory and database: caches are still filling.
const TREND_LASTS_MIN: Duration = Duration::from_secs(20 * 60);

/// What a soak found.
#[derive(Debug, Clone)]
pub struct SoakReport {
    /// How long agents talked.
    pub lasted: Duration,
    /// What they said.
    pub counts: TalkCounts,
    /// What went wrong.
    pub tally: Tally,
    /// Messages whose sender was told that they failed.
    pub told_failed: usize,
    /// How long it took after the faults until everything had arrived and nothing waited for a relay; `None`: it never was so.
    pub drain: Option<Duration>,
    /// Messages of each agent that had arrived, and whose sender still had no receipt of it.
    pub awaiting: [u64; 2],
    /// Both daemons, while agents talked.
    pub courses: [Option<Course>; 2],
    /// Both daemons at the very end.
    pub after: [Usage; 2],
}

impl SoakReport {
    /// Every number that is not met, in words.
    #[must_use]
    pub fn unmet(&self) -> Vec<String> {
        let mut unmet = Vec::new();
        if self.tally != Tally::default() {
            unmet.push(self.tally.to_string());
        }
        if self.told_failed > 0 {
            unmet.push(format!("{} messages failed", self.told_failed));
        }
        if self.drain.is_none() {
            unmet.push("the outboxes did not drain".to_owned());
        }
        for (name, course, after) in self.daemons() {
            let Some(course) = course else {
                unmet.push(format!("{name}: no samples"));
                continue;
            };
            let long = self.lasted >= TREND_LASTS_MIN;
            for (what, memory) in [("memory", course.rss), ("memory of its own", course.own)] {
                if let Some(Trend { low, .. }) = memory.trend.filter(|trend| long && trend.low > RSS_PER_HOUR_MAX) {
                    unmet.push(format!("{name}: {what} grows by {low:.2} MB an hour or more"));
                }
            }
            if after.descriptors > course.descriptors[0] + DESCRIPTORS_MORE_MAX {
                unmet.push(format!("{name}: {} descriptors, {} at first", after.descriptors, course.descriptors[0]));
            }
            if after.log_bytes > LOG_BYTES_MAX {
                unmet.push(format!("{name}: {} bytes of logs", after.log_bytes));
            }
            let [early, late] = course.db_per_message;
            if long && late > early * DB_PER_MESSAGE_GROWTH_MAX {
                unmet.push(format!("{name}: a message costs {late:.0} bytes of database after {early:.0}"));
            }
        }
        unmet
    }

    fn daemons(&self) -> impl Iterator<Item = (&'static str, Option<Course>, Usage)> {
        ["anna", "bert"].into_iter().zip(self.courses).zip(self.after).map(|((name, course), after)| (name, course, after))
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TalkCounts { acked, bytes, cut_off, refused, .. } = self.counts;
        let minutes = self.lasted.as_secs_f64() / 60.0;
        writeln!(f, "{minutes:.1} minutes, {acked} messages of {bytes} bytes: {}, {} failed", self.tally, self.told_failed)?;
        writeln!(f, "{cut_off} calls cut off, {refused} refused for the moment")?;
        match self.drain {
            Some(took) => writeln!(
                f,
                "{:.1} s after the faults everything had arrived and nothing waited for a relay; receipts still awaited: {} and {}",
                took.as_secs_f64(),
                self.awaiting[0],
                self.awaiting[1]
            )?,
            None => writeln!(f, "the outboxes did not drain")?,
        }
        for (name, course, after) in self.daemons() {
            let Some(Course { rss, own, descriptors, db_per_message, .. }) = course else { continue };
            for (what, Memory { mb, trend }) in [("memory", rss), ("memory without files", own)] {
                let trend = trend.map_or_else(|| "too short for a trend".to_owned(), |trend| format!("{trend} in the second half"));
                writeln!(f, "{name}: {what} {:.1} MB at first, {:.1} at last, {:.1} at most; {trend}", mb[0], mb[1], mb[2])?;
            }
            writeln!(
                f,
                "{name}: descriptors {} at first, {} at last, {} at most, {} at rest",
                descriptors[0], descriptors[1], descriptors[2], after.descriptors
            )?;
            let log_mb = real(after.log_bytes / 1_000) / 1_000.0;
            writeln!(f, "{name}: {log_mb:.2} MB of logs (cap {} MB)", LOG_BYTES_MAX / 1_000_000)?;
            writeln!(
                f,
                "{name}: database {:.1} MB, {:.0} bytes a message in the first half, {:.0} in the second",
                real(after.db_bytes / 1_000) / 1_000.0,
                db_per_message[0],
                db_per_message[1]
            )?;
        }
        Ok(())
    }
}

/// One sample in a line.
pub(super) fn line(sample: &Sample, tally: &Tally) -> String {
    let minute = sample.at.as_secs() / 60;
    let of = |Usage { rss_mb, own_mb, descriptors, log_bytes, db_bytes }: Usage| {
        format!("{rss_mb:.1} MB ({own_mb:.1} its own), {descriptors} fds, log {} KB, db {} KB", log_bytes / 1_000, db_bytes / 1_000)
    };
    let [anna, bert] = sample.usage.map(of);
    let Tally { lost, duplicated, phantom, torn } = tally;
    format!(
        "{minute:>4} min: {} sent, {lost} under way, {duplicated} duplicated, {phantom} phantom, {torn} torn | anna {anna} | bert {bert}",
        sample.counts.acked
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> SoakReport {
        let usage = Usage { rss_mb: 40.0, own_mb: 12.0, descriptors: 30, log_bytes: 1_000, db_bytes: 1_000_000 };
        let trend = Some(Trend { per_hour: 0.2, low: -0.3, high: 0.7, samples: 30 });
        let memory = Memory { mb: [30.0, 40.0, 42.0], trend };
        let (descriptors, db_per_message) = ([28, 30, 60], [4_000.0, 4_100.0]);
        let course = Course { rss: memory, own: memory, descriptors, log_bytes: 1_000, db_per_message };
        SoakReport {
            lasted: Duration::from_secs(3_600),
            counts: TalkCounts::default(),
            tally: Tally::default(),
            told_failed: 0,
            drain: Some(Duration::from_secs(3)),
            awaiting: [0; 2],
            courses: [Some(course); 2],
            after: [usage; 2],
        }
    }

    /// What is not met after one thing was changed.
    fn unmet(change: impl FnOnce(&mut SoakReport)) -> String {
        let mut report = good();
        change(&mut report);
        report.unmet().join("; ")
    }

    fn first(report: &mut SoakReport) -> &mut Course {
        report.courses[0].as_mut().unwrap()
    }

    #[test]
    fn each_number_that_is_not_met_is_named_and_good_ones_are_not() {
        assert_eq!(unmet(|_| {}), "");
        assert_eq!(unmet(|report| report.tally.lost = 2), "2 lost, 0 duplicated, 0 phantom, 0 torn");
        assert_eq!(unmet(|report| report.told_failed = 1), "1 messages failed");
        assert_eq!(unmet(|report| report.drain = None), "the outboxes did not drain");
        let leak = Some(Trend { per_hour: 2.0, low: 1.5, high: 2.5, samples: 30 });
        assert_eq!(unmet(|report| first(report).rss.trend = leak), "anna: memory grows by 1.50 MB an hour or more");
        assert_eq!(unmet(|report| first(report).own.trend = leak), "anna: memory of its own grows by 1.50 MB an hour or more");
        assert_eq!(unmet(|report| report.after[1].descriptors = 50), "bert: 50 descriptors, 28 at first");
        assert_eq!(unmet(|report| report.after[1].log_bytes = 200_000_000), "bert: 200000000 bytes of logs");
        assert!(unmet(|report| first(report).db_per_message[1] = 9_000.0).contains("9000 bytes of database after 4000"));
        assert_eq!(unmet(|report| report.courses[1] = None), "bert: no samples");
    }
}
