//! Targets come back whole, and what is worth a wake is what the agent may see, of peers that were accepted.

use ocmesh_proto::{Change, PeerRecord, Trust, UnreadFacts, Wake, WakeClass, WakeError, WakeRecord, WakeState, limit::WAKE_COUNT_MAX};

use super::*;

fn full(target: &str, state: WakeState) -> WakeRecord {
    WakeRecord {
        number: 9,
        state,
        begun: vec![At(1), At(2)],
        woke_at: Some(At(3)),
        acknowledged_at: Some(At(4)),
        last_error: Some(WakeError { at: At(5), why: "it's \"busy\"\n".to_owned() }),
        given_up: 2,
        ..WakeRecord::new(target.into())
    }
}

#[test]
fn a_target_comes_back_whole_in_every_state() {
    let home = Home::new();
    let mut store = home.open();
    let wake = Wake { number: 9, class: WakeClass::Urgent, unread: 3, newest: id(4), raised_at: At(6), tries: 2 };
    let states = [
        WakeState::Idle,
        WakeState::Waiting { wake, tried_at: At(7), next_at: At(8), asked: true },
        WakeState::InFlight { wake, since: At(7) },
        WakeState::Woken { wake, at: At(7) },
        WakeState::Dead { wake, at: At(7) },
    ];
    for state in states {
        write(&mut store, &[Change::PutWake(Box::new(full("a", state))), Change::PutWake(Box::new(WakeRecord::new("b".into())))]);
        store.close().unwrap();
        store = home.open();
        assert_eq!(store.load().unwrap().wakes, [full("a", state), WakeRecord::new("b".into())]);
    }
    write(&mut store, &[Change::DropWake("a".into())]);
    assert_eq!(store.load().unwrap().wakes, [WakeRecord::new("b".into())]);
}

#[test]
fn only_unread_messages_of_accepted_peers_are_worth_a_wake() {
    let home = Home::new();
    let mut store = home.open();
    let with = |n: u64, trust: Trust| put_peer(PeerRecord { trust, ..peer(n, NOW) });
    write(&mut store, &[with(1, Trust::Known), with(2, Trust::Trusted), with(3, Trust::Unknown), with(4, Trust::Blocked)]);
    assert_eq!(store.worth_a_wake().unwrap(), UnreadFacts::default());
    // Of a stranger, of a blocked peer, of one that was forgotten, held, read, our own.
    write(&mut store, &[3, 4, 5].map(|n| add(inbound(n, n, NOW.plus(99)))));
    let read = MessageRecord { read_at: Some(NOW), ..inbound(7, 1, NOW.plus(99)) };
    write(&mut store, &[add(MessageRecord { held: true, ..inbound(6, 1, NOW.plus(99)) }), add(read), add(outbound(8, 1, NOW.plus(99)))]);
    assert_eq!(store.worth_a_wake().unwrap(), UnreadFacts::default());
    write(&mut store, &[add(inbound(10, 1, NOW)), add(inbound(11, 2, NOW.plus(2))), add(inbound(12, 1, NOW.plus(1)))]);
    assert_eq!(store.worth_a_wake().unwrap(), UnreadFacts { unread: 3, urgent: 0, newest: Some(id(11)) });
    write(&mut store, &[with(3, Trust::Known)]);
    assert_eq!(store.worth_a_wake().unwrap(), UnreadFacts { unread: 4, urgent: 0, newest: Some(id(3)) });
    // Urgent counts of trusted peers alone.
    let urgent = |n: u64, peer: u64| add(MessageRecord { urgent: true, ..inbound(n, peer, NOW.plus(200 + n)) });
    write(&mut store, &[urgent(20, 1), urgent(21, 2), urgent(22, 4)]);
    assert_eq!(store.worth_a_wake().unwrap(), UnreadFacts { unread: 6, urgent: 1, newest: Some(id(21)) });
    write(&mut store, &[20, 21].map(|n| Change::SetRead { id: id(n), at: NOW }));
    // The writer sees what it is writing.
    store.begin().unwrap();
    store.apply(&Change::SetRead { id: id(3), at: NOW }, NOW).unwrap();
    assert_eq!(store.worth_a_wake().unwrap().newest, Some(id(11)));
    store.rollback().unwrap();
}

#[test]
fn no_more_is_counted_than_says_something() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[put_peer(PeerRecord { trust: Trust::Known, ..peer(1, NOW) })]);
    let many: Vec<Change> = (0..u64::from(WAKE_COUNT_MAX) + 50).map(|n| add(inbound(n, 1, NOW.plus(n)))).collect();
    write(&mut store, &many);
    let facts = store.worth_a_wake().unwrap();
    assert_eq!((facts.unread, facts.newest), (WAKE_COUNT_MAX, Some(id(u64::from(WAKE_COUNT_MAX) + 49))));
}
