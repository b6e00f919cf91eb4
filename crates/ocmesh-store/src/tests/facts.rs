//! Facts that the core asks for, and what the outbox keeps for a retry.

use ocmesh_proto::{At, Chain, Change, Direction, EarlierSend, InboundFacts, ParentFacts, StoredFacts};

use super::*;

#[test]
fn seen_is_what_was_marked_or_stored() {
    let home = Home::new();
    let mut store = home.open();
    assert!(!store.is_seen(&id(1)).unwrap());
    write(&mut store, &[add(inbound(1, 1, NOW)), Change::AddSeen { id: id(2), at: NOW }, Change::AddSeen { id: id(2), at: NOW }]);
    assert!(store.is_seen(&id(1)).unwrap() && store.is_seen(&id(2)).unwrap());
    assert!(!store.is_seen(&id(3)).unwrap());
}

fn parent(number: u64, thread: u64, chain: Option<Chain>, direction: Direction) -> ParentFacts {
    ParentFacts { id: id(number), thread: id(thread), chain, direction, stored_at: NOW }
}

#[test]
fn the_turns_of_the_last_hour_come_back_in_order() {
    let home = Home::new();
    let mut store = home.open();
    let chain = |hops| Some(Chain { id: id(8), hops });
    let at = |ms: u64| NOW.plus(ms);
    write(
        &mut store,
        &[
            add(MessageRecord { chain: chain(0), stored_at: at(0), ..outbound(1, 1, NOW) }),
            add(MessageRecord { chain: chain(1), stored_at: at(3_600_000), ..inbound(2, 1, NOW) }),
            add(MessageRecord { chain: None, stored_at: at(3_600_001), ..inbound(3, 1, NOW) }),
            add(MessageRecord { chain: chain(1), stored_at: at(3_600_002), held: true, ..inbound(4, 2, NOW) }),
            add(MessageRecord { chain: chain(2), stored_at: at(3_700_000), ..outbound(5, 1, NOW) }),
        ],
    );
    let turns = store.load().unwrap().turns;
    let shown: Vec<_> = turns.iter().map(|turn| (turn.direction, turn.chain.hops, turn.at)).collect();
    assert_eq!(shown, [(Direction::In, 1, at(3_600_000)), (Direction::Out, 2, at(3_700_000))]);
}

#[test]
fn a_parent_gives_its_thread_and_chain() {
    let home = Home::new();
    let mut store = home.open();
    let chain = Some(Chain { id: id(8), hops: 3 });
    write(&mut store, &[add(MessageRecord { thread: id(9), chain, ..inbound(1, 1, NOW) }), add(outbound(2, 1, NOW))]);
    assert_eq!(store.parent_facts(&id(1)).unwrap(), Some(parent(1, 9, chain, Direction::In)));
    assert_eq!(store.parent_facts(&id(2)).unwrap(), Some(parent(2, 2, None, Direction::Out)));
    assert_eq!(store.parent_facts(&id(3)).unwrap(), None);
    assert_eq!(store.thread_of(&id(1)).unwrap().map(|(thread, _)| thread), Some(id(9)));
    assert_eq!(store.thread_of(&id(3)).unwrap(), None);
}

fn ids(facts: &[InboundFacts]) -> Vec<MessageId> {
    facts.iter().map(|facts| facts.id).collect()
}

#[test]
fn inbound_facts_leave_out_unknown_ids_and_our_own_messages() {
    let home = Home::new();
    let mut store = home.open();
    let receipts = ReceiptsSent { delivered: true, read: false };
    let record = MessageRecord { read_at: Some(NOW), form: Form::Nip44, receipts, ..inbound(1, 7, NOW) };
    write(&mut store, &[add(record), add(outbound(2, 7, NOW))]);
    let facts = store.inbound_facts(&[id(2), id(1), id(3)]).unwrap();
    assert_eq!(facts, [InboundFacts { id: id(1), from: peer_key(7), form: Form::Nip44, is_read: true, receipts }]);
}

