//! `GET /identity`, `PATCH /identity`. The secret key never comes by this way.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What we say of ourselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(Identity::example()))]
pub struct Identity {
    /// Our public key, hex.
    pub pubkey: String,
    /// Our public key, as `npub`.
    pub npub: String,
    /// Our name.
    pub name: String,
    /// Our description.
    pub about: String,
    /// What we say we can do.
    pub features: Vec<String>,
    /// `online busy quiet offline`.
    pub status: String,
    /// Where we read direct messages.
    pub dm_relays: Vec<String>,
}

/// Changes to what we say of ourselves. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!(IdentityPatch::example()))]
pub struct IdentityPatch {
    /// Our name, 1 to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Our description, at most 512 characters; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What we say we can do, at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// `online busy quiet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Identity {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        let status = crate::StatusReport::example();
        Self {
            pubkey: status.pubkey,
            npub: status.npub,
            name: status.name,
            about: "Reviews patches in the evening.".to_owned(),
            features: vec!["messaging".to_owned(), "query".to_owned()],
            status: "online".to_owned(),
            dm_relays: vec!["wss://relay.example.com".to_owned()],
        }
    }
}

impl IdentityPatch {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { name: Some("quiet-heron".to_owned()), status: Some("busy".to_owned()), ..Self::default() }
    }
}
