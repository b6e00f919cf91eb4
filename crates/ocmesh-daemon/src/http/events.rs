//! `GET /events`: server-sent events. What a slow or absent listener missed is read from the store; nothing piles up in memory for it.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{self, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use ocmesh_api::{ErrorCode, Event, GapEvent, LoopEvent, PeerEvent, ReceiptEvent, RelayEvent, ResyncEvent, StatusEvent};
use ocmesh_proto::{At, Direction, GapChange, Notice, RelayUrl, Status};
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};

use super::{Api, error::Fault, invites, messages::own, moment::write, query::NoQuery, row, status::health, store};
use crate::engine::NumberedNotice;

/// Between heartbeats: half of the shortest idle timeout in common use, 30 s.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A listener that lost its connection comes back after this: quick, and no storm.
const RETRY: Duration = Duration::from_secs(2);
/// Notices read from the store at once for a listener that resumes.
const CATCH_UP: usize = 200;

/// What happens, as it happens.
#[utoipa::path(get, path = "/events", params(("Last-Event-ID" = Option<u64>, Header, description = "go on after this event")),
    responses((status = 200, description = "a stream; the name of each event is its kind", body = Event, content_type = "text/event-stream")))]
pub(super) async fn stream_events(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Fault> {
    let after = last_event_id(&headers)?;
    let busy = |_| Fault::new(ErrorCode::Busy, "too many event streams are open").hint("close one, or poll GET /messages?wait=30");
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(busy)?;
    // Before the newest number is read, so that nothing falls between.
    let notices = api.parts.mesh.notices();
    let newest = store::read(&api, ocmesh_store::Reader::newest_notice_seq).await?;
    let last = after.map_or(newest, |after| after.min(newest));
    // A number from the future comes from another database: go on from now.
    let resync = after.is_some_and(|after| after > newest).then_some(Missed { reason: "unknown_id", count: None });
    let listener = Listener { api, notices, last, behind: last < newest, ready: VecDeque::new(), resync, _permit: permit };
    // With a number from the start: who loses the connection before the first event knows where to go on, too.
    let hello = sse::Event::default().retry(RETRY).comment("ocmesh").id(last.to_string());
    let events = stream::unfold((Some(hello), listener), |(hello, mut listener)| async move {
        let event = match hello {
            Some(hello) => hello,
            None => listener.next().await?,
        };
        Some((Ok(event), (None, listener)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| Fault::bad_request("Last-Event-ID is the number of an event"))
}

/// One stream.
struct Listener {
    api: Arc<Api>,
    notices: Receiver<Arc<NumberedNotice>>,
    /// The number of the last notice taken.
    last: u64,
    /// There is more in the store than what comes by itself.
    behind: bool,
    /// Notices to be shown next, at most [`CATCH_UP`].
    ready: VecDeque<(u64, At, Notice)>,
    /// To be said before anything else.
    resync: Option<Missed>,
    _permit: OwnedSemaphorePermit,
}

/// Events that cannot be told any more.
struct Missed {
    reason: &'static str,
    count: Option<u64>,
}

impl Listener {
    /// The next event; `None` ends the stream, when the daemon stops or the store cannot be read.
    async fn next(&mut self) -> Option<sse::Event> {
        let stop = self.api.parts.stop.clone();
        loop {
            if let Some(Missed { reason, count }) = self.resync.take() {
                let at = write(self.api.parts.clock.now());
                let event = Event::Resync(ResyncEvent { reason: reason.to_owned(), missed: count, at });
                return Some(sse::Event::default().id(self.last.to_string()).event(event.name()).data(event.data().ok()?));
            }
            while let Some((seq, at, notice)) = self.ready.pop_front() {
                self.last = seq;
                if let Some(event) = tell(&self.api, at, notice).await.ok()? {
                    return Some(sse::Event::default().id(seq.to_string()).event(event.name()).data(event.data().ok()?));
                }
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                heard = self.notices.recv() => match heard {
                    Ok(notice) if notice.seq > self.last => self.ready.push_back((notice.seq, notice.at, notice.notice.clone())),
                    Ok(_) => {} // Already read from the store.
                    Err(RecvError::Lagged(_)) => self.behind = true,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let last = self.last;
        let stored = store::read(&self.api, move |reader| reader.notices_since(last, CATCH_UP)).await.ok()?;
        self.behind = stored.len() >= CATCH_UP;
        // Numbers have no holes: those before the first one that is left were pruned.
        let before_first = stored.first().map_or(last, |first| first.seq.saturating_sub(1));
        if before_first > last {
            self.resync = Some(Missed { reason: "pruned", count: Some(before_first.saturating_sub(last)) });
            self.last = before_first;
        }
        self.ready.extend(stored.into_iter().map(|stored| (stored.seq, stored.at, stored.notice)));
        Some(())
    }
}

/// The event for a notice; `None` when what it is about is gone from the store.
async fn tell(api: &Api, at: At, notice: Notice) -> Result<Option<Event>, Fault> {
    let moment = write(at);
    Ok(match notice {
        Notice::MessageArrived { id, .. } => {
            let found = store::read(api, move |reader| reader.message(&id)).await?;
            found.map(|row| Event::Message(Box::new(row::message(row, &own(api)))))
        }
        Notice::MessageMoved { id, status } => {
            let reason = match &status {
                Status::Failed { reason, .. } => Some(reason.as_str().to_owned()),
                _ => None,
            };
            let status = status.as_str().to_owned();
            Some(Event::Receipt(ReceiptEvent {
                id: id.to_hex(),
                direction: Direction::Out.as_str().to_owned(),
                status,
                at: moment,
                reason,
            }))
        }
        Notice::MessageRead { id } => {
            let direction = Direction::In.as_str().to_owned();
            Some(Event::Receipt(ReceiptEvent { id: id.to_hex(), direction, status: "read".to_owned(), at: moment, reason: None }))
        }
        Notice::PeerChanged { peer, what } => {
            Some(Event::Peer(PeerEvent { pubkey: peer.to_hex(), change: what.as_str().to_owned(), at: moment }))
        }
        Notice::RelayChanged { relay } => {
            Some(Event::Relay(RelayEvent { state: relay_state(api, &relay), url: relay.to_string(), at: moment }))
        }
        Notice::GapChanged { peer, what, missing, lost } => {
            let gap = GapEvent { pubkey: peer.to_hex(), missing, lost, at: moment };
            Some(match what {
                GapChange::Found => Event::Gap(gap),
                GapChange::Healed => Event::GapHealed(gap),
                GapChange::Lost => Event::GapLost(gap),
                GapChange::Broken => Event::ChainBroken(gap),
            })
        }
        Notice::InviteChanged { id } => {
            let found = store::read(api, move |reader| reader.invite(id)).await?;
            found.map(|record| Event::Invite(Box::new(invites::show(record))))
        }
        Notice::LoopChanged { peer, what, until } => {
            let (pubkey, change) = (peer.to_hex(), what.as_str().to_owned());
            Some(Event::Loop(LoopEvent { pubkey, change, until: write(until), at: moment }))
        }
        Notice::OwnChanged => {
            let view = api.parts.mesh.view();
            let status = view.status.as_str().to_owned();
            Some(Event::Status(StatusEvent { state: health(&view), name: view.name.clone(), status, at: moment }))
        }
    })
}

fn relay_state(api: &Api, relay: &RelayUrl) -> String {
    let view = api.parts.mesh.view();
    view.relays.iter().find(|known| known.url == *relay).map_or_else(|| "gone".to_owned(), |known| known.state.clone())
}
