//! Numbered messages: places, lines and gaps come back whole; what the core asks about them; a store of the first shape gets them.

use ocmesh_proto::{AskedFacts, Gap, GapChange, LineId, Lost, Notice, OwnLine, PeerLine, Place, PlaceFacts, limit::LINES_PER_PEER_MAX};
use rusqlite::Connection;

use super::*;
use crate::{GapCounts, MessageQuery, PeerQuery, migrate};

/// A line whose number does not fit into a signed integer.
const LINE: LineId = LineId(u64::MAX - 5);

fn numbered(n: u64, number: u64) -> MessageRecord {
    let previous = (number > 1).then(|| id(n - 1));
    MessageRecord { place: Some(Place { line: LINE, number, previous }), ..inbound(n, 1, NOW.plus(n)) }
}

fn gap(peer: u64, first: u64, last: u64) -> Gap {
    let (found_at, next_at) = (NOW, NOW.plus(5));
    Gap { peer: peer_key(peer), line: LINE, first, last, found_at, shown: true, asks: 3, next_at, lost: None }
}

fn line(peer: u64, line: LineId) -> PeerLine {
    PeerLine { peer: peer_key(peer), line, highest: 9_007_199_254_740_991, heard_at: NOW, breaks: 2 }
}

#[test]
fn places_lines_and_gaps_come_back_whole() {
    let home = Home::new();
    let mut store = home.open();
    let own = OwnLine { peer: peer_key(1), line: LINE, number: 7, last: id(7) };
    let lost = Gap { lost: Some(Lost::Gone), ..gap(1, 10, 12) };
    let given_up = Gap { lost: Some(Lost::GivenUp), shown: false, ..gap(2, 1, 1) };
    write(&mut store, &[add(numbered(1, 1)), add(numbered(2, 2)), add(inbound(3, 1, NOW))]);
    write(&mut store, &[Change::PutOwnLine(OwnLine { number: 6, ..own }), Change::PutOwnLine(own)]);
    write(&mut store, &[Change::PutOwnLine(OwnLine { peer: peer_key(2), ..own }), Change::DropOwnLine(peer_key(2))]);
    write(&mut store, &[Change::PutGap(Gap { first: 2, ..gap(1, 3, 4) }), Change::PutGap(gap(1, 3, 4)), Change::PutGap(gap(1, 8, 8))]);
    write(&mut store, &[lost, given_up].map(Change::PutGap));
    write(&mut store, &[Change::DropGap { peer: peer_key(1), line: LINE, last: 8 }]);
    store.close().unwrap();

    let store = home.open();
    let loaded = store.load().unwrap();
    assert_eq!((loaded.own_lines, loaded.gaps), (vec![own], vec![given_up, gap(1, 3, 4), lost]), "in the order of their keys");
    for record in [numbered(1, 1), numbered(2, 2), inbound(3, 1, NOW)] {
        assert_eq!(store.reader().message(&record.id).unwrap().unwrap().record, record);
    }
}

#[test]
fn what_lies_around_a_place() {
    let home = Home::new();
    let mut store = home.open();
    let known = line(1, LINE);
    write(&mut store, &[add(numbered(1, 1)), add(numbered(2, 2)), add(numbered(4, 4)), Change::PutLine(known)]);
    let place = |number| Place { line: LINE, number, previous: None };
    let facts = |number| store.place_facts(&peer_key(1), &place(number)).unwrap();
    let expected = PlaceFacts { line: Some(known), same: None, before: Some(id(2)), named_after: Some(id(3)), oldest_line: None };
    assert_eq!(facts(3), expected);
    assert_eq!(facts(2), PlaceFacts { same: Some(id(2)), before: Some(id(1)), named_after: None, ..expected });
    assert_eq!(facts(u64::MAX), PlaceFacts { line: Some(known), ..PlaceFacts::default() });
    assert_eq!(store.place_facts(&peer_key(2), &place(3)).unwrap(), PlaceFacts::default(), "each peer for itself");
    let ours = MessageRecord { direction: Direction::Out, ..numbered(3, 3) };
    write(&mut store, &[add(ours)]);
    assert_eq!(store.place_facts(&peer_key(1), &place(3)).unwrap().same, None, "ours are counted on their own");
}

#[test]
fn the_line_not_heard_of_for_the_longest_time_makes_room() {
    let home = Home::new();
    let mut store = home.open();
    let most = LINES_PER_PEER_MAX as u64;
    for n in 0..most {
        let place = Place { line: LineId(n), number: 1, previous: None };
        assert_eq!(store.place_facts(&peer_key(1), &place).unwrap().oldest_line, None);
        write(&mut store, &[Change::PutLine(PeerLine { heard_at: NOW.plus(100 - n), ..line(1, LineId(n)) })]);
    }
    let oldest =
        |store: &Store, n| store.place_facts(&peer_key(1), &Place { line: LineId(n), number: 1, previous: None }).unwrap().oldest_line;
    assert_eq!(oldest(&store, most), Some(LineId(most - 1)));
    assert_eq!(oldest(&store, 3), None, "a line that is known needs no room");
    write(&mut store, &[Change::DropLine { peer: peer_key(1), line: LineId(most - 1) }]);
    assert_eq!(oldest(&store, most), None);
}

