//! `POST /mcp`: the tools of `ocmesh mcp` over streamable HTTP. A tool asks the calls of this API from inside, through the guard, with the rights
//! of whoever asks for it. There are no sessions and no stream, so GET and DELETE are answered with 405, as the transport allows.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Full};
use ocmesh_api::{CarriedRequest, Carry, Carrying, Client, Endpoint};
use tower::ServiceExt;

use super::{Api, body::collect, error::Fault, guard::Caller, query::NoQuery};

/// The calls that tools are made of, behind the guard. Not `/mcp` itself: no tool calls a tool.
#[derive(Debug, Clone)]
pub(super) struct Inner(pub(super) Router);

/// MCP over streamable HTTP.
#[utoipa::path(post, path = "/mcp",
    responses((status = 200, description = "the answer, as JSON-RPC 2.0", body = Object, content_type = "application/json")))]
pub(super) async fn call_tools(
    State(api): State<Arc<Api>>,
    Extension(Inner(router)): Extension<Inner>,
    _: NoQuery,
    request: Request,
) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let body = collect(body).await?;
    if let Some(refusal) = ocmesh_mcp::http::not_a_message(&body) {
        return Ok((StatusCode::BAD_REQUEST, Json(refusal)).into_response());
    }
    let inside = Inside { router, authorization: head.headers.get(header::AUTHORIZATION).cloned() };
    let endpoint = Endpoint { address: "127.0.0.1".to_owned(), port: api.parts.port, pid: std::process::id(), socket: None };
    let service = ocmesh_mcp::http::service(Client::through(Arc::new(inside), endpoint), api.parts.stop.child_token());
    let answer = service.handle(Request::from_parts(head, Full::new(body))).await;
    Ok(answer.map(Body::new))
}

/// Brings a tool's requests to the router, with its caller's token.
#[derive(Clone)]
struct Inside {
    router: Router,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

impl Carry for Inside {
    fn carry(&self, request: CarriedRequest) -> Carrying {
        let Self { router, authorization } = self.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Caller::Tool);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        Box::pin(async move {
            let Ok(response) = router.oneshot(request).await;
            response.map(|body| body.map_err(std::io::Error::other).boxed_unsync())
        })
    }
}
