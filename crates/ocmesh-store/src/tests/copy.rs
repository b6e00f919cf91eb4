//! Copies of a database that is written to meanwhile.

use super::*;
use crate::OpenError;

#[test]
fn a_copy_taken_while_others_write_holds_one_moment() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(0, 1, NOW))]);
    let (reader, directory) = (store.reader(), tempfile::tempdir().unwrap());
    let writes = move |n: u64| {
        // Two rows that belong together, in different tables.
        let content = "x".repeat(usize::try_from(n * 37 % 5_000).unwrap());
        let seen = Change::AddSeen { id: id(1_000_000 + n), at: NOW };
        write(&mut store, &[add(MessageRecord { content, ..inbound(n + 1, 1, NOW) }), seen]);
    };
    while_writing(100, writes, |copies| {
        let path = directory.path().join(format!("copy-{copies}"));
        let before = reader.counts().unwrap().messages;
        crate::copy(&home.path(), &key(), &path).unwrap();
        let after = reader.counts().unwrap().messages;
        let copied = Store::open(&path, &key()).unwrap();
        let there = copied.reader().counts().unwrap().messages;
        assert!((before..=after).contains(&there), "{there} of {before} to {after}");
        assert!(there == 1 || copied.is_seen(&id(1_000_000 + there - 2)).unwrap());
        assert!(!copied.is_seen(&id(1_000_000 + there - 1)).unwrap());
        assert_eq!(copied.integrity_check().unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_copy_takes_no_files_place_and_needs_the_key() {
    let (home, other) = (Home::new(), Home::new());
    home.open().close().unwrap();
    std::fs::write(other.path(), "theirs").unwrap();
    assert!(matches!(crate::copy(&home.path(), &key(), &other.path()), Err(OpenError::Io(_))));
    assert_eq!(std::fs::read(other.path()).unwrap(), b"theirs");
    let new = other.directory.path().join("new");
    assert!(matches!(crate::copy(&home.path(), &StoreKey::from_bytes([1; 32]), &new), Err(OpenError::WrongKeyOrDamaged)));
    assert!(!new.exists());
}

#[test]
fn a_damaged_database_is_not_copied_as_a_good_one() {
    let home = Home::new();
    let mut store = home.open();
    for n in 0..50 {
        write(&mut store, &[add(MessageRecord { content: "x".repeat(3_000), ..inbound(n, 1, NOW) })]);
    }
    store.close().unwrap();
    let mut bytes = std::fs::read(home.path()).unwrap();
    let middle = bytes.len() / 8_192 * 4_096 + 100;
    bytes[middle] ^= 1;
    std::fs::write(home.path(), bytes).unwrap();
    let error = crate::copy(&home.path(), &key(), &home.directory.path().join("copy")).unwrap_err();
    assert!(error.is_damage(), "{error:?}");
}
