//! Damage in the log beside the database: what is noticed at the start, what is no damage, and what is kept. Damage at thousands of places
//! is in `disk`.

use ocmesh_proto::{LineId, Notice, OwnLine};

use super::*;
use crate::{DamagedLog, OpenError};

const FRAME: usize = 24 + 4_096;

/// What `kill -9` would leave of a store now.
type Files = Vec<(String, Vec<u8>)>;

fn bytes_of<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(other, _)| other == name).unwrap().1
}

fn log(files: &mut Files) -> &mut Vec<u8> {
    bytes_of(files, "ocmesh.db-wal")
}

/// A home with these files.
fn home_of(files: &Files) -> Home {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    for (name, bytes) in files {
        let path = home.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    home
}

/// Twelve transactions in the log alone.
fn crashed() -> Files {
    let home = Home::new();
    let mut store = home.open();
    let own = OwnLine { peer: peer_key(1), line: LineId(7), number: 3, last: id(3) };
    write(&mut store, &[Change::PutOwnLine(own)]);
    for n in 1..12 {
        store.begin().unwrap();
        store.apply(&add(inbound(n, 1, NOW)), NOW).unwrap();
        store.add_notice(NOW.plus(n), &Notice::OwnChanged).unwrap();
        store.commit().unwrap();
    }
    home.files()
}

fn messages(store: &Store) -> u64 {
    store.reader().counts().unwrap().messages
}

#[test]
fn a_log_that_was_begun_anew_over_an_old_one_is_sound() {
    let home = Home::new();
    let mut store = home.open();
    for n in 0..20 {
        write(&mut store, &[add(inbound(n, 1, NOW))]);
    }
    store.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    let long = home.files().into_iter().find(|(name, _)| name == "ocmesh.db-wal").unwrap().1.len();
    write(&mut store, &[add(inbound(20, 1, NOW))]);
    let mut files = home.files();
    assert_eq!(log(&mut files).len(), long, "the log begins anew in the old one's place");
    let other = home_of(&files);
    assert_eq!(messages(&other.open()), 21);
    assert_eq!(DamagedLog::beside(&other.path()), []);
}

#[test]
fn what_was_rolled_back_is_not_missed() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW))]);
    let before = home.files().into_iter().find(|(name, _)| name == "ocmesh.db-wal").unwrap().1.len();
    // More than the cache holds goes to the log before its time.
    store.connection.execute_batch("PRAGMA cache_size = 10").unwrap();
    store.begin().unwrap();
    for n in 2..300 {
        store.apply(&add(MessageRecord { content: "x".repeat(8_000), ..inbound(n, 1, NOW) }), NOW).unwrap();
    }
    store.rollback().unwrap();
    write(&mut store, &[add(inbound(300, 1, NOW))]);
    let mut files = home.files();
    assert!(log(&mut files).len() > before + 100 * FRAME, "nothing was written before its time");
    let other = home_of(&files);
    assert_eq!(messages(&other.open()), 2);
    assert_eq!(DamagedLog::beside(&other.path()), []);
}

#[test]
fn a_log_that_grows_while_it_is_looked_at_is_sound() {
    let home = Home::new();
    let mut store = home.open();
    while_writing(
        300,
        move |n| write(&mut store, &[add(MessageRecord { content: "x".repeat(6_000), ..inbound(n, 1, NOW) })]),
        |look| assert_eq!(crate::wal::look(&home.path()).unwrap(), None, "look {look}"),
    );
}

#[test]
fn a_transaction_that_was_never_finished_is_not_missed() {
    let mut files = crashed();
    // The power went: the last transaction's last frame is not there, and the index is older.
    let length = log(&mut files).len() - 100;
    log(&mut files).truncate(length);
    files.retain(|(name, _)| name != "ocmesh.db-shm");
    let home = home_of(&files);
    assert_eq!(messages(&home.open()), 10);
    assert_eq!(DamagedLog::beside(&home.path()), []);
}

#[test]
fn what_a_torn_last_transaction_may_be_is_said_as_such() {
    let mut files = crashed();
    files.retain(|(name, _)| name != "ocmesh.db-shm");
    // Not its last frame, which finishes it and is there.
    let at = log(&mut files).len() - FRAME - 100;
    log(&mut files)[at] ^= 1;
    let home = home_of(&files);
    assert_eq!(messages(&home.open()), 10);
    let [told] = DamagedLog::beside(&home.path()).try_into().unwrap();
    assert!(!told.certain && told.writes == 1, "{told:?}");
    assert_eq!(told.from, NOW.plus(10));
}

