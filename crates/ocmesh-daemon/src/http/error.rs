//! The one place where a domain error becomes an HTTP status, a code and a hint. What is internal goes to the log, not to the caller.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ocmesh_api::{ApiError, ErrorBody, ErrorCode};
use ocmesh_proto::{InviteState, Refusal, label, time::SECOND};
use ocmesh_store::ReadError;

use super::body::Json;
use crate::engine::AskError;

/// Longest piece of a caller's own words repeated in an error.
const ECHO_CHARS_MAX: usize = 80;

/// An answer that is not a success, and in how many seconds it may be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(ApiError, Option<u64>);

impl Fault {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message), None)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.with_hint(hint), self.1)
    }

    /// Later it may be another answer.
    fn wait(code: ErrorCode, why: &Refusal, ms: u64) -> Self {
        Self(ApiError::new(code, why.to_string()), Some(ms.div_ceil(SECOND)))
    }

    /// Some or all of the database is not what was written.
    fn damaged() -> Self {
        Self::new(ErrorCode::StoreFailing, "the database is damaged")
            .hint("stop the daemon; `ocmesh doctor` looks closer, `ocmesh identity restore` begins a new database and keeps this one")
    }

    /// Where the path names the peer, an unknown one is "not found" rather than a bad recipient.
    pub(super) fn in_path(self) -> Self {
        if self.0.code == ErrorCode::PeerUnknown {
            let hint = self.0.hint;
            return Self::not_found(self.0.message).hint(hint);
        }
        self
    }
}

/// A piece of the caller's words, fit for an error message.
pub(super) fn echo(text: &str) -> String {
    label::clean(text, ECHO_CHARS_MAX).unwrap_or_default()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (code, wait_s) = (self.0.code, self.1);
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(ErrorBody { error: self.0 })).into_response();
        if let Some(wait_s) = wait_s {
            response.headers_mut().insert(header::RETRY_AFTER, wait_s.into());
        }
        match code {
            ErrorCode::Unauthorized => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ocmesh\""));
            }
            ErrorCode::Busy | ErrorCode::RateLimited => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The engine tries again after 1 s, then after longer pauses.
            ErrorCode::StoreFailing => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotAKey(text) => Self::new(ErrorCode::InvalidPubkey, format!("\"{}\" is not a public key", echo(&text))),
            AskError::ParentUnknown(id) => Self::new(ErrorCode::ReplyToUnknown, format!("no message {id} to reply to")),
            AskError::NoRandom => Self::new(ErrorCode::Internal, "the system gives no randomness"),
            AskError::Refused(refusal) => refusal.into(),
            AskError::DiskFull => Self::new(ErrorCode::DiskFull, "the disk is full"),
            AskError::Store(why) => {
                // The engine has said it in the log, once.
                tracing::debug!(%why, "the store cannot write");
                Self::new(ErrorCode::StoreFailing, "the store cannot write")
            }
            AskError::Damaged => Self::damaged(),
            AskError::Locked => Self::new(ErrorCode::Busy, "another program holds the database"),
            AskError::Busy => Self::new(ErrorCode::Busy, "too many requests are waiting"),
            AskError::Stopping => Self::new(ErrorCode::Stopping, "the daemon is stopping"),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::PeerUnknown(peer) => return Self::new(ErrorCode::PeerUnknown, format!("no peer \"{}\" is known", echo(peer))),
            Refusal::NameAmbiguous { name, count } => {
                return Self::new(ErrorCode::NameAmbiguous, format!("{count} peers are called \"{}\"", echo(name)));
            }
            Refusal::NameLooksLike { name, like } => {
                let (name, like) = (echo(name), echo(like));
                let message = format!("the agent that calls itself \"{name}\" looks like \"{like}\", whom you know, and is somebody else");
                return Self::new(ErrorCode::NameAmbiguous, message).hint("use the npub of the one you mean; GET /peers shows it");
            }
            Refusal::MessageUnknown | Refusal::RelayUnknown | Refusal::InviteUnknown | Refusal::WakeTargetUnknown(_) => ErrorCode::NotFound,
            Refusal::InviteLife => ErrorCode::BadRequest,
            Refusal::OwnInvite => ErrorCode::OwnInvite,
            Refusal::InvitesFull(_) => ErrorCode::InvitesFull,
            Refusal::InviteClosed(state) => return closed_invite(*state),
            Refusal::Ourselves => ErrorCode::OwnKey,
            Refusal::PeerBlocked => ErrorCode::PeerBlocked,
            Refusal::ContentEmpty => ErrorCode::ContentEmpty,
            Refusal::ContentTooLong { .. } => ErrorCode::ContentTooLong,
            Refusal::IdempotencyConflict => ErrorCode::IdempotencyConflict,
            Refusal::OutboxFull(_) => ErrorCode::OutboxFull,
            Refusal::Unsealable(_) => ErrorCode::Unsealable,
            Refusal::MessageFinal(_) => ErrorCode::MessageFinal,
            Refusal::RelayKnown => ErrorCode::RelayKnown,
            Refusal::RelaysFull(_) => ErrorCode::RelaysFull,
            Refusal::LooksLikeSecret(_) => ErrorCode::LooksLikeSecret,
            Refusal::LoopSuspected { wait_ms, .. } => return Self::wait(ErrorCode::LoopSuspected, &refusal, *wait_ms),
            Refusal::TooManySends { wait_ms, .. } => return Self::wait(ErrorCode::TooManySends, &refusal, *wait_ms),
            Refusal::Stopping => ErrorCode::Stopping,
        };
        Self::new(code, refusal.to_string())
    }
}

fn closed_invite(state: InviteState) -> Fault {
    let (code, message) = match state {
        InviteState::Used | InviteState::Joined | InviteState::Open => (ErrorCode::InviteUsed, "somebody else has used this invite"),
        InviteState::Expired => (ErrorCode::InviteExpired, "the time of this invite is over"),
        InviteState::Revoked => (ErrorCode::InviteRevoked, "this invite was taken back"),
    };
    Fault::new(code, message)
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        if matches!(error, ReadError::Busy) {
            return Self::new(ErrorCode::Busy, "the store is busy");
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the store cannot be read");
        if error.is_damage() {
            return Self::damaged();
        }
        Self::new(ErrorCode::StoreFailing, "the store cannot be read")
    }
}
