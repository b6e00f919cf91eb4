//! What goes in comes out, also after closing and opening again.

use ocmesh_proto::{
    At, Chain, Change, FailReason, Form, Handshake, HistoryEntry, Hop, HopState, Notice, OwnRecord, ParcelClass, PeerChange, PeerRecord,
    PeerRelays, PeerSource, PeerStatus, Peers, ReceiptsSent, RelayOrigin, RelayRecord, Resend, RouteReason, Status, Trust,
};

use super::*;
use crate::{Counts, MessageQuery, OutboxCounts, PeerQuery};

/// Text that breaks what is not careful: quotes, a NUL, two lines, characters beyond the basic plane, a direction mark.
const AWKWARD: &str = "it's \"ok\"; DROP TABLE peers;--\0\n\u{1f980}\u{202e}é\\";

fn full_peer() -> PeerRecord {
    PeerRecord {
        pubkey: peer_key(9),
        name: Some(AWKWARD.to_owned()),
        petname: Some("my friend".to_owned()),
        about: Some(AWKWARD.to_owned()),
        version: Some("0.3.0".to_owned()),
        features: vec!["messaging".to_owned(), AWKWARD.to_owned()],
        forms: vec![Form::Nip17, Form::Nip04],
        last_form: Some(Form::Nip44),
        work_asked: 16,
        status: PeerStatus::Busy,
        presence_relays: vec![relay(1), relay(2)],
        dm_relays: Some(PeerRelays { created_at: At(5), relays: vec![relay(3)] }),
        read_relays: Some(PeerRelays { created_at: At(6), relays: vec![] }),
        seen_on: vec![relay(4)],
        source: PeerSource::Message,
        first_seen: At(1),
        last_seen: At(2),
        presence_at: At(3),
        lease_until: At(4),
        handshake: Handshake::Sent { at: At(7), tries: 2 },
        trust: Trust::Trusted,
    }
}

#[test]
fn peers_come_back_whole_and_are_replaced_whole() {
    let home = Home::new();
    let mut store = home.open();
    let (plain, full) = (peer(1, NOW), full_peer());
    write(&mut store, &[put_peer(plain.clone()), put_peer(full.clone()), put_peer(peer(2, NOW)), Change::DropPeer(peer_key(2))]);
    store.close().unwrap();

    let mut store = home.open();
    assert_eq!(store.load().unwrap().peers, Peers::from_iter([plain.clone(), full.clone()]));
    assert_eq!(store.reader().peer(&full.pubkey).unwrap(), Some(full.clone()));
    assert_eq!(store.reader().peer(&peer_key(2)).unwrap(), None);

    for handshake in [Handshake::None, Handshake::Handshaked { at: At(8) }, Handshake::Unanswered { at: At(9) }] {
        let changed = PeerRecord { handshake, trust: Trust::Blocked, ..PeerRecord::new(full.pubkey, PeerSource::Added, At(10)) };
        write(&mut store, &[put_peer(changed.clone())]);
        assert_eq!(store.load().unwrap().peers, Peers::from_iter([plain.clone(), changed]));
    }
}

#[test]
fn messages_come_back_whole_and_an_existing_id_is_left_alone() {
    let home = Home::new();
    let mut store = home.open();
    let full = MessageRecord {
        content: AWKWARD.to_owned(),
        kind: "task".to_owned(),
        form: Form::Nip04,
        read_at: Some(At(3)),
        thread: id(77),
        reply_to: Some(id(78)),
        subject: Some(AWKWARD.to_owned()),
        chain: Some(Chain { id: id(79), hops: u32::MAX }),
        idempotency_key: Some(AWKWARD.to_owned()),
        held: true,
        urgent: true,
        receipts: ReceiptsSent { delivered: true, read: false },
        ..inbound(1, 9, NOW)
    };
    let empty = MessageRecord { content: String::new(), ..outbound(2, 10, NOW) };
    write(&mut store, &[put_peer(full_peer()), add(full.clone()), add(empty.clone())]);
    write(&mut store, &[add(MessageRecord { content: "other".to_owned(), ..full.clone() })]);
    store.close().unwrap();

    let store = home.open();
    let row = store.reader().message(&full.id).unwrap().unwrap();
    assert_eq!((row.record, row.peer_name.as_deref(), row.peer_trust), (full, Some("my friend"), Trust::Trusted));
    let row = store.reader().message(&empty.id).unwrap().unwrap();
    assert_eq!((row.record, row.peer_name, row.peer_trust), (empty, None, Trust::Unknown));
    assert_eq!(store.reader().message(&id(3)).unwrap(), None);
}

