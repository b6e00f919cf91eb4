//! C7: bits flipped, parts cut off or zeroed anywhere in the database and its log. What is read is what was written, or an error.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use ocmesh_testkit::dice::Dice;

use super::{super::*, trials, workload};
use crate::{DamagedLog, OpenError, ReadError, WriteError};

const STEPS: u64 = 40;
/// The log is folded in after this step; what comes later is in the log alone.
const FOLDED: u64 = 25;

/// What `kill -9` leaves of a store.
struct Crashed {
    home: tempfile::TempDir,
    database: Vec<u8>,
    log: Vec<u8>,
    /// Of the log.
    index: Vec<u8>,
}

/// A store as `kill -9` leaves it: some steps in the database, some in its log.
fn crashed() -> Crashed {
    let (home, copy) = (Home::new(), tempfile::tempdir().unwrap());
    let mut store = home.open();
    for step in 1..=STEPS {
        workload::write_step(&mut store, step, step - 1).unwrap();
        if step == FOLDED {
            store.checkpoint().unwrap();
        }
    }
    let read = |name: &str| std::fs::read(home.directory.path().join(name)).unwrap();
    Crashed { home: copy, database: read("ocmesh.db"), log: read("ocmesh.db-wal"), index: read("ocmesh.db-shm") }
}

/// Damages a file in one of four ways; what was done.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let at = dice.index(bytes.len());
    match dice.below(4) {
        0 | 1 => {
            bytes[at] ^= 1 << dice.below(8);
            format!("a bit flipped at {at}")
        }
        2 => {
            bytes.truncate(at);
            format!("cut to {at}")
        }
        _ => {
            let end = (at / 512 * 512 + 512).min(bytes.len());
            bytes[at / 512 * 512..end].fill(0);
            format!("zeros from {}", at / 512 * 512)
        }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    refused: u64,
    found_by_reading: u64,
    found_by_the_check: u64,
    unseen: u64,
    /// Damage in the log read like its end: so many trials, and so many steps.
    shorter: u64,
    steps_gone: u64,
    /// The start told of it, and was sure that something is lost.
    told: u64,
    told_for_sure: u64,
    /// It said nothing.
    silent: u64,
    silent_cuts: u64,
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Database,
    Log,
    /// The log, and its index is gone, as after a move to another machine.
    LogAlone,
}

fn put(directory: &Path, database: &[u8], log: &[u8], index: Option<&[u8]>) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    for (name, bytes) in [("ocmesh.db", Some(database)), ("ocmesh.db-wal", Some(log)), ("ocmesh.db-shm", index)] {
        let Some(bytes) = bytes else { continue };
        std::fs::write(directory.join(name), bytes).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    directory.join("ocmesh.db")
}

/// Opens, reads everything, and lets the whole file be checked. `truth`: what a sound store holds.
fn look(path: &Path, part: Part, log: &[u8], place: &str, outcome: &mut Outcome) {
    let store = match Store::open(path, &key()) {
        Ok(store) => store,
        Err(OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. }) => {
            outcome.refused += 1;
            return;
        }
        Err(error) => panic!("{place}: {error:?}"),
    };
    match workload::held(&store, STEPS) {
        // Whatever was altered has failed the test in there.
        Ok(held) => {
            let whole: BTreeSet<u64> = (1..=held.len() as u64).collect();
            assert_eq!(held, whole, "{place}: steps are missing in the middle");
            if held.len() as u64 == STEPS {
                let found = store.integrity_check().map_or(true, |findings| !findings.is_empty());
                outcome.found_by_the_check += u64::from(found);
                outcome.unseen += u64::from(!found);
                assert_eq!(DamagedLog::beside(path), [], "{place}: nothing is lost");
            } else {
                assert!(part != Part::Database && held.len() as u64 >= FOLDED, "{place}: {} steps", held.len());
                let gone = STEPS - held.len() as u64;
                outcome.shorter += 1;
                outcome.steps_gone += gone;
                match DamagedLog::beside(path).as_slice() {
                    [] => {
                        outcome.silent += 1;
                        outcome.silent_cuts += u64::from(place.contains("cut"));
                    }
                    [told] => {
                        outcome.told += 1;
                        outcome.told_for_sure += u64::from(told.certain);
                        assert!(told.writes <= gone + 1 && (told.certain || gone <= 2), "{place}: {gone} gone, {told:?}");
                        assert!(std::fs::read(told.kept.join("ocmesh.db-wal")).unwrap() == log, "{place}: not the log");
                    }
                    more => panic!("{place}: {more:?}"),
                }
            }
        }
        Err(error) if error.is_damage() => outcome.found_by_reading += 1,
        Err(ReadError::Open(error)) if matches!(*error, OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. }) => {
            outcome.found_by_reading += 1;
        }
        Err(error) => panic!("{place}: {error:?}"),
    }
}

