//! The cost of a page does not grow with its depth or with the store: no scan of a table, no sorting.

use ocmesh_proto::PeerStatus;
use rusqlite::{Connection, StatementStatus, params_from_iter, types::Value};

use super::{pages::message_queries, *};
use crate::{
    Cursor, MessageQuery, PeerQuery, ReadError, open,
    reader::{messages, peers},
};

fn plan(db: &Connection, sql: &str, params: &[Value]) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    statement.query_map(params_from_iter(params), |row| row.get("detail")).unwrap().map(Result::unwrap).collect()
}

/// Steps of SQLite's machine for all rows of a statement.
fn steps(db: &Connection, sql: &str, params: &[Value]) -> i32 {
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query(params_from_iter(params)).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    assert_eq!(statement.get_status(StatementStatus::Sort), 0, "{sql}");
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn no_page_of_messages_sorts_or_scans_the_table() {
    let home = Home::new();
    let store = home.open();
    for query in message_queries() {
        let query = MessageQuery { before: Some(Cursor { at: NOW, seq: 9 }), ..query };
        let (sql, params, _) = messages::page_sql(&query);
        let plan = plan(&store.connection, &sql, &params);
        assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{query:?}: {plan:?}");
        // A thread is its replies, merged in order with the one message that begins it.
        let merged = |line: &str| query.thread.is_some() && ["MERGE (UNION ALL)", "LEFT", "RIGHT"].contains(&line);
        let sought = |line: &str| line.starts_with("SEARCH") && line.contains("USING");
        assert!(plan.iter().all(|line| sought(line) || merged(line)), "{query:?}: {plan:?}");
    }
}

#[test]
fn what_is_worth_a_wake_is_found_without_a_scan() {
    let home = Home::new();
    let store = home.open();
    let plan = plan(&store.connection, crate::facts::wake::SQL, &[Value::Integer(1_000)]);
    assert!(plan.first().is_some_and(|line| line.contains("USING INDEX messages_unread")), "{plan:?}");
    assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{plan:?}");
    assert!(plan.get(1).is_some_and(|line| line.starts_with("SEARCH p")), "{plan:?}");
}

#[test]
fn no_page_of_peers_sorts() {
    let home = Home::new();
    let store = home.open();
    let base = PeerQuery { q: Some("bcd".to_owned()), ..PeerQuery::new(NOW) };
    let queries = [
        ("peers_by_seen", PeerQuery::new(NOW)),
        ("peers_by_seen", PeerQuery { online: Some(true), ..PeerQuery::new(NOW) }),
        ("peers_by_seen", PeerQuery { missing: true, ..PeerQuery::new(NOW) }),
        ("peers_by_seen", PeerQuery { trust: Some(ocmesh_proto::Trust::Known), ..base.clone() }),
        ("peers_by_name", PeerQuery { q: Some("ädä".to_owned()), ..PeerQuery::new(NOW) }),
        ("peers_by_name", base),
    ];
    for (index, query) in queries {
        let query = PeerQuery { before: Some(Cursor { at: NOW, seq: 9 }), ..query };
        let (sql, params, _) = peers::page_sql(&query);
        let plan = plan(&store.connection, &sql, &params);
        assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{query:?}: {plan:?}");
        let walked = format!("SEARCH p USING INDEX {index} (last_seen<");
        assert!(plan.first().is_some_and(|line| line.contains(&walked)), "{query:?}: {plan:?}");
        // Beside it only what a narrow index holds whole, the few gaps, and what a key finds.
        let is_small = |line: &str| line.contains("COVERING INDEX") || line == "SCAN g";
        assert!(plan.iter().all(|line| !line.starts_with("SCAN") || is_small(line)), "{query:?}: {plan:?}");
    }
}

#[test]
fn a_deep_page_costs_what_the_first_one_does() {
    let home = Home::new();
    let mut store = home.open();
    // Two days of messages, a third of them ours, half of the others read.
    let records = (0..20_000u64).map(|n| {
        let record = if n % 3 == 0 { outbound(n, n % 50, NOW.plus(n * 10)) } else { inbound(n, n % 50, NOW.plus(n * 10)) };
        let read_at = (record.direction == Direction::In && n % 2 == 0).then_some(NOW);
        add(MessageRecord { read_at, thread: id(n % 10), ..record })
    });
    write(&mut store, &records.collect::<Vec<_>>());
    let queries = [
        MessageQuery::default(),
        MessageQuery { direction: Some(Direction::In), ..MessageQuery::default() },
        MessageQuery { direction: Some(Direction::Out), ..MessageQuery::default() },
        MessageQuery { unread: Some(true), ..MessageQuery::default() },
        MessageQuery { unread: Some(false), ..MessageQuery::default() },
        MessageQuery { from: Some(peer_key(2)), ..MessageQuery::default() },
        MessageQuery { thread: Some(id(3)), ..MessageQuery::default() },
    ];
    for query in queries {
        let (sql, params, _) = messages::page_sql(&query);
        let first = steps(&store.connection, &sql, &params);
        let deep = MessageQuery { before: Some(Cursor { at: NOW.plus(60_000), seq: 6_000 }), ..query.clone() };
        let (sql, params, _) = messages::page_sql(&deep);
        let deep_steps = steps(&store.connection, &sql, &params);
        assert_eq!(store.reader().messages(&deep).unwrap().items.len(), 100);
        assert!(deep_steps <= first + first / 5, "{query:?}: {first} steps on top, {deep_steps} deep down");
    }
}

#[test]
fn a_page_of_online_peers_looks_only_at_the_rows_it_shows() {
    let home = Home::new();
    let mut store = home.open();
    let peers = (0..5_000u64).map(|n| {
        let lease_until = if n % 10 == 0 { NOW.plus(1) } else { NOW };
        put_peer(PeerRecord { status: PeerStatus::Online, lease_until, ..peer(n, NOW.plus(n)) })
    });
    write(&mut store, &peers.collect::<Vec<_>>());
    let query = PeerQuery { online: Some(true), limit: 50, ..PeerQuery::new(NOW) };
    let (sql, params, _) = peers::page_sql(&query);
    // 51 rows of 21 columns, and nine others passed over in the index for each.
    assert!(steps(&store.connection, &sql, &params) < 51 * (22 + 9 * 8) + 200);
}

#[test]
fn what_is_read_once_is_not_kept_and_the_writer_has_its_room_again() {
    let home = Home::new();
    let store = home.open();
    let room = |db: &Connection| -> Result<i64, ReadError> { Ok(db.query_row("PRAGMA cache_size", [], |row| row.get(0))?) };
    let usual = room(&store.connection).unwrap();
    let loading = open::once(&store.connection, room).unwrap();
    // SQLite counts KiB as negative numbers.
    assert!(usual < loading && loading < 0, "{usual} {loading}");
    assert_eq!(room(&store.connection).unwrap(), usual);
    open::once(&store.connection, |_| Err::<(), _>(ReadError::Busy)).unwrap_err();
    assert_eq!(room(&store.connection).unwrap(), usual, "also where it could not be read");
    store.load().unwrap();
    assert_eq!(room(&store.connection).unwrap(), usual);
}