#[test]
fn a_strangers_absurd_date_is_kept_as_the_last_one_there_is() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(MessageRecord { written_at: At(u64::MAX), ..inbound(1, 1, NOW) })]);
    assert_eq!(store.reader().message(&id(1)).unwrap().unwrap().record.written_at, At(i64::MAX as u64));
}

#[test]
fn every_status_is_kept() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(outbound(1, 1, NOW))]);
    let reasons = [FailReason::Expired, FailReason::Refused, FailReason::Cancelled, FailReason::Blocked, FailReason::Unsealable];
    let mut statuses = vec![
        Status::Received,
        Status::Relayed { at: NOW, accepted: 1, of: 3 },
        Status::Delivered { at: NOW },
        Status::Read { at: NOW },
        Status::Queued,
    ];
    statuses.extend(reasons.map(|reason| Status::Failed { at: NOW, reason }));
    for status in statuses {
        write(&mut store, &[set_status(id(1), status.clone())]);
        assert_eq!(store.reader().message(&id(1)).unwrap().unwrap().record.status, status);
    }
}

#[test]
fn reading_receipts_and_release_change_only_what_they_name() {
    let home = Home::new();
    let mut store = home.open();
    let held = |n, peer| MessageRecord { held: true, ..inbound(n, peer, NOW) };
    write(&mut store, &[add(held(1, 1)), add(held(2, 2)), add(inbound(3, 1, NOW))]);
    let receipts = ReceiptsSent { delivered: true, read: true };
    write(
        &mut store,
        &[
            Change::ReleaseHeld(peer_key(1)),
            Change::SetRead { id: id(3), at: At(50) },
            Change::SetRead { id: id(3), at: At(60) },
            Change::SetReceipts { id: id(3), receipts },
        ],
    );
    let record = |n| store.reader().message(&id(n)).unwrap().unwrap().record;
    assert_eq!(record(1), inbound(1, 1, NOW));
    assert_eq!(record(2), held(2, 2));
    assert_eq!(record(3), MessageRecord { read_at: Some(At(50)), receipts, ..inbound(3, 1, NOW) });
}

#[test]
fn a_messages_history_comes_back_in_order() {
    let home = Home::new();
    let mut store = home.open();
    let relays = vec![relay(1)];
    let entries = vec![
        HistoryEntry::Queued { relays: relays.clone(), why: RouteReason::SeenOn },
        HistoryEntry::Sent { relay: relay(1) },
        HistoryEntry::Refused { relay: relay(1), said: AWKWARD.to_owned(), retry: true },
        HistoryEntry::Rerouted { relays: relays.clone(), why: RouteReason::OwnRelays },
        HistoryEntry::Resent { relays, why: RouteReason::DmRelayList },
        HistoryEntry::Accepted { relay: relay(1) },
        HistoryEntry::Rewrapped,
        HistoryEntry::Delivered,
        HistoryEntry::Read,
        HistoryEntry::Failed { reason: FailReason::Cancelled },
        HistoryEntry::Retried,
    ];
    write(&mut store, &[add(outbound(1, 1, NOW))]);
    let changes: Vec<Change> = entries.iter().map(|entry| Change::AddHistory { id: id(1), at: NOW, entry: entry.clone() }).collect();
    write(&mut store, &changes);
    let read = store.reader().history(&id(1)).unwrap();
    assert_eq!(read, entries.into_iter().map(|entry| (NOW, entry)).collect::<Vec<_>>());
    // A frame has no history to show.
    write(&mut store, &[Change::AddHistory { id: id(2), at: NOW, entry: HistoryEntry::Rewrapped }]);
    assert_eq!(store.reader().history(&id(2)).unwrap(), []);
}

