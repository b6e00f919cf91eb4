//! A NIP-01 filter, made ready for a cheap check of what a relay sends. Keys it does not know are ignored.

use std::collections::HashSet;

use serde_json::Value;

use crate::frame::Claim;

/// The conditions of one filter; `None` is "any".
#[derive(Debug, Default)]
pub(crate) struct Check {
    ids: Option<HashSet<String>>,
    authors: Option<HashSet<String>>,
    kinds: Option<HashSet<u64>>,
    tags: Vec<(char, HashSet<String>)>,
    pub(crate) since: Option<u64>,
    pub(crate) until: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Check {
    pub(crate) fn new(filter: &Value) -> Self {
        let Some(filter) = filter.as_object() else { return Self::default() };
        let number = |key| filter.get(key).and_then(Value::as_u64);
        let tags = filter.iter().filter_map(|(key, value)| {
            let mut letters = key.strip_prefix('#')?.chars();
            let (Some(letter), None) = (letters.next(), letters.next()) else { return None };
            Some((letter, texts(value)?))
        });
        Self {
            ids: filter.get("ids").and_then(texts),
            authors: filter.get("authors").and_then(texts),
            kinds: filter.get("kinds").and_then(Value::as_array).map(|kinds| kinds.iter().filter_map(Value::as_u64).collect()),
            tags: tags.collect(),
            since: number("since"),
            until: number("until"),
            limit: number("limit"),
        }
    }

    /// The event, as it describes itself, is one the filter asks for.
    pub(crate) fn matches(&self, claim: &Claim<'_>) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&u64::from(claim.kind)))
            && self.since.is_none_or(|since| claim.created_at >= since)
            && self.until.is_none_or(|until| claim.created_at <= until)
            && self.authors.as_ref().is_none_or(|authors| authors.contains(claim.pubkey))
            && self.ids.as_ref().is_none_or(|ids| ids.contains(claim.id))
            && self.tags.iter().all(|(letter, values)| claim.tags.0.iter().any(|(name, value)| name == letter && values.contains(&**value)))
    }
}

fn texts(value: &Value) -> Option<HashSet<String>> {
    Some(value.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::Check;
    use crate::frame::Claim;
    use serde_json::json;

    #[test]
    fn each_condition_is_checked() {
        let id = "a".repeat(64);
        let text = json!({"id": id, "pubkey": "me", "kind": 4, "created_at": 100, "tags": [["p", "you"], ["t", "x"]]}).to_string();
        let claim = Claim::parse(&text).unwrap();
        for (filter, expected) in [
            (json!({}), true),
            (json!({"kinds": [4, 5], "#p": ["you", "them"], "since": 100, "until": 100}), true),
            (json!({"search": "unknown keys do not count"}), true),
            (json!({"kinds": [5]}), false),
            (json!({"since": 101}), false),
            (json!({"until": 99}), false),
            (json!({"#p": ["them"]}), false),
            (json!({"#p": ["you"], "#t": ["y"]}), false),
            (json!({"#e": ["x"]}), false),
            (json!({"authors": ["you"]}), false),
            (json!({"ids": ["b"]}), false),
            (json!({"ids": [id], "authors": ["me"]}), true),
        ] {
            assert_eq!(Check::new(&filter).matches(&claim), expected, "{filter}");
        }
    }
}
