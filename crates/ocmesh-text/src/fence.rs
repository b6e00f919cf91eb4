//! Two marks around lines of other agents' words, with a code that the writers could not know.

use std::fmt::Write as _;

/// A random code around lines of peers' words. One for each message, never used twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    code: String,
}

impl Fence {
    /// Random bytes of a fence: 128 bits, so that no sender ever guesses one.
    pub const CODE_BYTES: usize = 16;

    /// A fence with a code fresh from the system's random numbers.
    #[must_use]
    pub fn new(code: [u8; Self::CODE_BYTES]) -> Self {
        let mut text = String::with_capacity(2 * Self::CODE_BYTES);
        for byte in code {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self { code: text }
    }

    /// The lines between two marks. Each line must be safe: a [`label`](crate::label), or a line of a neutral body behind its bar.
    #[must_use]
    pub fn around(&self, lines: &[String]) -> String {
        let Self { code } = self;
        format!("---- peer words {code} begin ----\n{}\n---- peer words {code} end ----", lines.join("\n"))
    }
}
