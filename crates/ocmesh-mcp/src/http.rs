//! The same server for streamable HTTP: one request, one answer as JSON, nothing kept in between. Who may ask is the daemon's guard's business.

use std::sync::Arc;

use ocmesh_api::Client;
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::MeshServer;

/// Answers requests of the transport; see [`service`].
pub type HttpService = StreamableHttpService<MeshServer, NeverSessionManager>;

/// A service for one caller, whose rights `client` has. Without sessions, as the protocol has it from 2026-07-28 on; older clients need none either.
/// `Host` and `Origin` are not looked at here, and a body is bounded by whoever reads it.
#[must_use]
pub fn service(client: Client, stop: CancellationToken) -> HttpService {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(None)
        .disable_allowed_hosts();
    let server = MeshServer::here(client, stop);
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Why a body is no message of the protocol, as an answer with status 400; nothing when it is one.
#[must_use]
pub fn not_a_message(body: &[u8]) -> Option<Value> {
    // The numbers are JSON-RPC's own: parse error, invalid request.
    let refused = |code: i32, message: &str| Some(json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}));
    match serde_json::from_slice::<Value>(body) {
        Err(_) => refused(-32_700, "the body is not JSON"),
        Ok(Value::Array(_)) => refused(-32_600, "one message a request: MCP has no batches"),
        Ok(_) if serde_json::from_slice::<ClientJsonRpcMessage>(body).is_err() => refused(-32_600, "the body is no JSON-RPC message"),
        Ok(_) => None,
    }
}
