//! Pages of messages. Each way of listing has its index, named here, so that a page at any depth costs the same.

use ocmesh_proto::{At, Direction, Form, HistoryEntry, MessageId, MessageRecord, PubKey, ReceiptsSent, Trust};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};

use super::{Reader, limit_and_one, rows};
use crate::{
    Cursor, Page, ReadError,
    facts::{chain, place, status},
    row::{Fields, ms, number},
};

/// Which messages. The default is the newest 100 of both directions, without held ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQuery {
    /// Inbound ones our agent has not acknowledged (`true`), or has (`false`).
    pub unread: Option<bool>,
    /// Exchanged with this peer.
    pub from: Option<PubKey>,
    /// Of this thread.
    pub thread: Option<MessageId>,
    /// Stored here at or after this moment.
    pub since: Option<At>,
    /// To us or from us; `None` for both.
    pub direction: Option<Direction>,
    /// Also those that wait for their owner's consent.
    pub include_held: bool,
    /// Rows of a page, 1 to 1,000.
    pub limit: usize,
    /// Go on after this row.
    pub before: Option<Cursor>,
}

impl Default for MessageQuery {
    fn default() -> Self {
        Self { unread: None, from: None, thread: None, since: None, direction: None, include_held: false, limit: 100, before: None }
    }
}

/// A stored message with what we call its other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number in the store, in order of arrival.
    pub seq: u64,
    /// The message.
    pub record: MessageRecord,
    /// What we call the peer, else what it calls itself.
    pub peer_name: Option<String>,
    /// How far we trust it now.
    pub peer_trust: Trust,
    /// How many messages of the same author are missing right before this one; lost ones count too.
    pub missing_before: u64,
}

/// A message, and its delivery history, oldest first.
pub type MessageAndHistory = (MessageRow, Vec<(At, HistoryEntry)>);

const COLUMNS: &str = "m.seq, m.id, m.direction, m.peer, m.content, m.kind, m.form, m.written_at, m.stored_at, m.read_at, m.thread, \
    m.reply_to, m.subject, m.chain_id, m.chain_hops, m.state, m.status, m.idempotency_key, m.held, m.receipt_delivered, m.receipt_read, \
    m.line, m.number, m.previous, m.urgent, coalesce(p.petname, p.name), p.trust, coalesce(g.last - g.first + 1, 0)";

/// What a page of messages tells beside them: who the peer is, and how many are missing right before.
const JOINS: &str = "LEFT JOIN peers AS p ON p.pubkey = m.peer
    LEFT JOIN gaps AS g ON m.direction = 'in' AND g.peer = m.peer AND g.line = m.line AND g.last = m.number - 1 AND g.shown = 1";

impl Reader {
    /// A page of messages, newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn messages(&self, query: &MessageQuery) -> Result<Page<MessageRow>, ReadError> {
        let (sql, params, limit) = page_sql(query);
        self.with(|db| {
            let found = rows(&mut db.prepare_cached(&sql)?, params_from_iter(params), |row| {
                let message = message(row)?;
                Ok((Cursor { at: message.record.stored_at, seq: message.seq }, message))
            })?;
            Ok(Page::cut(found, limit))
        })
    }

    /// One message, held or not.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn message(&self, id: &MessageId) -> Result<Option<MessageRow>, ReadError> {
        self.with(|db| one(db, id))
    }

    /// One message with its delivery history, both of the same moment.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn message_and_history(&self, id: &MessageId) -> Result<Option<MessageAndHistory>, ReadError> {
        self.with(|db| {
            // Ends with the block; there is nothing to commit.
            let moment = db.unchecked_transaction()?;
            let Some(message) = one(&moment, id)? else { return Ok(None) };
            Ok(Some((message, history(&moment, id)?)))
        })
    }

    /// The delivery history of a message, oldest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn history(&self, id: &MessageId) -> Result<Vec<(At, HistoryEntry)>, ReadError> {
        self.with(|db| history(db, id))
    }
}

fn one(db: &Connection, id: &MessageId) -> Result<Option<MessageRow>, ReadError> {
    let sql = format!("SELECT {COLUMNS} FROM messages AS m {JOINS} WHERE m.id = ?1");
    db.prepare_cached(&sql)?.query_row([id.as_bytes()], |row| Ok(message(row))).optional()?.transpose()
}

fn history(db: &Connection, id: &MessageId) -> Result<Vec<(At, HistoryEntry)>, ReadError> {
    let sql = "SELECT at, entry FROM history WHERE seq = (SELECT seq FROM messages WHERE id = ?1) ORDER BY id";
    rows(&mut db.prepare_cached(sql)?, [id.as_bytes()], |row| {
        let mut fields = Fields::new(row);
        Ok((fields.at("history time")?, fields.json("history entry")?))
    })
}

