//! The layers of the configuration as raw values by key, each remembering where it stands. What a value must be is `check`'s question.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::{
    ConfigError, DEFAULTS, Explained, Place,
    wake::{self, RawBlock},
};

/// Variables with our prefix that are not keys.
const OTHER_VARIABLES: [&str; 1] = ["OCMESH_HOME"];

/// What an owner would write to have the Local API listen elsewhere. Not to be taken for misspelled.
const ADDRESS_KEYS: [&str; 6] = ["api.address", "api.addr", "api.bind", "api.host", "api.listen", "api.remote"];

/// How many letters a variable may differ from a key's to be taken for a typing mistake: a swap, or a letter or two more or less.
const TYPO_DISTANCE_MAX: usize = 3;

/// A value as written, and where.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// Every known key with the value that won so far.
#[derive(Debug)]
pub(super) struct Layers {
    values: BTreeMap<String, Raw>,
    /// Keys in the order of the defaults.
    order: Vec<String>,
    /// The blocks `[[wake]]`, in order.
    wakes: Vec<RawBlock>,
}

impl Layers {
    /// The keys that exist are those of the defaults.
    pub(super) fn with_defaults() -> Result<Self, ConfigError> {
        let found = flatten(DEFAULTS, &|_| Place::Default)?.keys;
        let order = found.iter().map(|(key, _)| key.clone()).collect();
        Ok(Self { values: found.into_iter().collect(), order, wakes: Vec::new() })
    }

    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let place = |line| Place::File { path: path.to_owned(), line };
        let Flat { keys, blocks } = flatten(text, &place)?;
        keys.into_iter().try_for_each(|(key, raw)| self.put(key, raw))?;
        blocks.into_iter().try_for_each(|block| self.add_block(block))
    }

    /// Takes the variables that are keys; gives a warning for each that looks like a misspelled one.
    pub(super) fn add_environment(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Vec<String>, ConfigError> {
        let names: BTreeMap<String, String> = self.order.iter().map(|key| (variable_of(key), key.clone())).collect();
        let mut warnings = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with("OCMESH_")) else { continue };
            if let Some(key) = names.get(name) {
                let value = value.to_string_lossy();
                self.put_text(key, &value, Place::Environment(name.to_owned()))?;
            } else if let Some(key) = ADDRESS_KEYS.iter().find(|key| variable_of(key) == name) {
                return Err(self.unknown(key, Place::Environment(name.to_owned())));
            } else if !OTHER_VARIABLES.contains(&name)
                && let Some((near, distance)) = nearest(name, names.keys())
                && distance <= TYPO_DISTANCE_MAX
            {
                warnings.push(format!("the environment variable {} is not known; did you mean {near}?", shown(name)));
            }
        }
        warnings.sort();
        Ok(warnings)
    }

    pub(super) fn add_flags(&mut self, flags: &[(String, String)]) -> Result<(), ConfigError> {
        flags.iter().try_for_each(|(key, value)| self.put_text(key, value, Place::Flag))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Raw> {
        self.values.get(key)
    }

    pub(super) fn wakes(&self) -> &[RawBlock] {
        &self.wakes
    }

    pub(super) fn explain(&self) -> Vec<Explained> {
        let explained = |key: String, raw: &Raw| Explained { key, value: raw.value.to_string(), source: raw.place.clone() };
        let keys = self.order.iter().filter_map(|key| Some(explained(key.clone(), self.values.get(key)?)));
        let blocks = self.wakes.iter().flat_map(|block| {
            let name = wake::name(block);
            block.iter().map(move |(key, raw)| explained(format!("wake.{name}.{key}"), raw))
        });
        keys.chain(blocks).collect()
    }

    fn add_block(&mut self, block: RawBlock) -> Result<(), ConfigError> {
        let is_known = |key: &str| wake::KEYS.iter().any(|(known, _)| *known == key);
        if let Some((key, raw)) = block.iter().find(|(key, _)| !is_known(key)) {
            let known: Vec<String> = wake::KEYS.iter().map(|(known, _)| (*known).to_owned()).collect();
            let near = nearest(key, known.iter()).map_or_else(String::new, |(near, _)| format!("wake.{near}"));
            return Err(ConfigError::UnknownKey { key: shown(&format!("wake.{key}")), nearest: near, place: raw.place.clone() });
        }
        self.wakes.push(block);
        Ok(())
    }

    fn put(&mut self, key: String, raw: Raw) -> Result<(), ConfigError> {
        if key == "wake" || key.starts_with("wake.") {
            return Err(ConfigError::UnknownKey { key: shown(&key), nearest: "[[wake]]".to_owned(), place: raw.place });
        }
        match self.values.get_mut(&key) {
            Some(slot) => *slot = raw,
            None => return Err(self.unknown(&key, raw.place)),
        }
        Ok(())
    }

    /// A text from the environment or a flag takes the type that the default has; what does not fit stays text for `check` to refuse.
    fn put_text(&mut self, key: &str, text: &str, place: Place) -> Result<(), ConfigError> {
        let value = match self.values.get(key).map(|raw| &raw.value) {
            None => return Err(self.unknown(key, place)),
            Some(Value::Array(_)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            Some(Value::Integer(_)) => text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
            Some(Value::Boolean(_)) => text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
            Some(_) => Value::String(text.trim().to_owned()),
        };
        self.put(key.to_owned(), Raw { value, place })
    }

    fn unknown(&self, key: &str, place: Place) -> ConfigError {
        if ADDRESS_KEYS.contains(&key) {
            return ConfigError::NoAddress { key: key.to_owned(), place };
        }
        let near = nearest(key, self.order.iter()).map_or_else(String::new, |(near, _)| near.clone());
        ConfigError::UnknownKey { key: shown(key), nearest: near, place }
    }
}

/// `api.port` is `OCMESH_API_PORT`.
pub(super) fn variable_of(key: &str) -> String {
    format!("OCMESH_{}", key.replace('.', "_").to_uppercase())
}

/// An owner's text as it may be shown in one line of a message: escaped, and cut where it gets long.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80; // a line of a terminal
    let mut out: String = text.chars().take(CHARS_MAX).map(|c| if ocmesh_proto::label::is_hidden(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a String>) -> Option<(&'a String, usize)> {
    let start: String = text.chars().take(80).collect(); // no key is longer; the distance costs length squared
    known.map(|key| (key, strsim::damerau_levenshtein(&start, key))).min_by_key(|(_, distance)| *distance)
}

/// A TOML text as its keys with their values, in order of appearance, and its blocks `[[wake]]`.
struct Flat {
    keys: Vec<(String, Raw)>,
    blocks: Vec<RawBlock>,
}

fn flatten(text: &str, place: &impl Fn(usize) -> Place) -> Result<Flat, ConfigError> {
    let line_at = |offset: usize| text.bytes().take(offset).filter(|b| *b == b'\n').count().saturating_add(1);
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        place: place(line_at(error.span().map_or(0, |span| span.start))),
        message: shown(&error.message().replace('\n', ", ")),
    })?;
    let (mut found, mut blocks, mut rest) = (Vec::new(), Vec::new(), DeTable::new());
    for (name, value) in table.into_inner() {
        match value.get_ref() {
            DeValue::Array(items) if name.get_ref() == "wake" && items.iter().all(|item| item.get_ref().is_table()) => {
                let DeValue::Array(items) = value.into_inner() else { continue };
                blocks.extend(items.into_iter().map(|item| block(item.into_inner(), &|offset| place(line_at(offset)))));
            }
            _ => {
                rest.insert(name, value);
            }
        }
    }
    collect("", rest, &mut found);
    found.sort_by_key(|(_, offset, _)| *offset);
    let keys = found.into_iter().map(|(key, offset, value)| (key, Raw { value, place: place(line_at(offset)) })).collect();
    Ok(Flat { keys, blocks })
}

