//! The route table: every call of the Local API in one place. Server, documentation, client and tests all use it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path, with `{name}` for a variable part.
    pub path: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Name of the type of its JSON body, when it takes one.
    pub request: Option<&'static str>,
    /// What it answers when all is well.
    pub response: Reply,
    /// What a caller must be allowed to do.
    pub scope: Scope,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; never changes anything.
    Get,
    /// Does something.
    Post,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The method in HTTP's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The shape of a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// One JSON object of this type.
    One(&'static str),
    /// A JSON array of objects of this type.
    List(&'static str),
    /// Server-sent events of this type.
    Stream(&'static str),
    /// Something else, by its media type.
    Other(&'static str),
}

/// What a caller must be allowed to do. Each one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look.
    Read,
    /// Write to peers in our name, and acknowledge.
    Send,
    /// Change peers, relays and ourselves.
    Admin,
}

impl Scope {
    /// `read`, `send` or `admin`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }
}

macro_rules! routes {
    ($($name:ident: $method:ident $path:literal $scope:ident, $request:expr => $response:expr, $summary:literal;)*) => {
        $(#[doc = $summary] pub const $name: Route = Route {
            method: Method::$method, path: $path, summary: $summary, request: $request, response: $response, scope: Scope::$scope,
        };)*

        /// Every call.
        pub const ROUTES: &[Route] = &[$($name),*];
    };
}

use Reply::{List, One, Other, Stream};

routes! {
    STATUS: Get "/status" Read, None => One("StatusReport"), "How the daemon is doing; 503 when degraded.";
    PEERS: Get "/peers" Read, None => List("Peer"), "Agents we know of.";
    PEER_ADD: Post "/peers" Admin, Some("AddPeerRequest") => One("Peer"), "Make a key known, and look it up on relays.";
    PEER: Get "/peers/{pubkey}" Read, None => One("Peer"), "One agent.";
    PEER_CHANGE: Patch "/peers/{pubkey}" Admin, Some("PeerPatch") => One("Peer"), "Set trust or petname of an agent.";
    PEER_FORGET: Delete "/peers/{pubkey}" Admin, None => One("Done"), "Forget an agent; its messages stay.";
    REQUESTS: Get "/requests" Read, None => List("Request"), "Strangers who wait for consent, without their words.";
    REQUEST_ACCEPT: Post "/requests/{pubkey}/accept" Admin, None => One("Peer"), "Accept a stranger; its messages arrive.";
    REQUEST_REFUSE: Delete "/requests/{pubkey}" Admin, None => One("Done"), "Refuse a stranger's request; it is not told, and may ask again.";
    INVITES: Get "/invites" Read, None => List("Invite"), "Invites we made or were given, without their codes.";
    INVITE_MAKE: Post "/invites" Admin, Some("InviteRequest") => One("NewInvite"), "Make an invite; its code is told this once.";
    INVITE_REVOKE: Delete "/invites/{id}" Admin, None => One("Done"), "Take an open invite back.";
    JOIN: Post "/join" Admin, Some("JoinRequest") => One("Invite"), "Join by an invite's code; confirmed once the inviter answers.";
    MESSAGES: Get "/messages" Read, None => List("Message"), "Received messages; with wait, as soon as there is one.";
    MESSAGES_READ: Post "/messages/read" Send, Some("ReadRequest") => One("Marked"), "Acknowledge messages; sends the read receipts.";
    MESSAGE: Get "/messages/{id}" Read, None => One("MessageDetail"), "One message with its delivery history.";
    MESSAGE_READ: Post "/messages/{id}/read" Send, None => One("Marked"), "Acknowledge one message; sends the read receipt.";
    SEND: Post "/send" Send, Some("SendRequest") => One("SendAnswer"), "Send a message; answered when it is safe on disk.";
    OUTBOX: Get "/outbox" Read, None => List("OutboxEntry"), "Messages that wait, and why.";
    OUTBOX_CANCEL: Delete "/outbox/{id}" Send, None => One("Done"), "Give up a waiting message.";
    OUTBOX_RETRY: Post "/outbox/{id}/retry" Send, None => One("Done"), "Try a waiting or failed message now.";
    RELAYS: Get "/relays" Read, None => List("RelayStatus"), "Relays in use.";
    RELAY_ADD: Post "/relays" Admin, Some("AddRelayRequest") => One("Done"), "Use one more relay.";
    RELAY_REMOVE: Delete "/relays/{url}" Admin, None => One("Done"), "Stop using a relay; its address is percent-encoded.";
    WAKES: Get "/wake" Read, None => List("WakeStatus"), "The targets that are woken when messages come, and how each stands.";
    WAKE_TEST: Post "/wake/{id}/test" Admin, None => One("WakeTested"), "Wake a target for a test, whatever is unread.";
    WAKE_RETRY: Post "/wake/{id}/retry" Admin, None => One("Done"), "Wake a target now, if anything is unread.";
    IDENTITY: Get "/identity" Read, None => One("Identity"), "What we say of ourselves.";
    IDENTITY_CHANGE: Patch "/identity" Admin, Some("IdentityPatch") => One("Identity"), "Change name, description, features or status.";
    EVENTS: Get "/events" Read, None => Stream("Event"), "What happens, as it happens; Last-Event-ID resumes.";
    HEALTH: Get "/health" Read, None => One("Done"), "The daemon is alive.";
    METRICS: Get "/metrics" Read, None => Other("text/plain; version=0.0.4; charset=utf-8"), "Numbers for Prometheus.";
    OPENAPI: Get "/openapi.json" Read, None => Other("application/json"), "This API as an OpenAPI document.";
    MCP: Post "/mcp" Read, None => Other("application/json"), "MCP over streamable HTTP; what a tool may do, the token's scope decides.";
    DOCS: Get "/docs" Read, None => Other("text/html; charset=utf-8"), "This API as a page.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_stands_once_in_the_table_and_reading_needs_no_more_than_read() {
        for (index, route) in ROUTES.iter().enumerate() {
            assert!(!ROUTES[index + 1..].iter().any(|other| (other.method, other.path) == (route.method, route.path)), "{route:?}");
            // What a tool does asks for its own scope.
            assert_eq!(route.method == Method::Get || *route == MCP, route.scope == Scope::Read, "{route:?}");
            assert!(route.request.is_none() || route.method != Method::Get);
        }
    }
}
