//! `GET /wake`, `POST /wake/{id}/test`, `POST /wake/{id}/retry`.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{Done, ErrorCode, WakeBrief, WakeDelivery, WakeStatus, WakeTested};
use ocmesh_proto::{At, Wake, WakeHold, WakeOutcome, WakeStanding, WakeState, time::HOUR};

use super::{
    Api,
    body::{Json, PathPart},
    error::{Fault, echo},
    moment::write,
    query::NoQuery,
};
use crate::{engine::Ask, wake::Adapter};

/// The targets that are woken, and how each stands.
#[utoipa::path(get, path = "/wake", responses((status = 200, description = "in the order of the configuration", body = [WakeStatus])))]
pub(super) async fn list_wakes(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Json<Vec<WakeStatus>>, Fault> {
    let (view, now) = (api.parts.mesh.view(), api.parts.clock.now());
    let status = |standing: &WakeStanding| status(standing, api.parts.wakes.adapter(&standing.record.target), now);
    Ok(Json(view.wakes.iter().map(status).collect()))
}

/// Wake a target for a test, whatever is unread.
#[utoipa::path(post, path = "/wake/{id}/test", params(("id" = String, Path, description = "name of the target")),
    responses((status = 200, description = "what became of it", body = WakeTested)))]
pub(super) async fn test_wake(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<WakeTested>, Fault> {
    let tested = |ok: bool, outcome: &str, why| Json(WakeTested { ok, outcome: outcome.to_owned(), why });
    match api.parts.wakes.test(&id).await {
        None => Err(Fault::new(ErrorCode::NotFound, format!("there is no wake target \"{}\"", echo(&id)))),
        Some(WakeOutcome::Woke) => Ok(tested(true, "woke", None)),
        Some(WakeOutcome::Failed { why, .. }) => Ok(tested(false, "failed", Some(why))),
        Some(WakeOutcome::Refused { why }) => Ok(tested(false, "refused", Some(why))),
    }
}

/// Wake a target now, if anything is unread.
#[utoipa::path(post, path = "/wake/{id}/retry", params(("id" = String, Path, description = "name of the target")),
    responses((status = 200, description = "it is being woken, if anything is unread", body = Done)))]
pub(super) async fn retry_wake(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    api.parts.mesh.ask(Ask::RetryWake(id)).await?;
    Ok(Json(Done { ok: true }))
}

/// The targets in few words, for `GET /status`.
pub(super) fn brief(wakes: &[WakeStanding]) -> Vec<WakeBrief> {
    let brief =
        |standing: &WakeStanding| WakeBrief { id: standing.record.target.to_string(), state: standing.record.state.as_str().to_owned() };
    wakes.iter().map(brief).collect()
}

fn status(standing: &WakeStanding, adapter: Option<&Adapter>, now: At) -> WakeStatus {
    let record = &standing.record;
    let held = match standing.hold.filter(|hold| hold.until() > now) {
        None => None,
        Some(WakeHold::Quiet { .. }) => Some("quiet"),
        Some(WakeHold::Budget { .. }) => Some("budget"),
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    WakeStatus {
        id: record.target.to_string(),
        kind: adapter.map_or("", Adapter::as_str).to_owned(),
        leads_to: adapter.map(Adapter::leads_to).unwrap_or_default(),
        state: record.state.as_str().to_owned(),
        held: held.map(str::to_owned),
        next_at: standing.next_at.filter(|_| !matches!(record.state, WakeState::Idle) || held.is_some()).map(write),
        wake: record.state.wake().map(delivery),
        woke_at: record.woke_at.map(write),
        acknowledged_at: record.acknowledged_at.map(write),
        last_error: record.last_error.as_ref().map(|error| error.why.clone()),
        last_error_at: record.last_error.as_ref().map(|error| write(error.at)),
        begun_last_hour: count(record.begun.iter().filter(|at| now.since(**at) < HOUR).count()),
        budget_per_hour: u64::from(standing.budget_per_hour),
        given_up: record.given_up,
    }
}

fn delivery(wake: &Wake) -> WakeDelivery {
    WakeDelivery {
        number: wake.number,
        class: wake.class.as_str().to_owned(),
        unread: u64::from(wake.unread),
        begun_at: write(wake.raised_at),
        tries: u64::from(wake.tries),
    }
}
