//! A damaged file gives an error, never other data, and is left as it is.

use super::*;
use crate::{MessageQuery, OpenError, PeerQuery, ReadError, Reader, migrate};

const ROWS: u64 = 120;

fn intact() -> (Home, Vec<u8>) {
    let home = Home::new();
    let mut store = home.open();
    for n in 0..ROWS {
        let record = MessageRecord { content: format!("message {n} {}", "x".repeat(600)), ..inbound(n, n % 5, NOW.plus(n)) };
        write(&mut store, &[add(record), put_peer(peer(n, NOW.plus(n)))]);
    }
    store.close().unwrap();
    let bytes = std::fs::read(home.path()).unwrap();
    (home, bytes)
}

fn overwrite(home: &Home, bytes: &[u8]) {
    for name in ["ocmesh.db-wal", "ocmesh.db-shm"] {
        let _ = std::fs::remove_file(home.directory.path().join(name));
    }
    std::fs::write(home.path(), bytes).unwrap();
}

/// Reads everything there is, as the API would.
fn read_all(store: &Store) -> Result<(Vec<crate::MessageRow>, Vec<PeerRecord>), ReadError> {
    let reader = store.reader();
    store.load()?;
    let query = MessageQuery { limit: 1_000, include_held: true, ..MessageQuery::default() };
    let messages = reader.messages(&query)?.items;
    for message in &messages {
        reader.message(&message.record.id)?;
    }
    Ok((messages, reader.peers(&PeerQuery { limit: 1_000, ..PeerQuery::new(NOW) })?.items))
}

#[test]
fn a_flipped_bit_is_an_error_and_never_other_data() {
    let (home, bytes) = intact();
    let truth = read_all(&home.open()).unwrap();
    let page = 4_096;
    let pages = bytes.len() / page;
    assert!(pages > 50);
    let (mut refused, mut intact_reads) = (0, 0);
    for number in 0..pages {
        // In the page, in its initialisation vector, in its authentication code.
        let offset = [17, 2_000, page - 70, page - 20][number % 4];
        let mut damaged = bytes.clone();
        damaged[number * page + offset] ^= 1 << (number % 8);
        overwrite(&home, &damaged);
        match Store::open(&home.path(), &key()) {
            Err(OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("page {number}: {other:?}"),
            Ok(store) => {
                match read_all(&store) {
                    Ok(read) => {
                        assert!(read == truth, "page {number} gave other data");
                        intact_reads += 1;
                    }
                    Err(ReadError::Corrupt(_)) => refused += 1,
                    Err(ReadError::Open(error)) => {
                        assert!(matches!(*error, OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. }));
                        refused += 1;
                    }
                    Err(other) => panic!("page {number}: {other:?}"),
                }
                let findings = store.integrity_check();
                assert!(findings.is_err() || !findings.unwrap().is_empty(), "page {number}: the check found nothing");
            }
        }
    }
    // Pages of indexes that these questions do not use may be damaged unseen; the check above finds them.
    assert!(refused > intact_reads, "{refused} refused, {intact_reads} did not touch the damage");
    overwrite(&home, &bytes);
    assert!(read_all(&home.open()).unwrap() == truth);
}

#[test]
fn what_was_read_damaged_in_a_transaction_is_not_committed() {
    // Long enough to lie on pages of its own, whose end SQLite has no way to doubt.
    let rumor = "r".repeat(20_000);
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[Change::PutRumor { message: id(1), json: rumor.as_str().into() }]);
    store.close().unwrap();
    let bytes = std::fs::read(home.path()).unwrap();
    let mut refused = 0;
    for page in 1..bytes.len() / 4_096 {
        let mut damaged = bytes.clone();
        damaged[page * 4_096 + 2_000] ^= 1;
        overwrite(&home, &damaged);
        let Ok(mut store) = Store::open(&home.path(), &key()) else { continue };
        store.begin().unwrap();
        let read = store.rumor(&id(1));
        let committed = store.commit();
        if read.as_ref().is_ok_and(|read| read.as_deref() == Some(rumor.as_str())) {
            continue; // Another page's damage.
        }
        assert!(matches!(committed, Err(crate::WriteError::Corrupt(_))), "page {page}: {committed:?}");
        assert!(matches!(store.rumor(&id(1)), Err(ReadError::Corrupt(_))), "page {page}: outside of a transaction it is told at once");
        refused += u32::from(read.is_ok());
    }
    assert!(refused > 0, "no page gave other data without an error of SQLite's own");
}

