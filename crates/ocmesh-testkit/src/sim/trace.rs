//! The steps of a run in words that led to the first fault, for whoever has to understand a failing seed; the last ones where there is none.
//! Costs nothing when nobody asked for it.

use std::{collections::VecDeque, fmt::Write as _};

use ocmesh_proto::{At, EventId};

/// The last lines, oldest first.
#[derive(Debug)]
pub(super) struct Trace {
    lines: VecDeque<String>,
    lines_max: usize,
    start: At,
    /// Lines that are still to come after the first fault.
    left: Option<usize>,
}

/// Lines kept after the first fault.
const AFTERMATH_LINES: usize = 20;

impl Trace {
    pub(super) const fn new(lines_max: usize, start: At) -> Self {
        Self { lines: VecDeque::new(), lines_max, start, left: None }
    }

    /// Adds a line; the words are only made when they are kept.
    pub(super) fn line(&mut self, now: At, words: impl FnOnce() -> String) {
        if self.lines_max == 0 || self.left == Some(0) {
            return;
        }
        self.left = self.left.map(|left| left - 1);
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
        }
        let mut line = String::new();
        let ms = now.since(self.start);
        let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        // Writing to a string cannot fail.
        let _ = write!(line, "{hours:>4}:{minutes:02}:{seconds:02}.{:03}  {}", ms % 1_000, words());
        self.lines.push_back(line);
    }

    /// The last line tells a fault: what led to it stays.
    pub(super) fn keep(&mut self) {
        self.left.get_or_insert(AFTERMATH_LINES);
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// The first digits of an id.
pub(super) fn short(id: EventId) -> String {
    id.as_bytes().iter().take(4).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
