//! A message's place: which line it belongs to, its number there, and the message before it. It travels inside the encryption, so that the
//! recipient sees when one is missing. Why so: docs/adr/0007-numbered-messages.md.

use std::{fmt, str::FromStr};

use crate::{At, HexError, MessageId, PubKey, limit::NUMBER_MAX};

/// Names a line: the messages that one store of one agent wrote to one peer, numbered from 1. Random, made when the counting begins, so that
/// a second device, or a store that lost its count, begins a line of its own and never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for LineId {
    type Err = HexError;

    /// Sixteen lower-case hexadecimal digits, in one spelling only.
    fn from_str(text: &str) -> Result<Self, HexError> {
        let plain = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !plain {
            return Err(HexError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| HexError)
    }
}

/// A message's place in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: LineId,
    /// The message's number, from 1.
    pub number: u64,
    /// The message numbered one less: its id is a hash of everything in it. `None` for the first of a line, and only for it.
    pub previous: Option<MessageId>,
}

impl Place {
    /// A place as a stranger claims it; `None` when there is no such place.
    #[must_use]
    pub fn checked(line: LineId, number: u64, previous: Option<MessageId>) -> Option<Self> {
        let sound = (1..=NUMBER_MAX).contains(&number) && (number == 1) == previous.is_none();
        sound.then_some(Self { line, number, previous })
    }
}

/// The line in which we write to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnLine {
    /// To whom.
    pub peer: PubKey,
    /// The line.
    pub line: LineId,
    /// The number of the newest message.
    pub number: u64,
    /// That message.
    pub last: MessageId,
}

/// A line in which a peer writes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLine {
    /// Whose.
    pub peer: PubKey,
    /// The line.
    pub line: LineId,
    /// The highest number that came.
    pub highest: u64,
    /// When we last heard of it.
    pub heard_at: At,
    /// How many messages did not fit to their neighbours: another message before them than the one we have, or a number used twice.
    pub breaks: u64,
}

/// Numbers of a line between which nothing came: `first` to `last`, both missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Who wrote them.
    pub peer: PubKey,
    /// In which line.
    pub line: LineId,
    /// The first missing number.
    pub first: u64,
    /// The last missing number; no two gaps of a line share it.
    pub last: u64,
    /// When a higher number showed that they are missing.
    pub found_at: At,
    /// Its grace is over: it is shown, and asked for.
    pub shown: bool,
    /// How often it was asked for since it last became smaller.
    pub asks: u32,
    /// When to look at it again; of no meaning when it is lost.
    pub next_at: At,
    /// They will not come any more, as far as we know. What comes all the same closes the gap.
    pub lost: Option<Lost>,
}

impl Gap {
    /// How many messages are missing.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// Why missing messages are not waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Their author says that it does not have them any more, or gave them up.
    Gone,
    /// Nobody answered in all the time they were asked for.
    GivenUp,
}

impl Lost {
    /// `gone` or `given_up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::GivenUp => "given_up",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Gone, Self::GivenUp].into_iter().find(|lost| lost.as_str() == text)
    }
}

/// What the store knows around a place, looked up when a message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaceFacts {
    /// What we know of its line.
    pub line: Option<PeerLine>,
    /// The message we have under the same number of the same line.
    pub same: Option<MessageId>,
    /// The message we have at the number before.
    pub before: Option<MessageId>,
    /// What the message we have at the number after names as the one before it.
    pub named_after: Option<MessageId>,
    /// For a line not known yet, when its author has as many lines as are kept: the one not heard of for the longest time.
    pub oldest_line: Option<LineId>,
}

/// What the store knows of a message of ours that a peer asks for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedFacts {
    /// Its number in the line.
    pub number: u64,
    /// The message.
    pub id: MessageId,
    /// Where it stands.
    pub status: crate::Status,
    /// Its rumor is still there, so that it can be wrapped again.
    pub has_rumor: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_spelling() {
        let line = LineId(0x00ab_cdef_0123_4567);
        assert_eq!(line.to_string(), "00abcdef01234567");
        assert_eq!(line.to_string().parse::<LineId>(), Ok(line));
        for text in
            ["", "abcdef0123456", "00ABCDEF01234567", "+0abcdef01234567", "00abcdef012345678", "00abcdef0123456é", "0x00abcdef012345"]
        {
            assert!(text.parse::<LineId>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_first_of_a_line_has_nothing_before_it() {
        let (line, id) = (LineId(1), MessageId::from_bytes([1; 32]));
        assert!(Place::checked(line, 1, None).is_some());
        assert!(Place::checked(line, NUMBER_MAX, Some(id)).is_some());
        for (number, previous) in [(0, None), (0, Some(id)), (1, Some(id)), (2, None), (NUMBER_MAX + 1, Some(id)), (u64::MAX, Some(id))] {
            assert_eq!(Place::checked(line, number, previous), None, "{number}");
        }
    }
}
