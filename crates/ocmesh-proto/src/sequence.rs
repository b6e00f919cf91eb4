//! Numbered messages: our own lines, and the gaps in the lines of others. What a number that comes means, when a gap is shown, asked for and
//! given up is decided here by functions without state; `gaps` and `again` carry it out.

mod again;
mod gaps;

pub(crate) use again::Given;
pub(crate) use gaps::Gaps;

use crate::{
    AskedFacts, At, Gap, LineId, MessageId, PeerLine, Place, PlaceFacts, PubKey, Status, Trust,
    limit::GAP_NUMBERS_MAX,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// Messages come by several relays and in no order: a number that is missing for less is only late.
pub(crate) const GRACE_MS: u64 = 20 * SECOND;
/// While a relay is still being caught up with, or none is open, a gap waits; at most this long, as some relays never say that they are done.
const CATCH_UP_PATIENCE_MS: u64 = 5 * MINUTE;
/// How long missing messages are asked for: as long as their author tries to send them.
const GIVE_UP_MS: u64 = 7 * DAY;
/// Pauses after the first, second, … ask; the last repeats.
const ASK_DELAYS_MS: [u64; 6] = [MINUTE, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY];
/// With no relay open, or while its author is a stranger, a gap is looked at this often.
const IDLE_MS: u64 = 10 * MINUTE;

/// What a numbered message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The line as it is now.
    pub(crate) line: PeerLine,
    /// Numbers that are missing since this message, first and last.
    pub(crate) missing: Option<(u64, u64)>,
    /// It does not fit to its neighbours.
    pub(crate) breaks: bool,
}

/// What message `id` at `place` tells of its author's line.
pub(crate) fn hear(peer: PubKey, id: MessageId, place: &Place, facts: &PlaceFacts, now: At) -> Heard {
    let known = facts.line.unwrap_or(PeerLine { peer, line: place.line, highest: 0, heard_at: now, breaks: 0 });
    let twice = facts.same.is_some_and(|same| same != id);
    let other_before = facts.before.is_some_and(|before| place.previous != Some(before));
    let other_after = facts.named_after.is_some_and(|named| named != id);
    let breaks = twice || other_before || other_after;
    let jumps = place.number > known.highest.saturating_add(1);
    // A stranger may claim any number: only the newest are worth asking for.
    let last = place.number.saturating_sub(1);
    let first = known.highest.saturating_add(1).max(place.number.saturating_sub(GAP_NUMBERS_MAX));
    Heard {
        line: PeerLine {
            highest: known.highest.max(place.number),
            heard_at: now,
            breaks: known.breaks.saturating_add(u64::from(breaks)),
            ..known
        },
        missing: jumps.then_some((first, last)),
        breaks,
    }
}

/// How we stand to the author of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How far we trust it; `None` when it was forgotten.
    pub(crate) trust: Option<Trust>,
    /// One of our relays is open.
    pub(crate) online: bool,
    /// One of our relays has not told yet what it has stored.
    pub(crate) catching_up: bool,
}

/// What to do with a gap that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It may only be late: not shown yet.
    Hide { until: At },
    /// Show it; its author is not asked now.
    Show { until: At },
    /// Show it and ask its author.
    Ask,
    /// Nobody answered in time.
    GiveUp,
    /// Nothing is taken from its author any more.
    Forget,
}

/// Decides on a gap that is due.
pub(crate) fn due(gap: &Gap, standing: Standing, now: At) -> Due {
    let waited = now.since(gap.found_at);
    let accepted = match standing.trust {
        None | Some(Trust::Blocked) => return Due::Forget,
        Some(trust) => trust.is_accepted(),
    };
    if !gap.shown && (standing.catching_up || !standing.online) && waited < CATCH_UP_PATIENCE_MS {
        return Due::Hide { until: now.plus(GRACE_MS) };
    }
    if waited >= GIVE_UP_MS {
        Due::GiveUp
    } else if accepted && standing.online {
        Due::Ask
    } else {
        // A stranger learns nothing from us, not even that its messages come in.
        Due::Show { until: now.plus(IDLE_MS) }
    }
}

/// The pause after so many asks, before jitter.
pub(crate) fn ask_delay_ms(asks: u32) -> u64 {
    let index = usize::try_from(asks.saturating_sub(1)).unwrap_or(usize::MAX);
    ASK_DELAYS_MS.get(index).or(ASK_DELAYS_MS.last()).copied().unwrap_or(DAY)
}

/// What is left of a gap when a number of it came, below and above that number.
pub(crate) fn without(gap: &Gap, first: u64, last: u64) -> [Option<Gap>; 2] {
    let below = Gap { last: first.saturating_sub(1), ..*gap };
    let above = Gap { first: last.saturating_add(1), ..*gap };
    [Some(below).filter(|_| first > gap.first), Some(above).filter(|_| last < gap.last)]
}

/// What a peer that asks for a number of ours gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The message, wrapped anew.
    Give(MessageId),
    /// Word that it will not come.
    Gone,
    /// Nothing: another store of ours may have it, or nobody ever wrote it.
    Silence,
}

/// Decides what to answer. `ours`: the line is the one we write in now, and the number was used.
pub(crate) fn reply(facts: Option<&AskedFacts>, ours: bool) -> Reply {
    match facts {
        Some(facts) if matches!(facts.status, Status::Failed { .. }) => Reply::Gone,
        Some(facts) if facts.has_rumor => Reply::Give(facts.id),
        _ if ours => Reply::Gone,
        _ => Reply::Silence,
    }
}

/// Ascending numbers as runs: the first and the last of each.
pub(crate) fn runs(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if number <= last.saturating_add(1) => *last = (*last).max(number),
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// The first line and the last line there can be, for ranges over a peer's lines.
pub(crate) const LINES: (LineId, LineId) = (LineId(0), LineId(u64::MAX));

#[cfg(test)]
mod tests;
