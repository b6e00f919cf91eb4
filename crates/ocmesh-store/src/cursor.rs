//! Pages of a list and the place where the next one begins.

use std::{fmt, str::FromStr};

use ocmesh_proto::At;

/// A place in a list: the last row of a page. Opaque to callers; its text form goes into a URL as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The row's moment.
    pub(crate) at: At,
    /// The row's number, which tells rows of one moment apart.
    pub(crate) seq: u64,
}

/// The text is not a cursor we gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.0, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (at, seq) = text.split_once('-').ok_or(CursorError)?;
        let number = |digits: &str| {
            // `u64::from_str` also takes a plus sign, which a URL would turn into a space.
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten().ok_or(CursorError)
        };
        Ok(Self { at: At(number(at)?), seq: number(seq)? })
    }
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page from rows read one past `limit`; the extra row only proves that there is a next page.
    pub(crate) fn cut(mut rows: Vec<(Cursor, T)>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|(cursor, _)| *cursor) } else { None };
        Self { items: rows.into_iter().map(|(_, item)| item).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_url_and_anything_else_is_refused() {
        let cursor = Cursor { at: At(1_700_000_000_123), seq: 42 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "a-b", "99999999999999999999-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let row = |n: u64| (Cursor { at: At(n), seq: n }, n);
        assert_eq!(Page::cut(vec![row(3), row(2)], 2).next, None);
        let page = Page::cut(vec![row(3), row(2), row(1)], 2);
        assert_eq!((page.items, page.next), (vec![3, 2], Some(Cursor { at: At(2), seq: 2 })));
    }
}
