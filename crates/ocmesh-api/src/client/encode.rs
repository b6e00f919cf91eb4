//! Percent-encoding of paths and queries (RFC 3986): everything but the unreserved characters.

use std::fmt::Display;

/// A request target that grows by query parameters.
pub(super) struct Query {
    target: String,
    empty: bool,
}

impl Query {
    pub(super) fn new(path: &str) -> Self {
        Self { target: path.to_owned(), empty: true }
    }

    /// Adds a parameter, unless it is absent.
    pub(super) fn add(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.target.push(if self.empty { '?' } else { '&' });
            self.empty = false;
            self.target.push_str(name);
            self.target.push('=');
            encode(&value.to_string(), &mut self.target);
        }
        self
    }

    pub(super) fn into_target(self) -> String {
        self.target
    }
}

/// Puts `parts`, encoded, in the place of the `{…}` of a route's path, in order.
pub(super) fn fill(path: &str, parts: &[&str]) -> String {
    let mut out = String::with_capacity(path.len());
    let mut parts = parts.iter();
    for segment in path.split('/').skip(1) {
        out.push('/');
        match parts.as_slice().first().filter(|_| segment.starts_with('{')) {
            Some(part) => {
                encode(part, &mut out);
                parts.next();
            }
            None => out.push_str(segment),
        }
    }
    out
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_cannot_leave_its_place() {
        assert_eq!(fill("/outbox/{id}/retry", &["a/../b?c#é"]), "/outbox/a%2F..%2Fb%3Fc%23%C3%A9/retry");
        assert_eq!(fill("/relays/{url}", &["wss://x.com"]), "/relays/wss%3A%2F%2Fx.com");
        assert_eq!(fill("/status", &[]), "/status");
    }

    #[test]
    fn absent_parameters_are_left_out() {
        let mut query = Query::new("/peers");
        query.add("online", None::<bool>).add("q", Some("a&b=c")).add("limit", Some(5));
        assert_eq!(query.into_target(), "/peers?q=a%26b%3Dc&limit=5");
    }
}
