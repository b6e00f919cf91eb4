//! Reading and writing the tags of an event: lists of texts whose first text is the name.

use ocmesh_proto::{MessageId, PubKey, RelayUrl};

/// The tags of an event, as they came. A tag may be empty.
pub(crate) type Tags = Vec<Vec<String>>;

/// One tag from its texts.
pub(crate) fn tag<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// The rest of every tag called `name`, in order.
pub(crate) fn all<'a>(tags: &'a [Vec<String>], name: &'a str) -> impl Iterator<Item = &'a [String]> {
    tags.iter().filter_map(move |tag| tag.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest))
}

/// The first value of every tag called `name` that has one.
pub(crate) fn values<'a>(tags: &'a [Vec<String>], name: &'a str) -> impl Iterator<Item = &'a str> {
    all(tags, name).filter_map(|rest| rest.first().map(String::as_str))
}

/// The first value of the first tag called `name` that has one.
pub(crate) fn value<'a>(tags: &'a [Vec<String>], name: &'a str) -> Option<&'a str> {
    values(tags, name).next()
}

/// Some tag says `name=value`.
pub(crate) fn has(tags: &[Vec<String>], name: &str, value: &str) -> bool {
    values(tags, name).any(|found| found == value)
}

/// The keys of all `p` tags that hold one.
pub(crate) fn people(tags: &[Vec<String>]) -> impl Iterator<Item = PubKey> {
    values(tags, "p").filter_map(|text| text.parse().ok())
}

/// The parent message: the last `e` tag marked `reply`, else the last one without a marker
/// ([NIP-10](https://github.com/nostr-protocol/nips/blob/master/10.md)).
pub(crate) fn parent(tags: &[Vec<String>]) -> Option<MessageId> {
    let marked = |wanted: &str| {
        let fits = |rest: &&[String]| rest.get(2).map_or("", String::as_str) == wanted;
        all(tags, "e").filter(fits).filter_map(|rest| rest.first()?.parse().ok()).last()
    };
    marked("reply").or_else(|| marked(""))
}

/// At most `count_max` different relay addresses, in order; what is no address is left out.
pub(crate) fn relays<'a>(texts: impl Iterator<Item = &'a str>, count_max: usize) -> Vec<RelayUrl> {
    let mut relays = Vec::new();
    for relay in texts.filter_map(|text| RelayUrl::parse(text).ok()) {
        if relays.len() == count_max {
            break;
        }
        if !relays.contains(&relay) {
            relays.push(relay);
        }
    }
    relays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_the_marked_reply_or_the_last_plain_e_tag() {
        let (a, b, c) = ("aa".repeat(32), "bb".repeat(32), "cc".repeat(32));
        let plain = |id: &str| tag(["e", id]);
        let marked = |id: &str, marker: &str| tag(["e", id, "", marker]);
        assert_eq!(parent(&[plain(&a), plain(&b)]), b.parse().ok());
        assert_eq!(parent(&[marked(&a, "reply"), plain(&b), marked(&c, "root")]), a.parse().ok());
        assert_eq!(parent(&[marked(&c, "root"), marked(&a, "mention")]), None);
        assert_eq!(parent(&[plain("not hex"), tag(["e"]), vec![]]), None);
    }

    #[test]
    fn relays_are_bounded_different_and_addresses() {
        let texts = ["x", "wss://a.example", "wss://A.example/", "wss://b.example", "wss://c.example"];
        let found = relays(texts.into_iter(), 2);
        assert_eq!(found.iter().map(RelayUrl::as_str).collect::<Vec<_>>(), ["wss://a.example", "wss://b.example"]);
    }
}