/// The statement of a page, its parameters, and how many rows it may show.
pub(crate) fn page_sql(query: &MessageQuery) -> (String, Vec<Value>, usize) {
    let (terms, mut params) = filters(query);
    let (limit, fetch) = limit_and_one(query.limit);
    let select = |index: &str, more: &str| {
        let condition = [more].into_iter().chain(terms.iter().copied()).filter(|term| !term.is_empty()).collect::<Vec<_>>().join(" AND ");
        let keyword = if condition.is_empty() { "" } else { "WHERE" };
        format!("SELECT {COLUMNS} FROM messages AS m {index} {JOINS} {keyword} {condition}")
    };
    let rows = match &query.thread {
        None => select(&format!("INDEXED BY {}", index(query)), ""),
        Some(thread) => {
            let thread = Value::Blob(thread.as_bytes().to_vec());
            params.insert(0, thread);
            params.extend_from_within(..);
            let replies = select("INDEXED BY messages_by_thread", "m.thread = ? AND m.thread != m.id");
            let beginning = select("", "m.id = ? AND m.thread = m.id");
            format!("{replies} UNION ALL {beginning}")
        }
    };
    params.push(Value::Integer(fetch));
    (format!("{rows} ORDER BY stored_at DESC, seq DESC LIMIT ?"), params, limit)
}

/// The conditions of a page, apart from its thread, and their parameters.
fn filters(query: &MessageQuery) -> (Vec<&'static str>, Vec<Value>) {
    let (mut terms, mut params) = (Vec::new(), Vec::new());
    let mut add = |term: &'static str, values: &[Value]| {
        terms.push(term);
        params.extend_from_slice(values);
    };
    match query.direction {
        Some(Direction::In) => add("m.direction = 'in'", &[]),
        Some(Direction::Out) => add("m.direction = 'out'", &[]),
        None => {}
    }
    match query.unread {
        Some(true) => add("m.direction = 'in' AND m.read_at IS NULL", &[]),
        Some(false) => add("m.direction = 'in' AND m.read_at IS NOT NULL", &[]),
        None => {}
    }
    if let Some(peer) = &query.from {
        add("m.peer = ?", &[Value::Blob(peer.as_bytes().to_vec())]);
    }
    if !query.include_held {
        add("m.held = 0", &[]);
    }
    if let Some(since) = query.since {
        add("m.stored_at >= ?", &[Value::Integer(ms(since))]);
    }
    if let Some(before) = query.before {
        add("(m.stored_at, m.seq) < (?, ?)", &[Value::Integer(ms(before.at)), Value::Integer(number(before.seq))]);
    }
    (terms, params)
}

/// The index that walks over the fewest messages for nothing.
const fn index(query: &MessageQuery) -> &'static str {
    match query {
        // Few are unread, and this index knows their peers.
        MessageQuery { unread: Some(true), direction: None | Some(Direction::In), .. } => "messages_unread",
        MessageQuery { from: Some(_), .. } => "messages_by_peer",
        MessageQuery { unread: Some(false), direction: None | Some(Direction::In), .. } => "messages_read",
        MessageQuery { direction: Some(Direction::In), .. } => "messages_in",
        MessageQuery { direction: Some(Direction::Out), .. } => "messages_out",
        MessageQuery { direction: None, .. } => "messages_by_time",
    }
}

fn message(row: &Row<'_>) -> Result<MessageRow, ReadError> {
    let mut fields = Fields::new(row);
    let seq = fields.number("message number")?;
    let record = MessageRecord {
        id: fields.id("message id")?,
        direction: fields.word("direction", Direction::parse)?,
        peer: fields.key("message peer")?,
        content: fields.text("content")?,
        kind: fields.text("message kind")?,
        form: fields.word("form", Form::parse)?,
        written_at: fields.at("message time")?,
        stored_at: fields.at("message time")?,
        read_at: fields.maybe_at("read time")?,
        thread: fields.id("thread")?,
        reply_to: fields.maybe_id("parent")?,
        subject: fields.maybe_text("subject")?,
        chain: chain(&mut fields)?,
        status: status(&mut fields)?,
        idempotency_key: fields.maybe_text("idempotency key")?,
        held: fields.flag("held")?,
        receipts: ReceiptsSent { delivered: fields.flag("receipt")?, read: fields.flag("receipt")? },
        place: place(&mut fields)?,
        urgent: fields.flag("message class")?,
    };
    let peer_name = fields.maybe_text("peer name")?;
    let peer_trust = fields.maybe_word("trust", Trust::parse)?.unwrap_or(Trust::Unknown);
    let missing_before = fields.number("gap")?;
    Ok(MessageRow { seq, record, peer_name, peer_trust, missing_before })
}
