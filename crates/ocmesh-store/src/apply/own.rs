//! What we keep of ourselves and of our relays.

use ocmesh_proto::{OwnRecord, PeerStatus, RelayRecord};
use rusqlite::{Connection, params};

use crate::{
    WriteError,
    row::{ms, number},
};

pub(super) fn put(db: &Connection, own: &OwnRecord) -> Result<(), WriteError> {
    let sql = "INSERT OR REPLACE INTO own (id, name, about, features, status, published_at, published_profile, hello_day, hello_count)
               VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    // A list set to nothing is not the same as no list set: JSON even when empty.
    let features = own.features.as_ref().map(serde_json::to_string).transpose()?;
    let (day, count) = own.hellos_today;
    db.prepare_cached(sql)?.execute(params![
        own.name,
        own.about,
        features,
        own.status.map(PeerStatus::as_str),
        ms(own.published_at),
        own.published_profile,
        number(day),
        count,
    ])?;
    Ok(())
}

pub(super) fn put_relay(db: &Connection, relay: &RelayRecord) -> Result<(), WriteError> {
    let sql = "INSERT INTO relays (url, origin, good_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (url) DO UPDATE SET origin = ?2, good_at = ?3";
    db.prepare_cached(sql)?.execute(params![relay.url.as_str(), relay.origin.as_str(), relay.good_at.map(ms)])?;
    Ok(())
}
