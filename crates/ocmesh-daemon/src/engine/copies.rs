//! Copies to ourselves come back from every relay they go to. We have what is in them, so that they need not be checked and decrypted, nor
//! be asked for when sets are compared.

use std::sync::PoisonError;

use ocmesh_proto::{EventId, SignedEvent};

use super::task::{BatchError, MeshTask};

impl MeshTask {
    /// Notes a copy that was just sealed as handled, in the open transaction.
    pub(super) fn know_copy(&mut self, copy: &SignedEvent) -> Result<Option<EventId>, BatchError> {
        let Ok(head) = ocmesh_wire::event_head(&copy.json) else { return Ok(None) };
        self.store.hold(head.kind, head.created_at, &head.id)?;
        Ok(Some(head.id))
    }

    /// From now on they may come: what is on disk is not looked at again.
    pub(super) fn await_copies(&self, copies: &[EventId]) {
        if !copies.is_empty() {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            copies.iter().for_each(|id| recent.insert(id.as_bytes()));
        }
    }
}
