//! Query parameters, read strictly: an unknown name, a name given twice, or a value out of bounds is an error that says what is allowed.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request},
    response::Response,
};
use ocmesh_api::{LIMIT_DEFAULT, LIMIT_MAX};
use ocmesh_proto::{At, MessageId, PubKey};
use ocmesh_store::{Cursor, Page};
use serde::Serialize;

use super::{
    body::as_json,
    error::{Fault, echo},
    key, moment,
};

/// Longest search text: no name is longer.
const TEXT_CHARS_MAX: usize = 128;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Splits a query string, and refuses names that are not in `known`.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Fault> {
        let mut params = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let allowed = if known.is_empty() { "this call takes none".to_owned() } else { format!("known are: {}", known.join(", ")) };
                return Err(Fault::bad_request(format!("there is no parameter \"{}\"", echo(&name))).hint(allowed));
            }
            if params.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Fault::bad_request(format!("the parameter {name} stands twice")).hint("give each parameter once"));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn read_as<T>(&self, name: &str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| {
            Fault::bad_request(format!("the parameter {name} cannot be \"{}\"", echo(text))).hint(format!("{name} is {allowed}"))
        })
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.read_as(name, "true or false", |text| text.parse().ok())
    }

    pub(super) fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Fault> {
        let in_bounds = |text: &str| text.parse().ok().filter(|number| (least..=most).contains(number));
        self.read_as(name, &format!("a number from {least} to {most}"), in_bounds)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        let bounded = |text: &str| (!text.is_empty() && text.chars().nth(TEXT_CHARS_MAX).is_none()).then(|| text.to_owned());
        self.read_as(name, &format!("a text of 1 to {TEXT_CHARS_MAX} characters"), bounded)
    }

    pub(super) fn word<T>(&self, name: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        self.read_as(name, &format!("one of: {allowed}"), parse)
    }

    pub(super) fn moment(&self, name: &str) -> Result<Option<At>, Fault> {
        self.read_as(name, "a moment like 2026-11-23T12:00:00Z (a plus sign is written %2B)", moment::read)
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<MessageId>, Fault> {
        self.read_as(name, "a message id: 64 hex digits", |text| text.parse().ok())
    }

    pub(super) fn pubkey(&self, name: &str) -> Result<Option<PubKey>, Fault> {
        self.read_as(name, "a public key: 64 hex digits or npub", key::read)
    }

    pub(super) fn limit(&self) -> Result<usize, Fault> {
        let limit = self.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    pub(super) fn cursor(&self) -> Result<Option<Cursor>, Fault> {
        self.read_as("cursor", "what the Link header of the page before says", |text| text.parse().ok())
    }

    /// The same query with another cursor, as the `Link` header of a page names the next one.
    pub(super) fn next_link(&self, path: &str, next: Cursor) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.iter().filter(|(name, _)| name != "cursor" && name != "wait") {
            query.append_pair(name, value);
        }
        query.append_pair("cursor", &next.to_string());
        format!("<{path}?{}>; rel=\"next\"", query.finish())
    }
}

/// A page of a list as an answer, with the next one in its `Link` header.
pub(super) fn page<R, T: Serialize>(params: &Params, path: &str, found: Page<R>, show: impl FnMut(R) -> T) -> Response {
    let mut response = as_json(ocmesh_api::json::list(found.items.into_iter().map(show)));
    let link = found.next.and_then(|next| HeaderValue::from_str(&params.next_link(path, next)).ok());
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// The call takes no parameters.
pub(super) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut request::Parts, _state: &S) -> Result<Self, Fault> {
        Params::read(parts.uri.query(), &[]).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(query: &str) -> Params {
        Params::read(Some(query), &["a", "limit", "cursor", "wait"]).unwrap()
    }

    #[test]
    fn what_is_not_known_or_stands_twice_is_refused_by_name() {
        for (query, part) in [("b=1", "\"b\""), ("a=1&a=2", "a stands twice"), ("a=1&%61=2", "a stands twice"), ("A=1", "\"A\"")] {
            let fault = Params::read(Some(query), &["a"]).unwrap_err();
            assert!(format!("{fault:?}").contains(&part.replace('"', "\\\"")), "{query}: {fault:?}");
        }
        assert!(Params::read(None, &[]).is_ok());
        assert!(Params::read(Some(""), &[]).is_ok());
    }

    #[test]
    fn values_have_bounds() {
        assert_eq!(one("").limit().unwrap(), 100);
        assert_eq!(one("limit=1000").limit().unwrap(), 1000);
        for bad in ["0", "1001", "-1", "x", "", "1e3", "99999999999"] {
            assert!(one(&format!("limit={bad}")).limit().is_err(), "{bad}");
        }
        assert_eq!(one("a=true").flag("a").unwrap(), Some(true));
        for bad in ["1", "yes", "TRUE", ""] {
            assert!(one(&format!("a={bad}")).flag("a").is_err(), "{bad}");
        }
        assert!(one(&format!("a={}", "x".repeat(129))).text("a").is_err());
        assert!(one("cursor=zzz").cursor().is_err());
    }

    #[test]
    fn the_next_page_keeps_the_question_but_does_not_wait() {
        let params = one("a=x%26y&wait=5&cursor=1-1");
        assert_eq!(params.next_link("/m", "7-9".parse().unwrap()), "</m?a=x%26y&cursor=7-9>; rel=\"next\"");
    }
}
