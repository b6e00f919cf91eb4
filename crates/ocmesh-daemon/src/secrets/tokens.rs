//! Keys and tokens that can be told by how they begin, as their makers describe them, and blocks that say of themselves that they are keys.

use super::{Spot, is_random, is_varied, runs, spot};

/// Which characters go on with a token.
type Alphabet = fn(char) -> bool;

pub(super) const fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

const fn url_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

const fn dotted(c: char) -> bool {
    url_safe(c) || c == '.'
}

const fn capitals(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

const fn bech32(c: char) -> bool {
    matches!(c, '0' | '2'..='9' | 'a' | 'c'..='h' | 'j'..='n' | 'p'..='z')
}

/// What a token begins with, what it goes on with and how long that is.
struct Token {
    kind: &'static str,
    start: &'static str,
    alphabet: Alphabet,
    chars_min: usize,
    chars_max: usize,
}

const fn token(kind: &'static str, start: &'static str, alphabet: Alphabet, chars_min: usize, chars_max: usize) -> Token {
    Token { kind, start, alphabet, chars_min, chars_max }
}

const TOKENS: &[Token] = &[
    token("Nostr secret key", "nsec1", bech32, 58, 58),
    token("encrypted Nostr secret key", "ncryptsec1", bech32, 100, 200),
    token("AWS access key", "AKIA", capitals, 16, 16),
    token("AWS access key", "ASIA", capitals, 16, 16),
    token("GitHub token", "ghp_", alphanumeric, 36, 255),
    token("GitHub token", "gho_", alphanumeric, 36, 255),
    token("GitHub token", "ghu_", alphanumeric, 36, 255),
    token("GitHub token", "ghs_", alphanumeric, 36, 255),
    token("GitHub token", "ghr_", alphanumeric, 36, 255),
    token("GitHub token", "github_pat_", url_safe, 40, 255),
    token("GitLab token", "glpat-", url_safe, 20, 255),
    token("OpenAI or Anthropic key", "sk-", url_safe, 32, 255),
    token("Slack token", "xoxb-", url_safe, 20, 255),
    token("Slack token", "xoxp-", url_safe, 20, 255),
    token("Slack token", "xoxa-", url_safe, 20, 255),
    token("Slack token", "xoxe-", url_safe, 20, 255),
    token("Slack token", "xoxs-", url_safe, 20, 255),
    token("Slack token", "xoxr-", url_safe, 20, 255),
    token("Slack token", "xapp-", url_safe, 20, 255),
    token("Google key", "AIza", url_safe, 35, 35),
    token("Google secret", "GOCSPX-", url_safe, 28, 28),
    token("Google token", "ya29.", url_safe, 40, 2_048),
    token("Stripe key", "sk_live_", alphanumeric, 16, 255),
    token("Stripe key", "rk_live_", alphanumeric, 16, 255),
    token("npm token", "npm_", alphanumeric, 36, 36),
    token("PyPI token", "pypi-AgE", url_safe, 40, 500),
    token("Hugging Face token", "hf_", alphanumeric, 30, 64),
    token("SendGrid key", "SG.", dotted, 60, 80),
    token("age secret key", "AGE-SECRET-KEY-1", capitals, 58, 58),
    token("extended private key", "xprv", alphanumeric, 107, 107),
];

/// What it says then.
const EXAMPLES: [&str; 2] = ["example", "your"];
/// A run without dashes so long is no word: names of files and branches are many words with dashes between them.
const SEGMENT_CHARS_MIN: usize = 12;
/// Shortest text inside a block of a private key that is taken for one.
const BLOCK_CHARS_MIN: usize = 40;
/// Longest title of a block.
const TITLE_BYTES_MAX: usize = 40;
const BLOCK: &str = "-----BEGIN ";

/// The tokens and keys in a text.
pub(super) fn find(text: &str) -> Vec<Spot> {
    let mut spots: Vec<Spot> = TOKENS.iter().flat_map(|token| of(text, token)).collect();
    spots
        .extend(text.match_indices(BLOCK).filter(|(at, start)| is_private(after(text, *at, start))).map(|(at, _)| spot("private key", at)));
    spots.extend(runs(text, dotted).filter(|(_, run)| is_jwt(run)).map(|(at, _)| spot("JSON web token", at)));
    spots
}

/// The rest of a text behind what was found in it.
fn after<'a>(text: &'a str, at: usize, found: &str) -> &'a str {
    text.get(at.saturating_add(found.len())..).unwrap_or_default()
}

fn of<'a>(text: &'a str, token: &'a Token) -> impl Iterator<Item = Spot> + 'a {
    text.match_indices(token.start)
        .filter(move |(at, start)| is_token(text, *at, after(text, *at, start), token))
        .map(|(at, _)| spot(token.kind, at))
}

fn is_token(text: &str, at: usize, after: &str, token: &Token) -> bool {
    let rest: String = after.chars().take_while(|c| (token.alphabet)(*c)).take(token.chars_max.saturating_add(1)).collect();
    let fits = (token.chars_min..=token.chars_max).contains(&rest.chars().count());
    let begins = !text.get(..at).unwrap_or_default().ends_with(alphanumeric);
    // The documentation of every service has a key that says so itself.
    let lower = rest.to_ascii_lowercase();
    let is_example = EXAMPLES.iter().any(|word| lower.contains(word));
    // What has a length of its own may be without a digit by chance; anything else may be words.
    let is_made_up = if token.chars_min == token.chars_max { is_varied(&rest) } else { is_random(&rest) };
    fits && begins && !is_example && is_made_up && (token.start != "sk-" || has_long_segment(&rest))
}

fn has_long_segment(rest: &str) -> bool {
    rest.split(['-', '_']).any(|segment| segment.len() >= SEGMENT_CHARS_MIN && is_random(segment))
}

/// PEM and the like, with something in it.
fn is_private(block: &str) -> bool {
    let Some((title, body)) = block.split_once("-----") else { return false };
    let body = body.split("-----").next().unwrap_or_default();
    let is_titled = title.len() < TITLE_BYTES_MAX && title.contains("PRIVATE KEY");
    is_titled && body.chars().filter(|c| !c.is_whitespace()).count() >= BLOCK_CHARS_MIN && is_varied(body)
}

/// Three parts, the first two of which are JSON in base64: `{"` is always `eyJ` there.
fn is_jwt(run: &str) -> bool {
    let parts: Vec<&str> = run.trim_matches('.').split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return false };
    head.starts_with("eyJ") && claims.starts_with("eyJ") && head.len() >= 16 && signature.len() >= 16 && is_random(signature)
}