#[test]
fn what_a_peer_that_asks_may_mean() {
    let home = Home::new();
    let mut store = home.open();
    let ours = |n: u64, number| MessageRecord { direction: Direction::Out, status: Status::Queued, ..numbered(n, number) };
    write(&mut store, &[add(ours(1, 1)), add(ours(2, 2)), add(ours(3, 3)), add(numbered(4, 4)), rumor(1), rumor(3)]);
    write(&mut store, &[set_status(id(2), Status::Delivered { at: NOW }), Change::ForgetNumber(id(3))]);
    let asked = |peer, numbers: &[u64]| store.asked_facts(&peer_key(peer), LINE, numbers).unwrap();
    let facts = |n, status, has_rumor| AskedFacts { number: n, id: id(n), status, has_rumor };
    let expected = [facts(2, Status::Delivered { at: NOW }, false), facts(1, Status::Queued, true)];
    assert_eq!(asked(1, &[2, 1, 3, 4, 5, u64::MAX, 0]), expected, "what was taken back and what is the peer's own is not there");
    assert_eq!(asked(2, &[1, 2]), [], "and nothing for somebody else");
    assert!(store.reader().message(&id(3)).unwrap().unwrap().record.place.is_none());
    write(&mut store, &[Change::ForgetNumber(id(4))]);
    assert!(store.reader().message(&id(4)).unwrap().unwrap().record.place.is_some(), "only ours can be taken back");
}

#[test]
fn what_is_missing_is_counted_and_shown_where_it_is_missing() {
    let home = Home::new();
    let mut store = home.open();
    let broken = PeerLine { breaks: 4, ..line(3, LineId(1)) };
    write(&mut store, &[1, 2, 3].map(|n| put_peer(peer(n, NOW.plus(n)))));
    write(&mut store, &[add(numbered(1, 1)), add(numbered(5, 5)), add(numbered(9, 9)), add(numbered(11, 11)), Change::PutLine(broken)]);
    let hidden = Gap { shown: false, ..gap(1, 10, 10) };
    let lost = Gap { lost: Some(Lost::GivenUp), ..gap(1, 6, 8) };
    write(&mut store, &[gap(1, 2, 4), lost, hidden, Gap { shown: false, ..gap(2, 1, 50) }].map(Change::PutGap));
    let reader = store.reader();
    let counts = reader.gap_counts().unwrap();
    let of = |n| counts.get(&peer_key(n)).copied();
    assert_eq!(of(1), Some(GapCounts { missing: 3, lost: 3, breaks: 0 }));
    assert_eq!((of(2), of(3)), (None, Some(GapCounts { missing: 0, lost: 0, breaks: 4 })));
    assert_eq!((reader.counts().unwrap().missing, reader.counts().unwrap().lost), (3, 3));
    let page = reader.messages(&MessageQuery { from: Some(peer_key(1)), ..MessageQuery::default() }).unwrap();
    assert_eq!(page.items.iter().map(|row| row.missing_before).collect::<Vec<_>>(), [0, 3, 3, 0], "newest first");
    let missing = reader.peers(&PeerQuery { missing: true, ..PeerQuery::new(NOW) }).unwrap().items;
    assert_eq!(missing.iter().map(|peer| peer.pubkey).collect::<Vec<_>>(), [peer_key(1)]);
}

#[test]
fn what_is_told_of_gaps_is_kept() {
    let home = Home::new();
    let mut store = home.open();
    let notices = [GapChange::Found, GapChange::Healed, GapChange::Lost, GapChange::Broken].map(|what| Notice::GapChanged {
        peer: peer_key(1),
        what,
        missing: 3,
        lost: u64::MAX,
    });
    store.begin().unwrap();
    for notice in &notices {
        store.add_notice(NOW, notice).unwrap();
    }
    store.commit().unwrap();
    let kept: Vec<Notice> = store.reader().notices_since(0, 10).unwrap().into_iter().map(|kept| kept.notice).collect();
    assert_eq!(kept, notices);
}

/// The store as version 0.3.0 made it, with a message of its time.
#[test]
fn a_store_of_the_first_shape_is_brought_forward_with_everything_in_it() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection, &migrate::MIGRATIONS[..1]).unwrap();
    assert_eq!(migrate::version(&connection).unwrap(), 1);
    connection
        .execute_batch(
            "INSERT INTO messages (id, direction, peer, content, kind, form, written_at, stored_at, thread, state, held, receipt_delivered,
                 receipt_read)
             VALUES (randomblob(32), 'in', randomblob(32), 'old', 'text', 'nip17', 1, 2, randomblob(32), 'received', 0, 1, 0);",
        )
        .unwrap();
    migrate::migrate(&mut connection, migrate::MIGRATIONS).unwrap();
    assert_eq!(migrate::version(&connection).unwrap(), migrate::MIGRATIONS.last().unwrap().number);
    let row = |sql: &str| connection.query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))).unwrap();
    assert_eq!(row("SELECT content, number FROM messages"), ("old".to_owned(), None));
    assert_eq!(connection.query_row("SELECT count(*) FROM gaps", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// The same on an encrypted file: opening it is enough.
#[test]
fn an_older_file_opens_and_goes_on() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW)), add(outbound(2, 1, NOW)), put_peer(peer(1, NOW))]);
    let back = "DROP INDEX messages_by_number; ALTER TABLE messages DROP COLUMN line; ALTER TABLE messages DROP COLUMN number;
                ALTER TABLE messages DROP COLUMN previous; DROP TABLE own_lines; DROP TABLE peer_lines; DROP TABLE gaps; DROP TABLE held; DROP TABLE invites;
                ALTER TABLE messages DROP COLUMN urgent; DROP TABLE wakes; ALTER TABLE peers DROP COLUMN work_asked; DROP INDEX peers_by_name;
                PRAGMA user_version = 1;";
    store.connection.execute_batch(back).unwrap();
    store.close().unwrap();
    let mut store = home.open();
    assert_eq!(store.reader().messages(&MessageQuery::default()).unwrap().items.len(), 2);
    write(&mut store, &[add(numbered(3, 1)), Change::PutGap(gap(1, 2, 2))]);
    assert_eq!((store.load().unwrap().gaps.len(), store.load().unwrap().peers.len()), (1, 1));
}
