//! Everything the core keeps in memory, read once at start.

use ocmesh_proto::{
    At, Direction, Form, Gap, Handshake, HopState, InviteId, InviteRecord, InviteRole, InviteState, Lost, OwnLine, OwnRecord, Parcel,
    PeerRecord, PeerSource, PeerStatus, PubKey, RelayOrigin, RelayRecord, RelayUrl, Snapshot, Trust, Turn,
    limit::{LOOP_WINDOW_MS, TURNS_MAX},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{ReadError, Store, facts::chain, open, row::Fields, sound};

/// The columns that [`peer`] reads, of a table called `p`.
pub(crate) const PEER_COLUMNS: &str = "p.pubkey, p.name, p.petname, p.about, p.version, p.features, p.forms, p.last_form, p.status, \
    p.presence_relays, p.dm_relays, p.read_relays, p.seen_on, p.source, p.first_seen, p.last_seen, p.presence_at, p.lease_until, \
    p.handshake, p.trust, p.work_asked";

/// The columns that [`invite`] reads. The secret is not among them.
pub(crate) const INVITE_COLUMNS: &str = "id, role, peer, petname, created_at, expires_at, state, changed_at, phrase, guesses";

impl Store {
    /// What the core starts from. Publishes that were in flight when we stopped wait to be sent at once.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn load(&self) -> Result<Snapshot, ReadError> {
        sound::answer(&self.connection, open::once(&self.connection, load_all))
    }

    /// Ourselves alone, without what is known of others.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn own(&self) -> Result<OwnRecord, ReadError> {
        sound::answer(&self.connection, own(&self.connection))
    }
}

fn load_all(db: &Connection) -> Result<Snapshot, ReadError> {
    Ok(Snapshot {
        own: own(db)?,
        peers: all(db, &format!("SELECT {PEER_COLUMNS} FROM peers AS p"), |row| peer(&mut Fields::new(row)))?,
        parcels: all(db, "SELECT body FROM parcels ORDER BY queued_at, id", |row| parcel(&mut Fields::new(row)).map(landed))?,
        relays: all(db, "SELECT url, origin, good_at FROM relays", relay)?,
        own_lines: all(db, "SELECT peer, line, number, last FROM own_lines", own_line)?,
        invites: all(db, &format!("SELECT {INVITE_COLUMNS} FROM invites"), invite)?,
        gaps: all(db, "SELECT peer, line, first, last, found_at, shown, asks, next_at, lost FROM gaps", gap)?,
        turns: turns(db)?,
        wakes: all(db, "SELECT body FROM wakes ORDER BY target", |row| Fields::new(row).json("wake target"))?,
    })
}

/// Every row of a statement as a value, none of them held back for another.
pub(crate) fn all<T, C: FromIterator<T>>(
    db: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> Result<T, ReadError>,
) -> Result<C, ReadError> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    std::iter::from_fn(|| match rows.next() {
        Ok(row) => row.map(&read),
        Err(error) => Some(Err(error.into())),
    })
    .collect()
}

/// Reads a peer from [`PEER_COLUMNS`].
pub(crate) fn peer(fields: &mut Fields<'_, '_>) -> Result<PeerRecord, ReadError> {
    Ok(PeerRecord {
        pubkey: fields.key("peer key")?,
        name: fields.maybe_text("peer name")?,
        petname: fields.maybe_text("petname")?,
        about: fields.maybe_text("peer description")?,
        version: fields.maybe_text("peer version")?,
        features: fields.list("peer feature")?,
        forms: fields.list("peer form")?,
        last_form: fields.maybe_word("peer form", Form::parse)?,
        status: fields.word("peer status", PeerStatus::parse)?,
        presence_relays: fields.list("peer relay")?,
        dm_relays: fields.maybe_json("peer relay list")?,
        read_relays: fields.maybe_json("peer relay list")?,
        seen_on: fields.list("peer relay")?,
        source: fields.word("peer source", PeerSource::parse)?,
        first_seen: fields.at("peer time")?,
        last_seen: fields.at("peer time")?,
        presence_at: fields.at("peer time")?,
        lease_until: fields.at("peer time")?,
        handshake: fields.maybe_json("handshake")?.unwrap_or(Handshake::None),
        trust: fields.word("trust", Trust::parse)?,
        work_asked: fields.number("peer work")?,
    })
}

