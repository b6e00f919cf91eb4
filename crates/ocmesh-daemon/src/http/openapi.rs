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

use super::{calls, query::NoQuery};

/// This API as an OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI", body = Object, content_type = "application/json")))]
pub(super) async fn get_openapi(_: NoQuery) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// Types that no call names by itself.
#[derive(OpenApi)]
#[openapi(components(schemas(ErrorBody)))]
struct Shared;

/// The whole document. Made when somebody asks, as most daemons are never asked.
pub(super) fn document() -> Document {
    let mut document = calls().into_openapi();
    document.merge(Shared::openapi());
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
