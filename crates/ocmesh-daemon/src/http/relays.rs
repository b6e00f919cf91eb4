//! `GET|POST /relays` and `DELETE /relays/{url}`.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{AddRelayRequest, Done, ErrorCode, RelayStatus};
use ocmesh_proto::RelayUrl;

use super::{
    Api,
    body::{Json, JsonBody, PathPart},
    error::Fault,
    query::NoQuery,
    row,
};
use crate::engine::Ask;

fn read(url: &str) -> Result<RelayUrl, Fault> {
    RelayUrl::parse(url).map_err(|error| Fault::new(ErrorCode::InvalidRelay, error.to_string()))
}

/// Relays in use.
#[utoipa::path(get, path = "/relays", responses((status = 200, description = "ours first", body = [RelayStatus])))]
pub(super) async fn list_relays(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Json<Vec<RelayStatus>>, Fault> {
    Ok(Json(api.parts.mesh.view().relays.iter().map(row::relay).collect()))
}

/// Use one more relay.
#[utoipa::path(post, path = "/relays", request_body = AddRelayRequest, responses((status = 200, description = "in use", body = Done)))]
pub(super) async fn add_relay(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(request): JsonBody<AddRelayRequest>,
) -> Result<Json<Done>, Fault> {
    api.parts.mesh.ask(Ask::AddRelay(read(&request.url)?)).await?;
    Ok(Json(Done { ok: true }))
}

/// Stop using a relay.
#[utoipa::path(delete, path = "/relays/{url}", params(("url" = String, Path, description = "its address, percent-encoded")),
    responses((status = 200, description = "no longer used", body = Done)))]
pub(super) async fn remove_relay(State(api): State<Arc<Api>>, PathPart(url): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    api.parts.mesh.ask(Ask::RemoveRelay(read(&url)?)).await?;
    Ok(Json(Done { ok: true }))
}
