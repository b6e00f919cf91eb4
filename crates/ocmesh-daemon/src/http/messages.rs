//! `GET /messages` with its long poll, `GET /messages/{id}`, and acknowledging messages.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use ocmesh_api::{Marked, Message, MessageDetail, MessagesQuery, READ_IDS_MAX, ReadRequest, WAIT_SECONDS_MAX};
use ocmesh_proto::{Direction, MessageId, Notice, PeerChange};
use ocmesh_store::{MessageQuery, MessageRow, Page};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError, error::TryRecvError},
    time::{Instant, timeout_at},
};

use super::{
    Api,
    body::{Json, JsonBody, PathPart},
    error::Fault,
    key,
    peers::unexpected,
    query::{NoQuery, Params, page},
    route,
    row::{self, Own},
    store,
};
use crate::engine::{Ask, NumberedNotice, Told};

/// Ourselves, as messages name us.
pub(super) fn own(api: &Api) -> Own {
    let view = api.parts.mesh.view();
    Own { pubkey: api.parts.pubkey, name: view.name.clone(), lookalikes: Arc::clone(&view.lookalikes) }
}

/// Messages, newest first.
#[utoipa::path(get, path = "/messages", params(MessagesQuery), responses((status = 200, description = "newest first", body = [Message])))]
pub(super) async fn list_messages(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let known = ["unread", "from", "thread", "since", "direction", "held", "wait", "limit", "cursor"];
    let params = Params::read(query.as_deref(), &known)?;
    let direction = params.word("direction", "in, out, any", |word| match word {
        "any" => Some(None),
        word => Direction::parse(word).map(Some),
    })?;
    let wanted = MessageQuery {
        unread: params.flag("unread")?,
        from: params.pubkey("from")?,
        thread: params.id("thread")?,
        since: params.moment("since")?,
        direction: direction.unwrap_or(Some(Direction::In)),
        include_held: params.flag("held")?.unwrap_or(false),
        limit: params.limit()?,
        before: params.cursor()?,
    };
    let wait = params.number("wait", 0, WAIT_SECONDS_MAX)?.unwrap_or(0);
    let found = find(&api, wanted, Duration::from_secs(wait.into())).await?;
    let own = own(&api);
    Ok(page(&params, "/messages", found, |row| row::message(row, &own)))
}

/// Asks the store; while there is nothing, asks again after each notice that may have changed that.
async fn find(api: &Api, wanted: MessageQuery, wait: Duration) -> Result<Page<MessageRow>, Fault> {
    let deadline = Instant::now().checked_add(wait).unwrap_or_else(Instant::now);
    // Before the first look, so that nothing falls between the look and the wait.
    let mut notices = api.parts.mesh.notices();
    loop {
        let question = wanted.clone();
        let found = store::read(api, move |reader| reader.messages(&question)).await?;
        if !found.items.is_empty() || wait.is_zero() {
            return Ok(found);
        }
        tokio::select! {
            heard = timeout_at(deadline, something_new(&mut notices)) => match heard {
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(found),
            },
            () = api.parts.stop.cancelled() => return Ok(found),
        }
    }
}

/// Waits for a notice about messages; swallows those that came meanwhile, as one look answers them all. False when no more will come.
async fn something_new(notices: &mut Receiver<Arc<NumberedNotice>>) -> bool {
    loop {
        let heard = match notices.recv().await {
            Ok(notice) => is_about_messages(&notice.notice),
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return false,
        };
        if heard {
            while !matches!(notices.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
            return true;
        }
    }
}

const fn is_about_messages(notice: &Notice) -> bool {
    match notice {
        Notice::MessageArrived { .. } | Notice::MessageMoved { .. } | Notice::MessageRead { .. } => true,
        // Accepting a peer shows what was held.
        Notice::PeerChanged { what, .. } => matches!(what, PeerChange::Trust),
        Notice::RelayChanged { .. }
        | Notice::GapChanged { .. }
        | Notice::InviteChanged { .. }
        | Notice::LoopChanged { .. }
        | Notice::OwnChanged => false,
    }
}

/// One message with its delivery history.
#[utoipa::path(get, path = "/messages/{id}", params(("id" = String, Path, description = "message id")),
    responses((status = 200, description = "the message", body = MessageDetail)))]
pub(super) async fn get_message(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<MessageDetail>, Fault> {
    let id = key::message_id(&id)?;
    let found = store::read(&api, move |reader| reader.message_and_history(&id)).await?;
    let (row, history) = found.ok_or_else(|| no_message(id))?;
    let (route_reason, route) = route::so_far(&history);
    let history = history.into_iter().map(|(at, entry)| row::history(at, entry)).collect();
    Ok(Json(MessageDetail { message: row::message(row, &own(&api)), history, route_reason, route }))
}

fn no_message(id: MessageId) -> Fault {
    Fault::not_found(format!("there is no message {id}")).hint("GET /messages?direction=any lists them")
}

/// Acknowledge messages.
#[utoipa::path(post, path = "/messages/read", request_body = ReadRequest, responses((status = 200, description = "how many were new", body = Marked)))]
pub(super) async fn mark_messages_read(
    State(api): State<Arc<Api>>,
    _: NoQuery,
    JsonBody(request): JsonBody<ReadRequest>,
) -> Result<Json<Marked>, Fault> {
    match request {
        ReadRequest { ids: Some(ids), all: None | Some(false) } => {
            if ids.len() > READ_IDS_MAX {
                return Err(Fault::bad_request(format!("at most {READ_IDS_MAX} ids")));
            }
            let ids = ids.iter().map(|id| key::message_id(id)).collect::<Result<Vec<_>, _>>()?;
            mark(&api, Ask::MarkRead(ids)).await
        }
        ReadRequest { ids: None, all: Some(true) } => mark(&api, Ask::MarkAllRead).await,
        _ => Err(Fault::bad_request("give either ids, or all as true")),
    }
}

/// Acknowledge one message.
#[utoipa::path(post, path = "/messages/{id}/read", params(("id" = String, Path, description = "message id")),
    responses((status = 200, description = "1, or 0 when it was read already", body = Marked)))]
pub(super) async fn mark_message_read(State(api): State<Arc<Api>>, PathPart(id): PathPart, _: NoQuery) -> Result<Json<Marked>, Fault> {
    let id = key::message_id(&id)?;
    let found = store::read(&api, move |reader| reader.message(&id)).await?;
    found.filter(|row| row.record.direction == Direction::In).ok_or_else(|| no_message(id))?;
    mark(&api, Ask::MarkRead(vec![id])).await
}

async fn mark(api: &Api, question: Ask) -> Result<Json<Marked>, Fault> {
    match api.parts.mesh.ask(question).await? {
        Told::Marked(marked) => Ok(Json(Marked { marked })),
        told => Err(unexpected(&told)),
    }
}
