//! Parcels, and the sealed events and rumors they publish. A sealed event stays as long as a parcel names it or its message may be retried.

use ocmesh_proto::{At, MessageId, Parcel, ParcelClass, SignedEvent};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{WriteError, row::ms};

const PUT: &str = "
    INSERT INTO parcels (message, class, event, queued_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (message, class) DO UPDATE SET event = ?3, queued_at = ?4, body = ?5";

pub(super) fn put(db: &Connection, parcel: &Parcel) -> Result<(), WriteError> {
    let former = event_of(db, &parcel.message, parcel.class)?;
    let body = serde_json::to_string(parcel)?;
    db.prepare_cached(PUT)?.execute(params![
        parcel.message.as_bytes(),
        parcel.class.as_str(),
        parcel.event.as_bytes(),
        ms(parcel.queued_at),
        body
    ])?;
    match former {
        // Wrapped again: the old wrap is of no use any more.
        Some(former) if former != *parcel.event.as_bytes() => forget_sealed(db, &former),
        _ => Ok(()),
    }
}

pub(super) fn remove(db: &Connection, message: &MessageId, class: ParcelClass) -> Result<(), WriteError> {
    let Some(event) = event_of(db, message, class)? else { return Ok(()) };
    let sql = "DELETE FROM parcels WHERE message = ?1 AND class = ?2";
    db.prepare_cached(sql)?.execute(params![message.as_bytes(), class.as_str()])?;
    match class {
        // The owner may still ask for another try.
        ParcelClass::Message => forget_unneeded(db, message),
        ParcelClass::OwnCopy | ParcelClass::Frame | ParcelClass::Again => {
            forget_sealed(db, &event)?;
            forget_unneeded(db, message)
        }
    }
}

pub(super) fn put_sealed(db: &Connection, message: &MessageId, event: &SignedEvent, now: At) -> Result<(), WriteError> {
    let sql = "INSERT INTO sealed (event, message, kind, json, wrapped_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (event) DO UPDATE SET message = ?2, kind = ?3, json = ?4, wrapped_at = ?5";
    db.prepare_cached(sql)?.execute(params![event.id.as_bytes(), message.as_bytes(), event.kind, &*event.json, ms(now)])?;
    Ok(())
}

pub(super) fn put_rumor(db: &Connection, message: &MessageId, json: &str, now: At) -> Result<(), WriteError> {
    let sql = "INSERT INTO rumors (message, json, stored_at) VALUES (?1, ?2, ?3) ON CONFLICT (message) DO UPDATE SET json = ?2";
    db.prepare_cached(sql)?.execute(params![message.as_bytes(), json, ms(now)])?;
    Ok(())
}

fn event_of(db: &Connection, message: &MessageId, class: ParcelClass) -> Result<Option<[u8; 32]>, WriteError> {
    let mut statement = db.prepare_cached("SELECT event FROM parcels WHERE message = ?1 AND class = ?2")?;
    Ok(statement.query_row(params![message.as_bytes(), class.as_str()], |row| row.get(0)).optional()?)
}

/// Drops one sealed event that no parcel names.
fn forget_sealed(db: &Connection, event: &[u8; 32]) -> Result<(), WriteError> {
    let sql = "DELETE FROM sealed WHERE event = ?1
               AND NOT EXISTS (SELECT 1 FROM parcels AS p WHERE p.message = sealed.message AND p.event = sealed.event)";
    db.prepare_cached(sql)?.execute([event])?;
    Ok(())
}

/// Drops what is sealed for a message, and its rumor, when no parcel needs them and the message can no longer be retried: the peer's
/// agent has read it, or it is no message of ours at all (a frame). The rest goes with age.
pub(super) fn forget_unneeded(db: &Connection, message: &MessageId) -> Result<(), WriteError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM parcels WHERE message = ?1)
                  AND NOT EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND direction = 'out' AND state != 'read')";
    let unneeded: bool = db.prepare_cached(sql)?.query_row([message.as_bytes()], |row| row.get(0))?;
    if unneeded {
        db.prepare_cached("DELETE FROM sealed WHERE message = ?1")?.execute([message.as_bytes()])?;
        db.prepare_cached("DELETE FROM rumors WHERE message = ?1")?.execute([message.as_bytes()])?;
    }
    Ok(())
}
