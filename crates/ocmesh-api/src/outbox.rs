//! `GET /outbox`, `DELETE /outbox/{id}`, `POST /outbox/{id}/retry`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A message that waits, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(OutboxEntry::example()))]
pub struct OutboxEntry {
    /// Its id.
    pub id: String,
    /// The recipient's public key, hex.
    pub to: String,
    /// What we call the recipient, or what it calls itself.
    pub to_name: Option<String>,
    /// When it entered the outbox.
    pub timestamp: String,
    /// `queued` (no relay has it yet) or `relayed` (no receipt yet).
    pub status: String,
    /// How it travels: `nip17 nip44 nip04`.
    pub encryption: String,
    /// When it is given up.
    pub expires_at: String,
    /// The next try, when one is planned.
    pub next_try_at: Option<String>,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// Why it goes where it goes: `dm_relay_list presence_relays read_relay_list seen_on own_relays`.
    pub route_reason: String,
    /// Where each relay stands.
    pub route: Vec<Hop>,
}

/// Where one relay stands with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(Hop::example()))]
pub struct Hop {
    /// The relay.
    pub relay: String,
    /// `reserve waiting in_flight accepted refused`.
    pub state: String,
    /// Since when, where known.
    pub at: Option<String>,
    /// Tries that failed so far.
    pub tries: Option<u32>,
    /// The next try (`waiting`).
    pub next_try_at: Option<String>,
    /// What the relay said last (`waiting refused`).
    pub said: Option<String>,
}

/// Which waiting messages to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutboxQuery {
    /// Most entries, 1 to 1000; 100 when absent.
    pub limit: Option<u32>,
    /// Where the next page starts, from the `Link` header.
    pub cursor: Option<String>,
}

impl Hop {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            relay: "wss://relay.example.com".to_owned(),
            state: "waiting".to_owned(),
            at: None,
            tries: Some(2),
            next_try_at: Some("2026-11-23T12:58:30.000Z".to_owned()),
            said: Some("no answer in time".to_owned()),
        }
    }
}

impl OutboxEntry {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        let sent = crate::Sent::example();
        let hop = Hop::example();
        Self {
            id: sent.id,
            to: sent.to,
            to_name: Some("ada".to_owned()),
            timestamp: sent.timestamp,
            status: "queued".to_owned(),
            encryption: "nip17".to_owned(),
            expires_at: "2026-11-30T12:58:00.000Z".to_owned(),
            next_try_at: hop.next_try_at.clone(),
            last_error: hop.said.clone(),
            route_reason: "dm_relay_list".to_owned(),
            route: vec![hop],
        }
    }
}
