//! Writes changes. Each is one or a few prepared statements inside the caller's transaction; what to change is the core's decision.

mod invite;
mod line;
mod message;
mod outbox;
mod own;
mod peer;
mod wake;

use ocmesh_proto::{At, Change};
use rusqlite::Connection;

use crate::WriteError;

/// Writes one change. `now` is the moment of its step.
pub(crate) fn apply(db: &Connection, change: &Change, now: At) -> Result<(), WriteError> {
    match change {
        Change::PutPeer(peer) => peer::put(db, peer),
        Change::DropPeer(peer) => peer::remove(db, peer),
        Change::AddMessage(message) => message::add(db, message),
        Change::SetStatus { id, status } => message::set_status(db, id, status),
        Change::AddHistory { id, at, entry } => message::add_history(db, id, *at, entry),
        Change::SetRead { id, at } => message::set_read(db, id, *at),
        Change::SetReceipts { id, receipts } => message::set_receipts(db, id, *receipts),
        Change::ReleaseHeld(peer) => message::release_held(db, peer),
        Change::DropHeld(peer) => message::drop_held(db, peer, now),
        Change::PutParcel(parcel) => outbox::put(db, parcel),
        Change::DropParcel { message, class } => outbox::remove(db, message, *class),
        Change::PutSealed { message, event } => outbox::put_sealed(db, message, event, now),
        Change::PutRumor { message, json } => outbox::put_rumor(db, message, json, now),
        Change::AddSeen { id, at } => message::add_seen(db, id, *at),
        Change::PutRelay(relay) => own::put_relay(db, relay),
        Change::PutOwn(own) => own::put(db, own),
        Change::PutOwnLine(own) => line::put_own(db, own),
        Change::DropOwnLine(peer) => line::drop_own(db, peer),
        Change::PutLine(known) => line::put(db, known),
        Change::DropLine { peer, line } => line::remove(db, peer, *line),
        Change::PutGap(gap) => line::put_gap(db, gap),
        Change::DropGap { peer, line, last } => line::drop_gap(db, peer, *line, *last),
        Change::AddInvite { record, secret } => invite::add(db, record, secret),
        Change::PutInvite(record) => invite::put(db, record),
        Change::DropInvite(id) => invite::remove(db, *id),
        Change::ForgetNumber(message) => line::forget_number(db, message),
        Change::PutWake(record) => wake::put(db, record),
        Change::DropWake(target) => wake::remove(db, target),
    }
}
