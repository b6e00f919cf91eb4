//! Seed words (BIP-39): so many words of the English list in a row that their checksum is right.

use std::collections::BTreeSet;

use bip39::{Language, Mnemonic};

use super::{Spot, runs, spot};

/// How many words a phrase has.
const COUNTS: [usize; 5] = [24, 21, 18, 15, 12];

/// A word of the list, and where it begins.
type Word = (usize, String);

const fn letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

/// Phrases in a text, numbered or not, on one line or many.
pub(super) fn find(text: &str) -> Vec<Spot> {
    let mut spots = Vec::new();
    let mut row: Vec<Word> = Vec::new();
    let mut end = 0;
    for (at, word) in runs(text, letter) {
        let goes_on = is_between(text.get(end..at).unwrap_or_default());
        end = at + word.len();
        let word = word.to_ascii_lowercase();
        let is_listed = Language::English.find_word(&word).is_some();
        if !(goes_on && is_listed) {
            spots.extend(in_row(&row));
            row.clear();
        }
        if is_listed {
            row.push((at, word));
        }
    }
    spots.extend(in_row(&row));
    spots
}

/// What stands between the words of a list, and not what stands between those of a program.
fn is_between(gap: &str) -> bool {
    let may = |c: char| c.is_whitespace() || c.is_ascii_digit() || matches!(c, ',' | '.' | ')' | ':' | ';' | '-' | '*' | '|' | '"' | '\'');
    gap.contains(|c: char| c.is_whitespace() || c == ',') && gap.chars().all(may)
}

/// The first phrase of a row. A dozen words in a row are hardly ever in the list by chance; what remains the checksum decides.
fn in_row(row: &[Word]) -> Option<Spot> {
    COUNTS
        .iter()
        .find_map(|count| row.windows(*count).find(|words| is_phrase(words)))
        .and_then(<[_]>::first)
        .map(|(at, _)| spot("seed words", *at))
}

/// Words that were drawn are different ones; "true, true, false" are not, nor is the example that everybody uses.
fn is_phrase(words: &[Word]) -> bool {
    let different: BTreeSet<&str> = words.iter().map(|(_, word)| word.as_str()).collect();
    let phrase = || words.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ");
    different.len() >= words.len() / 2 && Mnemonic::parse_in_normalized(Language::English, &phrase()).is_ok()
}
