//! The answer to a relay's challenge ([NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md)). When to give it is not decided here.

use ocmesh_proto::At;

use crate::{event::Template, keys::Keys, kind, tag::tag};

/// A signed kind 22242 event as JSON, for `["AUTH", …]`. Good for this relay, this challenge and about this minute only: some relays
/// refuse it when `now` is more than 60 s off. It must never be published as an EVENT.
#[must_use]
pub fn sign_auth(keys: &Keys, relay: &str, challenge: &str, now: At) -> String {
    let tags = vec![tag(["relay", relay]), tag(["challenge", challenge])];
    Template { created_at: now.secs(), kind: kind::AUTH, tags, content: String::new() }.sign(keys).json.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn the_answer_names_relay_and_challenge_and_is_signed() {
        let keys = Keys::generate();
        let event: Event = serde_json::from_str(&sign_auth(&keys, "wss://r.example/", "quote\" me", At::from_secs(1_700_000_000))).unwrap();
        assert!(event.is_genuine());
        assert_eq!((event.kind, event.created_at, event.pubkey), (22_242, 1_700_000_000, keys.public()));
        assert_eq!(event.tags, [tag(["relay", "wss://r.example/"]), tag(["challenge", "quote\" me"])]);
        assert_eq!(event.content, "");
    }
}
