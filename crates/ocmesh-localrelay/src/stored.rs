//! An event as the relay keeps it: what filters ask about, and its JSON. Making one does not check the signature.

use std::sync::Arc;

use nostr::event::Event;

use crate::kind::{self, Keeping};

/// Orders events as NIP-01 sends them: newest first, equal times by lowest id.
pub(crate) type Key = (u64, [u8; 32]);

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: [u8; 32],
    pub(crate) author: [u8; 32],
    pub(crate) kind: u16,
    pub(crate) created_at: u64,
    /// NIP-40.
    pub(crate) expires_at: Option<u64>,
    /// Single-letter tags with their first value.
    pub(crate) tags: Vec<(char, Arc<str>)>,
    pub(crate) json: Arc<str>,
}

impl Stored {
    pub(crate) fn new(event: &Event) -> Self {
        let mut tags = Vec::new();
        let mut expires_at = None;
        for tag in event.tags.iter() {
            let Some(value) = tag.content() else { continue };
            let mut letters = tag.kind().chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) if letter.is_ascii_alphabetic() => tags.push((letter, Arc::from(value))),
                _ if tag.kind() == "expiration" && expires_at.is_none() => expires_at = value.parse().ok(),
                _ => {}
            }
        }
        Self {
            id: *event.id.as_bytes(),
            author: event.pubkey.to_bytes(),
            kind: event.kind.as_u16(),
            created_at: event.created_at.as_secs(),
            expires_at,
            tags,
            json: Arc::from(event.as_json()),
        }
    }

    pub(crate) fn key(&self) -> Key {
        (u64::MAX - self.created_at, self.id)
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn values(&self, letter: char) -> impl Iterator<Item = &Arc<str>> {
        self.tags.iter().filter(move |(name, _)| *name == letter).map(|(_, value)| value)
    }

    /// Where a newer version would replace this one: kind, author, and `d` tag.
    pub(crate) fn address(&self) -> Option<Address> {
        match kind::keeping(self.kind) {
            Keeping::Replaceable => Some((self.kind, self.author, Arc::from(""))),
            Keeping::Addressable => {
                let d = self.values('d').next().map_or_else(|| Arc::from(""), Arc::clone);
                Some((self.kind, self.author, d))
            }
            Keeping::Regular | Keeping::Ephemeral => None,
        }
    }

    /// A guess at the memory one event takes, with its indexes.
    pub(crate) fn weight(&self) -> usize {
        // Six index entries and the event itself come to about 1 KiB; each tag to a map entry of about 200 bytes plus its value.
        let tags: usize = self.tags.iter().map(|(_, value)| 200 + value.len()).sum();
        1_024 + self.json.len() + tags
    }
}

/// Kind, author, `d` tag.
pub(crate) type Address = (u16, [u8; 32], Arc<str>);