#[test]
fn own_record_and_relays_come_back() {
    let home = Home::new();
    let mut store = home.open();
    assert_eq!(store.load().unwrap(), ocmesh_proto::Snapshot::default());
    let own = OwnRecord {
        name: Some(AWKWARD.to_owned()),
        about: Some(String::new()),
        features: Some(vec![]),
        status: Some(PeerStatus::Quiet),
        published_at: NOW,
        published_profile: Some("fingerprint".to_owned()),
        hellos_today: (20_000, 199),
    };
    let record = |n, origin, good_at| RelayRecord { url: relay(n), origin, good_at };
    let relays =
        [record(1, RelayOrigin::Config, None), record(2, RelayOrigin::Added, Some(NOW)), record(3, RelayOrigin::Removed, Some(At(0)))];
    write(&mut store, &[Change::PutOwn(Box::default()), Change::PutOwn(Box::new(own.clone()))]);
    write(&mut store, &[Change::PutRelay(Box::new(record(1, RelayOrigin::Added, Some(NOW))))]);
    write(&mut store, &relays.clone().map(|relay| Change::PutRelay(Box::new(relay))));
    store.close().unwrap();
    let snapshot = home.open().load().unwrap();
    assert_eq!(snapshot.own, own);
    assert_eq!(snapshot.relays, relays);
}

#[test]
fn the_outbox_comes_back_with_nothing_in_flight() {
    let home = Home::new();
    let mut store = home.open();
    let mut message = parcel(1, ParcelClass::Message, 11);
    let states = [
        HopState::Reserve,
        HopState::Waiting { tries: 3, next_at: NOW, last_error: Some(AWKWARD.to_owned()) },
        HopState::InFlight { tries: 4, since: NOW },
        HopState::Accepted { at: NOW },
        HopState::Refused { at: NOW, said: "blocked: no".to_owned() },
    ];
    message.resend = Some(Resend { count: 2, at: NOW.plus(1), seen: true, taken_at: NOW, taken_by: 3 });
    message.hops = states.map(|state| Hop { relay: relay(1), state }).to_vec();
    let copy = parcel(1, ParcelClass::OwnCopy, 12);
    let frame = parcel(2, ParcelClass::Frame, 13);
    write(&mut store, &[add(outbound(1, 1, NOW)), put_peer(peer(1, NOW))]);
    write(&mut store, &[put_parcel(message.clone()), put_parcel(copy.clone()), put_parcel(frame.clone())]);

    let page = store.reader().outbox(10, None).unwrap();
    assert_eq!(page.items.len(), 1, "copies and frames are not shown");
    let row = &page.items[0];
    assert_eq!((&row.parcel, &row.status, row.written_at), (&message, &Status::Queued, NOW.minus(1_000)));
    assert_eq!((row.peer_name.as_deref(), row.peer_trust), (Some("Peer 1"), Trust::Unknown));

    store.close().unwrap();
    message.hops[2].state = HopState::Waiting { tries: 4, next_at: At(0), last_error: None };
    assert_eq!(home.open().load().unwrap().parcels, [message, copy, frame]);
}

