//! What is unread and worth a wake.

use ocmesh_proto::{UnreadFacts, limit::WAKE_COUNT_MAX};

use crate::{ReadError, Store, row::Fields};

/// The newest first, so that the first row is the newest message. Strangers' unread messages are bounded ([`ocmesh_proto::limit`]), so that few
/// rows are passed over.
pub(crate) const SQL: &str = "
    SELECT m.id, m.urgent = 1 AND p.trust = 'trusted' FROM messages AS m INDEXED BY messages_unread JOIN peers AS p ON p.pubkey = m.peer
    WHERE m.direction = 'in' AND m.read_at IS NULL AND m.held = 0 AND p.trust IN ('known', 'trusted')
    ORDER BY m.stored_at DESC, m.seq DESC LIMIT ?1";

impl Store {
    /// The unread messages of accepted peers, held ones left out.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn worth_a_wake(&self) -> Result<UnreadFacts, ReadError> {
        let found = self.many(SQL, [WAKE_COUNT_MAX], |row| {
            let mut fields = Fields::new(row);
            Ok((fields.id("message id")?, fields.flag("message class")?))
        })?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(UnreadFacts {
            unread: count(found.len()),
            urgent: count(found.iter().filter(|(_, is_urgent)| *is_urgent).count()),
            newest: found.first().map(|(id, _)| *id),
        })
    }
}
