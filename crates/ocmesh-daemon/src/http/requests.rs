//! `GET /requests`, `POST /requests/{pubkey}/accept`, `DELETE /requests/{pubkey}`.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{Done, Peer, Request};
use ocmesh_proto::PubKey;

use super::{
    Api,
    body::{Json, PathPart},
    error::Fault,
    key,
    peers::{one, unexpected},
    query::NoQuery,
    row, store,
};
use crate::engine::{Ask, Told};

/// Strangers who wait for consent, without their words.
#[utoipa::path(get, path = "/requests", responses((status = 200, description = "the newest first", body = [Request])))]
pub(super) async fn list_requests(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Json<Vec<Request>>, Fault> {
    let found = store::read(&api, ocmesh_store::Reader::requests).await?;
    let view = api.parts.mesh.view();
    Ok(Json(found.into_iter().map(|request| row::request(request, &view.lookalikes)).collect()))
}

/// The peer in a path, which has a request.
async fn waiting(api: &Api, pubkey: &str) -> Result<PubKey, Fault> {
    let peer = key::in_path(pubkey)?;
    let found = store::read(api, ocmesh_store::Reader::requests).await?;
    let has_one = found.iter().any(|request| request.peer == peer);
    has_one.then_some(peer).ok_or_else(|| Fault::not_found(format!("{peer} has no request")).hint("GET /requests lists them"))
}

/// Accept a stranger; its messages arrive.
#[utoipa::path(post, path = "/requests/{pubkey}/accept", params(("pubkey" = String, Path, description = "hex or npub")),
    responses((status = 200, description = "the peer, known now", body = Peer)))]
pub(super) async fn accept_request(State(api): State<Arc<Api>>, PathPart(pubkey): PathPart, _: NoQuery) -> Result<Json<Peer>, Fault> {
    let peer = waiting(&api, &pubkey).await?;
    // As by hand: whoever was forgotten meanwhile becomes known all the same.
    match api.parts.mesh.ask(Ask::AddPeer { peer: peer.to_hex(), petname: None }).await? {
        Told::Peer(peer) => one(&api, peer).await,
        told => Err(unexpected(&told)),
    }
}

/// Refuse a stranger's request; it is not told, and may ask again.
#[utoipa::path(delete, path = "/requests/{pubkey}", params(("pubkey" = String, Path, description = "hex or npub")),
    responses((status = 200, description = "refused", body = Done)))]
pub(super) async fn refuse_request(State(api): State<Arc<Api>>, PathPart(pubkey): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    let peer = waiting(&api, &pubkey).await?;
    api.parts.mesh.ask(Ask::RefuseRequest(peer)).await?;
    Ok(Json(Done { ok: true }))
}
