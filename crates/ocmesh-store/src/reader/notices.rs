//! Notices since a number, for listeners that resume.

use ocmesh_proto::{At, Notice};
use rusqlite::params;

use super::{Reader, limit_and_one, rows};
use crate::{
    ReadError,
    notice::Kept,
    row::{Fields, number},
};

/// A notice as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotice {
    /// Its number.
    pub seq: u64,
    /// When it was given.
    pub at: At,
    /// What it says.
    pub notice: Notice,
}

impl Reader {
    /// The notices after number `seq`, oldest first, at most 1,000. When the first one is not `seq + 1`, those between were pruned.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn notices_since(&self, seq: u64, limit: usize) -> Result<Vec<StoredNotice>, ReadError> {
        let (limit, _) = limit_and_one(limit);
        let sql = "SELECT seq, at, body FROM notices WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.with(|db| {
            rows(&mut db.prepare_cached(sql)?, params![number(seq), i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                let mut fields = Fields::new(row);
                let (seq, at) = (fields.number("notice number")?, fields.at("notice time")?);
                let kept: Kept = fields.json("notice")?;
                let notice = kept.into_notice().ok_or(ReadError::Unreadable { what: "notice" })?;
                Ok(StoredNotice { seq, at, notice })
            })
        })
    }

    /// The number of the newest notice; 0 before the first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn newest_notice_seq(&self) -> Result<u64, ReadError> {
        self.with(|db| {
            db.prepare_cached("SELECT coalesce(max(seq), 0) FROM notices")?
                .query_row([], |row| Ok(Fields::new(row).number("notice number")))?
        })
    }
}
