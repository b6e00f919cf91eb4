//! C11: migrations cut short. From every released shape to the newest, and one further, with the process killed at each write call, and
//! with the power cut at each change: the database opens, and no row is lost.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ocmesh_testkit::disk::{Disk, Failure, Inside, Kind, Layer, Left};
use rusqlite::Connection;

use super::{super::*, child, workload};
use crate::{
    migrate::{self, MIGRATIONS, Migration},
    open,
};

const ROWS: u64 = 60;
const NTH: &str = "OCMESH_STORE_TEST_NTH";
/// What the failing disk ends a process with.
const KILLED: i32 = 137;

/// A step beyond the newest shape that touches every row of the largest tables, as a rough migration would.
const BEYOND: &str = "
    ALTER TABLE messages ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
    UPDATE messages SET mark = seq + 1;
    CREATE TABLE copies (id INTEGER PRIMARY KEY, content TEXT NOT NULL) STRICT;
    INSERT INTO copies SELECT seq, content FROM messages;
    CREATE INDEX messages_by_mark ON messages (mark, stored_at);
    DELETE FROM seen WHERE seq % 2 = 0;";

/// Every released migration and one beyond.
fn migrations() -> Vec<Migration> {
    let mut all: Vec<Migration> = MIGRATIONS.iter().map(|one| Migration { number: one.number, sql: one.sql }).collect();
    all.push(Migration { number: all.last().unwrap().number + 1, sql: BEYOND });
    all
}

/// A database of version `from` with rows in every table that the first shape had: those statements are frozen, as it is.
fn released(from: u32) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ocmesh.db");
    let shapes = migrations();
    let upto = |number: u32| &shapes[..usize::try_from(number).unwrap()];
    let (connection, _) = open::writer_with(&path, &key(), upto(1)).unwrap();
    for n in 0..ROWS {
        let (key, n): (&[u8], _) = (&bytes(n), i64::try_from(n).unwrap());
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| assert_eq!(connection.execute(sql, params).unwrap(), 1);
        run(
            "INSERT INTO messages VALUES (?1, ?2, 'in', ?2, ?3, 'text', 'nip17', 1, ?1, NULL, ?2, NULL, NULL, NULL, NULL, 'received', NULL,
                NULL, 0, 0, 0)",
            &[&(n + 1), &key, &"content ".repeat(usize::try_from(n * 20).unwrap())],
        );
        run("INSERT INTO history (seq, at, entry) VALUES (?1, 1, '{}')", &[&(n + 1)]);
        run("INSERT INTO seen VALUES (?1, ?2, 1)", &[&n, &key]);
        run("INSERT INTO rumors (message, json, stored_at) VALUES (?1, '{}', 1)", &[&key]);
        run("INSERT INTO sealed (event, message, kind, json, wrapped_at) VALUES (?1, ?1, 1059, '{}', 1)", &[&key]);
        run("INSERT INTO notices (at, body) VALUES (?1, '{}')", &[&n]);
        run(
            "INSERT INTO peers (pubkey, search, status, source, first_seen, last_seen, presence_at, lease_until, trust)
                VALUES (?1, '', 'offline', 'presence', 1, 1, 1, 1, 'known')",
            &[&key],
        );
    }
    connection.execute("INSERT INTO identity VALUES (1, ?1)", [&bytes(7)]).unwrap();
    drop(connection);
    let (connection, _) = open::writer_with(&path, &key(), upto(from)).unwrap();
    drop(connection);
    home
}

fn version(connection: &Connection) -> u32 {
    migrate::version(connection).unwrap()
}

/// Rows of every table of the first shape that a migration must not lose, and the sum of what the messages say.
fn rows(connection: &Connection) -> BTreeMap<&'static str, i64> {
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let mut rows: BTreeMap<_, i64> = ["messages", "history", "rumors", "sealed", "notices", "peers", "identity"]
        .into_iter()
        .map(|table| (table, one(&format!("SELECT count(*) FROM {table}"))))
        .collect();
    rows.insert("letters", one("SELECT sum(length(content)) FROM messages"));
    rows.insert("counted", one("SELECT messages + unread FROM counters"));
    rows
}

