//! Secrets that are told by what stands before them: `password = …`, a private key in hex, a login in an address.

use super::{Spot, is_random, spot, tokens::alphanumeric};

/// What stands before a value that is called a secret.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secret_key",
    "private_key",
    "privkey",
    "api_key",
    "api-key",
    "apikey",
    "access_token",
    "auth_token",
    "client_secret",
];
/// What a value says when it is none.
const EXAMPLES: [&str; 10] = ["example", "changeme", "placeholder", "your", "xxxx", "****", "redacted", "dummy", "sample", "password"];
/// A value that is called a secret has at least so many characters; shorter ones are words too often.
const VALUE_CHARS_MIN: usize = 10;
/// A run of letters and digits in a value that has capitals and small letters too.
const MIXED_CHARS_MIN: usize = 8;
/// A run of letters and digits in a value that has not: hex, for one.
const PLAIN_CHARS_MIN: usize = 16;
/// Shortest password in an address.
const LOGIN_CHARS_MIN: usize = 6;
/// What private keys are called.
const HEX_NAMES: [&str; 7] = ["private", "secret", "privkey", "seed", "nsec", "signing key", "database key"];
/// What else 64 digits may be.
const OTHER_NAMES: [&str; 7] = ["public", "pubkey", "npub", "sha256", "hash", "event", "commit"];
/// A name of a key stands at most so many characters before it.
const NEAR_CHARS: usize = 32;
/// Hexadecimal digits of a private key.
const HEX_CHARS: usize = 64;

/// What is called a secret in a text.
pub(super) fn find(text: &str) -> Vec<Spot> {
    let mut spots = named_hex(text);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        spots.extend(named_values(line).into_iter().map(|inside| spot("password or key", at + inside)));
        at += line.len();
    }
    spots.extend(text.match_indices("://").filter(|(at, _)| has_password(text, *at)).map(|(at, _)| spot("password in an address", at)));
    spots
}

/// 64 hexadecimal digits that are called private: alone they are a public key or an id as often.
fn named_hex(text: &str) -> Vec<Spot> {
    let lower = text.to_ascii_lowercase();
    let mut spots = Vec::new();
    let mut at = 0;
    for run in lower.split_inclusive(|c: char| !alphanumeric(c)) {
        let word = run.trim_end_matches(|c: char| !alphanumeric(c));
        let hex = word.strip_prefix("0x").unwrap_or(word);
        if hex.len() == HEX_CHARS && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && is_random(hex) {
            let near: Vec<char> = lower.get(..at).unwrap_or_default().chars().rev().take(NEAR_CHARS).collect();
            let near: String = near.into_iter().rev().collect();
            let called = |names: &[&str]| names.iter().any(|name| near.contains(name));
            spots.extend((called(&HEX_NAMES) && !called(&OTHER_NAMES)).then_some(spot("private key", at)));
        }
        at += run.len();
    }
    spots
}

/// Where the values of `password = …` and its kin begin that are no words and no examples.
fn named_values(line: &str) -> Vec<usize> {
    let lower = line.to_ascii_lowercase();
    let value_at = |(at, _): (usize, &str)| {
        let (before, after) = (lower.get(..at)?, line.get(at.saturating_add(1)..)?);
        let before = before.trim_end_matches(['"', '\'', ' ', '`', ':']);
        let named =
            NAMES.iter().any(|name| before.strip_suffix(name).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_lowercase())));
        let value = after.trim_start_matches(['=', '"', '\'', ' ', '`']);
        let at = line.len().checked_sub(value.len())?;
        let value = value.split(['"', '\'', '`', ' ', ',', ';', '\n', '\r', '\t']).next().unwrap_or_default();
        // The text around it may end there.
        let value = value.trim_end_matches([')', ']', '}', '.']);
        (named && is_made_up(value) && !is_example(value)).then_some(at)
    };
    lower.match_indices(['=', ':']).filter_map(value_at).collect()
}

/// No word, no name of a variable, no piece of a program.
fn is_made_up(value: &str) -> bool {
    if value.chars().count() < VALUE_CHARS_MIN || value.contains(['(', ')', '[', ']', '{', '}', '<', '>', '$']) {
        return false;
    }
    let has = |text: &str, is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    let is_random_run = |run: &str| {
        let mixed = has(run, char::is_ascii_uppercase) && has(run, char::is_ascii_lowercase);
        let long = run.len() >= PLAIN_CHARS_MIN && has(run, char::is_ascii_alphabetic);
        // Names of things end in a number at most: Base64, Sha256, v2.
        groups_of_digits(run) >= 2 && ((run.len() >= MIXED_CHARS_MIN && mixed) || long)
    };
    let has_symbol = value.contains(['!', '@', '#', '%', '^', '&', '*', '+', '?', '~']);
    let is_typed =
        has_symbol && has(value, char::is_ascii_digit) && has(value, char::is_ascii_alphabetic) && !value.contains(['/', '=', '.']);
    is_typed || value.split(|c: char| !alphanumeric(c)).any(is_random_run)
}

fn groups_of_digits(run: &str) -> usize {
    run.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).count()
}

/// `scheme://user:password@host`.
fn has_password(text: &str, at: usize) -> bool {
    let rest = text.get(at.saturating_add(3)..).unwrap_or_default();
    let authority = rest.split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'')).next().unwrap_or_default();
    let Some((user, password)) = authority.rsplit_once('@').and_then(|(login, _)| login.split_once(':')) else { return false };
    let is_long = password.chars().count() >= LOGIN_CHARS_MIN && password.contains(|c: char| c.is_ascii_digit());
    !user.is_empty() && user != password && is_long && !is_example(password)
}

fn is_example(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    EXAMPLES.iter().any(|example| lower.contains(example)) || lower.starts_with(['$', '{', '%', '<'])
}
