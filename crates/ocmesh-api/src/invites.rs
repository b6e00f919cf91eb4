//! `GET|POST /invites`, `DELETE /invites/{id}`, `POST /join`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Peer;

/// An invite that we made, or were given. Never its code, which is told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(Invite::example()))]
pub struct Invite {
    /// Its name, the same at both ends.
    pub id: String,
    /// Which end we are: `inviter` or `joiner`.
    pub role: String,
    /// `open joined expired revoked used`. `joined`: both ends know each other.
    pub state: String,
    /// Since when it stands there.
    pub changed_at: String,
    /// When it was made, or given to us.
    pub created_at: String,
    /// From when on it is of no use.
    pub expires_at: String,
    /// The other end's public key, hex: who joined, or who invited us.
    pub peer: Option<String>,
    /// The other end's public key, as `npub`.
    pub npub: Option<String>,
    /// What the other end is called here once it is known.
    pub petname: Option<String>,
    /// Words that both ends show once both are known. Where they differ, somebody stands between.
    pub phrase: Option<String>,
}

/// An invite that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(NewInvite::example()))]
pub struct NewInvite {
    /// The code for `POST /join` at the other end. Whoever has it may join: hand it to one person, by a way that others cannot read.
    pub code: String,
    /// The invite.
    #[serde(flatten)]
    pub invite: Invite,
}

/// Make an invite.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!(InviteRequest::example()))]
pub struct InviteRequest {
    /// How long it is of use, 60 to 604800 seconds; 900 (15 minutes) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// What to call whoever joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub petname: Option<String>,
}

/// Join by a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!(JoinRequest::example()))]
pub struct JoinRequest {
    /// The code, as it was given; spaces and line breaks do not matter.
    pub code: String,
    /// What to call the inviter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub petname: Option<String>,
}

impl Invite {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        let Peer { pubkey, npub, .. } = Peer::example();
        Self {
            id: "9b1c0f6e2d7a4385".to_owned(),
            role: "inviter".to_owned(),
            state: "joined".to_owned(),
            changed_at: "2026-11-23T12:51:30.000Z".to_owned(),
            created_at: "2026-11-23T12:50:00.000Z".to_owned(),
            expires_at: "2026-11-23T13:05:00.000Z".to_owned(),
            peer: Some(pubkey),
            npub: Some(npub),
            petname: Some("ada".to_owned()),
            phrase: Some("acorn violin hippo magnet".to_owned()),
        }
    }
}

impl NewInvite {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        let changed_at = Invite::example().created_at;
        let open = Invite { state: "open".to_owned(), changed_at, peer: None, npub: None, phrase: None, ..Invite::example() };
        Self { code: JoinRequest::example().code, invite: open }
    }
}

impl InviteRequest {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { expires_in_seconds: Some(900), petname: Some("ada".to_owned()) }
    }
}

/// A real code, of somebody who has long stopped waiting.
const SAMPLE: &str = "ocmesh1qxvfczmkedtrju0aexl0x8kqds6kpueyn4hwnewc83tky4vkup0k78lftep5qlpgur7q2qskpff3wrntf8fqq9mhwden5te0wfjkccte9ejhsctdwpkx2tnrdak3xamn8ghj7vfjxuhrqt3s9ccn5dehxumsf9utp8";

impl JoinRequest {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { code: SAMPLE.to_owned(), petname: Some("ada".to_owned()) }
    }
}
