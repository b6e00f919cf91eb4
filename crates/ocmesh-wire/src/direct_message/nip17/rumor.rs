//! The rumor: an event without a signature, so that its author can deny it. Its id is the id of the message.

use ocmesh_proto::{EventId, PubKey};
use serde::{Deserialize, Serialize};

use crate::{
    event::{Template, id_of, lower_hex, object},
    open::OpenError,
    tag::Tags,
};

/// A rumor, read or to be written. A signature, should one be there, is not looked at.
#[derive(Deserialize, Serialize)]
pub(super) struct Rumor {
    /// Some clients leave it out, or empty: it follows from the rest.
    #[serde(default)]
    id: Option<String>,
    #[serde(deserialize_with = "lower_hex")]
    pub(super) pubkey: PubKey,
    pub(super) created_at: u64,
    pub(super) kind: u16,
    pub(super) tags: Tags,
    pub(super) content: String,
}

impl Rumor {
    /// Reads the text inside a seal.
    pub(super) fn parse(text: &str) -> Result<Self, OpenError> {
        object(text).ok_or(OpenError::BadRumor)
    }

    /// Puts an author to a template.
    pub(super) fn new(pubkey: PubKey, template: Template) -> Self {
        let Template { created_at, kind, tags, content } = template;
        Self { id: None, pubkey, created_at, kind, tags, content }
    }

    /// The id, counted by ourselves; one that the rumor claims must be the same, or else two different messages could share an id.
    pub(super) fn checked_id(&self) -> Result<EventId, OpenError> {
        let id = id_of(&self.pubkey, self.created_at, self.kind, &self.tags, &self.content);
        match self.id.as_deref() {
            None | Some("") => Ok(id),
            Some(claimed) if claimed == id.to_hex() => Ok(id),
            Some(_) => Err(OpenError::BadRumor),
        }
    }

    /// Its id and its JSON, with the id in it.
    pub(super) fn into_text(mut self) -> (EventId, String) {
        let id = id_of(&self.pubkey, self.created_at, self.kind, &self.tags, &self.content);
        self.id = Some(id.to_hex());
        // Writing texts and numbers to memory cannot fail.
        (id, serde_json::to_string(&self).unwrap_or_default())
    }
}