#[test]
fn a_damaged_page_stops_a_write_and_says_so() {
    let (home, mut bytes) = intact();
    for page in bytes.chunks_exact_mut(4_096).skip(1) {
        page[100] ^= 0x10;
    }
    overwrite(&home, &bytes);
    // The first page is whole, so the key is known to fit.
    let outcome = Store::open(&home.path(), &key()).map(|mut store| {
        store.begin().unwrap();
        store.apply(&add(inbound(9_999, 1, NOW)), NOW)
    });
    match outcome {
        Ok(written) => assert!(matches!(written, Err(crate::WriteError::Corrupt(_))), "{written:?}"),
        Err(error) => assert!(matches!(error, OpenError::Damaged { .. } | OpenError::WrongKeyOrDamaged), "{error:?}"),
    }
    assert!(std::fs::read(home.path()).unwrap() == bytes, "the file was changed");
}

#[test]
fn a_truncated_file_does_not_open_and_is_left_as_it_is() {
    let (home, bytes) = intact();
    for length in [1, 100, 4_095, 4_096, 8_192, bytes.len() / 2, bytes.len() - 4_096, bytes.len() - 1] {
        overwrite(&home, &bytes[..length]);
        let opened = Store::open(&home.path(), &key());
        assert!(matches!(opened, Err(OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. })), "{length} bytes: {opened:?}");
        assert!(std::fs::read(home.path()).unwrap() == bytes[..length], "{length} bytes: the file was changed");
    }
}

#[test]
fn zeros_that_a_file_system_left_are_damage() {
    let (home, bytes) = intact();
    let truth = read_all(&home.open()).unwrap();
    for page in 0..bytes.len() / 4_096 {
        let mut damaged = bytes.clone();
        damaged[page * 4_096..][..4_096].fill(0);
        overwrite(&home, &damaged);
        if let Ok(store) = Store::open(&home.path(), &key()) {
            assert!(read_all(&store).map_or(true, |read| read == truth), "page {page} gave other data");
            let findings = store.integrity_check();
            assert!(findings.is_err() || !findings.unwrap().is_empty(), "page {page}: the check found nothing");
        }
    }
    overwrite(&home, &vec![0; bytes.len()]);
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. })));
    assert!(std::fs::read(home.path()).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn an_empty_file_is_damage_and_not_a_new_store() {
    let home = Home::new();
    home.open().close().unwrap();
    overwrite(&home, &[]);
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::Damaged { .. })));
    assert!(matches!(Reader::open(&home.path(), &key(), 1), Err(OpenError::Damaged { .. })));
    assert_eq!(std::fs::read(home.path()).unwrap().len(), 0);
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let home = Home::new();
    let store = home.open();
    store.connection.pragma_update(None, "user_version", 4_711).unwrap();
    store.close().unwrap();
    let before = std::fs::read(home.path()).unwrap();
    let supported = migrate::MIGRATIONS.last().unwrap().number;
    let is_newer = |error: OpenError| matches!(error, OpenError::Newer { found: 4_711, supported: s } if s == supported);
    assert!(is_newer(Store::open(&home.path(), &key()).unwrap_err()));
    assert!(is_newer(Reader::open(&home.path(), &key(), 1).unwrap_err()));
    assert!(std::fs::read(home.path()).unwrap() == before, "the file was changed");
}

#[test]
fn a_database_without_our_tables_is_not_filled() {
    let home = Home::new();
    let store = home.open();
    store.connection.pragma_update(None, "user_version", 0).unwrap();
    store.close().unwrap();
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::Damaged { .. })));
}

#[test]
fn the_check_of_a_whole_store_finds_nothing() {
    let (home, _) = intact();
    assert_eq!(home.open().integrity_check().unwrap(), Vec::<String>::new());
}
