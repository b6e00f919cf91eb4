//! A JSON object as text that stays as it is: keys in their order, values as they were written, one entry put in or taken out.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize as _,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, ser::PrettyFormatter, value::RawValue};

/// Why a text was left alone.
#[derive(Debug)]
pub(super) enum EditError {
    /// Not an object of plain JSON.
    NotPlain(serde_json::Error),
    /// A key stands twice: which one counts is the program's secret.
    Twice(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPlain(_) => f.write_str("it is not plain JSON (comments?)"),
            Self::Twice(key) => write!(f, "the key \"{key}\" stands in it twice"),
        }
    }
}

impl std::error::Error for EditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotPlain(error) => Some(error),
            Self::Twice(_) => None,
        }
    }
}

/// The value at `section.name`.
pub(super) fn get(text: &str, section: &str, name: &str) -> Result<Option<Value>, EditError> {
    let Some(inner) = Object::read(text)?.get(section)?.map(|raw| Object::read(raw.get())).transpose()? else { return Ok(None) };
    inner.get(name)?.map(|raw| serde_json::from_str(raw.get()).map_err(EditError::NotPlain)).transpose()
}

/// The text with `section.name` set to `value`.
pub(super) fn put(text: &str, section: &str, name: &str, value: &Value) -> Result<String, EditError> {
    let style = Style::of(text);
    let mut outer = Object::read(text)?;
    let mut inner = outer.get(section)?.map_or(Ok(Object::default()), |raw| Object::read(raw.get()))?;
    inner.get(name)?;
    inner.set(name, raw(style.pretty(value, 2)?)?);
    outer.set(section, raw(inner.write(&style, 1))?);
    Ok(outer.write(&style, 0) + style.end)
}

/// The text without `section.name`.
pub(super) fn take(text: &str, section: &str, name: &str) -> Result<String, EditError> {
    let style = Style::of(text);
    let mut outer = Object::read(text)?;
    let Some(mut inner) = outer.get(section)?.map(|raw| Object::read(raw.get())).transpose()? else { return Ok(text.to_owned()) };
    inner.get(name)?;
    inner.0.retain(|(key, _)| key != name);
    outer.set(section, raw(inner.write(&style, 1))?);
    Ok(outer.write(&style, 0) + style.end)
}

fn raw(text: String) -> Result<Box<RawValue>, EditError> {
    RawValue::from_string(text).map_err(EditError::NotPlain)
}

/// Keys and the text of their values, in order.
#[derive(Default)]
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// An empty text is an empty object.
    fn read(text: &str) -> Result<Self, EditError> {
        if text.trim().is_empty() { Ok(Self::default()) } else { serde_json::from_str(text).map_err(EditError::NotPlain) }
    }

    fn get(&self, name: &str) -> Result<Option<&RawValue>, EditError> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let first = found.next().map(|(_, raw)| &**raw);
        if found.next().is_some() { Err(EditError::Twice(name.to_owned())) } else { Ok(first) }
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn write(&self, style: &Style<'_>, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let pad = style.indent.repeat(depth.saturating_add(1));
        let lines: Vec<String> = self.0.iter().map(|(key, value)| format!("{pad}{}: {}", Value::from(key.as_str()), value.get())).collect();
        format!("{{\n{}\n{}}}", lines.join(",\n"), style.indent.repeat(depth))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// How a file is laid out.
struct Style<'a> {
    indent: &'a str,
    end: &'a str,
}

impl<'a> Style<'a> {
    /// Two spaces and a line end, unless the file says otherwise.
    fn of(text: &'a str) -> Self {
        let second = text.lines().nth(1).filter(|line| line.trim_start().starts_with('"')).unwrap_or("  \"");
        let (indent, _) = second.split_once('"').unwrap_or(("  ", ""));
        let end = if text.trim().is_empty() || text.ends_with('\n') { "\n" } else { "" };
        Self { indent: if indent.is_empty() { "  " } else { indent }, end }
    }

    /// A value on lines of its own, as deep as it stands.
    fn pretty(&self, value: &Value, depth: usize) -> Result<String, EditError> {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(self.indent.as_bytes()));
        value.serialize(&mut serializer).map_err(EditError::NotPlain)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(text.replace('\n', &format!("\n{}", self.indent.repeat(depth))))
    }
}
