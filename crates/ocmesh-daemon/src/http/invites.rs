//! `GET|POST /invites`, `DELETE /invites/{id}` and `POST /join`. Codes are read and written here; what follows the mesh decides.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{Done, ErrorCode, Invite, InviteRequest, JoinRequest, NewInvite};
use ocmesh_proto::{InviteId, InviteRecord};
use ocmesh_wire::invite::{self, CodeError};

use super::{
    Api,
    body::{Json, JsonBody, PathPart},
    error::Fault,
    moment::write,
    peers::unexpected,
    query::NoQuery,
    store,
};
use crate::engine::{Ask, Told};

/// How long an invite is of use unless its owner says otherwise: time to send a code and to type it.
const LIFE_SECONDS: u64 = 15 * 60;

pub(super) fn show(record: InviteRecord) -> Invite {
    Invite {
        id: record.id.to_string(),
        role: record.role.as_str().to_owned(),
        state: record.state.as_str().to_owned(),
        changed_at: write(record.changed_at),
        created_at: write(record.created_at),
        expires_at: write(record.expires_at),
        peer: record.peer.map(|peer| peer.to_hex()),
        npub: record.peer.map(|peer| ocmesh_wire::npub(&peer)),
        petname: record.petname,
        phrase: record.phrase,
    }
}

fn unknown() -> Fault {
    Fault::not_found("there is no such invite").hint("GET /invites lists them")
}

async fn one(api: &Api, id: InviteId) -> Result<Invite, Fault> {
    store::read(api, move |reader| reader.invite(id)).await?.map(show).ok_or_else(unknown)
}

/// Invites we made or were given, without their codes.
#[utoipa::path(get, path = "/invites", responses((status = 200, description = "newest first", body = [Invite])))]
pub(super) async fn list_invites(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Json<Vec<Invite>>, Fault> {
    let found = store::read(&api, ocmesh_store::Reader::invites).await?;
    Ok(Json(found.into_iter().map(show).collect()))
}

/// Make an invite; its code is told this once.
#[utoipa::path(post, path = "/invites", request_body = InviteRequest, responses((status = 200, description = "the code, and the invite", body = NewInvite)))]
pub(super) async fn make_invite(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(request): JsonBody<InviteRequest>,
) -> Result<Json<NewInvite>, Fault> {
    let seed = invite::new_seed().map_err(|error| Fault::new(ErrorCode::Internal, error.to_string()))?;
    let life_ms = request.expires_in_seconds.unwrap_or(LIFE_SECONDS).saturating_mul(1_000);
    match api.parts.mesh.ask(Ask::Invite { id: invite::id_of(&seed), seed, life_ms, petname: petname(request.petname) }).await? {
        Told::Invited { id, expires_at, relays } => {
            let code = invite::write(&api.parts.pubkey, &seed, expires_at, &relays);
            Ok(Json(NewInvite { code, invite: one(&api, id).await? }))
        }
        told => Err(unexpected(&told)),
    }
}

/// Take an open invite back.
#[utoipa::path(delete, path = "/invites/{id}", params(("id" = String, Path, description = "its name")),
    responses((status = 200, description = "of no use any more", body = Done)))]
pub(super) async fn revoke_invite(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<Done>, Fault> {
    let id = id.parse().map_err(|_| unknown())?;
    api.parts.mesh.ask(Ask::RevokeInvite(id)).await?;
    Ok(Json(Done { ok: true }))
}

/// Join by an invite's code; confirmed once the inviter answers.
#[utoipa::path(post, path = "/join", request_body = JoinRequest, responses((status = 200, description = "where it stands", body = Invite)))]
pub(super) async fn join(State(api): State<Arc<Api>>, _: NoQuery, JsonBody(request): JsonBody<JoinRequest>) -> Result<Json<Invite>, Fault> {
    let code = invite::read(&request.code).map_err(|error| {
        let what = if matches!(error, CodeError::Version(_)) { ErrorCode::InviteVersion } else { ErrorCode::InvalidInvite };
        Fault::new(what, error.to_string())
    })?;
    match api.parts.mesh.ask(Ask::Join { code, petname: petname(request.petname) }).await? {
        Told::Invite(id) => Ok(Json(one(&api, id).await?)),
        told => Err(unexpected(&told)),
    }
}

fn petname(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.trim().is_empty())
}