fn collect(prefix: &str, table: DeTable<'_>, found: &mut Vec<(String, usize, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        let offset = name.span().start;
        match value.into_inner() {
            DeValue::Table(inner) => collect(&key, inner, found),
            other => found.push((key, offset, plain(other))),
        }
    }
}

/// One block, each value taken whole: no key in it has keys of its own.
fn block(item: DeValue<'_>, place: &impl Fn(usize) -> Place) -> RawBlock {
    let DeValue::Table(table) = item else { return RawBlock::new() };
    let raw = |offset, value| Raw { value: plain(value), place: place(offset) };
    table.into_iter().map(|(name, value)| (name.get_ref().to_string(), raw(name.span().start, value.into_inner()))).collect()
}

/// The value without its spans. Whatever is no value of ours (dates, numbers beyond 64 bits) becomes its text, for `check` to refuse.
fn plain(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(yes) => Value::Boolean(yes),
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).map_or_else(|_| Value::String(digits.as_str().to_owned()), Value::Integer)
        }
        DeValue::Float(digits) => digits.as_str().parse().map_or_else(|_| Value::String(digits.as_str().to_owned()), Value::Float),
        DeValue::Datetime(date) => Value::Datetime(date),
        DeValue::Array(items) => Value::Array(items.into_iter().map(Spanned::into_inner).map(plain).collect()),
        DeValue::Table(table) => {
            Value::Table(table.into_iter().map(|(name, inner)| (name.into_inner().into_owned(), plain(inner.into_inner()))).collect())
        }
    }
}
