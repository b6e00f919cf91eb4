//! Notices as they are kept, so that a listener can resume where it left off.

use ocmesh_proto::{At, GapChange, LoopChange, MessageId, Notice, PeerChange, PubKey, RelayUrl, Status, Trust};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::{WriteError, row};

/// A notice as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kept {
    MessageArrived { id: MessageId, from: PubKey, trust: Trust, held: bool },
    MessageMoved { id: MessageId, status: Status },
    MessageRead { id: MessageId },
    PeerChanged { peer: PubKey, what: String },
    RelayChanged { relay: RelayUrl },
    GapChanged { peer: PubKey, what: String, missing: u64, lost: u64 },
    InviteChanged { id: String },
    LoopChanged { peer: PubKey, what: String, until: At },
    OwnChanged,
}

impl From<&Notice> for Kept {
    fn from(notice: &Notice) -> Self {
        match notice {
            Notice::MessageArrived { id, from, trust, held } => Self::MessageArrived { id: *id, from: *from, trust: *trust, held: *held },
            Notice::MessageMoved { id, status } => Self::MessageMoved { id: *id, status: status.clone() },
            Notice::MessageRead { id } => Self::MessageRead { id: *id },
            Notice::PeerChanged { peer, what } => Self::PeerChanged { peer: *peer, what: what.as_str().to_owned() },
            Notice::RelayChanged { relay } => Self::RelayChanged { relay: relay.clone() },
            Notice::GapChanged { peer, what, missing, lost } => {
                Self::GapChanged { peer: *peer, what: what.as_str().to_owned(), missing: *missing, lost: *lost }
            }
            Notice::InviteChanged { id } => Self::InviteChanged { id: id.to_string() },
            Notice::LoopChanged { peer, what, until } => Self::LoopChanged { peer: *peer, what: what.as_str().to_owned(), until: *until },
            Notice::OwnChanged => Self::OwnChanged,
        }
    }
}

impl Kept {
    /// The notice; `None` when it names a change of a peer that we do not know.
    pub(crate) fn into_notice(self) -> Option<Notice> {
        Some(match self {
            Self::MessageArrived { id, from, trust, held } => Notice::MessageArrived { id, from, trust, held },
            Self::MessageMoved { id, status } => Notice::MessageMoved { id, status },
            Self::MessageRead { id } => Notice::MessageRead { id },
            Self::PeerChanged { peer, what } => Notice::PeerChanged { peer, what: peer_change(&what)? },
            Self::RelayChanged { relay } => Notice::RelayChanged { relay },
            Self::GapChanged { peer, what, missing, lost } => Notice::GapChanged { peer, what: GapChange::parse(&what)?, missing, lost },
            Self::InviteChanged { id } => Notice::InviteChanged { id: id.parse().ok()? },
            Self::LoopChanged { peer, what, until } => Notice::LoopChanged { peer, what: LoopChange::parse(&what)?, until },
            Self::OwnChanged => Notice::OwnChanged,
        })
    }
}

fn peer_change(text: &str) -> Option<PeerChange> {
    use PeerChange::{Described, Discovered, Forgotten, Handshaked, Offline, Online, Refused, Trust};
    [Discovered, Handshaked, Online, Offline, Trust, Refused, Described, Forgotten].into_iter().find(|change| change.as_str() == text)
}

/// Keeps a notice and returns its number.
pub(crate) fn add(connection: &Connection, at: At, notice: &Notice) -> Result<u64, WriteError> {
    let body = serde_json::to_string(&Kept::from(notice))?;
    connection.prepare_cached("INSERT INTO notices (at, body) VALUES (?1, ?2)")?.execute(params![row::ms(at), body])?;
    Ok(u64::try_from(connection.last_insert_rowid()).unwrap_or_default())
}
