//! The guard before every call, on both transports: the caller must be a program of our user, not a web page.
//!
//! It looks at who connected, `Host`, `Origin`, `Referer`, `Sec-Fetch-Site`, the bearer token, the caller's pace, the token's scope and the
//! kind of body, in this order. `Sec-Fetch-Mode` says nothing: Node's own `fetch` sends it too.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ocmesh_api::{
    BODY_BYTES_MAX, ErrorCode, ROUTES,
    route::{SEND, Scope},
};

use super::{Api, body::too_large, error::Fault};
use crate::token::{Holder, Tokens};

/// How a request came; added to it by the listener, which has already checked the user behind the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Over loopback TCP.
    Tcp,
    /// Over the Unix socket.
    #[cfg_attr(not(unix), allow(dead_code))]
    Unix,
    /// A tool of `/mcp`, for a caller who came in already. Everything is looked at once more: tokens end, scopes differ, paces count.
    Tool,
}

/// What a caller who was let in may do; added to its request by the guard.
#[derive(Debug, Clone, Copy)]
pub(super) struct May(Scope);

impl May {
    /// Lets through what only the owner says of itself: a program with a lesser token is not believed.
    pub(super) fn as_owner(self, what: &str) -> Result<(), Fault> {
        if self.0 >= Scope::Admin {
            return Ok(());
        }
        let message = format!("{what} needs the scope \"admin\", and the token has \"{}\"", self.0.as_str());
        Err(Fault::new(ErrorCode::ScopeMissing, message).hint("leave it out: only the owner decides this"))
    }
}

/// Why a request is refused. The reason goes to the log alone: a page that probes us learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Host,
    Target,
    Origin,
    Referer,
    FetchSite,
}

/// Lets a request through, or answers it.
pub(super) async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    match admit(&api, &request) {
        Ok(may) => {
            request.extensions_mut().insert(May(may));
            next.run(request).await
        }
        Err(No { fault, scope }) => {
            let mut response = fault.into_response();
            // RFC 6750, section 3.1.
            if let Some(challenge) = scope.and_then(|scope| HeaderValue::from_str(&insufficient(scope)).ok()) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            // Whoever is refused does not keep the connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

/// An answer to somebody who is not let in, with the scope that was missing.
struct No {
    fault: Fault,
    scope: Option<Scope>,
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        Self { fault, scope: None }
    }
}

fn admit(api: &Api, request: &Request) -> Result<Scope, No> {
    let Some(caller) = request.extensions().get::<Caller>() else { return Err(not_this_user().into()) };
    if let Err(reason) = check(*caller, api.parts.port, request.uri(), request.headers()) {
        tracing::debug!(?reason, "a request was refused");
        return Err(Fault::new(ErrorCode::Forbidden, "this request is refused").into());
    }
    let now = Instant::now();
    let (holder, may) = match &api.parts.tokens {
        // Who connected is the owner's program: the listener has looked.
        None => (Holder::Owner, Scope::Admin),
        Some(tokens) => bearer(tokens, request.headers()).ok_or_else(|| denied(api.paces.failed(now)))?,
    };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let method = request.method().as_str();
    if !api.paces.admits(&holder, path == Some(SEND.path) && method == SEND.method.as_str(), now) {
        return Err(Fault::new(ErrorCode::RateLimited, "this caller makes too many requests").into());
    }
    let needed = path.map_or(Scope::Read, |path| scope_of(method, path));
    if may < needed {
        let message = format!("this call needs the scope \"{}\", and the token has \"{}\"", needed.as_str(), may.as_str());
        return Err(No { fault: Fault::new(ErrorCode::ScopeMissing, message), scope: Some(needed) });
    }
    check_body(request.headers())?;
    Ok(may)
}

/// What a call on a path that exists needs. One that is not in the table is refused later; until then it needs everything.
fn scope_of(method: &str, path: &str) -> Scope {
    let method = if method == "HEAD" { "GET" } else { method };
    let route = ROUTES.iter().find(|route| route.path == path && route.method.as_str() == method);
    route.map_or(Scope::Admin, |route| route.scope)
}

fn insufficient(needed: Scope) -> String {
    format!("Bearer realm=\"ocmesh\", error=\"insufficient_scope\", scope=\"{}\"", needed.as_str())
}

/// The connection belongs to somebody else.
pub(super) fn not_this_user() -> Fault {
    Fault::new(ErrorCode::Forbidden, "the Local API answers programs of its own user only")
        .hint("run the command as the user who runs the daemon")
}

fn check(caller: Caller, port: u16, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
    let host = one(headers, &header::HOST).ok().flatten().ok_or(Refused::Host)?.to_ascii_lowercase();
    if !is_ours(caller, port, &host) {
        return Err(Refused::Host);
    }
    // `GET http://other/ HTTP/1.1` names its target twice; the two must agree.
    if uri.authority().is_some_and(|target| !target.as_str().eq_ignore_ascii_case(&host)) {
        return Err(Refused::Target);
    }
    let site = one(headers, &HeaderName::from_static("sec-fetch-site")).map_err(|()| Refused::FetchSite)?;
    let origin = one(headers, &header::ORIGIN).map_err(|()| Refused::Origin)?;
    let referer = one(headers, &header::REFERER).map_err(|()| Refused::Referer)?;
    let own_page = format!("http://{host}");
    if origin.is_some_and(|origin| site != Some("same-origin") || origin != own_page) {
        return Err(Refused::Origin);
    }
    let is_own_page = |referer: &str| referer.strip_prefix(own_page.as_str()).is_some_and(|path| path.starts_with('/'));
    if referer.is_some_and(|referer| site != Some("same-origin") || !is_own_page(referer)) {
        return Err(Refused::Referer);
    }
    match site {
        None | Some("none") => Ok(()),
        Some("same-origin") if origin.is_some() || referer.is_some() => Ok(()),
        Some(_) => Err(Refused::FetchSite),
    }
}

/// On TCP a loopback name with exactly our port: a page that rebinds its own name to 127.0.0.1 still sends its own name.
fn is_ours(caller: Caller, port: u16, host: &str) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        // The last colon of `[::1]` stands inside the brackets.
        Some((name, digits)) if !digits.ends_with(']') => (name, Some(digits)),
        _ => (host, None),
    };
    let is_loopback = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    match caller {
        Caller::Tcp | Caller::Tool => is_loopback && given == Some(port.to_string().as_str()),
        Caller::Unix => (is_loopback || name == "ocmesh.sock") && given.is_none_or(|digits| digits.parse::<u16>().is_ok()),
    }
}

