//! A typed client of the Local API: one method a call, one connection a call. It finds the daemon by `api.json` and prefers the Unix socket.

mod carry;
mod connection;
mod encode;
mod events;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    carry::{CarriedBody, CarriedRequest, CarriedResponse, Carry, Carrying},
    events::EventStream,
};
use self::{
    connection::{Answer, Ask, Line},
    encode::{Query, fill},
};
use crate::{
    AddPeerRequest, AddRelayRequest, ApiError, Done, DryRun, Endpoint, ErrorBody, Identity, IdentityPatch, Invite, InviteRequest,
    JoinRequest, Marked, Message, MessageDetail, MessagesQuery, NewInvite, OutboxEntry, OutboxQuery, Peer, PeerPatch, PeersQuery,
    ReadRequest, RelayStatus, Request, Route, SendRequest, Sent, StatusReport, WakeStatus, WakeTested, route,
};

/// Longest wait for an answer: a send waits for the disk, which may be slow on a busy laptop.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The daemon gives no target longer than this.
const WAKE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon runs for this home.
    #[error("the daemon is not running")]
    NotRunning,
    /// The daemon says why.
    #[error("the daemon refused the call")]
    Api(#[source] ApiError),
    /// The connection failed, or took too long.
    #[error("could not talk to the daemon")]
    Io(#[source] io::Error),
    /// The answer does not fit this version of the client.
    #[error("could not read the daemon's answer")]
    Decode(#[source] serde_json::Error),
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// The `cursor` of the next page, when there is one.
    pub next: Option<String>,
}

/// Talks to the daemon of one home. Cheap to clone; holds no connection and no token.
#[derive(Debug, Clone)]
pub struct Client {
    line: Line,
    token_file: Option<PathBuf>,
}

impl Client {
    /// Reads `api.json` in `home`. The bearer token, where the home has one, is read anew at every call.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when there is no `api.json`; otherwise it could not be read.
    pub fn from_home(home: &Path) -> Result<Self, ClientError> {
        let text = match std::fs::read(home.join("api.json")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ClientError::NotRunning),
            Err(error) => return Err(ClientError::Io(error)),
        };
        let endpoint = serde_json::from_slice(&text).map_err(ClientError::Decode)?;
        Ok(Self { line: Line::dialled(endpoint), token_file: Some(home.join("token")) })
    }

    /// Talks to a known place, without a token.
    #[must_use]
    pub const fn at(endpoint: Endpoint) -> Self {
        Self { line: Line::dialled(endpoint), token_file: None }
    }

    /// Talks to the daemon of this very process, which listens at `endpoint`, without a connection.
    #[must_use]
    pub fn through(carry: Arc<dyn Carry>, endpoint: Endpoint) -> Self {
        Self { line: Line::carried(endpoint, carry), token_file: None }
    }

    /// Where the daemon listens.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        self.line.endpoint()
    }

    /// `GET /status`, also when the daemon is degraded.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<StatusReport, ClientError> {
        let answer = self.answer(&route::STATUS, route::STATUS.path, None, ANSWER_TIMEOUT).await?;
        match decode::<StatusReport>(&answer) {
            Ok(report) => Ok(report),
            // 503 comes with the report when degraded, and with an error when stopping.
            Err(error) if answer.status == 200 => Err(error),
            Err(_) => Err(refusal(&answer)),
        }
    }

    /// `GET /peers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn peers(&self, query: &PeersQuery) -> Result<Page<Peer>, ClientError> {
        let mut line = Query::new(route::PEERS.path);
        line.add("online", query.online).add("q", query.q.as_deref()).add("feature", query.feature.as_deref());
        line.add("missing", query.missing).add("trust", query.trust.as_deref());
        line.add("limit", query.limit).add("cursor", query.cursor.as_deref());
        self.page(&route::PEERS, line, ANSWER_TIMEOUT).await
    }

    /// `POST /peers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_peer(&self, request: &AddPeerRequest) -> Result<Peer, ClientError> {
        self.call(&route::PEER_ADD, &[], Some(request)).await
    }

    /// `GET /peers/{pubkey}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn peer(&self, pubkey: &str) -> Result<Peer, ClientError> {
        self.call(&route::PEER, &[pubkey], NOTHING).await
    }

    /// `PATCH /peers/{pubkey}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_peer(&self, pubkey: &str, patch: &PeerPatch) -> Result<Peer, ClientError> {
        self.call(&route::PEER_CHANGE, &[pubkey], Some(patch)).await
    }

    /// `DELETE /peers/{pubkey}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn forget_peer(&self, pubkey: &str) -> Result<Done, ClientError> {
        self.call(&route::PEER_FORGET, &[pubkey], NOTHING).await
    }

    /// `GET /requests`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn requests(&self) -> Result<Vec<Request>, ClientError> {
        self.call(&route::REQUESTS, &[], NOTHING).await
    }

    /// `POST /requests/{pubkey}/accept`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn accept_request(&self, pubkey: &str) -> Result<Peer, ClientError> {
        self.call(&route::REQUEST_ACCEPT, &[pubkey], NOTHING).await
    }

    /// `DELETE /requests/{pubkey}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn refuse_request(&self, pubkey: &str) -> Result<Done, ClientError> {
        self.call(&route::REQUEST_REFUSE, &[pubkey], NOTHING).await
    }

    /// `GET /invites`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn invites(&self) -> Result<Vec<Invite>, ClientError> {
        self.call(&route::INVITES, &[], NOTHING).await
    }

    /// `POST /invites`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn invite(&self, request: &InviteRequest) -> Result<NewInvite, ClientError> {
        self.call(&route::INVITE_MAKE, &[], Some(request)).await
    }

    /// `DELETE /invites/{id}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_invite(&self, id: &str) -> Result<Done, ClientError> {
        self.call(&route::INVITE_REVOKE, &[id], NOTHING).await
    }

    /// `POST /join`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn join(&self, request: &JoinRequest) -> Result<Invite, ClientError> {
        self.call(&route::JOIN, &[], Some(request)).await
    }

    /// `GET /messages`; waits as long as `query.wait` says.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn messages(&self, query: &MessagesQuery) -> Result<Page<Message>, ClientError> {
        let mut line = Query::new(route::MESSAGES.path);
        line.add("unread", query.unread).add("from", query.from.as_deref()).add("thread", query.thread.as_deref());
        line.add("since", query.since.as_deref()).add("direction", query.direction.as_deref()).add("held", query.held);
        line.add("wait", query.wait).add("limit", query.limit).add("cursor", query.cursor.as_deref());
        let wait = Duration::from_secs(u64::from(query.wait.unwrap_or(0)));
        self.page(&route::MESSAGES, line, ANSWER_TIMEOUT.saturating_add(wait)).await
    }

    /// `GET /messages/{id}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn message(&self, id: &str) -> Result<MessageDetail, ClientError> {
        self.call(&route::MESSAGE, &[id], NOTHING).await
    }

    /// `POST /messages/read`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn mark_read(&self, request: &ReadRequest) -> Result<Marked, ClientError> {
        self.call(&route::MESSAGES_READ, &[], Some(request)).await
    }

    /// `POST /messages/{id}/read`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn mark_one_read(&self, id: &str) -> Result<Marked, ClientError> {
        self.call(&route::MESSAGE_READ, &[id], NOTHING).await
    }

    /// `POST /send`. Give an `idempotency_key` to be able to repeat the call after [`ClientError::Io`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(&self, request: &SendRequest) -> Result<Sent, ClientError> {
        let request = SendRequest { dry_run: false, ..request.clone() };
        self.call(&route::SEND, &[], Some(&request)).await
    }

    /// `POST /send` with `dry_run`: what would become of a message.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dry_run(&self, request: &SendRequest) -> Result<DryRun, ClientError> {
        let request = SendRequest { dry_run: true, ..request.clone() };
        self.call(&route::SEND, &[], Some(&request)).await
    }

    /// `GET /outbox`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn outbox(&self, query: &OutboxQuery) -> Result<Page<OutboxEntry>, ClientError> {
        let mut line = Query::new(route::OUTBOX.path);
        line.add("limit", query.limit).add("cursor", query.cursor.as_deref());
        self.page(&route::OUTBOX, line, ANSWER_TIMEOUT).await
    }

    /// `DELETE /outbox/{id}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel(&self, id: &str) -> Result<Done, ClientError> {
        self.call(&route::OUTBOX_CANCEL, &[id], NOTHING).await
    }

    /// `POST /outbox/{id}/retry`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn retry(&self, id: &str) -> Result<Done, ClientError> {
        self.call(&route::OUTBOX_RETRY, &[id], NOTHING).await
    }

    /// `GET /wake`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wakes(&self) -> Result<Vec<WakeStatus>, ClientError> {
        self.call(&route::WAKES, &[], NOTHING).await
    }

    /// `POST /wake/{id}/test`; takes as long as the target does.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn test_wake(&self, id: &str) -> Result<WakeTested, ClientError> {
        let timeout = ANSWER_TIMEOUT.saturating_add(WAKE_WAIT_MAX);
        let answer = self.answer(&route::WAKE_TEST, &fill(route::WAKE_TEST.path, &[id]), None, timeout).await?;
        if answer.status == 200 { decode(&answer) } else { Err(refusal(&answer)) }
    }

    /// `POST /wake/{id}/retry`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn retry_wake(&self, id: &str) -> Result<Done, ClientError> {
        self.call(&route::WAKE_RETRY, &[id], NOTHING).await
    }

    /// `GET /relays`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn relays(&self) -> Result<Vec<RelayStatus>, ClientError> {
        self.call(&route::RELAYS, &[], NOTHING).await
    }

    /// `POST /relays`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_relay(&self, url: &str) -> Result<Done, ClientError> {
        self.call(&route::RELAY_ADD, &[], Some(&AddRelayRequest { url: url.to_owned() })).await
    }

    /// `DELETE /relays/{url}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_relay(&self, url: &str) -> Result<Done, ClientError> {
        self.call(&route::RELAY_REMOVE, &[url], NOTHING).await
    }

    /// `GET /identity`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn identity(&self) -> Result<Identity, ClientError> {
        self.call(&route::IDENTITY, &[], NOTHING).await
    }

    /// `PATCH /identity`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_identity(&self, patch: &IdentityPatch) -> Result<Identity, ClientError> {
        self.call(&route::IDENTITY_CHANGE, &[], Some(patch)).await
    }

    /// `GET /health`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Done, ClientError> {
        self.call(&route::HEALTH, &[], NOTHING).await
    }

    /// `GET /events`, from now on, or after the event numbered `after`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, after: Option<u64>) -> Result<EventStream, ClientError> {
        let ask =
            Ask { method: route::EVENTS.method.as_str(), target: route::EVENTS.path.to_owned(), body: None, token: self.token()?, after };
        EventStream::open(&self.line, ask, ANSWER_TIMEOUT).await
    }

    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        route: &Route,
        parts: &[&str],
        body: Option<&B>,
    ) -> Result<T, ClientError> {
        let body = body.map(serde_json::to_vec).transpose().map_err(ClientError::Decode)?;
        let answer = self.answer(route, &fill(route.path, parts), body, ANSWER_TIMEOUT).await?;
        if answer.status == 200 { decode(&answer) } else { Err(refusal(&answer)) }
    }

    async fn page<T: DeserializeOwned>(&self, route: &Route, query: Query, timeout: Duration) -> Result<Page<T>, ClientError> {
        let answer = self.answer(route, &query.into_target(), None, timeout).await?;
        if answer.status == 200 { Ok(Page { items: decode(&answer)?, next: answer.next }) } else { Err(refusal(&answer)) }
    }

    async fn answer(&self, route: &Route, target: &str, body: Option<Vec<u8>>, timeout: Duration) -> Result<Answer, ClientError> {
        let ask = Ask { method: route.method.as_str(), target: target.to_owned(), body, token: self.token()?, after: None };
        connection::exchange(&self.line, ask, timeout).await
    }

    fn token(&self) -> Result<Option<String>, ClientError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(token) => Ok(Some(token.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClientError::Io(error)),
        }
    }
}

/// A call without a body.
const NOTHING: Option<&()> = None;

fn decode<T: DeserializeOwned>(answer: &Answer) -> Result<T, ClientError> {
    serde_json::from_slice(&answer.body).map_err(ClientError::Decode)
}

fn refusal(answer: &Answer) -> ClientError {
    match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(body) => ClientError::Api(body.error),
        Err(_) => ClientError::Io(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("answered {} without a reason: is it ocmesh?", answer.status),
        )),
    }
}
