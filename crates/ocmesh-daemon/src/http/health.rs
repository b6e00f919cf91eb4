//! `GET /health`: the daemon is alive. Whether it can reach anybody is `/status`'s question.

use ocmesh_api::Done;

use super::{body::Json, query::NoQuery};

/// The daemon is alive.
#[utoipa::path(get, path = "/health", responses((status = 200, description = "alive", body = Done)))]
pub(super) async fn get_health(_: NoQuery) -> Json<Done> {
    Json(Done { ok: true })
}