#[test]
fn an_index_that_counts_more_than_the_log_holds_makes_it_certain() {
    let mut files = crashed();
    let length = log(&mut files).len() - 100;
    log(&mut files).truncate(length);
    let home = home_of(&files);
    assert_eq!(messages(&home.open()), 10);
    let [told] = DamagedLog::beside(&home.path()).try_into().unwrap();
    assert!(told.certain && told.writes == 0, "{told:?}");
}

#[test]
fn a_header_that_went_bad_does_not_cost_the_log_in_silence() {
    for with_index in [true, false] {
        for at in 0..32 {
            let mut files = crashed();
            log(&mut files)[at] ^= 0x10;
            files.retain(|(name, _)| with_index || name != "ocmesh.db-shm");
            let home = home_of(&files);
            match Store::open(&home.path(), &key()) {
                Ok(store) => assert_eq!(messages(&store), 0, "byte {at}"),
                // The version of the format.
                Err(error) => assert!((4..8).contains(&at), "byte {at}: {error:?}"),
            }
            let [told] = DamagedLog::beside(&home.path()).try_into().unwrap();
            assert!(told.certain && told.writes == 12, "byte {at}: {told:?}");
        }
    }
    // The first sector, with the first frame's header.
    let mut files = crashed();
    log(&mut files)[..512].fill(0);
    let home = home_of(&files);
    drop(home.open());
    assert_eq!(DamagedLog::beside(&home.path()).len(), 1);
}

#[test]
fn a_damaged_log_is_kept_once_and_ends_our_lines() {
    use std::os::unix::fs::MetadataExt;
    let mut files = crashed();
    log(&mut files)[32 + 20 * FRAME] ^= 1;
    let home = home_of(&files);
    // A start that got no further than keeping it.
    let broken = crate::wal::look(&home.path()).unwrap().unwrap();
    crate::wal::put(&home.path(), &broken).unwrap();
    let store = home.open();
    let held = messages(&store);
    assert!((1..11).contains(&held), "{held}");
    assert_eq!(store.load().unwrap().own_lines, []);
    let [told] = DamagedLog::beside(&home.path()).try_into().unwrap();
    assert_eq!((told.certain, told.writes, told.from), (true, 11 - held, NOW.plus(held)));
    assert_eq!(std::fs::read(told.kept.join("ocmesh.db-wal")).unwrap(), *log(&mut files));
    for (path, mode) in [("", 0o700), ("ocmesh.db-wal", 0o600), ("lost.json", 0o600)] {
        assert_eq!(std::fs::metadata(told.kept.join(path)).unwrap().mode() & 0o777, mode, "{path}");
    }
    // Lines begun since are not ended by the next start, and the word stays until the directory is moved away.
    drop(store);
    let mut store = home.open();
    write(&mut store, &[Change::PutOwnLine(OwnLine { peer: peer_key(2), line: LineId(8), number: 1, last: id(1) })]);
    drop(store);
    assert_eq!(home.open().load().unwrap().own_lines.len(), 1);
    assert_eq!(DamagedLog::beside(&home.path()), std::slice::from_ref(&told));
    std::fs::rename(told.kept, home.directory.path().join("seen")).unwrap();
    assert_eq!(DamagedLog::beside(&home.path()), []);
}

#[test]
fn a_log_that_was_folded_in_behind_its_damage_does_not_open() {
    let home = Home::new();
    let mut store = home.open();
    for n in 0..20 {
        write(&mut store, &[add(inbound(n, 1, NOW))]);
    }
    store.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    let mut files = home.files();
    log(&mut files)[32 + 20 * FRAME + 100] ^= 1;
    let other = home_of(&files);
    let error = Store::open(&other.path(), &key()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { detail } if detail.contains("folded in")), "{error:?}");
    assert_eq!(other.files(), files);
}

#[test]
fn a_disk_that_damages_one_log_after_the_other_is_not_trusted_for_ever() {
    let mut files = crashed();
    log(&mut files)[32 + 20 * FRAME] ^= 1;
    let home = home_of(&files);
    for number in 1..=16 {
        std::fs::create_dir(home.directory.path().join(format!("ocmesh.db.damaged-log-{number}"))).unwrap();
    }
    let error = Store::open(&home.path(), &key()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { detail } if detail.contains("16 times")), "{error:?}");
    assert_eq!(std::fs::read(home.directory.path().join("ocmesh.db-wal")).unwrap(), *log(&mut files));
}
