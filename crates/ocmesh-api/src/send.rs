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
    /// times as long without `reply_to`, three times while it is as slow as a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
        }
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
        }
    }
}