/// Reads a parcel as it was put.
pub(crate) fn parcel(fields: &mut Fields<'_, '_>) -> Result<Parcel, ReadError> {
    fields.json("parcel")
}

/// No connection survives a restart, so nothing is in flight.
fn landed(mut parcel: Parcel) -> Parcel {
    for hop in &mut parcel.hops {
        if let HopState::InFlight { tries, .. } = hop.state {
            hop.state = HopState::Waiting { tries, next_at: At(0), last_error: None };
        }
    }
    parcel
}

fn relay(row: &Row<'_>) -> Result<RelayRecord, ReadError> {
    let mut fields = Fields::new(row);
    Ok(RelayRecord {
        url: fields.word("relay", |text| RelayUrl::parse(text).ok())?,
        origin: fields.word("relay origin", RelayOrigin::parse)?,
        good_at: fields.maybe_at("relay time")?,
    })
}

/// Reads an invite from [`INVITE_COLUMNS`].
pub(crate) fn invite(row: &Row<'_>) -> Result<InviteRecord, ReadError> {
    let mut fields = Fields::new(row);
    Ok(InviteRecord {
        id: InviteId(fields.maybe_integer("invite")?.ok_or(ReadError::Unreadable { what: "invite" })?.cast_unsigned()),
        role: fields.word("invite role", InviteRole::parse)?,
        peer: fields.maybe_bytes("invite peer")?.map(PubKey::from_bytes),
        petname: fields.maybe_text("petname")?,
        created_at: fields.at("invite time")?,
        expires_at: fields.at("invite time")?,
        state: fields.word("invite state", InviteState::parse)?,
        changed_at: fields.at("invite time")?,
        phrase: fields.maybe_text("phrase")?,
        guesses: fields.number("invite")?,
    })
}

fn own_line(row: &Row<'_>) -> Result<OwnLine, ReadError> {
    let mut fields = Fields::new(row);
    Ok(OwnLine { peer: fields.key("line")?, line: fields.line("line")?, number: fields.number("line")?, last: fields.id("line")? })
}

fn gap(row: &Row<'_>) -> Result<Gap, ReadError> {
    let mut fields = Fields::new(row);
    Ok(Gap {
        peer: fields.key("gap")?,
        line: fields.line("gap")?,
        first: fields.number("gap")?,
        last: fields.number("gap")?,
        found_at: fields.at("gap")?,
        shown: fields.flag("gap")?,
        asks: fields.number("gap")?,
        next_at: fields.at("gap")?,
        lost: fields.maybe_word("gap", Lost::parse)?,
    })
}

/// The newest messages of chains, oldest first: of the last hour before the newest message of all.
fn turns(db: &Connection) -> Result<Vec<Turn>, ReadError> {
    let sql = format!(
        "SELECT direction, peer, stored_at, chain_id, chain_hops FROM
             (SELECT * FROM messages INDEXED BY messages_by_time
              WHERE stored_at >= (SELECT max(stored_at) FROM messages) - {LOOP_WINDOW_MS}
              ORDER BY stored_at DESC, seq DESC LIMIT {TURNS_MAX})
         WHERE chain_id IS NOT NULL AND held = 0 ORDER BY stored_at, seq"
    );
    let turns: Vec<Option<Turn>> = all(db, &sql, |row| {
        let mut fields = Fields::new(row);
        let (direction, peer, at) = (fields.word("direction", Direction::parse)?, fields.key("message peer")?, fields.at("message time")?);
        Ok(chain(&mut fields)?.map(|chain| Turn { at, peer, direction, chain }))
    })?;
    Ok(turns.into_iter().flatten().collect())
}

fn own(db: &Connection) -> Result<OwnRecord, ReadError> {
    let sql = "SELECT name, about, features, status, published_at, published_profile, hello_day, hello_count FROM own WHERE id = 1";
    let read = |row: &Row<'_>| {
        let mut fields = Fields::new(row);
        Ok(OwnRecord {
            name: fields.maybe_text("own name")?,
            about: fields.maybe_text("own description")?,
            features: fields.maybe_json("own feature")?,
            status: fields.maybe_word("own status", PeerStatus::parse)?,
            published_at: fields.at("own time")?,
            published_profile: fields.maybe_text("own profile")?,
            hellos_today: (fields.number("hello day")?, fields.number("hello count")?),
        })
    };
    db.query_row(sql, [], |row| Ok(read(row))).optional()?.unwrap_or_else(|| Ok(OwnRecord::default()))
}
