//! `GET|POST /peers` and `GET|PATCH|DELETE /peers/{pubkey}`.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use ocmesh_api::{AddPeerRequest, Done, Peer, PeerPatch, PeersQuery};
use ocmesh_proto::{PeerRecord, PubKey, Trust};
use ocmesh_store::PeerQuery;

use super::{
    Api,
    body::{Json, JsonBody, PathPart},
    error::{Fault, echo},
    key,
    query::{NoQuery, Params, page},
    row, store,
};
use crate::engine::{Ask, Told};

const TRUSTS: &str = "unknown, known, trusted, blocked";

/// Agents we know of.
#[utoipa::path(get, path = "/peers", params(PeersQuery), responses((status = 200, description = "the last seen first", body = [Peer])))]
pub(super) async fn list_peers(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let params = Params::read(query.as_deref(), &["online", "q", "feature", "missing", "trust", "limit", "cursor"])?;
    let now = api.parts.clock.now();
    let wanted = PeerQuery {
        online: params.flag("online")?,
        now,
        q: params.text("q")?,
        feature: params.text("feature")?,
        missing: params.flag("missing")?.unwrap_or(false),
        trust: params.word("trust", TRUSTS, Trust::parse)?,
        limit: params.limit()?,
        before: params.cursor()?,
    };
    let (found, gaps) = store::read(&api, move |reader| Ok((reader.peers(&wanted)?, reader.gap_counts()?))).await?;
    let gaps_of = |record: &PeerRecord| gaps.get(&record.pubkey).copied().unwrap_or_default();
    let view = api.parts.mesh.view();
    Ok(page(&params, "/peers", found, |record| {
        let gaps = gaps_of(&record);
        row::peer(record, gaps, now, &view.lookalikes)
    }))
}

pub(super) async fn one(api: &Api, pubkey: PubKey) -> Result<Json<Peer>, Fault> {
    let (found, gaps) = store::read(api, move |reader| Ok((reader.peer(&pubkey)?, reader.gap_counts()?))).await?;
    let record = found.ok_or_else(|| unknown(pubkey))?;
    let gaps = gaps.get(&pubkey).copied().unwrap_or_default();
    Ok(Json(row::peer(record, gaps, api.parts.clock.now(), &api.parts.mesh.view().lookalikes)))
}

fn unknown(pubkey: PubKey) -> Fault {
    Fault::not_found(format!("no peer {pubkey} is known")).hint("ocmesh peer add <npub>")
}

/// Asks the mesh about a peer named in the path.
async fn ask(api: &Api, question: Ask) -> Result<Told, Fault> {
    api.parts.mesh.ask(question).await.map_err(|error| Fault::from(error).in_path())
}

/// Make a key known, and look it up on relays.
#[utoipa::path(post, path = "/peers", request_body = AddPeerRequest, responses((status = 200, description = "the peer", body = Peer)))]
pub(super) async fn add_peer(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(request): JsonBody<AddPeerRequest>,
) -> Result<Json<Peer>, Fault> {
    let AddPeerRequest { peer, petname } = request;
    match api.parts.mesh.ask(Ask::AddPeer { peer, petname: petname.filter(|name| !name.trim().is_empty()) }).await? {
        Told::Peer(pubkey) => one(&api, pubkey).await,
        told => Err(unexpected(&told)),
    }
}

/// One agent.
#[utoipa::path(get, path = "/peers/{pubkey}", params(("pubkey" = String, Path, description = "hex or npub")),
    responses((status = 200, description = "the peer", body = Peer)))]
pub(super) async fn get_peer(State(api): State<Arc<Api>>, PathPart(pubkey): PathPart, _: NoQuery) -> Result<Json<Peer>, Fault> {
    one(&api, key::in_path(&pubkey)?).await
}

/// Set trust or petname of an agent.
#[utoipa::path(patch, path = "/peers/{pubkey}", params(("pubkey" = String, Path, description = "hex or npub")),
    request_body = PeerPatch, responses((status = 200, description = "the peer as it is now", body = Peer)))]
pub(super) async fn change_peer(
    State(api): State<Arc<Api>>,
    PathPart(pubkey): PathPart,
    _: NoQuery,
    JsonBody(patch): JsonBody<PeerPatch>,
) -> Result<Json<Peer>, Fault> {
    let peer = key::in_path(&pubkey)?;
    let trust = match patch.trust.as_deref() {
        None => None,
        Some(word) => {
            let trust = Trust::parse(word);
            Some(trust.ok_or_else(|| Fault::bad_request(format!("trust cannot be \"{}\"", echo(word))).hint(format!("one of: {TRUSTS}")))?)
        }
    };
    let petname = patch.petname.map(|name| name.filter(|name| !name.trim().is_empty()));
    if trust.is_some() || petname.is_some() {
        ask(&api, Ask::SetPeer { peer, trust, petname }).await?;
    }
    one(&api, peer).await
}

/// Forget an agent.
#[utoipa::path(delete, path = "/peers/{pubkey}", params(("pubkey" = String, Path, description = "hex or npub")),
    responses((status = 200, description = "forgotten", body = Done)))]
pub(super) async fn forget_peer(State(api): State<Arc<Api>>, PathPart(pubkey): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    ask(&api, Ask::ForgetPeer(key::in_path(&pubkey)?)).await?;
    Ok(Json(Done { ok: true }))
}

/// The mesh answered a question with the answer to another one.
pub(super) fn unexpected(told: &Told) -> Fault {
    tracing::error!(?told, "an answer does not fit its question");
    Fault::new(ocmesh_api::ErrorCode::Internal, "something went wrong inside")
}
