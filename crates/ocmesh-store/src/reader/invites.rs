//! Invites, without their secrets.

use ocmesh_proto::{InviteId, InviteRecord};

use super::{Reader, rows};
use crate::{
    ReadError,
    load::{INVITE_COLUMNS, invite},
};

impl Reader {
    /// Every invite, newest first. Their number is bounded by the core.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn invites(&self) -> Result<Vec<InviteRecord>, ReadError> {
        let sql = format!("SELECT {INVITE_COLUMNS} FROM invites ORDER BY created_at DESC, id");
        self.with(|db| rows(&mut db.prepare_cached(&sql)?, [], invite))
    }

    /// One invite.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn invite(&self, id: InviteId) -> Result<Option<InviteRecord>, ReadError> {
        let sql = format!("SELECT {INVITE_COLUMNS} FROM invites WHERE id = ?1");
        self.with(|db| Ok(rows(&mut db.prepare_cached(&sql)?, [id.0.cast_signed()], invite)?.pop()))
    }
}
