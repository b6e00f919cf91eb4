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

/// SQLCipher 4 as somebody else built it: the program, or the Python wheel `sqlcipher3-wheels`. Debian 12 still ships version 3, which
/// cannot read files of format 4, so CI names a Python that has the wheel in `OCMESH_SQLCIPHER_PYTHON`.
enum Sqlcipher {
    Program,
    Python(std::ffi::OsString),
}

impl Sqlcipher {
    fn find(home: &Home) -> Option<Self> {
        if let Some(python) = std::env::var_os("OCMESH_SQLCIPHER_PYTHON") {
            return Some(Self::Python(python));
        }
        let version = run("sqlcipher", &home.directory.path().join("none"), "PRAGMA cipher_version;")?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 4) {
            return Some(Self::Program);
        }
        println!("skipped: sqlcipher is version {version:?}, and the file is of format 4");
        None
    }

    /// Counts the messages with this key; what it printed.
    fn count(&self, path: &std::path::Path, hex: &str) -> String {
        let output = match self {
            Self::Program => run("sqlcipher", path, &format!("PRAGMA key = \"x'{hex}'\"; SELECT 'rows', count(*) FROM messages;")).unwrap(),
            Self::Python(python) => Command::new(python).args(["-c", PYTHON]).arg(path).arg(hex).output().unwrap(),
        };
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

const PYTHON: &str = r#"
import sqlcipher3, sys
db = sqlcipher3.connect(sys.argv[1])
db.execute("PRAGMA key = \"x'" + sys.argv[2] + "'\"")
print("rows|%d" % db.execute("SELECT count(*) FROM messages").fetchone())
"#;

#[test]
fn sqlcipher_opens_it_with_the_raw_key_and_with_no_other() {
    let home = filled();
    let Some(sqlcipher) = Sqlcipher::find(&home) else { return };
    let right = sqlcipher.count(&home.path(), &key().to_hex());
    assert!(right.contains("rows|2"), "{right}");
    let wrong = sqlcipher.count(&home.path(), &"00".repeat(32));
    assert!(wrong.contains("not a database") && !wrong.contains("rows|"), "{wrong}");
}
