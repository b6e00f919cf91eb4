//! The Local API: a router over the mesh and the store, behind one guard. It decides nothing about the mesh.

#[cfg(feature = "benching")]
pub mod benching;
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
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use ocmesh_api::{ErrorCode, ROUTES, route as call};
use ocmesh_proto::PubKey;
use ocmesh_store::Reader;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use self::error::Fault;
pub use self::listen::{Listeners, bind_tcp, bind_unix, serve};
use crate::{
    clock::Clock,
    engine::{AskError, MeshHandle},
    limit::{READS_MAX, STREAMS_MAX},
    secrets::OwnSecrets,
    shutdown::StopToken,
    token::Tokens,
    wake::Dispatcher,
};

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

/// Every call of the route table. What describes them is put together only when somebody asks: see [`openapi`].
fn calls() -> Router<Arc<Api>> {
    inner_calls().route(call::MCP.path, post(mcp::call_tools))
}

/// Those that the tools of `/mcp` are made of.
fn inner_calls() -> Router<Arc<Api>> {
    Router::new()
        .route(call::STATUS.path, get(status::get_status))
        .route(call::PEERS.path, get(peers::list_peers).post(peers::add_peer))
        .route(call::PEER.path, get(peers::get_peer).patch(peers::change_peer).delete(peers::forget_peer))
        .route(call::REQUESTS.path, get(requests::list_requests))
        .route(call::REQUEST_ACCEPT.path, post(requests::accept_request))
        .route(call::REQUEST_REFUSE.path, delete(requests::refuse_request))
        .route(call::INVITES.path, get(invites::list_invites).post(invites::make_invite))
        .route(call::INVITE_REVOKE.path, delete(invites::revoke_invite))
        .route(call::JOIN.path, post(invites::join))
        .route(call::MESSAGES.path, get(messages::list_messages))
        .route(call::MESSAGES_READ.path, post(messages::mark_messages_read))
        .route(call::MESSAGE.path, get(messages::get_message))
        .route(call::MESSAGE_READ.path, post(messages::mark_message_read))
        .route(call::SEND.path, post(send::send_message))
        .route(call::OUTBOX.path, get(outbox::list_outbox))
        .route(call::OUTBOX_CANCEL.path, delete(outbox::cancel_message))
        .route(call::OUTBOX_RETRY.path, post(outbox::retry_message))
        .route(call::RELAYS.path, get(relays::list_relays).post(relays::add_relay))
        .route(call::RELAY_REMOVE.path, delete(relays::remove_relay))
        .route(call::WAKES.path, get(wake::list_wakes))
        .route(call::WAKE_TEST.path, post(wake::test_wake))
        .route(call::WAKE_RETRY.path, post(wake::retry_wake))
        .route(call::IDENTITY.path, get(identity::get_identity).patch(identity::change_identity))
        .route(call::EVENTS.path, get(events::stream_events))
        .route(call::HEALTH.path, get(health::get_health))
        .route(call::METRICS.path, get(metrics::get_metrics))
        .route(call::OPENAPI.path, get(openapi::get_openapi))
        .route(call::DOCS.path, get(docs::get_docs))
}

/// The router, guard and all. Requests must carry the [`guard::Caller`] that [`serve`] adds; one without is refused.
fn router(api: &Arc<Api>) -> Router {
    let inner = guarded(inner_calls(), api);
    guarded(calls(), api).layer(Extension(mcp::Inner(inner)))
}

fn guarded(calls: Router<Arc<Api>>, api: &Arc<Api>) -> Router {
    calls
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(api), once_opened))
        .layer(middleware::from_fn_with_state(Arc::clone(api), guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::map_response(harden))
        .with_state(Arc::clone(api))
}

/// Calls that are answered before what is known of peers was read. Every other waits that moment: what it shows may need a warning.
const EARLY: [&str; 2] = [call::STATUS.path, call::HEALTH.path];

async fn once_opened(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if EARLY.contains(&request.uri().path()) || api.parts.mesh.opened().await {
        return next.run(request).await;
    }
    Fault::from(AskError::Stopping).into_response()
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
