//! Rows of the store and values of the mesh as the Local API shows them.

use std::sync::Arc;

use ocmesh_api::{HistoryLine, Hop, LooksLike, LoopStatus, Message, NameWarning, OutboxEntry, Peer, RelayStatus, Request};
use ocmesh_proto::{At, Direction, HistoryEntry, HopState, Lookalikes, LoopState, PeerRecord, PubKey, RelayUrl, Status};
use ocmesh_store::{GapCounts, MessageRow, OutboxRow, RequestRow};

use super::moment::write;
use crate::engine::RelayView;

/// Ourselves, as one side of every message.
pub(super) struct Own {
    pub(super) pubkey: PubKey,
    pub(super) name: String,
    /// The names that no peer's should look like.
    pub(super) lookalikes: Arc<Lookalikes>,
}

fn urls(relays: &[RelayUrl]) -> Vec<String> {
    relays.iter().map(ToString::to_string).collect()
}

fn name_warning(warning: ocmesh_proto::NameWarning) -> NameWarning {
    let looks_like =
        warning.looks_like.map(|like| LooksLike { pubkey: like.peer.to_hex(), npub: ocmesh_wire::npub(&like.peer), name: like.name });
    NameWarning { looks_like, mixed_scripts: warning.mixed_scripts }
}

pub(super) fn peer(record: PeerRecord, gaps: GapCounts, now: At, lookalikes: &Lookalikes) -> Peer {
    let warning = lookalikes.warning(&record.pubkey, record.name.as_deref(), record.petname.as_deref(), record.trust);
    let online = record.is_online(now);
    let listed = |list: Option<&ocmesh_proto::PeerRelays>| list.filter(|list| !list.relays.is_empty()).map(|list| urls(&list.relays));
    // In the order in which messages are routed.
    let relays = listed(record.dm_relays.as_ref())
        .or_else(|| (!record.presence_relays.is_empty()).then(|| urls(&record.presence_relays)))
        .or_else(|| listed(record.read_relays.as_ref()))
        .unwrap_or_default();
    Peer {
        pubkey: record.pubkey.to_hex(),
        npub: ocmesh_wire::npub(&record.pubkey),
        name: record.name,
        petname: record.petname,
        online,
        last_seen: write(record.last_seen),
        features: record.features,
        status: if online { record.status.as_str().to_owned() } else { "offline".to_owned() },
        handshake: record.handshake.as_str().to_owned(),
        trust: record.trust.as_str().to_owned(),
        first_seen: write(record.first_seen),
        work_asked: record.work_asked,
        dm: record.forms.iter().map(|form| form.as_str().to_owned()).collect(),
        relays,
        seen_on: urls(&record.seen_on),
        source: record.source.as_str().to_owned(),
        about: record.about,
        version: record.version,
        missing: gaps.missing,
        lost: gaps.lost,
        chain_breaks: gaps.breaks,
        name_warning: warning.map(name_warning),
        untrusted: true,
    }
}

pub(super) fn request(row: RequestRow, lookalikes: &Lookalikes) -> Request {
    let warning = lookalikes.warning(&row.peer, row.name.as_deref(), row.petname.as_deref(), row.trust);
    Request {
        pubkey: row.peer.to_hex(),
        npub: ocmesh_wire::npub(&row.peer),
        name: row.name,
        petname: row.petname,
        name_warning: warning.map(name_warning),
        messages: row.messages,
        size: row.bytes,
        since: write(row.since),
        untrusted: true,
    }
}

pub(super) fn message(row: MessageRow, own: &Own) -> Message {
    let record = row.record;
    let name = row.peer_name.as_deref().filter(|_| record.direction == Direction::In);
    let warning = own.lookalikes.warning(&record.peer, name, None, row.peer_trust);
    let (peer, ours) = (record.peer.to_hex(), own.pubkey.to_hex());
    let our_name = Some(own.name.clone()).filter(|name| !name.is_empty());
    let (from, from_name, to, to_name, read) = match record.direction {
        Direction::In => (peer, row.peer_name, ours, our_name, record.read_at.is_some()),
        Direction::Out => (ours, our_name, peer, row.peer_name, matches!(record.status, Status::Read { .. })),
    };
    let (status_at, accepted, total, fail_reason) = match record.status {
        Status::Received | Status::Queued => (record.stored_at, None, None, None),
        Status::Relayed { at, accepted, of } => (at, Some(accepted), Some(of), None),
        Status::Delivered { at } | Status::Read { at } => (at, None, None, None),
        Status::Failed { at, reason } => (at, None, None, Some(reason.as_str().to_owned())),
    };
    let size = u64::try_from(record.content.len()).unwrap_or(u64::MAX);
    Message {
        id: record.id.to_hex(),
        from,
        from_name,
        to,
        to_name,
        // A request shows who and how much, not what, until its owner accepts it.
        content: if record.held { String::new() } else { record.content },
        timestamp: write(record.written_at),
        read,
        kind: record.kind,
        thread: record.thread.to_hex(),
        reply_to: record.reply_to.map(|id| id.to_hex()),
        subject: record.subject.filter(|_| !record.held),
        trust: row.peer_trust.as_str().to_owned(),
        // Nothing is stored that `open` did not prove.
        verified: true,
        untrusted: true,
        encryption: record.form.as_str().to_owned(),
        direction: record.direction.as_str().to_owned(),
        status: record.status.as_str().to_owned(),
        status_at: Some(write(status_at)),
        relays_accepted: accepted,
        relays_total: total,
        fail_reason,
        stored_at: write(record.stored_at),
        read_at: record.read_at.map(write),
        hops: record.chain.map(|chain| chain.hops),
        held: record.held,
        urgent: record.urgent,
        missing_before: row.missing_before,
        size,
        name_warning: warning.map(name_warning),
    }
}