#[test]
fn unread_facts_are_the_newest_that_the_agent_may_see() {
    let home = Home::new();
    let mut store = home.open();
    let at = |n| NOW.plus(n);
    write(
        &mut store,
        &[
            add(inbound(1, 1, at(1))),
            add(inbound(3, 1, at(3))),
            add(inbound(2, 1, at(2))),
            add(MessageRecord { read_at: Some(NOW), ..inbound(4, 1, at(4)) }),
            add(MessageRecord { held: true, ..inbound(5, 1, at(5)) }),
            add(outbound(6, 1, at(6))),
        ],
    );
    assert_eq!(ids(&store.unread_facts(10).unwrap()), [id(3), id(2), id(1)]);
    assert_eq!(ids(&store.unread_facts(2).unwrap()), [id(3), id(2)]);
}

#[test]
fn unreceipted_facts_are_those_that_lack_the_receipt_due() {
    let home = Home::new();
    let mut store = home.open();
    let with = |n: u64, delivered, read, read_at: Option<At>| {
        add(MessageRecord { receipts: ReceiptsSent { delivered, read }, read_at, ..inbound(n, 1, NOW.plus(n)) })
    };
    write(
        &mut store,
        &[
            with(1, false, false, None),
            with(2, true, false, None),
            with(3, true, false, Some(NOW)),
            with(4, true, true, Some(NOW)),
            add(MessageRecord { held: true, ..inbound(5, 1, NOW.plus(5)) }),
            add(inbound(6, 2, NOW)),
            add(outbound(7, 1, NOW)),
        ],
    );
    assert_eq!(ids(&store.unreceipted_facts(&peer_key(1), 10).unwrap()), [id(5), id(3), id(1)]);
    assert_eq!(ids(&store.unreceipted_facts(&peer_key(1), 1).unwrap()), [id(5)]);
}

#[test]
fn an_idempotency_key_finds_the_newest_send_that_has_not_expired() {
    let home = Home::new();
    let mut store = home.open();
    let keyed = |n: u64, at: At, content: &str| {
        add(MessageRecord { idempotency_key: Some("k".to_owned()), content: content.to_owned(), ..outbound(n, n, at) })
    };
    write(&mut store, &[keyed(1, At(100), "old"), keyed(2, At(200), "new"), add(outbound(3, 1, At(300)))]);
    let found = |since, content| store.earlier_send("k", since, content).unwrap();
    let newest = EarlierSend { id: id(2), to: peer_key(2), written_at: At(0), same_content: true, status: Status::Queued };
    assert_eq!(found(At(150), "new"), Some(newest.clone()));
    assert_eq!(found(At(200), "old"), Some(EarlierSend { same_content: false, ..newest }));
    assert_eq!(found(At(201), "new"), None);
    assert_eq!(store.earlier_send("other", At(0), "new").unwrap(), None);
}

fn facts(store: &Store, n: u64) -> StoredFacts {
    store.stored_facts(&id(n)).unwrap().unwrap()
}

/// A message of ours in the outbox with its copy to ourselves, as the core writes it.
fn sent(store: &mut Store) {
    write(store, &[add(outbound(1, 1, NOW)), rumor(1), sealed(1, 11), put_parcel(parcel(1, ParcelClass::Message, 11))]);
    write(store, &[sealed(1, 12), put_parcel(parcel(1, ParcelClass::OwnCopy, 12))]);
}

