//! A filter as the JSON object of a REQ ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md)).

use ocmesh_proto::Filter;
use serde_json::{Map, Value, json};

/// The filter as NIP-01 writes it. Empty lists are left out: they mean "any" with us and "none" on a relay.
#[must_use]
pub fn filter_json(filter: &Filter) -> Value {
    let mut object = Map::new();
    let mut put = |name: String, value: Value| {
        if value.as_array().is_none_or(|list| !list.is_empty()) {
            object.insert(name, value);
        }
    };
    put("ids".to_owned(), json!(filter.ids));
    put("kinds".to_owned(), json!(filter.kinds));
    put("authors".to_owned(), json!(filter.authors));
    for (letter, values) in &filter.tags {
        put(format!("#{letter}"), json!(values));
    }
    for (name, moment) in [("since", filter.since), ("until", filter.until)] {
        if let Some(at) = moment {
            put(name.to_owned(), json!(at.secs()));
        }
    }
    if let Some(limit) = filter.limit {
        put("limit".to_owned(), json!(limit));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::{At, PubKey};

    use super::*;

    #[test]
    fn a_filter_says_what_it_asks_and_nothing_else() {
        assert_eq!(filter_json(&Filter::default()), json!({}));
        let key = PubKey::from_bytes([7; 32]);
        let filter = Filter {
            kinds: vec![1059],
            authors: vec![key],
            tags: [('p', vec![key.to_hex()]), ('t', vec![])].into(),
            since: Some(At(1_700_000_000_999)),
            until: Some(At::from_secs(1_800_000_000)),
            limit: Some(500),
            ..Filter::default()
        };
        let hex = key.to_hex();
        assert_eq!(
            filter_json(&filter),
            json!({"kinds":[1059],"authors":[hex],"#p":[hex],"since":1_700_000_000,"until":1_800_000_000,"limit":500})
        );
    }
}