/// Opens what is left, to the newest shape: nothing is missing, and every page is sound.
fn opens(path: &Path, before: &BTreeMap<&'static str, i64>, place: &str) {
    let shapes = migrations();
    let (connection, _) = open::writer_with(path, &key(), &shapes).unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert_eq!(version(&connection), shapes.last().unwrap().number, "{place}");
    assert_eq!(rows(&connection), *before, "{place}");
    let marked: i64 = connection.query_row("SELECT count(*) FROM messages WHERE mark = seq + 1", [], |row| row.get(0)).unwrap();
    let copied: i64 = connection.query_row("SELECT count(*) FROM copies", [], |row| row.get(0)).unwrap();
    assert_eq!((marked, copied), (i64::try_from(ROWS).unwrap(), i64::try_from(ROWS).unwrap()), "{place}: half a migration");
    for check in ["PRAGMA cipher_integrity_check", "PRAGMA integrity_check"] {
        let mut statement = connection.prepare(check).unwrap();
        let findings: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(findings.iter().all(|finding| finding == "ok"), "{place}: {findings:?}");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The child: migrates the database below the layer, and is killed at the chosen write call, if any.
fn migrate_and_die(inside: &Inside) -> ! {
    inside.control.choose(&[Kind::Write, Kind::Truncate, Kind::Open, Kind::Name]).unwrap();
    inside.control.fail(number(NTH).unwrap(), 1, Failure::Killed).unwrap();
    let (connection, _) = open::writer_with(&inside.watched.join("ocmesh.db"), &key(), &migrations()).unwrap();
    std::mem::forget(connection);
    std::process::exit(0)
}

fn prepared(from: u32) -> (tempfile::TempDir, BTreeMap<&'static str, i64>) {
    let home = released(from);
    let (connection, _) = open::writer_with(&path_in(home.path()), &key(), &migrations()[..usize::try_from(from).unwrap()]).unwrap();
    let before = rows(&connection);
    drop(connection);
    (home, before)
}

fn path_in(home: &Path) -> PathBuf {
    home.join("ocmesh.db")
}

/// Kills at every `stride`th call until a run passes untouched.
fn killed(test: &str, stride: u64) {
    if let Some(inside) = Inside::of_this_process().unwrap() {
        migrate_and_die(&inside);
    }
    for from in 1..=MIGRATIONS.last().unwrap().number {
        let (original, before) = prepared(from);
        let (mut kills, mut nth) = (0, 1);
        loop {
            let home = tempfile::tempdir().unwrap();
            workload::copy(original.path(), home.path());
            let layer = Layer::over(home.path()).unwrap();
            let (status, said) = child(&layer, test, &[(NTH, nth.to_string())]);
            opens(&path_in(home.path()), &before, &format!("from {from}, killed at call {nth}"));
            if status.success() {
                break;
            }
            assert_eq!(status.code(), Some(KILLED), "{said}");
            (kills, nth) = (kills + 1, nth + stride);
        }
        println!("from version {from}: killed {kills} times, at one of {stride} calls");
        assert!(kills * stride >= 100, "only {kills} kills: the layer is not below the store");
    }
}

#[test]
fn a_migration_killed_at_a_write_is_done_by_the_next_start() {
    killed("killed::a_migration_killed_at_a_write_is_done_by_the_next_start", 7);
}

#[test]
#[ignore = "every single call takes minutes; run with cargo test -p ocmesh-store killed_at_any -- --ignored --nocapture"]
fn a_migration_killed_at_any_write_is_done_by_the_next_start() {
    killed("killed::a_migration_killed_at_any_write_is_done_by_the_next_start", 1);
}

#[test]
fn a_migration_cut_by_the_power_at_any_change_is_done_by_the_next_start() {
    let test = "killed::a_migration_cut_by_the_power_at_any_change_is_done_by_the_next_start";
    if let Some(inside) = Inside::of_this_process().unwrap() {
        migrate_and_die(&inside);
    }
    for from in 1..=MIGRATIONS.last().unwrap().number {
        let (original, before) = prepared(from);
        let home = tempfile::tempdir().unwrap();
        workload::copy(original.path(), home.path());
        let mut disk = Disk::holding(home.path()).unwrap();
        let layer = Layer::over(home.path()).unwrap().recording();
        let (status, said) = child(&layer, test, &[(NTH, "0".to_owned())]);
        assert!(status.success(), "{said}");
        let record = layer.record().unwrap();
        for (moment, op) in record.iter().enumerate() {
            disk.play(op);
            let left = Left::ALL[moment % Left::ALL.len()];
            let cut = tempfile::tempdir().unwrap();
            disk.cut_into(cut.path(), left, moment as u64).unwrap();
            opens(&path_in(cut.path()), &before, &format!("from {from}, power cut at {moment}, {left:?}"));
        }
        println!("from version {from}: {} power cuts", record.len());
        assert!(record.len() > 200, "only {} changes: the layer is not below the store", record.len());
    }
}