#[test]
fn a_retry_finds_the_wrap_for_the_peer_and_never_the_copy_for_us() {
    let home = Home::new();
    let mut store = home.open();
    sent(&mut store);
    let expected =
        StoredFacts { to: peer_key(1), form: Form::Nip17, event: Some(id(11)), kind: 1059, wrapped_at: NOW, status: Status::Queued };
    assert_eq!(facts(&store, 1), expected);
    write(&mut store, &[drop_parcel(1, ParcelClass::Message)]);
    assert_eq!(facts(&store, 1), expected);
    write(&mut store, &[drop_parcel(1, ParcelClass::OwnCopy)]);
    assert_eq!(facts(&store, 1), expected);
    assert!(store.sealed(&id(12)).unwrap().is_none());
    assert_eq!(store.rumor(&id(1)).unwrap().as_deref(), Some("{\"rumor\":1}"));
    write(&mut store, &[add(outbound(2, 1, NOW)), add(inbound(3, 1, NOW))]);
    assert_eq!(facts(&store, 2), StoredFacts { event: None, kind: 0, wrapped_at: NOW.minus(1_000), ..expected });
    assert_eq!(store.stored_facts(&id(3)).unwrap(), None, "not ours to send");
    assert_eq!(store.stored_facts(&id(4)).unwrap(), None);
}

#[test]
fn a_new_wrap_takes_the_place_of_the_old_one() {
    let home = Home::new();
    let mut store = home.open();
    sent(&mut store);
    let later = NOW.plus(90_000_000);
    write_at(&mut store, later, &[sealed(1, 13), put_parcel(parcel(1, ParcelClass::Message, 13))]);
    assert!(store.sealed(&id(11)).unwrap().is_none());
    assert_eq!(store.sealed(&id(13)).unwrap().as_deref(), Some("{\"event\":13}"));
    assert!(store.sealed(&id(12)).unwrap().is_some(), "the copy to ourselves is another event");
    assert_eq!((facts(&store, 1).event, facts(&store, 1).wrapped_at), (Some(id(13)), later));
    // The same parcel again, only its hops changed, keeps its event.
    write_at(&mut store, later, &[put_parcel(parcel(1, ParcelClass::Message, 13))]);
    assert!(store.sealed(&id(13)).unwrap().is_some());
}

#[test]
fn what_is_sealed_goes_when_the_peer_has_read_it_and_nothing_else_needs_it() {
    let read = || set_status(id(1), Status::Read { at: NOW });
    let (message, copy) = (drop_parcel(1, ParcelClass::Message), drop_parcel(1, ParcelClass::OwnCopy));
    for order in [[read(), message.clone(), copy.clone()], [message.clone(), copy.clone(), read()], [copy, read(), message]] {
        let home = Home::new();
        let mut store = home.open();
        sent(&mut store);
        for (step, change) in order.iter().enumerate() {
            assert!(store.sealed(&id(11)).unwrap().is_some() && store.rumor(&id(1)).unwrap().is_some(), "step {step}");
            write(&mut store, std::slice::from_ref(change));
        }
        assert!(store.sealed(&id(11)).unwrap().is_none() && store.sealed(&id(12)).unwrap().is_none());
        assert!(store.rumor(&id(1)).unwrap().is_none());
        assert_eq!(store.load().unwrap().parcels, []);
    }
}

#[test]
fn an_event_that_another_parcel_names_stays() {
    let home = Home::new();
    let mut store = home.open();
    let both = [ParcelClass::Message, ParcelClass::OwnCopy].map(|class| put_parcel(parcel(1, class, 11)));
    write(&mut store, &[vec![add(outbound(1, 1, NOW)), sealed(1, 11)], both.to_vec()].concat());
    write(&mut store, &[drop_parcel(1, ParcelClass::OwnCopy)]);
    assert!(store.sealed(&id(11)).unwrap().is_some());
}

#[test]
fn a_frame_leaves_nothing_behind() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[rumor(5), sealed(5, 15), put_parcel(parcel(5, ParcelClass::Frame, 15))]);
    assert!(store.sealed(&id(15)).unwrap().is_some());
    write(&mut store, &[drop_parcel(5, ParcelClass::Frame), drop_parcel(6, ParcelClass::Frame)]);
    assert!(store.sealed(&id(15)).unwrap().is_none() && store.rumor(&id(5)).unwrap().is_none());
}
