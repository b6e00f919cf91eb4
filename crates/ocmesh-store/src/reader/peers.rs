//! Pages of peers. What a list filters by lies in an index, so that a page reads only the peers it shows: names in one, the rest in another.

use ocmesh_proto::{At, PeerRecord, PubKey, Trust};
use rusqlite::{OptionalExtension, Row, params_from_iter, types::Value};

use super::{Reader, limit_and_one, rows};
use crate::{
    Cursor, Page, ReadError,
    key_range::key_range,
    load::{PEER_COLUMNS, peer},
    row::{Fields, ms, number},
};

/// Which peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerQuery {
    /// Online at `now` or not.
    pub online: Option<bool>,
    /// The present moment.
    pub now: At,
    /// A part of the name or petname, in any case, or the beginning of the key in hex or as `npub`.
    pub q: Option<String>,
    /// Lists this feature.
    pub feature: Option<String>,
    /// Some of its messages are missing or lost.
    pub missing: bool,
    /// Trusted so far.
    pub trust: Option<Trust>,
    /// Rows of a page, 1 to 1,000.
    pub limit: usize,
    /// Go on after this row.
    pub before: Option<Cursor>,
}

impl PeerQuery {
    /// The newest 100 of all peers.
    #[must_use]
    pub const fn new(now: At) -> Self {
        Self { online: None, now, q: None, feature: None, missing: false, trust: None, limit: 100, before: None }
    }
}

impl Reader {
    /// A page of peers, the last seen first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn peers(&self, query: &PeerQuery) -> Result<Page<PeerRecord>, ReadError> {
        let (sql, params, limit) = page_sql(query);
        self.with(|db| {
            let found = rows(&mut db.prepare_cached(&sql)?, params_from_iter(params), |row| {
                let mut fields = Fields::new(row);
                let seq = fields.number("peer number")?;
                let peer = peer(&mut fields)?;
                Ok((Cursor { at: peer.last_seen, seq }, peer))
            })?;
            Ok(Page::cut(found, limit))
        })
    }

    /// One peer.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn peer(&self, key: &PubKey) -> Result<Option<PeerRecord>, ReadError> {
        let sql = format!("SELECT {PEER_COLUMNS} FROM peers AS p WHERE p.pubkey = ?1");
        let read = |row: &Row<'_>| peer(&mut Fields::new(row));
        self.with(|db| db.prepare_cached(&sql)?.query_row([key.as_bytes()], |row| Ok(read(row))).optional()?.transpose())
    }
}

/// The statement of a page, its parameters, and how many rows it may show.
pub(crate) fn page_sql(query: &PeerQuery) -> (String, Vec<Value>, usize) {
    let mut params = Vec::new();
    let mut terms = Vec::new();
    let mut add = |term: &'static str, values: Vec<Value>| {
        terms.push(term);
        params.extend(values);
    };
    match query.online {
        Some(true) => add("(p.status != 'offline' AND p.lease_until > ?)", vec![Value::Integer(ms(query.now))]),
        Some(false) => add("(p.status = 'offline' OR p.lease_until <= ?)", vec![Value::Integer(ms(query.now))]),
        None => {}
    }
    if let Some(trust) = query.trust {
        add("p.trust = ?", vec![Value::Text(trust.as_str().to_owned())]);
    }
    if let Some(feature) = &query.feature {
        // The list is JSON: first its raw text, which is quick, then its values, which is exact.
        let json = serde_json::to_string(feature).unwrap_or_default();
        add(
            "(instr(p.features, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(p.features) AS f WHERE f.value = ?))",
            vec![Value::Text(json), Value::Text(feature.clone())],
        );
    }
    if query.missing {
        add("p.id IN (SELECT k.id FROM gaps AS g CROSS JOIN peers AS k ON k.pubkey = g.peer WHERE g.shown = 1)", Vec::new());
    }
    let mut index = "peers_by_seen";
    if let Some(q) = query.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
        // Both names lie in one text, a line each; a question is one line.
        let mut values = vec![Value::Text(q.to_lowercase().replace('\n', " "))];
        let range = key_range(q);
        values.extend(range.iter().flat_map(|(lowest, highest)| [lowest, highest]).map(|key| Value::Blob(key.to_vec())));
        // Alone, the names are walked in the order of the list, as far as the page needs. With other filters beside it, which the index of
        // names does not hold, every match would cost a look at its row: there the matches are found first.
        let alone = terms.is_empty();
        if alone {
            index = "peers_by_name";
        }
        let term = match (alone, range.is_some()) {
            (true, false) => "instr(p.search, ?) > 0",
            (true, true) => "(instr(p.search, ?) > 0 OR p.id IN (SELECT k.id FROM peers AS k WHERE k.pubkey BETWEEN ? AND ?))",
            (false, false) => "p.id IN (SELECT n.id FROM peers AS n INDEXED BY peers_by_name WHERE instr(n.search, ?) > 0)",
            (false, true) => {
                "p.id IN (SELECT n.id FROM peers AS n INDEXED BY peers_by_name WHERE instr(n.search, ?) > 0 \
                 UNION ALL SELECT k.id FROM peers AS k WHERE k.pubkey BETWEEN ? AND ?)"
            }
        };
        terms.push(term);
        params.extend(values);
    }
    if let Some(before) = query.before {
        terms.push("(p.last_seen, p.id) < (?, ?)");
        params.extend([Value::Integer(ms(before.at)), Value::Integer(number(before.seq))]);
    }
    let (limit, fetch) = limit_and_one(query.limit);
    params.push(Value::Integer(fetch));
    let condition = if terms.is_empty() { String::new() } else { format!("WHERE {}", terms.join(" AND ")) };
    let sql =
        format!("SELECT p.id, {PEER_COLUMNS} FROM peers AS p INDEXED BY {index} {condition} ORDER BY p.last_seen DESC, p.id DESC LIMIT ?");
    (sql, params, limit)
}
