//! `GET /wake`, `POST /wake/{id}/test`, `POST /wake/{id}/retry`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A target that is woken when messages come, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(WakeStatus::example()))]
pub struct WakeStatus {
    /// Its name in the configuration.
    pub id: String,
    /// `openclaw webhook command codex`.
    pub kind: String,
    /// Where it leads: an address or a program.
    pub leads_to: String,
    /// `idle` (nothing to wake for), `in_flight`, `waiting` (a try failed, another follows), `woken` (nothing acknowledged since) or `dead` (given
    /// up).
    pub state: String,
    /// What holds a wake back though something is unread: `quiet` or `budget`.
    pub held: Option<String>,
    /// When it is looked at next, where that is planned.
    pub next_at: Option<String>,
    /// The wake that is under way, outstanding or dead.
    pub wake: Option<WakeDelivery>,
    /// When it last took a wake.
    pub woke_at: Option<String>,
    /// When the agent first acknowledged something after that.
    pub acknowledged_at: Option<String>,
    /// What went wrong last, since it last took a wake.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<String>,
    /// Wakes begun in the last hour.
    pub begun_last_hour: u64,
    /// As many as may be.
    pub budget_per_hour: u64,
    /// Wakes that were given up, in all.
    pub given_up: u64,
}

/// One wake of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WakeDelivery {
    /// Its number among the target's.
    pub number: u64,
    /// `normal` or `urgent`.
    pub class: String,
    /// How many messages it is about, at most 1000.
    pub unread: u64,
    /// When it was begun.
    pub begun_at: String,
    /// How often it was tried.
    pub tries: u64,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(WakeTested::example()))]
pub struct WakeTested {
    /// The target took it.
    pub ok: bool,
    /// `woke`, `failed` (worth another try) or `refused` (something must be changed).
    pub outcome: String,
    /// Why not.
    pub why: Option<String>,
}

/// A target in `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WakeBrief {
    /// Its name.
    pub id: String,
    /// As in `GET /wake`.
    pub state: String,
}

impl WakeStatus {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self {
            id: "agent".to_owned(),
            kind: "command".to_owned(),
            leads_to: "/home/ada/bin/wake-agent".to_owned(),
            state: "woken".to_owned(),
            held: None,
            next_at: Some("2026-11-23T13:13:00.000Z".to_owned()),
            wake: Some(WakeDelivery {
                number: 17,
                class: "normal".to_owned(),
                unread: 2,
                begun_at: "2026-11-23T12:58:00.000Z".to_owned(),
                tries: 1,
            }),
            woke_at: Some("2026-11-23T12:58:00.120Z".to_owned()),
            acknowledged_at: None,
            last_error: None,
            last_error_at: None,
            begun_last_hour: 3,
            budget_per_hour: 12,
            given_up: 0,
        }
    }
}

impl WakeTested {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { ok: false, outcome: "failed".to_owned(), why: Some("no connection: connection refused".to_owned()) }
    }
}
