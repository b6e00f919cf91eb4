//! `GET /docs`: the API as one page, made from the OpenAPI document. No script, nothing loaded from anywhere.

use std::{
    fmt::Write,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use ocmesh_api::{ErrorCode, ROUTES, Route, route::Reply};
use serde_json::Value;

use super::{Api, openapi::document, query::NoQuery};

const PAGE: &str = include_str!("docs.html");
/// Only the page's own style; no script at all.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// This API as a page.
#[utoipa::path(get, path = "/docs", responses((status = 200, description = "a page", body = String, content_type = "text/html")))]
pub(super) async fn get_docs(State(api): State<Arc<Api>>, _: NoQuery) -> Response {
    static CALLS: OnceLock<String> = OnceLock::new();
    let calls = CALLS.get_or_init(|| calls(&serde_json::to_value(document()).unwrap_or_default()));
    let page = PAGE.replace("<!--HOST-->", &format!("127.0.0.1:{}", api.parts.port)).replace("<!--CALLS-->", calls);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)], page).into_response()
}

fn calls(document: &Value) -> String {
    let mut page = String::new();
    for route in ROUTES {
        call(&mut page, document, route);
    }
    page.push_str(
        "<h2>Errors</h2><pre>{\"error\":{\"code\":\"…\",\"message\":\"…\",\"hint\":\"…\"}}</pre><table><tr><th>status<th>code<th>hint",
    );
    for code in ErrorCode::ALL {
        let _ = write!(page, "<tr><td>{}<td><code>{}</code><td>{}", code.status(), code.as_str(), escape(code.hint()));
    }
    page.push_str("</table>");
    page
}

fn call(page: &mut String, document: &Value, route: &Route) {
    let method = route.method;
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<details><summary><span class=\"m {method}\">{method}</span><code>{}</code><span class=\"s\">{}</span></summary><div>",
        escape(route.path),
        escape(route.summary)
    );
    let operation = document.pointer(&format!("/paths/{}/{}", pointer(route.path), method.as_str().to_ascii_lowercase()));
    parameters(page, operation.and_then(|operation| operation.get("parameters")));
    if let Some(request) = route.request {
        kind(page, document, "Body", request, false);
    }
    match route.response {
        Reply::One(name) => kind(page, document, "Answer", name, false),
        Reply::List(name) => kind(page, document, "Answer, a list of", name, true),
        Reply::Stream(name) => kind(page, document, "Server-sent events of", name, false),
        Reply::Other(media) => {
            let _ = write!(page, "<p>Answer: <code>{}</code></p>", escape(media));
        }
    }
    page.push_str("</div></details>");
}

fn parameters(page: &mut String, parameters: Option<&Value>) {
    let Some(parameters) = parameters.and_then(Value::as_array).filter(|list| !list.is_empty()) else { return };
    page.push_str("<table><tr><th>parameter<th>in<th>what");
    for parameter in parameters {
        let text = |key: &str| escape(parameter.get(key).and_then(Value::as_str).unwrap_or_default());
        let _ = write!(page, "<tr><td><code>{}</code><td>{}<td>{}", text("name"), text("in"), text("description"));
    }
    page.push_str("</table>");
}

/// A type: its fields and a sample.
fn kind(page: &mut String, document: &Value, title: &str, name: &str, list: bool) {
    let _ = write!(page, "<h4>{title} <code>{name}</code></h4>");
    let Some(schema) = document.pointer(&format!("/components/schemas/{name}")) else { return };
    page.push_str("<table>");
    fields(page, document, schema);
    page.push_str("</table>");
    if let Some(sample) = schema.get("example") {
        let sample = if list { Value::Array(vec![sample.clone()]) } else { sample.clone() };
        let _ = write!(page, "<pre>{}</pre>", escape(&format!("{sample:#}")));
    }
}

fn fields(page: &mut String, document: &Value, schema: &Value) {
    // A type that holds another one in itself lists both.
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        let target = part.get("$ref").and_then(Value::as_str).and_then(|target| document.pointer(target.trim_start_matches('#')));
        fields(page, document, target.unwrap_or(part));
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let what = field.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(page, "<tr><td><code>{}</code><td>{}", escape(name), escape(what));
    }
}

/// A path as one step of a JSON pointer (RFC 6901).
fn pointer(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
