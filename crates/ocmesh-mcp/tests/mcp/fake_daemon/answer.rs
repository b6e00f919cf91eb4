//! What the played daemon answers, call by call.

use ocmesh_api::{ApiError, ErrorBody, ErrorCode, Message, MessageDetail, Peer, SendRequest, Sent, StatusReport};
use serde_json::{Value, json};

use super::State;

/// Status, body, and the `Link` header.
pub(super) type Answer = (u16, Value, Option<String>);

/// Answers a call; nothing when the answer gets lost.
pub(super) fn answer(state: &mut State, method: &str, target: &str, body: &Value) -> Option<Answer> {
    if let Some(error) = state.refuse_once.take() {
        return Some((error.code.status(), json!(ErrorBody { error }), None));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["status"]) => good(json!(StatusReport { unread_count: unread(state).count() as u64, ..StatusReport::example() })),
        ("GET", ["peers"]) => {
            let wanted = parameter("q").unwrap_or_default().to_lowercase();
            let named = |peer: &&Peer| [&peer.name, &peer.petname].into_iter().flatten().any(|name| name.to_lowercase().contains(&wanted));
            let online = |peer: &&Peer| parameter("online").is_none_or(|online| online == peer.online.to_string());
            let trusted = |peer: &&Peer| parameter("trust").is_none_or(|trust| trust == peer.trust);
            let missing = |peer: &&Peer| parameter("missing") != Some("true") || peer.missing > 0 || peer.lost > 0;
            let called = |peer: &&Peer| wanted.is_empty() || named(peer);
            let found: Vec<&Peer> = state.peers.iter().filter(called).filter(online).filter(trusted).filter(missing).collect();
            page(state.page, "/peers", parameter("cursor"), &found)
        }
        ("POST", ["peers"]) => {
            let key = body["peer"].as_str().unwrap().to_owned();
            let peer = Peer { npub: key.clone(), trust: "known".to_owned(), name: None, source: "added".to_owned(), ..Peer::example() };
            state.added.push(key);
            state.peers.push(peer.clone());
            good(json!(peer))
        }
        ("GET", ["peers", key]) => match state.peers.iter().find(|peer| peer.pubkey == *key || peer.npub == *key) {
            Some(peer) => good(json!(peer)),
            None => refusal(ErrorCode::NotFound, "no such peer is known"),
        },
        ("PATCH", ["peers", key]) => {
            state.patches.push(((*key).to_owned(), body.clone()));
            let peer = state.peers.iter_mut().find(|peer| peer.pubkey == *key).unwrap();
            if let Some(trust) = body["trust"].as_str() {
                trust.clone_into(&mut peer.trust);
            }
            if let Some(petname) = body["petname"].as_str() {
                peer.petname = Some(petname.to_owned());
            }
            good(json!(peer))
        }
        ("GET", ["messages"]) => {
            let decoded = |text: &str| text.replace("%3A", ":");
            let wanted = |message: &&Message| {
                let direction = parameter("direction").unwrap_or("in");
                (direction == "any" || direction == message.direction)
                    && parameter("unread").is_none_or(|unread| unread != message.read.to_string())
                    && parameter("from").is_none_or(|from| from == message.from)
                    && parameter("thread").is_none_or(|thread| thread == message.thread)
                    && parameter("since").is_none_or(|since| message.stored_at >= decoded(since))
                    && (parameter("held") == Some("true") || !message.held)
            };
            let found: Vec<&Message> = state.messages.iter().filter(wanted).collect();
            page(state.page, "/messages", parameter("cursor"), &found)
        }
        ("POST", ["messages", "read"]) => {
            let ids: Vec<String> = serde_json::from_value(body["ids"].clone()).unwrap();
            let mut marked = 0;
            for message in state.messages.iter_mut().filter(|message| ids.contains(&message.id) && !message.read) {
                message.read = true;
                marked += 1;
            }
            state.marked.extend(ids);
            good(json!({"marked": marked}))
        }
        ("GET", ["messages", id]) => match state.messages.iter().find(|message| message.id == *id) {
            Some(message) => {
                let history = if message.direction == "out" { MessageDetail::example().history } else { Vec::new() };
                good(json!(MessageDetail { message: message.clone(), history, ..MessageDetail::example() }))
            }
            None => refusal(ErrorCode::NotFound, "no such message"),
        },
        ("POST", ["send"]) => send(state, body),
        _ => refusal(ErrorCode::NotFound, "no such call"),
    }
}

fn send(state: &mut State, body: &Value) -> Option<Answer> {
    let request: SendRequest = serde_json::from_value(body.clone()).unwrap();
    let Some(peer) =
        state.peers.iter().find(|peer| peer.npub == request.to || peer.pubkey == request.to || peer.name.as_ref() == Some(&request.to))
    else {
        return refusal(ErrorCode::PeerUnknown, &format!("no peer \"{}\" is known", request.to));
    };
    let sent = Sent { to: peer.pubkey.clone(), secrets: state.seen_in_sends.clone(), ..Sent::example() };
    let known = state.sent.iter().any(|old| old.idempotency_key == request.idempotency_key);
    if !known {
        let ours = Message {
            id: sent.id.clone(),
            from: StatusReport::example().pubkey,
            to: peer.pubkey.clone(),
            content: request.content.clone(),
            direction: "out".to_owned(),
            status: "queued".to_owned(),
            thread: sent.id.clone(),
            ..Message::example()
        };
        state.messages.insert(0, ours);
    }
    state.sent.push(request);
    if std::mem::take(&mut state.drop_send_once) {
        return None;
    }
    good(json!(sent))
}

fn unread(state: &State) -> impl Iterator<Item = &Message> {
    state.messages.iter().filter(|message| message.direction == "in" && !message.read)
}

#[expect(clippy::unnecessary_wraps, reason = "an answer can get lost")]
fn good(value: Value) -> Option<Answer> {
    Some((200, value, None))
}

#[expect(clippy::unnecessary_wraps, reason = "an answer can get lost")]
fn refusal(code: ErrorCode, message: &str) -> Option<Answer> {
    Some((code.status(), json!(ErrorBody { error: ApiError::new(code, message) }), None))
}

/// One page; the cursor is the number of entries before it.
fn page<T: serde::Serialize>(size: Option<usize>, path: &str, cursor: Option<&str>, found: &[&T]) -> Option<Answer> {
    let (start, size) = (cursor.map_or(0, |cursor| cursor.parse().unwrap()), size.unwrap_or(found.len()));
    let items: Vec<&&T> = found.iter().skip(start).take(size).collect();
    let end = start + items.len();
    let link = (end < found.len()).then(|| format!("<{path}?cursor={end}>; rel=\"next\""));
    Some((200, json!(items), link))
}