#[test]
fn notices_are_numbered_for_ever_and_come_back() {
    let home = Home::new();
    let mut store = home.open();
    let mut notices = vec![
        Notice::MessageArrived { id: id(1), from: peer_key(1), trust: Trust::Known, held: true },
        Notice::MessageMoved { id: id(1), status: Status::Relayed { at: NOW, accepted: 1, of: 2 } },
        Notice::MessageRead { id: id(1) },
        Notice::RelayChanged { relay: relay(1) },
        Notice::OwnChanged,
    ];
    use PeerChange::{Described, Discovered, Forgotten, Handshaked, Offline, Online, Refused, Trust as TrustChanged};
    for what in [Discovered, Handshaked, Online, Offline, TrustChanged, Refused, Described, Forgotten] {
        notices.push(Notice::PeerChanged { peer: peer_key(2), what });
    }
    assert_eq!(store.reader().newest_notice_seq().unwrap(), 0);
    store.begin().unwrap();
    let numbers: Vec<u64> = notices.iter().map(|notice| store.add_notice(NOW, notice).unwrap()).collect();
    store.commit().unwrap();
    assert_eq!(numbers, (1..=notices.len() as u64).collect::<Vec<_>>());

    let reader = store.reader();
    let read = reader.notices_since(0, 100).unwrap();
    assert_eq!(read.iter().map(|kept| kept.notice.clone()).collect::<Vec<_>>(), notices);
    assert!(read.iter().all(|kept| kept.at == NOW));
    assert_eq!(reader.notices_since(3, 2).unwrap().iter().map(|kept| kept.seq).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(reader.newest_notice_seq().unwrap(), notices.len() as u64);
}

#[test]
fn the_identity_is_kept_and_not_replaced_by_accident() {
    let home = Home::new();
    let mut store = home.open();
    assert!(store.identity().unwrap().is_none());
    store.put_identity(&[1; 32]).unwrap();
    store.put_identity(&[1; 32]).unwrap();
    assert!(matches!(store.put_identity(&[2; 32]), Err(crate::IdentityError::Different)));
    drop(store);
    let mut store = home.open();
    assert_eq!(*store.identity().unwrap().unwrap(), [1; 32]);
    store.replace_identity(&[2; 32]).unwrap();
    assert_eq!(*store.identity().unwrap().unwrap(), [2; 32]);
}

#[test]
fn counts_follow_every_change() {
    let home = Home::new();
    let mut store = home.open();
    let online = PeerRecord { status: PeerStatus::Online, lease_until: NOW.plus(1), ..peer(1, NOW) };
    let lapsed = PeerRecord { status: PeerStatus::Online, lease_until: NOW, ..peer(2, NOW) };
    let gone = PeerRecord { status: PeerStatus::Offline, lease_until: NOW.plus(1), ..peer(3, NOW) };
    write(&mut store, &[online, lapsed, gone, peer(4, NOW)].map(put_peer));
    write(&mut store, &[put_peer(peer(4, NOW)), Change::DropPeer(peer_key(4)), Change::DropPeer(peer_key(5))]);
    write(&mut store, &[add(inbound(1, 1, NOW)), add(inbound(1, 1, NOW)), add(inbound(2, 1, NOW)), add(outbound(3, 1, NOW))]);
    write(&mut store, &[add(MessageRecord { held: true, ..inbound(4, 2, NOW) })]);
    let reader = store.reader();
    let expected = Counts {
        peers: 3,
        unread: 2,
        messages: 4,
        held: 1,
        missing: 0,
        lost: 0,
        outbox: OutboxCounts { queued: 1, ..OutboxCounts::default() },
    };
    assert_eq!(reader.counts().unwrap(), expected);
    write(&mut store, &[Change::ReleaseHeld(peer_key(2)), Change::SetRead { id: id(1), at: NOW }, Change::SetRead { id: id(1), at: NOW }]);
    assert_eq!(reader.counts().unwrap(), Counts { held: 0, ..expected });
    let statuses = [
        (Status::Relayed { at: NOW, accepted: 1, of: 1 }, OutboxCounts { relayed: 1, ..OutboxCounts::default() }),
        (Status::Delivered { at: NOW }, OutboxCounts { delivered: 1, ..OutboxCounts::default() }),
        (Status::Read { at: NOW }, OutboxCounts { read: 1, ..OutboxCounts::default() }),
        (Status::Failed { at: NOW, reason: FailReason::Expired }, OutboxCounts { failed: 1, ..OutboxCounts::default() }),
    ];
    for (status, outbox) in statuses {
        write(&mut store, &[set_status(id(3), status)]);
        assert_eq!(reader.counts().unwrap(), Counts { held: 0, outbox, ..expected });
    }
    // The triggers agree with a walk over the tables.
    let all = reader.messages(&MessageQuery { include_held: true, ..MessageQuery::default() }).unwrap().items.len();
    assert_eq!(all as u64, reader.counts().unwrap().messages);
    assert_eq!(reader.peers(&PeerQuery::new(NOW)).unwrap().items.len() as u64, reader.counts().unwrap().peers);
}
