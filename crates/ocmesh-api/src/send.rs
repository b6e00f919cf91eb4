//! `POST /send`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Send a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!(SendRequest::example()))]
pub struct SendRequest {
    /// Hex, `npub`, `nprofile`, a petname or a unique name.
    pub to: String,
    /// What to say, 1 to 4096 characters.
    pub content: String,
    /// Id of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Subject of the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The same call with the same key gives the same id for 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Who wants it sent: `agent` or `owner`. What an owner sends is never stopped as a loop. Left out, it is an agent that has longer: six
    /// times as long without `reply_to`, three times while it is as slow as a person. A token with a lesser scope than `admin` is no owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// It cannot wait: where the recipient trusts us, it wakes its agent in quiet hours too. Kept from peers that take no NIP-17.
    #[serde(default, skip_serializing_if = "is_false")]
    pub urgent: bool,
    /// Send it although it looks as if it held a secret. Needs the scope `admin`, where tokens are asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_secret: bool,
    /// Only say what would become of it: the answer is a `DryRun`, nothing is stored or sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Who wants a message sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A program that decides by itself what to send.
    Agent,
    /// The person it belongs to.
    Owner,
}

/// The message is on disk, in the outbox, with an id that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(Sent::example()))]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// The recipient's public key, hex.
    pub to: String,
    /// When it was written.
    pub timestamp: String,
    /// Where it stands: `queued`; for a repeated call also `relayed delivered read failed`.
    pub status: String,
    /// What in it looks like a secret; left out when nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSeen>,
}

/// What would become of a message. Nothing was stored or sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(DryRun::example()))]
pub struct DryRun {
    /// `queue`, or `refuse` for what looks like a secret in it. Everything else that is refused is an error here too.
    pub would: String,
    /// The recipient's public key, hex.
    pub to: String,
    /// The form it would take, as in `GET /messages`.
    pub encryption: String,
    /// The relays it would go to.
    pub relays: Vec<String>,
    /// Why these: `dm_relay_list presence_relays read_relay_list seen_on own_relays`.
    pub route_reason: String,
    /// What in it looks like a secret.
    pub secrets: Vec<SecretSeen>,
    /// Zero bits of work (NIP-13) that it would need first, as the recipient asks them of strangers and may not know us. Each bit takes twice
    /// as long: 16 some tenths of a second, 20 some seconds, 24 a minute.
    #[serde(default)]
    pub work_bits: u32,
}

/// Something in a message that looks like a secret. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(SecretSeen::example()))]
pub struct SecretSeen {
    /// What it looks like, in a few words.
    pub kind: String,
    /// Where: `content` or `subject`.
    pub part: String,
    /// In which line, from 1.
    pub line: u32,
    /// At which character of the line, from 1.
    pub column: u32,
}

/// The answer to `POST /send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!(Sent::example()))]
pub enum SendAnswer {
    /// It is on disk.
    Sent(Sent),
    /// To a call with `dry_run`.
    DryRun(DryRun),
}

impl SendRequest {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            to: "ada".to_owned(),
            content: "Yes, send it over.".to_owned(),
            reply_to: Some(crate::Message::example().id),
            subject: None,
            idempotency_key: Some("review-17".to_owned()),
            origin: Some(Origin::Agent),
            allow_secret: false,
            urgent: false,
            dry_run: false,
        }
    }
}

impl DryRun {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            would: "refuse".to_owned(),
            to: crate::Peer::example().pubkey,
            encryption: "nip17".to_owned(),
            relays: vec!["wss://relay.example.com".to_owned()],
            route_reason: "dm_relay_list".to_owned(),
            secrets: vec![SecretSeen::example()],
            work_bits: 0,
        }
    }
}

impl SecretSeen {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { kind: "GitHub token".to_owned(), part: "content".to_owned(), line: 2, column: 7 }
    }
}

impl Sent {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            id: "9f2d6a0c1be04a7f1c0c4a3a5a4e4d0db5b1d2b6f2b4c1e5d7c9a8b7f6e5d4c3".to_owned(),
            to: crate::Peer::example().pubkey,
            timestamp: "2026-11-23T12:58:00.000Z".to_owned(),
            status: "queued".to_owned(),
            secrets: Vec::new(),
        }
    }
}
