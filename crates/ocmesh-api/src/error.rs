//! Errors of the Local API: one code per reason, each with its HTTP status and a default hint.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(ErrorBody::example()))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ApiError,
}

impl ErrorBody {
    /// A sample for the documentation.
    #[must_use]
    pub fn example() -> Self {
        Self { error: ApiError::new(ErrorCode::PeerUnknown, "no peer \"ada\" is known") }
    }
}

/// What went wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what went wrong.
    pub message: String,
    /// For people: what to do.
    pub hint: String,
}

impl ApiError {
    /// An error with the default hint of its code.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: code.hint().to_owned() }
    }

    /// The same error with another hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $hint:literal;)*) => {
        /// Why a call was not done. The text never changes between versions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code that this version of the client does not know.
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// Every code a daemon of this version can answer with.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as it stands in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Unknown => "unknown" }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* Self::Unknown => 500 }
            }

            /// What to do about it, unless the error says something better.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* Self::Unknown => "update the client" }
            }
        }
    };
}

codes! {
    /// The request is not understood.
    BadRequest = "bad_request", 400, "see /docs for the calls and their fields";
    /// The text is neither a key nor a name.
    InvalidPubkey = "invalid_pubkey", 400, "give 64 hex digits, an npub, an nprofile, or the name of a known peer";
    /// No such peer to send to.
    PeerUnknown = "peer_unknown", 400, "ocmesh peer add <npub>";
    /// More than one peer of that name.
    NameAmbiguous = "name_ambiguous", 400, "use the npub, or give one of them a petname: ocmesh peer name <npub> <petname>";
    /// That is our own key.
    OwnKey = "own_key", 400, "name another agent";
    /// The parent message is not in the store.
    ReplyToUnknown = "reply_to_unknown", 400, "take the id from GET /messages, or leave reply_to out";
    /// The text is not the code of an invite, or it has a typing mistake.
    InvalidInvite = "invalid_invite", 400, "copy the whole code, or ask for a new one";
    /// The code of another version.
    InviteVersion = "invite_version", 400, "update the older of the two ocmesh";
    /// Our own invite.
    OwnInvite = "own_invite", 400, "give the code to somebody else: ocmesh join runs at the other end";
    /// Not the address of a relay.
    InvalidRelay = "invalid_relay", 400, "a relay address looks like wss://relay.example.com";
    /// A token is needed, or it is wrong.
    Unauthorized = "unauthorized", 401, "send \"Authorization: Bearer\" with the content of the file named token in the ocmesh home, or with a token made by: ocmesh token new";
    /// The guard refuses who is asking, or how.
    Forbidden = "forbidden", 403, "call from a program of the same user, at a loopback name with the daemon's port, not from a web page";
    /// The token is good, and not for this.
    ScopeMissing = "scope_missing", 403, "ask the owner for a token that may do more: ocmesh token new <name> --scope send (or admin)";
    /// The peer is blocked.
    PeerBlocked = "peer_blocked", 403, "ocmesh peer trust <peer> known";
    /// Nothing of that name.
    NotFound = "not_found", 404, "see /docs for the calls";
    /// That path has other methods.
    MethodNotAllowed = "method_not_allowed", 405, "the Allow header names the methods";
    /// The request took too long to arrive.
    RequestTimeout = "request_timeout", 408, "send the whole request at once";
    /// An idempotency key was used for something else.
    IdempotencyConflict = "idempotency_conflict", 409, "use a new idempotency_key for a new message";
    /// The message is past changing.
    MessageFinal = "message_final", 409, "GET /messages/{id} shows where it stands";
    /// The relay is already there.
    RelayKnown = "relay_known", 409, "GET /relays lists them";
    /// Somebody else used the invite.
    InviteUsed = "invite_used", 409, "an invite serves one; ask for a new one";
    /// Too many open invites.
    InvitesFull = "invites_full", 409, "revoke one (ocmesh invite list, ocmesh invite revoke), or wait until one expires";
    /// Too many relays.
    RelaysFull = "relays_full", 409, "remove a relay first";
    /// The invite's time is over.
    InviteExpired = "invite_expired", 410, "ask for a new one";
    /// The inviter took the invite back.
    InviteRevoked = "invite_revoked", 410, "ask for a new one";
    /// The text is too long.
    ContentTooLong = "content_too_long", 413, "split it into several messages, or send a link";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", 413, "a body has at most 1 MiB";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "send Content-Type: application/json";
    /// Nothing to send.
    ContentEmpty = "content_empty", 422, "write something";
    /// The message could not be encrypted.
    Unsealable = "unsealable", 422, "check the recipient's key";
    /// Too many requests.
    RateLimited = "rate_limited", 429, "wait as long as the Retry-After header says, then call more slowly";
    /// The message looks as if it held a secret.
    LooksLikeSecret = "looks_like_secret", 422, "leave it out, or ask your owner: who means it sends it with `ocmesh send --allow-secret`";
    /// Agents answer each other without end.
    LoopSuspected = "loop_suspected", 429, "leave it at that, or ask your owner: what the owner sends with `ocmesh send` at a terminal always goes";
    /// An agent wrote to this peer as often as it may.
    TooManySends = "too_many_sends", 429, "say more in fewer messages, or ask your owner; send.per_hour sets how many";
    /// A fault of ours.
    Internal = "internal", 500, "look into the log (ocmesh logs), and report it";
    /// The outbox holds as much as it may.
    OutboxFull = "outbox_full", 503, "see GET /outbox for what is waiting, and why";
    /// The store cannot write.
    StoreFailing = "store_failing", 503, "run ocmesh doctor";
    /// Too many questions wait.
    Busy = "busy", 503, "try again in a second";
    /// The daemon is stopping.
    Stopping = "stopping", 503, "start it again: ocmesh service start";
    /// The disk is full.
    DiskFull = "disk_full", 507, "make room on the disk, then send again";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_spelling_a_status_and_a_hint() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert!(!code.hint().is_empty());
        }
    }

    #[test]
    fn a_code_from_the_future_is_still_an_error() {
        let body: ErrorBody = serde_json::from_str(r#"{"error":{"code":"moon_phase","message":"m","hint":"h"}}"#).unwrap();
        assert_eq!(body.error.code, ErrorCode::Unknown);
    }
}
