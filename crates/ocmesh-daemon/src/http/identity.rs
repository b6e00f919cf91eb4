//! `GET|PATCH /identity`. The secret key is not within reach of this module.

use std::sync::Arc;

use axum::extract::State;
use ocmesh_api::{Identity, IdentityPatch};
use ocmesh_proto::{
    PeerStatus, label,
    limit::{ABOUT_CHARS_MAX, FEATURE_CHARS_MAX, FEATURES_MAX, NAME_CHARS_MAX},
};

use super::{
    Api,
    body::{Json, JsonBody},
    error::Fault,
    query::NoQuery,
};
use crate::engine::Ask;

fn now(api: &Api) -> Json<Identity> {
    let view = api.parts.mesh.view();
    Json(Identity {
        pubkey: api.parts.pubkey.to_hex(),
        npub: api.npub.clone(),
        name: view.name.clone(),
        about: view.about.clone(),
        features: view.features.clone(),
        status: view.status.as_str().to_owned(),
        dm_relays: view.dm_relays.iter().map(ToString::to_string).collect(),
    })
}

/// What we say of ourselves.
#[utoipa::path(get, path = "/identity", responses((status = 200, description = "never the secret key", body = Identity)))]
pub(super) async fn get_identity(State(api): State<Arc<Api>>, _: NoQuery) -> Result<Json<Identity>, Fault> {
    Ok(now(&api))
}

/// Change what we say of ourselves.
#[utoipa::path(patch, path = "/identity", request_body = IdentityPatch, responses((status = 200, description = "as it is now", body = Identity)))]
pub(super) async fn change_identity(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(patch): JsonBody<IdentityPatch>,
) -> Result<Json<Identity>, Fault> {
    let name = patch.name.map(|name| line("name", &name, NAME_CHARS_MAX)).transpose()?;
    let about = patch.about.map(|about| if about.trim().is_empty() { Ok(String::new()) } else { line("about", &about, ABOUT_CHARS_MAX) });
    let about = about.transpose()?;
    let features = patch.features.map(read_features).transpose()?;
    let status = patch.status.map(|word| read_status(&word)).transpose()?;
    if name.is_some() || about.is_some() || features.is_some() || status.is_some() {
        api.parts.mesh.ask(Ask::SetIdentity { name, about, features, status }).await?;
    }
    Ok(now(&api))
}

/// One visible line, refused rather than cut.
fn line(field: &str, text: &str, chars_max: usize) -> Result<String, Fault> {
    let fits = text.trim().chars().nth(chars_max).is_none();
    label::clean(text, chars_max)
        .filter(|_| fits)
        .ok_or_else(|| Fault::bad_request(format!("{field} is one line of 1 to {chars_max} characters")))
}

fn read_features(features: Vec<String>) -> Result<Vec<String>, Fault> {
    if features.len() > FEATURES_MAX {
        return Err(Fault::bad_request(format!("at most {FEATURES_MAX} features")));
    }
    features.iter().map(|feature| line("a feature", feature, FEATURE_CHARS_MAX)).collect()
}

/// `offline` is what a stop says, not what a running agent may claim.
fn read_status(word: &str) -> Result<PeerStatus, Fault> {
    let status = PeerStatus::parse(word).filter(|status| *status != PeerStatus::Offline);
    status.ok_or_else(|| Fault::bad_request("status is one of: online, busy, quiet"))
}
