//! `GET /outbox`, `DELETE /outbox/{id}`, `POST /outbox/{id}/retry`.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use ocmesh_api::{Done, OutboxEntry, OutboxQuery};

use super::{
    Api,
    body::{Json, PathPart},
    error::Fault,
    key,
    query::{NoQuery, Params, page},
    row, store,
};
use crate::engine::Ask;

/// Messages that wait, and why.
#[utoipa::path(get, path = "/outbox", params(OutboxQuery), responses((status = 200, description = "newest first", body = [OutboxEntry])))]
pub(super) async fn list_outbox(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let params = Params::read(query.as_deref(), &["limit", "cursor"])?;
    let (limit, before) = (params.limit()?, params.cursor()?);
    let found = store::read(&api, move |reader| reader.outbox(limit, before)).await?;
    Ok(page(&params, "/outbox", found, row::outbox))
}

/// Give up a waiting message.
#[utoipa::path(delete, path = "/outbox/{id}", params(("id" = String, Path, description = "message id")),
    responses((status = 200, description = "given up", body = Done)))]
pub(super) async fn cancel_message(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    api.parts.mesh.ask(Ask::Cancel(key::message_id(&id)?)).await?;
    Ok(Json(Done { ok: true }))
}

/// Try a message now.
#[utoipa::path(post, path = "/outbox/{id}/retry", params(("id" = String, Path, description = "message id")),
    responses((status = 200, description = "tried again", body = Done)))]
pub(super) async fn retry_message(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    api.parts.mesh.ask(Ask::Retry(key::message_id(&id)?)).await?;
    Ok(Json(Done { ok: true }))
}
