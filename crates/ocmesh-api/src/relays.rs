//! `GET /relays`, `POST /relays`, `DELETE /relays/{url}`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One relay and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(RelayStatus::example()))]
pub struct RelayStatus {
    /// Its address.
    pub url: String,
    /// One of ours (true), or a peer's, used for delivery (false).
    pub own: bool,
    /// `config`, `added`, or `substitute` (stands in for one that is no use); for a peer's relay `route`.
    pub origin: String,
    /// `connecting connected authenticating limited ready deaf waiting`. Deaf: it takes messages for us and does not bring them.
    pub state: String,
    /// Since when.
    pub since: String,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// Round trip of the last ping, in milliseconds.
    pub latency_ms: Option<u64>,
    /// We read direct messages here.
    pub inbox: bool,
    /// Up to when everything stored here was seen.
    pub caught_up_at: Option<String>,
    /// Why it is not used for something.
    pub note: Option<String>,
}

/// Use one more relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!(AddRelayRequest::example()))]
pub struct AddRelayRequest {
    /// Its address.
    pub url: String,
}

impl RelayStatus {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            url: "wss://relay.example.com".to_owned(),
            own: true,
            origin: "config".to_owned(),
            state: "ready".to_owned(),
            since: "2026-11-23T12:00:00.000Z".to_owned(),
            last_error: None,
            latency_ms: Some(48),
            inbox: true,
            caught_up_at: Some("2026-11-23T12:59:30.000Z".to_owned()),
            note: None,
        }
    }
}

impl AddRelayRequest {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { url: "wss://relay.example.com".to_owned() }
    }
}
