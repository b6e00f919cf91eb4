//! A NIP-01 filter: read from JSON and held against an event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::stored::Stored;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) ids: Option<BTreeSet<[u8; 32]>>,
    pub(crate) authors: Option<BTreeSet<[u8; 32]>>,
    pub(crate) kinds: Option<BTreeSet<u16>>,
    pub(crate) tags: BTreeMap<char, BTreeSet<String>>,
    pub(crate) since: Option<u64>,
    pub(crate) until: Option<u64>,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("a filter is not a JSON object")]
    NotAnObject,
    #[error("{0} has the wrong shape")]
    Shape(String),
    #[error("search is not supported")]
    Search,
}

impl Filter {
    /// Unknown fields are refused: a field ignored in silence would answer another question than the one asked.
    pub(crate) fn parse(json: &str) -> Result<Self, FilterError> {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(json) else { return Err(FilterError::NotAnObject) };
        let mut filter = Self::default();
        for (name, value) in &fields {
            let shape = || FilterError::Shape(name.chars().take(32).collect());
            match name.as_str() {
                "ids" => filter.ids = Some(set(value, hex).ok_or_else(shape)?),
                "authors" => filter.authors = Some(set(value, hex).ok_or_else(shape)?),
                "kinds" => filter.kinds = Some(set(value, |v| u16::try_from(v.as_u64()?).ok()).ok_or_else(shape)?),
                "since" => filter.since = Some(value.as_u64().ok_or_else(shape)?),
                "until" => filter.until = Some(value.as_u64().ok_or_else(shape)?),
                "limit" => filter.limit = Some(usize::try_from(value.as_u64().ok_or_else(shape)?).map_err(|_| shape())?),
                "search" => return Err(FilterError::Search),
                _ => {
                    let letter = tag_letter(name).ok_or_else(shape)?;
                    let values = set(value, |v| v.as_str().map(str::to_owned)).ok_or_else(shape)?;
                    filter.tags.insert(letter, values);
                }
            }
        }
        Ok(filter)
    }

    /// NIP-01: all fields must match, a list matches when one of its values does. An empty list matches nothing.
    pub(crate) fn matches(&self, event: &Stored) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&event.id))
            && self.authors.as_ref().is_none_or(|authors| authors.contains(&event.author))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.created_at >= since)
            && self.until.is_none_or(|until| event.created_at <= until)
            && self.tags.iter().all(|(letter, wanted)| event.values(*letter).any(|value| wanted.contains(&**value)))
    }

    /// Whether the filter names one of these kinds.
    pub(crate) fn names_kind(&self, wanted: impl Fn(u16) -> bool) -> bool {
        self.kinds.as_ref().is_some_and(|kinds| kinds.iter().any(|kind| wanted(*kind)))
    }
}

fn set<T: Ord>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<BTreeSet<T>> {
    value.as_array()?.iter().map(read).collect()
}

fn hex(value: &Value) -> Option<[u8; 32]> {
    unhex(value.as_str()?)
}

/// 64 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    // The library ignores what stands behind them.
    if text.len() != 64 {
        return None;
    }
    nostr::event::EventId::from_hex(text).ok().map(|id| *id.as_bytes())
}

fn tag_letter(name: &str) -> Option<char> {
    let mut letters = name.strip_prefix('#')?.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    letters.next().is_none().then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read() {
        let id = "ab".repeat(32);
        let text = format!(r##"{{"ids":["{id}"],"authors":["{id}"],"kinds":[1,4],"#p":["x"],"since":1,"until":9,"limit":3}}"##);
        let filter = Filter::parse(&text).unwrap();
        assert_eq!(filter.ids.unwrap().first(), Some(&[0xab; 32]));
        assert_eq!(filter.authors.unwrap().len(), 1);
        assert_eq!(filter.kinds.unwrap(), BTreeSet::from([1, 4]));
        assert_eq!(filter.tags[&'p'], BTreeSet::from(["x".to_owned()]));
        assert_eq!((filter.since, filter.until, filter.limit), (Some(1), Some(9), Some(3)));
    }

    #[test]
    fn wrong_shapes_are_named() {
        for (text, field) in [
            (r#"{"ids":["zz"]}"#, "ids"),
            (r#"{"kinds":[70000]}"#, "kinds"),
            (r#"{"kinds":1}"#, "kinds"),
            (r#"{"since":-1}"#, "since"),
            (r#"{"until":1e400}"#, ""),
            (r##"{"#pp":[]}"##, "#pp"),
            (r#"{"&p":[]}"#, "&p"),
            ("[]", ""),
        ] {
            let error = Filter::parse(text).unwrap_err();
            match error {
                FilterError::Shape(name) => assert_eq!(name, field, "{text}"),
                other => assert!(field.is_empty(), "{text} gave {other}"),
            }
        }
    }
}
