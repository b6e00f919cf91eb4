//! How many messages are missing, by peer.

use std::collections::BTreeMap;

use ocmesh_proto::PubKey;

use super::{Reader, rows};
use crate::{ReadError, row::Fields};

/// What is missing of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GapCounts {
    /// Messages that are missing and asked for.
    pub missing: u64,
    /// Messages that will not come any more.
    pub lost: u64,
    /// Messages that named another one before them than the one we have, or used a number twice.
    pub breaks: u64,
}

impl Reader {
    /// What is missing of every peer of which something is, or was not in order. Both tables are bounded, and short in peace.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn gap_counts(&self) -> Result<BTreeMap<PubKey, GapCounts>, ReadError> {
        let gaps = "SELECT peer, sum((last - first + 1) * (lost IS NULL)), sum((last - first + 1) * (lost IS NOT NULL))
                    FROM gaps WHERE shown = 1 GROUP BY peer";
        let breaks = "SELECT peer, sum(breaks) FROM peer_lines WHERE breaks > 0 GROUP BY peer";
        self.with(|db| {
            let mut counts: BTreeMap<PubKey, GapCounts> = BTreeMap::new();
            for (peer, missing, lost) in rows(&mut db.prepare_cached(gaps)?, [], |row| {
                let mut fields = Fields::new(row);
                Ok((fields.key("gap")?, fields.number("gap")?, fields.number("gap")?))
            })? {
                counts.insert(peer, GapCounts { missing, lost, breaks: 0 });
            }
            for (peer, breaks) in rows(&mut db.prepare_cached(breaks)?, [], |row| {
                let mut fields = Fields::new(row);
                Ok((fields.key("line")?, fields.number("line")?))
            })? {
                counts.entry(peer).or_default().breaks = breaks;
            }
            Ok(counts)
        })
    }
}
