//! Peers: put and removed whole.

use ocmesh_proto::{Form, Handshake, PeerRecord, PubKey};
use rusqlite::{Connection, params};

use crate::{
    WriteError,
    row::{list, ms},
};

const PUT: &str = "
    INSERT INTO peers (pubkey, name, petname, search, about, version, features, forms, last_form, status, presence_relays, dm_relays,
        read_relays, seen_on, source, first_seen, last_seen, presence_at, lease_until, handshake, trust, work_asked)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
    ON CONFLICT (pubkey) DO UPDATE SET name = ?2, petname = ?3, search = ?4, about = ?5, version = ?6, features = ?7, forms = ?8,
        last_form = ?9, status = ?10, presence_relays = ?11, dm_relays = ?12, read_relays = ?13, seen_on = ?14, source = ?15,
        first_seen = ?16, last_seen = ?17, presence_at = ?18, lease_until = ?19, handshake = ?20, trust = ?21, work_asked = ?22";

pub(super) fn put(db: &Connection, peer: &PeerRecord) -> Result<(), WriteError> {
    let handshake = if peer.handshake == Handshake::None { None } else { Some(serde_json::to_string(&peer.handshake)?) };
    let json = |relays: &Option<ocmesh_proto::PeerRelays>| relays.as_ref().map(serde_json::to_string).transpose();
    db.prepare_cached(PUT)?.execute(params![
        peer.pubkey.as_bytes(),
        peer.name,
        peer.petname,
        search_text(peer),
        peer.about,
        peer.version,
        list(&peer.features)?,
        list(&peer.forms)?,
        peer.last_form.map(Form::as_str),
        peer.status.as_str(),
        list(&peer.presence_relays)?,
        json(&peer.dm_relays)?,
        json(&peer.read_relays)?,
        list(&peer.seen_on)?,
        peer.source.as_str(),
        ms(peer.first_seen),
        ms(peer.last_seen),
        ms(peer.presence_at),
        ms(peer.lease_until),
        handshake,
        peer.trust.as_str(),
        peer.work_asked,
    ])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, peer: &PubKey) -> Result<(), WriteError> {
    db.prepare_cached("DELETE FROM peers WHERE pubkey = ?1")?.execute([peer.as_bytes()])?;
    Ok(())
}

/// What a search by name looks at: both names in lower case, on two lines, so that no match spans them.
fn search_text(peer: &PeerRecord) -> String {
    let name = peer.name.as_deref().unwrap_or_default();
    let petname = peer.petname.as_deref().unwrap_or_default();
    format!("{name}\n{petname}").to_lowercase()
}
