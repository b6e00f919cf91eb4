//! What lies on the disk says nothing without the key.

use std::path::Path;

use super::*;
use crate::{MessageQuery, OpenError, Reader};

const CONTENT: &str = "the content nobody else may read";
const NAME: &str = "a-peer-name-to-look-for";
const SECRET: [u8; 32] = *b"0123456789abcdef-secret-key-32-b";

fn filled(home: &Home) -> Store {
    let mut store = home.open();
    store.put_identity(&SECRET).unwrap();
    for n in 0..200 {
        let record = MessageRecord { content: CONTENT.repeat(20), ..inbound(n, 1, NOW) };
        let named = PeerRecord { name: Some(NAME.to_owned()), trust: ocmesh_proto::Trust::Trusted, ..peer(n, NOW) };
        write(&mut store, &[add(record), put_peer(named)]);
    }
    store
}

fn assert_unreadable(home: &Home, stage: &str) -> usize {
    let hex = key().to_hex();
    let needles: [&[u8]; 8] =
        [CONTENT.as_bytes(), NAME.as_bytes(), &SECRET, b"SQLite format 3", b"CREATE TABLE", b"trusted", &[0x5a; 32], hex.as_bytes()];
    let files = home.files();
    for (name, bytes) in &files {
        for start in 0..bytes.len() {
            let found = needles.iter().find(|needle| needle[0] == bytes[start] && bytes[start..].starts_with(needle));
            assert!(found.is_none(), "{stage}: {name} shows {:?}", found.map(|needle| String::from_utf8_lossy(needle)));
        }
    }
    files.len()
}

#[test]
fn no_file_shows_content_names_or_keys() {
    let home = Home::new();
    let mut store = filled(&home);
    assert_eq!(assert_unreadable(&home, "open"), 3, "database, log and its index");
    // A transaction larger than the page cache spills before it commits.
    store.begin().unwrap();
    let log = home.directory.path().join("ocmesh.db-wal");
    let log_bytes = || std::fs::metadata(&log).unwrap().len();
    let before = log_bytes();
    for n in 0..400 {
        store.apply(&add(MessageRecord { content: CONTENT.repeat(1_000), ..inbound(1_000 + n, 1, NOW) }), NOW).unwrap();
    }
    assert!(log_bytes() > before, "it did not spill");
    assert_unreadable(&home, "spilled");
    store.commit().unwrap();
    store.checkpoint().unwrap();
    assert_unreadable(&home, "folded in");
    store.close().unwrap();
    assert_eq!(assert_unreadable(&home, "closed"), 1, "the log is folded in");
    assert_eq!(*home.open().identity().unwrap().unwrap(), SECRET);
}

#[test]
fn sorting_never_leaves_the_memory() {
    let home = Home::new();
    let store = filled(&home);
    let place: i64 = store.connection.query_row("PRAGMA temp_store", [], |row| row.get(0)).unwrap();
    assert_eq!(place, 2);
}

fn copy(home: &Home) -> Vec<(String, Vec<u8>)> {
    home.files().into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect()
}

fn assert_refused(path: &Path, key: &StoreKey) {
    assert!(matches!(Store::open(path, key), Err(OpenError::WrongKeyOrDamaged)));
    assert!(matches!(Reader::open(path, key, 1), Err(OpenError::WrongKeyOrDamaged)));
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    let home = Home::new();
    filled(&home).close().unwrap();
    let before = copy(&home);
    let mut near = [0x5a; 32];
    near[31] ^= 1;
    for wrong in [StoreKey::from_bytes(near), StoreKey::from_bytes([0; 32]), StoreKey::generate().unwrap()] {
        assert_refused(&home.path(), &wrong);
        assert!(copy(&home) == before, "a file was changed");
    }
    assert_eq!(home.open().reader().counts().unwrap().messages, 200);
}

#[test]
fn another_key_loses_nothing_that_is_still_in_the_log() {
    let home = Home::new();
    let store = filled(&home);
    let crashed = Home::new();
    for (name, bytes) in home.files() {
        std::fs::write(crashed.directory.path().join(&name), bytes).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(crashed.directory.path().join(&name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    drop(store);
    assert!(crashed.files().iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()));
    assert_refused(&crashed.path(), &StoreKey::from_bytes([1; 32]));
    let store = crashed.open();
    assert_eq!(store.reader().messages(&MessageQuery { limit: 1_000, ..MessageQuery::default() }).unwrap().items.len(), 200);
}

#[test]
fn a_reader_cannot_write_and_does_not_create() {
    let home = Home::new();
    assert!(matches!(Reader::open(&home.path(), &key(), 2), Err(OpenError::Io(_))));
    assert_eq!(home.files(), []);
    let store = home.open();
    let connection = crate::open::reader(&home.path(), &key()).unwrap();
    assert!(connection.execute("DELETE FROM counters", []).is_err());
    drop(store);
}

#[test]
fn the_sqlite_inside_cannot_be_made_to_do_what_we_never_ask_of_it() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let mut statement = db.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for with in ["OMIT_LOAD_EXTENSION", "DEFAULT_MEMSTATUS=0"] {
        assert!(options.iter().any(|option| option == with), "{with}: see .cargo/config.toml; {options:?}");
    }
    for without in ["ENABLE_LOAD_EXTENSION", "ENABLE_FTS", "ENABLE_RTREE", "ENABLE_DBSTAT", "SOUNDEX"] {
        assert!(!options.iter().any(|option| option.starts_with(without)), "{without}: see .cargo/config.toml; {options:?}");
    }
}
