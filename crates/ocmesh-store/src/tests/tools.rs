//! The file as other programs see it: SQLite finds no database, SQLCipher opens it with the raw key. Skipped where they are missing.

use std::process::{Command, Output};

use super::*;

/// Runs a command-line tool on a database; `None` when it is not installed.
fn run(tool: &str, path: &std::path::Path, sql: &str) -> Option<Output> {
    match Command::new(tool).arg("-batch").arg(path).arg(sql).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {tool} does not start here ({error})");
            None
        }
    }
}

fn filled() -> Home {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW)), add(inbound(2, 1, NOW))]);
    store.close().unwrap();
    home
}

#[test]
fn plain_sqlite_finds_no_database() {
    let home = filled();
    let Some(output) = run("sqlite3", &home.path(), "SELECT count(*) FROM messages;") else { return };
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a database"), "{output:?}");
}

#[test]
fn sqlcipher_opens_it_with_the_raw_key_and_with_no_other() {
    let home = filled();
    let Some(version) = run("sqlcipher", &home.directory.path().join("none"), "PRAGMA cipher_version;") else { return };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 4) {
        println!("skipped: sqlcipher is version {version:?}, and the file is of format 4");
        return;
    }
    let ask =
        |hex: &str| run("sqlcipher", &home.path(), &format!("PRAGMA key = \"x'{hex}'\"; SELECT 'rows', count(*) FROM messages;")).unwrap();
    let right = ask(&key().to_hex());
    assert!(String::from_utf8_lossy(&right.stdout).contains("rows|2"), "{right:?}");
    assert!(!String::from_utf8_lossy(&ask(&"00".repeat(32)).stdout).contains("rows"));
}
