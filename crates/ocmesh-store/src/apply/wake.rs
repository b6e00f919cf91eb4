//! Targets that are woken: each is one record, replaced whole.

use ocmesh_proto::WakeRecord;
use rusqlite::{Connection, params};

use crate::WriteError;

pub(super) fn put(db: &Connection, record: &WakeRecord) -> Result<(), WriteError> {
    let body = serde_json::to_string(record)?;
    let sql = "INSERT INTO wakes (target, body) VALUES (?1, ?2) ON CONFLICT (target) DO UPDATE SET body = excluded.body";
    db.prepare_cached(sql)?.execute(params![&*record.target, body])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, target: &str) -> Result<(), WriteError> {
    db.prepare_cached("DELETE FROM wakes WHERE target = ?1")?.execute([target])?;
    Ok(())
}