/// The value of a header that may stand once; `Err` when it stands twice or is not text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

/// Who shows which token. It stands in the header and nowhere else: an address is written into histories and logs.
fn bearer(tokens: &Tokens, headers: &HeaderMap) -> Option<(Holder, Scope)> {
    let (scheme, given) = one(headers, &header::AUTHORIZATION).ok().flatten()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    tokens.holder(given.trim())
}

fn denied(told: bool) -> Fault {
    if told {
        Fault::new(ErrorCode::Unauthorized, "a bearer token is needed")
    } else {
        Fault::new(ErrorCode::RateLimited, "too many requests without a good token")
    }
}

/// A form or a plain text, which a page may send anywhere without asking, is not JSON.
fn check_body(headers: &HeaderMap) -> Result<(), Fault> {
    let length = one(headers, &header::CONTENT_LENGTH).ok().flatten().and_then(|length| length.parse::<u64>().ok());
    let has_body = length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    let kind = one(headers, &header::CONTENT_TYPE).map_err(|()| not_json())?;
    match kind {
        Some(kind) if !is_json(kind) => return Err(not_json()),
        None if has_body => return Err(not_json()),
        _ => {}
    }
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    if length.is_some_and(|length| length > limit) { Err(too_large()) } else { Ok(()) }
}

fn not_json() -> Fault {
    Fault::new(ErrorCode::UnsupportedMediaType, "a body must be application/json")
}

fn is_json(kind: &str) -> bool {
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let parameters = parameters.trim();
    essence.trim().eq_ignore_ascii_case("application/json")
        && (parameters.is_empty() || parameters.replace('"', "").eq_ignore_ascii_case("charset=utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_needs_what_its_route_says_and_an_unknown_one_everything() {
        for route in ROUTES {
            assert_eq!(scope_of(route.method.as_str(), route.path), route.scope, "{route:?}");
        }
        assert_eq!(
            (scope_of("HEAD", "/status"), scope_of("PUT", "/status"), scope_of("GET", "/new")),
            (Scope::Read, Scope::Admin, Scope::Admin)
        );
    }
}
