//! The guard before every call, on both transports: the caller must be a program of our user, not a web page.
//!
//! It looks at who connected, `Host`, `Origin`, `Referer`, `Sec-Fetch-Site`, the bearer token and the kind of body, in this order, and at
//! nothing of the call itself. `Sec-Fetch-Mode` says nothing: Node's own `fetch` sends it too.

use std::{path::Path, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ocmesh_api::{BODY_BYTES_MAX, ErrorCode};
use subtle::ConstantTimeEq;

use super::{Api, body::too_large, error::Fault};

/// Longest token file read: the token has 64 characters.
const TOKEN_BYTES_MAX: usize = 4_096;

/// How a request came; added to it by the listener, which has already checked the user behind the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Over loopback TCP.
    Tcp,
    /// Over the Unix socket.
    #[cfg_attr(not(unix), allow(dead_code))]
    Unix,
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
pub(super) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match admit(&api, &request) {
        Ok(()) => next.run(request).await,
        Err(fault) => {
            let mut response = fault.into_response();
            // Whoever is refused does not keep the connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

fn admit(api: &Api, request: &Request) -> Result<(), Fault> {
    let Some(caller) = request.extensions().get::<Caller>() else { return Err(not_this_user()) };
    if let Err(reason) = check(*caller, api.parts.port, request.uri(), request.headers()) {
        tracing::debug!(?reason, "a request was refused");
        return Err(Fault::new(ErrorCode::Forbidden, "this request is refused"));
    }
    if let Some(file) = &api.parts.token_file {
        authorize(file, request.headers())?;
    }
    check_body(request.headers())
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
        Caller::Tcp => is_loopback && given == Some(port.to_string().as_str()),
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

fn authorize(file: &Path, headers: &HeaderMap) -> Result<(), Fault> {
    let denied = || Fault::new(ErrorCode::Unauthorized, "a bearer token is needed");
    let given = one(headers, &header::AUTHORIZATION).ok().flatten().ok_or_else(denied)?;
    let (scheme, given) = given.split_once(' ').ok_or_else(denied)?;
    let token = std::fs::read(file).map_err(|error| {
        tracing::error!(%error, "the token file cannot be read");
        denied()
    })?;
    let token = token.trim_ascii();
    // An empty or absurd file must not make an empty token good.
    let sound = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    let equal: bool = token.ct_eq(given.trim().as_bytes()).into();
    if sound && equal && scheme.eq_ignore_ascii_case("bearer") { Ok(()) } else { Err(denied()) }
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

    /// The HTTP parser trims values, so that no caller can send this today; the file is our own and may still be empty.
    #[test]
    fn an_empty_token_file_opens_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer "));
        assert!(authorize(file.path(), &headers).is_err());
        std::fs::write(file.path(), "secret\n").unwrap();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        assert!(authorize(file.path(), &headers).is_ok());
    }
}
