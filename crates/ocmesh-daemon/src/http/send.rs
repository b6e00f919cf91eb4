//! `POST /send`.

use std::sync::Arc;

use axum::{Extension, extract::State};
use ocmesh_api::{DryRun, ErrorBody, Origin, SecretSeen, SendAnswer, SendRequest, Sent};
use ocmesh_proto::{MessagePart, limit::CONTENT_CHARS_MAX};

use super::{
    Api,
    body::{Json, JsonBody},
    error::Fault,
    guard::May,
    key, moment,
    peers::unexpected,
    query::NoQuery,
};
use crate::{
    engine::{Ask, Told},
    secrets,
};

/// Longest idempotency key, in bytes: a UUID or a hash fits several times.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// Send a message.
#[utoipa::path(post, path = "/send", request_body = SendRequest, responses(
    (status = 200, description = "on disk, in the outbox; with dry_run what would become of it", body = SendAnswer),
    (status = 400, description = "invalid_pubkey, peer_unknown, name_ambiguous", body = ErrorBody),
    (status = 403, description = "peer_blocked, scope_missing", body = ErrorBody),
    (status = 409, description = "idempotency_conflict", body = ErrorBody),
    (status = 413, description = "content_too_long", body = ErrorBody),
    (status = 422, description = "content_empty, looks_like_secret", body = ErrorBody),
    (status = 429, description = "loop_suspected, too_many_sends; Retry-After says when", body = ErrorBody),
    (status = 507, description = "disk_full", body = ErrorBody),
))]
pub(super) async fn send_message(
    State(api): State<Arc<Api>>,
    Extension(may): Extension<May>,
    _: NoQuery,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Json<SendAnswer>, Fault> {
    if request.origin == Some(Origin::Owner) {
        may.as_owner("\"origin\": \"owner\"")?;
    }
    if request.allow_secret {
        may.as_owner("\"allow_secret\"")?;
    }
    let secrets = look_for_secrets(&api, &request);
    let SendRequest { to, content, reply_to, subject, idempotency_key, origin, urgent, allow_secret, dry_run } = request;
    let origin = origin.map_or(ocmesh_proto::Origin::Unsaid, |origin| match origin {
        Origin::Agent => ocmesh_proto::Origin::Agent,
        Origin::Owner => ocmesh_proto::Origin::Owner,
    });
    if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
        return Err(Fault::bad_request(format!("idempotency_key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes")));
    }
    let reply_to = reply_to.as_deref().map(key::message_id).transpose()?;
    let ask = Ask::Send { to, content, reply_to, subject, idempotency_key, origin, urgent, secrets, allow_secret, dry_run };
    match api.parts.mesh.ask(ask).await? {
        Told::Queued { id, to, written_at, status, secrets } => {
            let (status, secrets) = (status.as_str().to_owned(), seen(&secrets));
            Ok(Json(SendAnswer::Sent(Sent { id: id.to_hex(), to: to.to_hex(), timestamp: moment::write(written_at), status, secrets })))
        }
        Told::WouldQueue { to, form, relays, why, secrets, refused, work } => Ok(Json(SendAnswer::DryRun(DryRun {
            would: if refused { "refuse" } else { "queue" }.to_owned(),
            to: to.to_hex(),
            encryption: form.as_str().to_owned(),
            relays: relays.iter().map(ToString::to_string).collect(),
            route_reason: why.as_str().to_owned(),
            secrets: seen(&secrets),
            work_bits: work,
        }))),
        told => Err(unexpected(&told)),
    }
}

/// What in a message looks like a secret. One that is too long is refused for that.
fn look_for_secrets(api: &Api, request: &SendRequest) -> Vec<ocmesh_proto::SecretSeen> {
    let find = |part, text: &str| {
        let fits = text.chars().nth(CONTENT_CHARS_MAX).is_none();
        if fits { secrets::find(part, text, &api.parts.own_secrets) } else { Vec::new() }
    };
    let mut found = request.subject.as_deref().map_or_else(Vec::new, |subject| find(MessagePart::Subject, subject));
    found.extend(find(MessagePart::Content, &request.content));
    found
}

fn seen(secrets: &[ocmesh_proto::SecretSeen]) -> Vec<SecretSeen> {
    let show = |seen: &ocmesh_proto::SecretSeen| SecretSeen {
        kind: seen.kind.to_owned(),
        part: seen.part.as_str().to_owned(),
        line: seen.line,
        column: seen.column,
    };
    secrets.iter().map(show).collect()
}
