//! Does a text look as if it held a secret? It finds the usual forms of keys and tokens by how they are made, seed words by their checksum,
//! and our own secrets exactly. It says what kind it is and where, and never repeats it. Whoever wants to hide a secret can.

mod assigned;
mod own;
mod tokens;
mod words;

use ocmesh_proto::{MessagePart, SecretSeen};

pub use own::OwnSecrets;

/// More of them in one message are not listed.
const SEEN_MAX: usize = 10;

/// A kind of secret, and the byte where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    at: usize,
    kind: &'static str,
    own: bool,
}

const fn spot(kind: &'static str, at: usize) -> Spot {
    Spot { at, kind, own: false }
}

/// What looks like a secret in one part of a message, in the order of the text.
#[must_use]
pub fn find(part: MessagePart, text: &str, own: &OwnSecrets) -> Vec<SecretSeen> {
    let mut spots = own.find(text);
    spots.extend(tokens::find(text));
    spots.extend(assigned::find(text));
    spots.extend(words::find(text));
    spots.sort_unstable();
    spots.dedup_by_key(|spot| (spot.at, spot.kind));
    spots.truncate(SEEN_MAX);
    spots.into_iter().map(|spot| seen(part, text, spot)).collect()
}

fn seen(part: MessagePart, text: &str, spot: Spot) -> SecretSeen {
    let before = text.get(..spot.at).unwrap_or_default();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let from_one = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    SecretSeen { kind: spot.kind, own: spot.own, part, line: from_one(line), column: from_one(column) }
}

/// Letters and digits, and not the same ones all the time: no sentence, no line of crosses.
fn is_random(text: &str) -> bool {
    is_varied(text) && text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// At least eight different letters and digits.
fn is_varied(text: &str) -> bool {
    let mut seen: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() >= 8
}

/// Where the runs of such characters begin, and the runs.
fn runs(text: &str, belongs: fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let offset = move |run: &str| run.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    text.split(move |c: char| !belongs(c)).filter(|run| !run.is_empty()).map(move |run| (offset(run), run))
}

#[cfg(test)]
mod tests;
