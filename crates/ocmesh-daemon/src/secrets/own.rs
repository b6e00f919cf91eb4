//! Our own secrets, known by their hashes, so that no further copy of them lies in memory.

use std::collections::BTreeSet;

use ocmesh_wire::Keys;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Spot, runs};
use crate::home::Home;

/// What they are called.
const KIND: &str = "secret of this agent";
/// Shortest secret of ours that is looked for: shorter runs of letters are words.
const CHARS_MIN: usize = 32;
/// Longest one, in bytes.
const BYTES_MAX: usize = 128;

/// The hashes of our secrets.
#[derive(Debug, Clone, Default)]
pub struct OwnSecrets {
    hashes: BTreeSet<[u8; 32]>,
}

const fn belongs(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

impl OwnSecrets {
    /// The identity, and what lies in files of the home: the key of the database and the owner's token, where they are there.
    #[must_use]
    pub fn of(home: &Home, identity: &Keys) -> Self {
        let mut own = Self::default();
        own.add(&Zeroizing::new(hex::encode(*identity.secret_bytes())));
        for file in [home.database_key(), home.token()] {
            if let Ok(text) = std::fs::read_to_string(file).map(Zeroizing::new) {
                own.add(&text);
            }
        }
        own
    }

    fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if (CHARS_MIN..=BYTES_MAX).contains(&secret.len()) {
            self.hashes.insert(Sha256::digest(secret.as_bytes()).into());
        }
    }

    /// Where they stand in a text. An `nsec` is looked at as the key that it is.
    pub(super) fn find(&self, text: &str) -> Vec<Spot> {
        let long = runs(text, belongs).filter(|(_, run)| (CHARS_MIN..=BYTES_MAX).contains(&run.len()));
        let ours = long.filter(|(_, run)| {
            let lower = Zeroizing::new(run.to_ascii_lowercase());
            let key = if lower.starts_with("nsec1") { Keys::parse_secret(&lower).ok() } else { None };
            let hex = key.map(|key| Zeroizing::new(hex::encode(*key.secret_bytes())));
            self.is_ours(run) || self.is_ours(&lower) || hex.is_some_and(|hex| self.is_ours(&hex))
        });
        ours.map(|(at, _)| Spot { at, kind: KIND, own: true }).collect()
    }

    fn is_ours(&self, text: &str) -> bool {
        self.hashes.contains::<[u8; 32]>(&Sha256::digest(text.as_bytes()).into())
    }
}
