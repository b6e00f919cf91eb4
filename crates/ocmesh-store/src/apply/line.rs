//! Lines of numbered messages, and the gaps in them.

use ocmesh_proto::{Gap, LineId, Lost, MessageId, OwnLine, PeerLine, PubKey};
use rusqlite::{Connection, params};

use crate::{
    WriteError,
    row::{line, ms, number},
};

pub(super) fn put_own(db: &Connection, own: &OwnLine) -> Result<(), WriteError> {
    let sql = "INSERT INTO own_lines (peer, line, number, last) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (peer) DO UPDATE SET line = ?2, number = ?3, last = ?4";
    db.prepare_cached(sql)?.execute(params![own.peer.as_bytes(), line(own.line), number(own.number), own.last.as_bytes()])?;
    Ok(())
}

pub(super) fn drop_own(db: &Connection, peer: &PubKey) -> Result<(), WriteError> {
    db.prepare_cached("DELETE FROM own_lines WHERE peer = ?1")?.execute([peer.as_bytes()])?;
    Ok(())
}

pub(super) fn put(db: &Connection, known: &PeerLine) -> Result<(), WriteError> {
    let sql = "INSERT INTO peer_lines (peer, line, highest, heard_at, breaks) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (peer, line) DO UPDATE SET highest = ?3, heard_at = ?4, breaks = ?5";
    db.prepare_cached(sql)?.execute(params![
        known.peer.as_bytes(),
        line(known.line),
        number(known.highest),
        ms(known.heard_at),
        number(known.breaks)
    ])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, peer: &PubKey, which: LineId) -> Result<(), WriteError> {
    db.prepare_cached("DELETE FROM peer_lines WHERE peer = ?1 AND line = ?2")?.execute(params![peer.as_bytes(), line(which)])?;
    Ok(())
}

pub(super) fn put_gap(db: &Connection, gap: &Gap) -> Result<(), WriteError> {
    let sql = "INSERT INTO gaps (peer, line, last, first, found_at, shown, asks, next_at, lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (peer, line, last) DO UPDATE SET first = ?4, found_at = ?5, shown = ?6, asks = ?7, next_at = ?8, lost = ?9";
    db.prepare_cached(sql)?.execute(params![
        gap.peer.as_bytes(),
        line(gap.line),
        number(gap.last),
        number(gap.first),
        ms(gap.found_at),
        gap.shown,
        gap.asks,
        ms(gap.next_at),
        gap.lost.map(Lost::as_str)
    ])?;
    Ok(())
}

pub(super) fn drop_gap(db: &Connection, peer: &PubKey, which: LineId, last: u64) -> Result<(), WriteError> {
    let sql = "DELETE FROM gaps WHERE peer = ?1 AND line = ?2 AND last = ?3";
    db.prepare_cached(sql)?.execute(params![peer.as_bytes(), line(which), number(last)])?;
    Ok(())
}

/// The message stays; who asks for its number does not find it.
pub(super) fn forget_number(db: &Connection, message: &MessageId) -> Result<(), WriteError> {
    let sql = "UPDATE messages SET line = NULL, number = NULL, previous = NULL WHERE id = ?1 AND direction = 'out'";
    db.prepare_cached(sql)?.execute([message.as_bytes()])?;
    Ok(())
}
