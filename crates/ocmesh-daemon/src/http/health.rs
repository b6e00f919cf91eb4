//! `GET /health`: the daemon is alive. Whether it can reach anybody is `/status`'s question.

use axum::Json;
use ocmesh_api::Done;

use super::query::NoQuery;

/// The daemon is alive.
#[utoipa::path(get, path = "/health", responses((status = 200, description = "alive", body = Done)))]
pub(super) async fn get_health(_: NoQuery) -> Json<Done> {
    Json(Done { ok: true })
}
