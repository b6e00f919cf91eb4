//! Facts the core cannot hold in memory, looked up by the writer, so that they also see what the open transaction has written.

mod line;
pub(crate) mod wake;

use std::sync::Arc;

use ocmesh_proto::{
    At, Chain, Direction, EarlierSend, EventId, Form, InboundFacts, InviteId, InviteSecret, LineId, MessageId, ParentFacts, Place, PubKey,
    ReceiptsSent, Status, StoredFacts, StrangerFacts,
};
use rusqlite::{OptionalExtension, Params, Row, params};

use crate::{
    ReadError, Store,
    row::{Fields, ms},
    sound,
};

/// How many of a peer's newest messages are looked through for missing receipts: trust is granted by hand, and this takes some 20 ms.
const UNRECEIPTED_SCAN_MAX: i64 = 10_000;

const INBOUND_COLUMNS: &str = "id, peer, form, read_at, receipt_delivered, receipt_read";

impl Store {
    /// This message, frame or wrap was handled before.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn is_seen(&self, id: &EventId) -> Result<bool, ReadError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM seen WHERE id = ?1) OR EXISTS (SELECT 1 FROM messages WHERE id = ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0))?)
    }

    /// The thread of a message we have, and with whom it was exchanged.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn thread_of(&self, id: &MessageId) -> Result<Option<(MessageId, PubKey)>, ReadError> {
        self.one("SELECT thread, peer FROM messages WHERE id = ?1", [id.as_bytes()], |row| {
            let mut fields = Fields::new(row);
            Ok((fields.id("thread")?, fields.key("message peer")?))
        })
    }

    /// What a reply needs of its parent.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn parent_facts(&self, id: &MessageId) -> Result<Option<ParentFacts>, ReadError> {
        self.one("SELECT id, thread, chain_id, chain_hops, direction, stored_at FROM messages WHERE id = ?1", [id.as_bytes()], |row| {
            let mut fields = Fields::new(row);
            Ok(ParentFacts {
                id: fields.id("message id")?,
                thread: fields.id("thread")?,
                chain: chain(&mut fields)?,
                direction: fields.word("direction", Direction::parse)?,
                stored_at: fields.at("message time")?,
            })
        })
    }

    /// What receipts need of these messages. Unknown ids, messages of ours and what waits for its owner's consent are left out.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn inbound_facts(&self, ids: &[MessageId]) -> Result<Vec<InboundFacts>, ReadError> {
        let sql = format!("SELECT {INBOUND_COLUMNS} FROM messages WHERE id = ?1 AND direction = 'in' AND held = 0");
        ids.iter().filter_map(|id| self.one(&sql, [id.as_bytes()], inbound).transpose()).collect()
    }

    /// What receipts need of the unread messages that the agent may see, newest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn unread_facts(&self, limit: usize) -> Result<Vec<InboundFacts>, ReadError> {
        let sql = format!(
            "SELECT {INBOUND_COLUMNS} FROM messages INDEXED BY messages_unread
             WHERE direction = 'in' AND read_at IS NULL AND held = 0 ORDER BY stored_at DESC, seq DESC LIMIT ?1"
        );
        self.many(&sql, [count(limit)], inbound)
    }

    /// A peer's messages that lack a receipt: `delivered`, or `read` where our agent acknowledged. Newest first, held ones too.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn unreceipted_facts(&self, peer: &PubKey, limit: usize) -> Result<Vec<InboundFacts>, ReadError> {
        let sql = format!(
            "SELECT {INBOUND_COLUMNS} FROM
                 (SELECT * FROM messages INDEXED BY messages_by_peer
                  WHERE peer = ?1 AND direction = 'in' ORDER BY stored_at DESC, seq DESC LIMIT {UNRECEIPTED_SCAN_MAX})
             WHERE receipt_delivered = 0 OR (read_at IS NOT NULL AND receipt_read = 0) LIMIT ?2"
        );
        self.many(&sql, params![peer.as_bytes(), count(limit)], inbound)
    }

    /// What a stranger has with us already, at most as much as matters: the newest 1,000 unread messages are looked through.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn stranger_facts(&self, author: &PubKey, since: At) -> Result<StrangerFacts, ReadError> {
        // The index covers it, and nobody keeps so many unread without being asked to look: some milliseconds at most.
        let waiting = "SELECT COUNT(DISTINCT waiting.peer) FROM
                           (SELECT peer FROM messages INDEXED BY messages_unread
                            WHERE direction = 'in' AND read_at IS NULL ORDER BY stored_at DESC, seq DESC LIMIT 1000) AS waiting
                       LEFT JOIN peers ON peers.pubkey = waiting.peer WHERE COALESCE(peers.trust, 'unknown') = 'unknown'";
        let own = "SELECT COUNT(*) FILTER (WHERE read_at IS NULL), COUNT(*) FILTER (WHERE stored_at >= ?2) FROM
                       (SELECT read_at, stored_at FROM messages INDEXED BY messages_by_peer
                        WHERE peer = ?1 AND direction = 'in' ORDER BY stored_at DESC, seq DESC LIMIT 100)";
        let waiting: i64 = self.connection.prepare_cached(waiting)?.query_row([], |row| row.get(0))?;
        let (unread, lately): (i64, i64) =
            self.connection.prepare_cached(own)?.query_row(params![author.as_bytes(), ms(since)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let number = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
        Ok(StrangerFacts { unread: number(unread), lately: number(lately), waiting: number(waiting) })
    }

    /// The newest message sent under an idempotency key, when it was stored at or after `since`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn earlier_send(&self, key: &str, since: At, content: &str) -> Result<Option<EarlierSend>, ReadError> {
        let sql = "SELECT id, peer, written_at, content = ?3, state, status FROM messages INDEXED BY messages_by_key
                   WHERE idempotency_key = ?1 AND stored_at >= ?2 ORDER BY stored_at DESC, seq DESC LIMIT 1";
        self.one(sql, params![key, ms(since), content], |row| {
            let mut fields = Fields::new(row);
            Ok(EarlierSend {
                id: fields.id("message id")?,
                to: fields.key("message peer")?,
                written_at: fields.at("message time")?,
                same_content: fields.flag("content")?,
                status: status(&mut fields)?,
            })
        })
    }

    /// What a retry by hand needs of a message of ours.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn stored_facts(&self, id: &MessageId) -> Result<Option<StoredFacts>, ReadError> {
        // The copy to ourselves carries the same message; it is never what is sent to the peer.
        let sql = "SELECT m.peer, m.form, m.state, m.status, s.event, coalesce(s.kind, 0), coalesce(s.wrapped_at, m.written_at)
                   FROM messages AS m LEFT JOIN sealed AS s ON s.message = m.id
                        AND NOT EXISTS (SELECT 1 FROM parcels AS p WHERE p.message = s.message AND p.class = 'own_copy' AND p.event = s.event)
                   WHERE m.id = ?1 AND m.direction = 'out' ORDER BY s.wrapped_at DESC, s.id DESC LIMIT 1";
        self.one(sql, [id.as_bytes()], |row| {
            let mut fields = Fields::new(row);
            let (to, form) = (fields.key("message peer")?, fields.word("form", Form::parse)?);
            let status = status(&mut fields)?;
            let (event, kind) = (fields.maybe_id("event id")?, fields.number("event kind")?);
            Ok(StoredFacts { to, form, event, kind, wrapped_at: fields.at("wrap time")?, status })
        })
    }

    /// What is kept of the secret of an invite.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn invite_secret(&self, id: InviteId) -> Result<Option<InviteSecret>, ReadError> {
        self.one("SELECT secret FROM invites WHERE id = ?1", [id.0.cast_signed()], |row| {
            let secret = Fields::new(row).maybe_bytes("invite")?.ok_or(ReadError::Unreadable { what: "invite" })?;
            Ok(InviteSecret(secret))
        })
    }

    /// A sealed event as JSON, for publishing.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn sealed(&self, event: &EventId) -> Result<Option<Arc<str>>, ReadError> {
        self.one("SELECT json FROM sealed WHERE event = ?1", [event.as_bytes()], json)
    }

    /// A message's rumor as JSON, for wrapping it again.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn rumor(&self, id: &MessageId) -> Result<Option<Arc<str>>, ReadError> {
        self.one("SELECT json FROM rumors WHERE message = ?1", [id.as_bytes()], json)
    }

    fn one<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T, ReadError>) -> Result<Option<T>, ReadError> {
        let found = self.connection.prepare_cached(sql)?.query_row(params, |row| Ok(read(row))).optional();
        let found = found.map_err(ReadError::from).and_then(Option::transpose);
        // Nobody hears of what was read in a transaction before its commit, which looks once for all of it.
        if found.is_ok() && !self.connection.is_autocommit() { found } else { sound::answer(&self.connection, found) }
    }

    fn many<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T, ReadError>) -> Result<Vec<T>, ReadError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            values.push(read(row)?);
        }
        Ok(values)
    }
}

