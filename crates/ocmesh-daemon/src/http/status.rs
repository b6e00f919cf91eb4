//! `GET /status`.

use std::sync::{Arc, atomic::Ordering};

use axum::{extract::State, http::StatusCode};
use ocmesh_api::{Health, OutboxCounts, StatusReport};

use super::{Api, body::Json, error::Fault, query::NoQuery, row, store, wake};
use crate::{damaged_log, engine::View};

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Whether messages can come and go.
pub(super) fn health(view: &View) -> Health {
    let is_usable = |state: &str| matches!(state, "ready" | "connected");
    let reachable = view.relays.iter().any(|relay| relay.own && is_usable(&relay.state));
    if reachable && view.store_failing.is_none() { Health::Ok } else { Health::Degraded }
}

/// How the daemon is doing.
#[utoipa::path(get, path = "/status", responses(
    (status = 200, description = "all is well", body = StatusReport),
    (status = 503, description = "no relay is usable, or the store cannot write", body = StatusReport),
))]
pub(super) async fn get_status(State(api): State<Arc<Api>>, _: NoQuery) -> Result<(StatusCode, Json<StatusReport>), Fault> {
    let view = api.parts.mesh.view();
    let now = api.parts.clock.now();
    let mut state = health(&view);
    let mut warnings = view.warnings.clone();
    let damaged_logs = store::read(&api, |reader| Ok(reader.damaged_logs())).await.unwrap_or_default();
    warnings.extend(damaged_logs.iter().map(damaged_log::words));
    let counts = store::read(&api, |reader| reader.counts()).await;
    if counts.is_err() {
        state = Health::Degraded;
        warnings.push("the store cannot be read: run ocmesh doctor".to_owned());
    }
    if api.damage_seen.load(Ordering::Relaxed) {
        state = Health::Degraded;
        warnings.push("a part of the database is damaged and is not shown: stop the daemon and run ocmesh doctor".to_owned());
    }
    let counts = counts.ok();
    let report = StatusReport {
        state,
        daemon_version: api.parts.version.to_owned(),
        uptime_seconds: api.parts.started.elapsed().as_secs(),
        pid: std::process::id(),
        pubkey: api.parts.pubkey.to_hex(),
        npub: api.npub.clone(),
        name: view.name.clone(),
        peer_count: counts.map_or_else(|| count(view.peers), |counts| counts.peers),
        online_peer_count: count(view.peers_online),
        unread_count: counts.map_or(0, |counts| counts.unread),
        request_count: counts.map_or(0, |counts| counts.held),
        work_asked: view.work_asked,
        missing_count: counts.map_or(0, |counts| counts.missing),
        lost_count: counts.map_or(0, |counts| counts.lost),
        outbox: OutboxCounts { queued: count(view.outbox_waiting), relayed: count(view.outbox_relayed), failed: view.outbox_failed },
        relay_status: view.relays.iter().map(row::relay).collect(),
        wakes: wake::brief(&view.wakes),
        loops: view.loops.iter().map(|state| row::loop_status(state, now)).collect(),
        warnings,
    };
    let status = if state == Health::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(report)))
}
