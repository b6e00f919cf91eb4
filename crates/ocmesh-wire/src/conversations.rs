//! The keys of conversations, remembered: a message to or from a peer needs one, and to compute it takes as long as to check a signature.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use nostr::nips::nip44::v2::ConversationKey;
use ocmesh_proto::PubKey;
use zeroize::Zeroizing;

use crate::limit::CONVERSATIONS_MAX;

/// What one secret key has in common with each of its peers (NIP-44). Wiped from memory on drop.
#[derive(Default)]
pub(crate) struct Conversations(Mutex<BTreeMap<PubKey, Zeroizing<[u8; 32]>>>);

impl Conversations {
    /// The key of the conversation with `peer`; `derive` computes one that is not here.
    pub(crate) fn with(&self, peer: &PubKey, derive: impl FnOnce() -> Option<ConversationKey>) -> Option<ConversationKey> {
        // A poisoned map holds whole keys all the same.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(peer).map(|bytes| ConversationKey::new(**bytes));
        if known.is_some() {
            return known;
        }
        // Not while the map is locked: sealing and opening happen on two threads.
        let key = derive()?;
        let bytes = Zeroizing::new(key.as_bytes().try_into().ok()?);
        let mut kept = lock();
        if kept.len() >= CONVERSATIONS_MAX {
            kept.clear();
        }
        kept.insert(*peer, bytes);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: usize) -> PubKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PubKey::from_bytes(bytes)
    }

    #[test]
    fn a_key_is_computed_once_for_each_peer_and_few_are_kept() {
        let conversations = Conversations::default();
        let mut computed = 0;
        let mut ask = |number: usize| {
            let key = conversations.with(&peer(number), || {
                computed += 1;
                Some(ConversationKey::new([u8::try_from(number % 251).unwrap(); 32]))
            });
            assert_eq!(key.unwrap().as_bytes(), [u8::try_from(number % 251).unwrap(); 32]);
            computed
        };
        assert_eq!([ask(1), ask(2), ask(1), ask(2)], [1, 2, 2, 2]);
        let kept = || conversations.0.lock().unwrap().len();
        (0..CONVERSATIONS_MAX).for_each(|number| _ = ask(number));
        assert_eq!(kept(), CONVERSATIONS_MAX);
        // One more, and they are all computed anew.
        let before = ask(CONVERSATIONS_MAX);
        assert_eq!((kept(), ask(1)), (1, before + 1));
    }

    #[test]
    fn what_cannot_be_computed_is_not_kept() {
        let conversations = Conversations::default();
        assert!(conversations.with(&peer(1), || None).is_none());
        assert!(conversations.with(&peer(1), || Some(ConversationKey::new([7; 32]))).is_some());
    }
}
