//! Messages, their history, and the ids that were handled.

use ocmesh_proto::{At, EventId, HistoryEntry, MessageId, MessageRecord, PubKey, ReceiptsSent, Status};
use rusqlite::{Connection, params};

use super::outbox;
use crate::{
    WriteError,
    row::{line, ms, number},
};

const ADD: &str = "
    INSERT INTO messages (id, direction, peer, content, kind, form, written_at, stored_at, read_at, thread, reply_to, subject, chain_id,
        chain_hops, state, status, idempotency_key, held, receipt_delivered, receipt_read, line, number,
        previous, urgent)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)
    ON CONFLICT (id) DO NOTHING";

pub(super) fn add(db: &Connection, message: &MessageRecord) -> Result<(), WriteError> {
    db.prepare_cached(ADD)?.execute(params![
        message.id.as_bytes(),
        message.direction.as_str(),
        message.peer.as_bytes(),
        message.content,
        message.kind,
        message.form.as_str(),
        ms(message.written_at),
        ms(message.stored_at),
        message.read_at.map(ms),
        message.thread.as_bytes(),
        message.reply_to.as_ref().map(EventId::as_bytes),
        message.subject,
        message.chain.as_ref().map(|chain| chain.id.as_bytes()),
        message.chain.map(|chain| chain.hops),
        message.status.as_str(),
        details(&message.status)?,
        message.idempotency_key,
        message.held,
        message.receipts.delivered,
        message.receipts.read,
        message.place.map(|place| line(place.line)),
        message.place.map(|place| number(place.number)),
        message.place.and_then(|place| place.previous).as_ref().map(EventId::as_bytes),
        message.urgent,
    ])?;
    Ok(())
}

/// The status as JSON, where its word does not say everything.
fn details(status: &Status) -> Result<Option<String>, serde_json::Error> {
    match status {
        Status::Received | Status::Queued => Ok(None),
        more => serde_json::to_string(more).map(Some),
    }
}

pub(super) fn set_status(db: &Connection, id: &MessageId, status: &Status) -> Result<(), WriteError> {
    let sql = "UPDATE messages SET state = ?2, status = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id.as_bytes(), status.as_str(), details(status)?])?;
    if matches!(status, Status::Read { .. }) {
        // The peer's agent has it: nothing will ever be published for it again, unless a copy to ourselves is still on its way.
        outbox::forget_unneeded(db, id)?;
    }
    Ok(())
}

/// The first acknowledgement stays.
pub(super) fn set_read(db: &Connection, id: &MessageId, at: At) -> Result<(), WriteError> {
    let sql = "UPDATE messages SET read_at = ?2 WHERE id = ?1 AND read_at IS NULL";
    db.prepare_cached(sql)?.execute(params![id.as_bytes(), ms(at)])?;
    Ok(())
}

pub(super) fn set_receipts(db: &Connection, id: &MessageId, receipts: ReceiptsSent) -> Result<(), WriteError> {
    let sql = "UPDATE messages SET receipt_delivered = ?2, receipt_read = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id.as_bytes(), receipts.delivered, receipts.read])?;
    Ok(())
}

pub(super) fn release_held(db: &Connection, peer: &PubKey) -> Result<(), WriteError> {
    db.prepare_cached("UPDATE messages SET held = 0 WHERE peer = ?1 AND held = 1")?.execute([peer.as_bytes()])?;
    Ok(())
}

/// Their ids stay, as of frames, so that relays do not bring them back.
pub(super) fn drop_held(db: &Connection, peer: &PubKey, now: At) -> Result<(), WriteError> {
    let seen = "INSERT INTO seen (id, at) SELECT id, ?2 FROM messages WHERE peer = ?1 AND held = 1 ON CONFLICT (id) DO NOTHING";
    db.prepare_cached(seen)?.execute(params![peer.as_bytes(), ms(now)])?;
    db.prepare_cached("DELETE FROM messages WHERE peer = ?1 AND held = 1")?.execute([peer.as_bytes()])?;
    Ok(())
}

/// A line for a message that is not stored, as of a frame, is left out: nobody could ask for it.
pub(super) fn add_history(db: &Connection, id: &MessageId, at: At, entry: &HistoryEntry) -> Result<(), WriteError> {
    let entry = serde_json::to_string(entry)?;
    let sql = "INSERT INTO history (seq, at, entry) SELECT seq, ?2, ?3 FROM messages WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id.as_bytes(), ms(at), entry])?;
    Ok(())
}

/// The first time stays.
pub(super) fn add_seen(db: &Connection, id: &EventId, at: At) -> Result<(), WriteError> {
    let sql = "INSERT INTO seen (id, at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
    db.prepare_cached(sql)?.execute(params![id.as_bytes(), ms(at)])?;
    Ok(())
}
