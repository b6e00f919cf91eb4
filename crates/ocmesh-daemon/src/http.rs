//! The Local API: a router over the mesh and the store, behind one guard. It decides nothing about the mesh.

mod body;
mod docs;
mod error;
mod events;
mod guard;
mod health;
mod identity;
mod invites;
mod key;
mod listen;
mod mcp;
mod messages;
mod metrics;
pub(crate) mod moment;
mod openapi;
mod outbox;
mod pace;
mod peers;
mod query;
mod relays;
mod requests;
mod route;
mod row;
#[cfg(target_os = "linux")]
mod same_user;
mod send;
mod stall;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod wake;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use axum::{
    Extension, Router,
    extract::{MatchedPath, Request},
    http::{HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
};
use ocmesh_api::{ErrorCode, ROUTES};
use ocmesh_proto::PubKey;
use ocmesh_store::Reader;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::error::Fault;
pub use self::listen::{Listeners, bind_tcp, bind_unix, serve};
use crate::{clock::Clock, engine::MeshHandle, secrets::OwnSecrets, shutdown::StopToken, token::Tokens, wake::Dispatcher};

/// Event streams at one time: each is a listener that the engine's broadcast remembers.
const STREAMS_MAX: usize = 64;
/// Questions to the store at one time: it has three connections, and each question holds a thread.
const READS_MAX: usize = 8;

/// What the Local API is made of.
#[derive(Debug)]
pub struct ApiParts {
    /// The way to the mesh.
    pub mesh: MeshHandle,
    /// The way to the store.
    pub reader: Reader,
    /// The way to the targets that are woken.
    pub wakes: Dispatcher,
    /// Our public key.
    pub pubkey: PubKey,
    /// Our version.
    pub version: &'static str,
    /// When the daemon started.
    pub started: Instant,
    /// The TCP port that callers name in `Host`.
    pub port: u16,
    /// With `api.auth = "token"` the tokens; read at every call, so that a new one counts at once.
    pub tokens: Option<Tokens>,
    /// Requests a second that the owner's programs may make, all together.
    pub requests_per_second: u32,
    /// What no message should hold.
    pub own_secrets: OwnSecrets,
    /// The clock.
    pub clock: Clock,
    /// Ends every stream and long poll.
    pub stop: StopToken,
}

/// The state behind every call.
#[derive(Debug)]
pub struct Api {
    parts: ApiParts,
    npub: String,
    paces: pace::Paces,
    streams: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// A page that was asked for was damaged: `/status` says so from then on.
    damage_seen: AtomicBool,
}

impl Api {
    /// Puts the state together.
    #[must_use]
    pub fn new(parts: ApiParts) -> Arc<Self> {
        let npub = ocmesh_wire::npub(&parts.pubkey);
        let (streams, reads) = (Arc::new(Semaphore::new(STREAMS_MAX)), Arc::new(Semaphore::new(READS_MAX)));
        let paces = pace::Paces::new(parts.requests_per_second, Instant::now());
        Arc::new(Self { parts, npub, paces, streams, reads, damage_seen: AtomicBool::new(false) })
    }
}

/// Every call of the route table, with its description.
fn calls() -> OpenApiRouter<Arc<Api>> {
    inner_calls().routes(routes!(mcp::call_tools))
}

/// Those that the tools of `/mcp` are made of.
fn inner_calls() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(status::get_status))
        .routes(routes!(peers::list_peers, peers::add_peer))
        .routes(routes!(peers::get_peer, peers::change_peer, peers::forget_peer))
        .routes(routes!(requests::list_requests))
        .routes(routes!(requests::accept_request))
        .routes(routes!(requests::refuse_request))
        .routes(routes!(invites::list_invites, invites::make_invite))
        .routes(routes!(invites::revoke_invite))
        .routes(routes!(invites::join))
        .routes(routes!(messages::list_messages))
        .routes(routes!(messages::mark_messages_read))
        .routes(routes!(messages::get_message))
        .routes(routes!(messages::mark_message_read))
        .routes(routes!(send::send_message))
        .routes(routes!(outbox::list_outbox))
        .routes(routes!(outbox::cancel_message))
        .routes(routes!(outbox::retry_message))
        .routes(routes!(relays::list_relays, relays::add_relay))
        .routes(routes!(relays::remove_relay))
        .routes(routes!(wake::list_wakes))
        .routes(routes!(wake::test_wake))
        .routes(routes!(wake::retry_wake))
        .routes(routes!(identity::get_identity, identity::change_identity))
        .routes(routes!(events::stream_events))
        .routes(routes!(health::get_health))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(openapi::get_openapi))
        .routes(routes!(docs::get_docs))
}

/// The router, guard and all. Requests must carry the [`guard::Caller`] that [`serve`] adds; one without is refused.
fn router(api: &Arc<Api>) -> Router {
    let inner = guarded(inner_calls(), api);
    guarded(calls(), api).layer(Extension(mcp::Inner(inner)))
}

fn guarded(calls: OpenApiRouter<Arc<Api>>, api: &Arc<Api>) -> Router {
    let (router, _) = calls.split_for_parts();
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(api), guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::map_response(harden))
        .with_state(Arc::clone(api))
}

async fn no_such_path() -> Fault {
    Fault::not_found("there is no such path")
}

async fn no_such_method(path: Option<MatchedPath>) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let mut allowed: Vec<_> = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let mut response = Fault::new(ErrorCode::MethodNotAllowed, "this path has other methods").into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// The panic's own words may hold anything: they go to the log by the panic hook, not to the caller.
#[allow(clippy::needless_pass_by_value)] // The layer's signature.
fn panicked(_words: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a call panicked");
    Fault::new(ErrorCode::Internal, "something went wrong inside").into_response()
}

/// Headers for browsers that got here in spite of the guard: nothing may be run, framed, guessed or kept.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// Refuses every request on a connection that may not call at all.
async fn turned_away(_request: Request) -> Response {
    harden(guard::not_this_user().into_response()).await
}
