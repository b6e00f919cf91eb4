//! `POST /send`.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{ErrorBody, Origin, SendRequest, Sent};

use super::{
    Api,
    body::{Json, JsonBody},
    error::Fault,
    key, moment,
    peers::unexpected,
    query::NoQuery,
};
use crate::engine::{Ask, Told};

/// Longest idempotency key, in bytes: a UUID or a hash fits several times.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// Send a message.
#[utoipa::path(post, path = "/send", request_body = SendRequest, responses(
    (status = 200, description = "on disk, in the outbox", body = Sent),
    (status = 400, description = "invalid_pubkey, peer_unknown, name_ambiguous", body = ErrorBody),
    (status = 403, description = "peer_blocked", body = ErrorBody),
    (status = 409, description = "idempotency_conflict", body = ErrorBody),
    (status = 413, description = "content_too_long", body = ErrorBody),
    (status = 422, description = "content_empty", body = ErrorBody),
    (status = 429, description = "loop_suspected, too_many_sends; Retry-After says when", body = ErrorBody),
    (status = 507, description = "disk_full", body = ErrorBody),
))]
pub(super) async fn send_message(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Json<Sent>, Fault> {
    let SendRequest { to, content, reply_to, subject, idempotency_key, origin } = request;
    let origin = origin.map_or(ocmesh_proto::Origin::Unsaid, |origin| match origin {
        Origin::Agent => ocmesh_proto::Origin::Agent,
        Origin::Owner => ocmesh_proto::Origin::Owner,
    });
    if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
        return Err(Fault::bad_request(format!("idempotency_key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes")));
    }
    let reply_to = reply_to.as_deref().map(key::message_id).transpose()?;
    match api.parts.mesh.ask(Ask::Send { to, content, reply_to, subject, idempotency_key, origin }).await? {
        Told::Queued { id, to, written_at, status } => {
            let status = status.as_str().to_owned();
            Ok(Json(Sent { id: id.to_hex(), to: to.to_hex(), timestamp: moment::write(written_at), status }))
        }
        told => Err(unexpected(&told)),
    }
}