pub(super) fn history(at: At, entry: HistoryEntry) -> HistoryLine {
    let line = |what: &str| HistoryLine { at: write(at), what: what.to_owned(), ..HistoryLine::default() };
    let relay = |url: RelayUrl| Some(url.to_string());
    match entry {
        HistoryEntry::Queued { relays, why } => HistoryLine { relays: urls(&relays), why: Some(why.as_str().to_owned()), ..line("queued") },
        HistoryEntry::Rerouted { relays, why } => {
            HistoryLine { relays: urls(&relays), why: Some(why.as_str().to_owned()), ..line("rerouted") }
        }
        HistoryEntry::Sent { relay: url } => HistoryLine { relay: relay(url), ..line("sent") },
        HistoryEntry::Accepted { relay: url } => HistoryLine { relay: relay(url), ..line("accepted") },
        HistoryEntry::Refused { relay: url, said, retry } => {
            HistoryLine { relay: relay(url), said: Some(said), retry: Some(retry), ..line("refused") }
        }
        HistoryEntry::Resent { relays, why } => HistoryLine { relays: urls(&relays), why: Some(why.as_str().to_owned()), ..line("resent") },
        HistoryEntry::Rewrapped => line("rewrapped"),
        HistoryEntry::Delivered => line("delivered"),
        HistoryEntry::Read => line("read"),
        HistoryEntry::Failed { reason } => HistoryLine { why: Some(reason.as_str().to_owned()), ..line("failed") },
        HistoryEntry::Retried => line("retried"),
        HistoryEntry::AskedAgain => line("asked_again"),
        HistoryEntry::Worked { bits } => HistoryLine { why: Some(format!("{bits} bits")), ..line("worked") },
    }
}

fn hop(hop: ocmesh_proto::Hop) -> Hop {
    let plain =
        |state: &str| Hop { relay: hop.relay.to_string(), state: state.to_owned(), at: None, tries: None, next_try_at: None, said: None };
    match hop.state {
        HopState::Reserve => plain("reserve"),
        HopState::Waiting { tries, next_at, last_error } => {
            Hop { tries: Some(tries), next_try_at: Some(write(next_at)), said: last_error, ..plain("waiting") }
        }
        HopState::InFlight { tries, since } => Hop { tries: Some(tries), at: Some(write(since)), ..plain("in_flight") },
        HopState::Accepted { at } => Hop { at: Some(write(at)), ..plain("accepted") },
        HopState::Refused { at, said } => Hop { at: Some(write(at)), said: Some(said), ..plain("refused") },
    }
}

pub(super) fn outbox(row: OutboxRow) -> OutboxEntry {
    let parcel = row.parcel;
    let mut next_try_at = None;
    let mut last_error = None;
    for hop in &parcel.hops {
        match &hop.state {
            HopState::Waiting { next_at, last_error: said, .. } => {
                next_try_at = Some(next_try_at.map_or(*next_at, |earlier: At| earlier.min(*next_at)));
                last_error = said.clone().or(last_error);
            }
            HopState::Refused { said, .. } => last_error = last_error.or_else(|| Some(said.clone())),
            HopState::Reserve | HopState::InFlight { .. } | HopState::Accepted { .. } => {}
        }
    }
    OutboxEntry {
        id: parcel.message.to_hex(),
        to: parcel.to.to_hex(),
        to_name: row.peer_name,
        timestamp: write(row.written_at),
        status: row.status.as_str().to_owned(),
        encryption: parcel.form.as_str().to_owned(),
        expires_at: write(parcel.expires_at),
        next_try_at: next_try_at.map(write),
        last_error,
        route_reason: parcel.why.as_str().to_owned(),
        route: parcel.hops.into_iter().map(hop).collect(),
    }
}

pub(super) fn relay(view: &RelayView) -> RelayStatus {
    RelayStatus {
        url: view.url.to_string(),
        own: view.own,
        origin: view.origin.to_owned(),
        state: view.state.clone(),
        since: write(view.since),
        last_error: view.last_error.clone(),
        latency_ms: view.latency_ms,
        inbox: view.is_inbox,
        caught_up_at: view.good_at.map(write),
        note: view.note.clone().or_else(|| view.cut_at.map(cut_note)),
    }
}

/// What an owner should know of a relay that answers with less than it has.
fn cut_note(at: At) -> String {
    format!("it may hold more messages dated {} than it shows in one answer; the other relays may have them", write(at))
}

/// A loop that was stopped, as it stands now.
pub(super) fn loop_status(state: &LoopState, now: At) -> LoopStatus {
    LoopStatus {
        pubkey: state.peer.to_hex(),
        state: if state.until > now { "open" } else { "half_open" }.to_owned(),
        own_turns: state.own_turns.into(),
        turns: state.turns.into(),
        trips: state.trips.into(),
        since: write(state.since),
        until: write(state.until),
    }
}
