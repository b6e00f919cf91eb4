//! A full disk: an error that says so, nothing half written, and work again when there is room.

use super::*;
use crate::WriteError;

fn limit(store: &Store, pages: i64) {
    let _: i64 = store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0)).unwrap();
}

fn large(n: u64) -> ocmesh_proto::Change {
    add(MessageRecord { content: "x".repeat(100_000), ..inbound(n, 1, NOW) })
}

#[test]
fn a_full_disk_says_so_and_the_store_goes_on_when_there_is_room() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[large(1)]);
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    limit(&store, pages + 2);

    store.begin().unwrap();
    store.apply(&ocmesh_proto::Change::AddSeen { id: id(50), at: NOW }, NOW).unwrap();
    let error = store.apply(&large(2), NOW).unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
    // SQLite may have ended the transaction by itself. Whether or not, what follows must not slip in alone.
    assert!(store.apply(&ocmesh_proto::Change::AddSeen { id: id(51), at: NOW }, NOW).is_err() || store.commit().is_err());
    store.rollback().unwrap();
    for n in [2, 50, 51] {
        assert!(!store.is_seen(&id(n)).unwrap(), "{n}");
    }
    assert!(store.is_seen(&id(1)).unwrap());
    assert_eq!(store.reader().counts().unwrap().messages, 1);

    limit(&store, 1_000_000);
    write(&mut store, &[large(2)]);
    assert_eq!(store.reader().counts().unwrap().messages, 2);
    assert_eq!(store.integrity_check().unwrap(), Vec::<String>::new());
}

#[test]
fn after_a_full_disk_nothing_is_committed_without_a_new_begin() {
    let home = Home::new();
    let mut store = home.open();
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    limit(&store, pages + 2);
    store.begin().unwrap();
    assert!(store.apply(&large(1), NOW).unwrap_err().is_disk_full());
    let outcome = store.commit();
    assert!(matches!(outcome, Err(WriteError::NotBegun | WriteError::Spoiled)), "{outcome:?}");
    assert!(!store.is_seen(&id(1)).unwrap());
}
