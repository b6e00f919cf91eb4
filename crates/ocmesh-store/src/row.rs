//! Rows to values and back: the one place that knows how a moment, a key, a word or a list is written.

use ocmesh_proto::{At, EventId, LineId, PubKey};
use rusqlite::{Row, types::ValueRef};
use serde::{Serialize, de::DeserializeOwned};

use crate::ReadError;

/// A moment as SQLite's signed integer. A stranger's date past the year 292,000,000 becomes that year.
pub(crate) fn ms(at: At) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The reverse of [`ms`].
pub(crate) fn at(ms: i64) -> At {
    At(u64::try_from(ms).unwrap_or_default())
}

/// A count as SQLite's signed integer.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The 64 bits of a line's name as SQLite's signed integer.
pub(crate) const fn line(line: LineId) -> i64 {
    line.0.cast_signed()
}

/// A list as JSON; an empty one takes no space.
pub(crate) fn list<T: Serialize>(values: &[T]) -> Result<Option<String>, serde_json::Error> {
    if values.is_empty() { Ok(None) } else { serde_json::to_string(values).map(Some) }
}

/// Reads the columns of a row from left to right. Every read names its value for the error.
pub(crate) struct Fields<'row, 'stmt> {
    row: &'row Row<'stmt>,
    next: usize,
}

impl<'row, 'stmt> Fields<'row, 'stmt> {
    pub(crate) const fn new(row: &'row Row<'stmt>) -> Self {
        Self { row, next: 0 }
    }

    fn value(&mut self) -> Result<ValueRef<'row>, ReadError> {
        let value = self.row.get_ref(self.next)?;
        self.next = self.next.saturating_add(1);
        Ok(value)
    }

    pub(crate) fn maybe_bytes(&mut self, what: &'static str) -> Result<Option<[u8; 32]>, ReadError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => bytes.try_into().map(Some).map_err(|_| ReadError::Unreadable { what }),
            _ => Err(ReadError::Unreadable { what }),
        }
    }

    pub(crate) fn maybe_id(&mut self, what: &'static str) -> Result<Option<EventId>, ReadError> {
        Ok(self.maybe_bytes(what)?.map(EventId::from_bytes))
    }

    pub(crate) fn id(&mut self, what: &'static str) -> Result<EventId, ReadError> {
        self.maybe_id(what)?.ok_or(ReadError::Unreadable { what })
    }

    pub(crate) fn key(&mut self, what: &'static str) -> Result<PubKey, ReadError> {
        self.maybe_bytes(what)?.map(PubKey::from_bytes).ok_or(ReadError::Unreadable { what })
    }

    /// Text where it lies, without a copy.
    pub(crate) fn maybe_str(&mut self, what: &'static str) -> Result<Option<&'row str>, ReadError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| ReadError::Unreadable { what }),
            _ => Err(ReadError::Unreadable { what }),
        }
    }

    pub(crate) fn maybe_text(&mut self, what: &'static str) -> Result<Option<String>, ReadError> {
        Ok(self.maybe_str(what)?.map(str::to_owned))
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<String, ReadError> {
        self.maybe_text(what)?.ok_or(ReadError::Unreadable { what })
    }

    /// A word of an enum, by its `parse`.
    pub(crate) fn maybe_word<T>(&mut self, what: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ReadError> {
        self.maybe_str(what)?.map(|text| parse(text).ok_or(ReadError::Unreadable { what })).transpose()
    }

    pub(crate) fn word<T>(&mut self, what: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ReadError> {
        self.maybe_word(what, parse)?.ok_or(ReadError::Unreadable { what })
    }

    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<Option<T>, ReadError> {
        self.maybe_str(what)?.map(|text| serde_json::from_str(text).map_err(|_| ReadError::Unreadable { what })).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<T, ReadError> {
        self.maybe_json(what)?.ok_or(ReadError::Unreadable { what })
    }

    /// A list written by [`list`].
    pub(crate) fn list<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<Vec<T>, ReadError> {
        Ok(self.maybe_json(what)?.unwrap_or_default())
    }

    pub(crate) fn maybe_integer(&mut self, what: &'static str) -> Result<Option<i64>, ReadError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            _ => Err(ReadError::Unreadable { what }),
        }
    }

    /// An unsigned number of any width.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, what: &'static str) -> Result<T, ReadError> {
        let value = self.maybe_integer(what)?.ok_or(ReadError::Unreadable { what })?;
        T::try_from(value).map_err(|_| ReadError::Unreadable { what })
    }

    pub(crate) fn maybe_at(&mut self, what: &'static str) -> Result<Option<At>, ReadError> {
        Ok(self.maybe_integer(what)?.map(at))
    }

    pub(crate) fn at(&mut self, what: &'static str) -> Result<At, ReadError> {
        self.maybe_at(what)?.ok_or(ReadError::Unreadable { what })
    }

    pub(crate) fn line(&mut self, what: &'static str) -> Result<LineId, ReadError> {
        let bits = self.maybe_integer(what)?.ok_or(ReadError::Unreadable { what })?;
        Ok(LineId(bits.cast_unsigned()))
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, ReadError> {
        Ok(self.number::<i64>(what)? != 0)
    }
}
