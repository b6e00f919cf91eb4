//! `GET /openapi.json`: the description of the API, generated from the calls and their types, with the words of the route table.

use std::sync::OnceLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use ocmesh_api::{ErrorBody, Method, ROUTES, Route};
use utoipa::{
    OpenApi,
    openapi::{Content, Info, OpenApi as Document, Ref, ResponseBuilder, extensions::Extensions, path::Operation},
};

use super::{
    docs, events, health, identity, invites, mcp, messages, metrics, outbox, peers, query::NoQuery, relays, requests, send, status, wake,
};

/// This API as an OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI", body = Object, content_type = "application/json")))]
pub(super) async fn get_openapi(_: NoQuery) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// Every call, and the type that none of them names by itself.
#[derive(OpenApi)]
#[openapi(
    paths(
        status::get_status,
        peers::list_peers,
        peers::add_peer,
        peers::get_peer,
        peers::change_peer,
        peers::forget_peer,
        requests::list_requests,
        requests::accept_request,
        requests::refuse_request,
        invites::list_invites,
        invites::make_invite,
        invites::revoke_invite,
        invites::join,
        messages::list_messages,
        messages::mark_messages_read,
        messages::get_message,
        messages::mark_message_read,
        send::send_message,
        outbox::list_outbox,
        outbox::cancel_message,
        outbox::retry_message,
        relays::list_relays,
        relays::add_relay,
        relays::remove_relay,
        wake::list_wakes,
        wake::test_wake,
        wake::retry_wake,
        identity::get_identity,
        identity::change_identity,
        events::stream_events,
        health::get_health,
        metrics::get_metrics,
        get_openapi,
        mcp::call_tools,
        docs::get_docs,
    ),
    components(schemas(ErrorBody))
)]
struct Calls;

/// The whole document. Made when somebody asks, as most daemons are never asked.
pub(super) fn document() -> Document {
    let mut document = Calls::openapi();
    document.info = Info::new("ocmesh Local API", env!("CARGO_PKG_VERSION"));
    document.info.description =
        Some("The Local API of the ocmesh daemon, on 127.0.0.1 and a Unix socket. Keys are snake_case, times RFC 3339 in UTC.".to_owned());
    for route in ROUTES {
        if let Some(operation) = operation(&mut document, route) {
            operation.summary = Some(route.summary.to_owned());
            operation.description = None;
            operation.tags = None;
            operation.extensions = Some(Extensions::from_iter([("x-scope", route.scope.as_str())]));
            let error = ResponseBuilder::new()
                .description("any other status")
                .content("application/json", Content::new(Some(Ref::from_schema_name("ErrorBody"))))
                .build();
            operation.responses.responses.insert("default".to_owned(), error.into());
        }
    }
    document
}

/// The operation of a route.
pub(super) fn operation<'a>(document: &'a mut Document, route: &Route) -> Option<&'a mut Operation> {
    let item = document.paths.paths.get_mut(route.path)?;
    match route.method {
        Method::Get => item.get.as_mut(),
        Method::Post => item.post.as_mut(),
        Method::Patch => item.patch.as_mut(),
        Method::Delete => item.delete.as_mut(),
    }
}