fn anywhere(trials: u64, seed: u64) {
    /// One part alone, by its name.
    const ONLY: &str = "OCMESH_DISK_PART";
    let Crashed { home, database, log, index } = crashed();
    assert!(log.len() > 10 * 4_096, "too little in the log");
    let mut dice = Dice::new(seed);
    for part in [Part::Database, Part::Log, Part::LogAlone] {
        if std::env::var(ONLY).is_ok_and(|only| only != format!("{part:?}")) {
            continue;
        }
        let mut outcome = Outcome::default();
        for number in 0..trials / 2 {
            let (mut database, mut log) = (database.clone(), log.clone());
            let done = if part == Part::Database { damage(&mut database, &mut dice) } else { damage(&mut log, &mut dice) };
            let place = format!("trial {number}, {part:?}: {done}");
            let index = (part != Part::LogAlone).then_some(index.as_slice());
            look(&put(home.path(), &database, &log, index), part, &log, &place, &mut outcome);
        }
        println!("{} damages, {part:?}: {outcome:?}", trials / 2);
        match part {
            Part::Database => {
                assert!(outcome.refused + outcome.found_by_reading > trials / 10, "the database was not damaged: {outcome:?}");
            }
            Part::Log => assert!(outcome.shorter > trials / 4 && outcome.silent == 0, "{outcome:?}"),
            // A log that was cut looks like one that was never longer.
            Part::LogAlone => assert!(outcome.told > trials / 5 && outcome.silent == outcome.silent_cuts, "{outcome:?}"),
        }
    }
}

#[test]
fn damage_anywhere_is_an_error_and_never_other_data() {
    anywhere(trials("OCMESH_DISK_DAMAGES", 100), 3);
}

#[test]
#[ignore = "10,000 damaged files take minutes; run with cargo test -p ocmesh-store damage_at_ten -- --ignored --nocapture"]
fn damage_at_ten_thousand_places_is_an_error_and_never_other_data() {
    anywhere(10_000, 4);
}

#[test]
fn a_page_that_goes_bad_while_the_store_is_open_is_an_error() {
    use std::os::unix::fs::FileExt;
    let home = Home::new();
    let mut store = home.open();
    for step in 1..=STEPS {
        workload::write_step(&mut store, step, step - 1).unwrap();
    }
    store.checkpoint().unwrap();
    let bytes = std::fs::read(home.path()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(home.path()).unwrap();
    // Behind the back of the open store; the first page is in every cache.
    for page in 1..bytes.len() as u64 / 4_096 {
        file.write_all_at(&[bytes[usize::try_from(page).unwrap() * 4_096 + 100] ^ 0x40], page * 4_096 + 100).unwrap();
    }
    let read = crate::Reader::open(&home.path(), &key(), 1).map(|other| other.message(&id(1_010)).unwrap_err().is_damage());
    assert!(matches!(read, Ok(true) | Err(OpenError::Damaged { .. })), "{read:?}");
    // A page that the writer has in memory is sound; one that it must read is not.
    drop(store);
    match Store::open(&home.path(), &key()).map(|mut store| workload::write_step(&mut store, STEPS + 1, 0)) {
        Ok(written) => assert!(matches!(written, Err(WriteError::Corrupt(_))), "{written:?}"),
        Err(error) => assert!(matches!(error, OpenError::Damaged { .. } | OpenError::WrongKeyOrDamaged), "{error:?}"),
    }
}

/// SQLCipher hands out zeros for a page whose authentication code is wrong. Where that page is the end of a long text, SQLite sees
/// nothing odd in them.
#[test]
fn the_end_of_a_long_text_that_went_bad_is_not_read_as_zeros() {
    let home = Home::new();
    let mut store = home.open();
    let long: std::sync::Arc<str> = format!("{{\"event\":\"{}\"}}", "x".repeat(9_000)).into();
    let event = ocmesh_proto::SignedEvent { id: id(1), kind: 1059, json: std::sync::Arc::clone(&long) };
    write(&mut store, &[ocmesh_proto::Change::PutSealed { message: id(2), event }]);
    store.close().unwrap();
    let bytes = std::fs::read(home.path()).unwrap();
    let (mut right, mut refused) = (0, 0);
    for page in 1..bytes.len() / 4_096 {
        let mut damaged = bytes.clone();
        damaged[page * 4_096 + 1_000] ^= 1;
        std::fs::write(home.path(), &damaged).unwrap();
        match Store::open(&home.path(), &key()).map(|store| store.sealed(&id(1))) {
            Ok(Ok(Some(read))) => {
                assert!(read == long, "page {page}: an altered text was handed out");
                right += 1;
            }
            Ok(Ok(None)) => panic!("page {page}: the event is gone"),
            Ok(Err(error)) => {
                assert!(error.is_damage(), "page {page}: {error:?}");
                refused += 1;
            }
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. } | OpenError::WrongKeyOrDamaged), "page {page}: {error:?}"),
        }
    }
    // Its leaf and its two further pages at least; all the others do not matter to it.
    assert!(refused >= 3 && right > 3, "{refused} refused, {right} right");
}
