//! Invites: added with their secret, changed without it.

use ocmesh_proto::{InviteId, InviteRecord, InviteSecret};
use rusqlite::{Connection, params};

use crate::{WriteError, row::ms};

pub(super) fn add(db: &Connection, record: &InviteRecord, secret: &InviteSecret) -> Result<(), WriteError> {
    let sql =
        "INSERT INTO invites (id, role, secret, created_at, expires_at, state, changed_at, guesses) VALUES (?1, ?2, ?3, ?4, ?5, '', ?4, 0)";
    let (created_at, expires_at) = (ms(record.created_at), ms(record.expires_at));
    db.prepare_cached(sql)?.execute(params![record.id.0.cast_signed(), record.role.as_str(), secret.0, created_at, expires_at])?;
    put(db, record)
}

pub(super) fn put(db: &Connection, record: &InviteRecord) -> Result<(), WriteError> {
    let sql = "UPDATE invites SET peer = ?2, petname = ?3, expires_at = ?4, state = ?5, changed_at = ?6, phrase = ?7, guesses = ?8
               WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![
        record.id.0.cast_signed(),
        record.peer.as_ref().map(ocmesh_proto::PubKey::as_bytes),
        record.petname,
        ms(record.expires_at),
        record.state.as_str(),
        ms(record.changed_at),
        record.phrase,
        record.guesses,
    ])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, id: InviteId) -> Result<(), WriteError> {
    db.prepare_cached("DELETE FROM invites WHERE id = ?1")?.execute([id.0.cast_signed()])?;
    Ok(())
}