/// Reads a status from its two columns, `state` and `status`.
pub(crate) fn status(fields: &mut Fields<'_, '_>) -> Result<Status, ReadError> {
    let state = fields.text("message status")?;
    let details = fields.maybe_json("message status")?;
    match (state.as_str(), details) {
        ("received", None) => Ok(Status::Received),
        ("queued", None) => Ok(Status::Queued),
        (_, Some(status)) => Ok(status),
        (_, None) => Err(ReadError::Unreadable { what: "message status" }),
    }
}

/// Reads a place from its three columns.
pub(crate) fn place(fields: &mut Fields<'_, '_>) -> Result<Option<Place>, ReadError> {
    let what = "message number";
    let (line, number, previous) = (fields.maybe_integer(what)?, fields.maybe_integer(what)?, fields.maybe_id(what)?);
    match (line, number.map(u64::try_from)) {
        (Some(line), Some(Ok(number))) => Ok(Some(Place { line: LineId(line.cast_unsigned()), number, previous })),
        (None, None) => Ok(None),
        _ => Err(ReadError::Unreadable { what }),
    }
}

/// Reads a chain from its two columns.
pub(crate) fn chain(fields: &mut Fields<'_, '_>) -> Result<Option<Chain>, ReadError> {
    let id = fields.maybe_id("chain id")?;
    let hops = fields.maybe_integer("chain hops")?;
    match (id, hops.map(u32::try_from)) {
        (Some(id), Some(Ok(hops))) => Ok(Some(Chain { id, hops })),
        (None, None) => Ok(None),
        _ => Err(ReadError::Unreadable { what: "chain" }),
    }
}

fn inbound(row: &Row<'_>) -> Result<InboundFacts, ReadError> {
    let mut fields = Fields::new(row);
    Ok(InboundFacts {
        id: fields.id("message id")?,
        from: fields.key("message peer")?,
        form: fields.word("form", Form::parse)?,
        is_read: fields.maybe_integer("read time")?.is_some(),
        receipts: ReceiptsSent { delivered: fields.flag("receipt")?, read: fields.flag("receipt")? },
    })
}

fn json(row: &Row<'_>) -> Result<Arc<str>, ReadError> {
    Fields::new(row).maybe_str("event")?.map(Arc::from).ok_or(ReadError::Unreadable { what: "event" })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
