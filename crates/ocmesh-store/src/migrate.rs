//! Brings a database to the newest shape: numbered SQL files, each in its own transaction. Never backward.

use rusqlite::Connection;

use crate::OpenError;

/// One step from a version to the next.
pub(crate) struct Migration {
    /// The version it leads to.
    pub(crate) number: u32,
    /// What it does.
    pub(crate) sql: &'static str,
}

/// Every migration, oldest first. Applied ones are frozen.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, sql: include_str!("../migrations/0001_first.sql") },
    Migration { number: 2, sql: include_str!("../migrations/0002_lines.sql") },
    Migration { number: 3, sql: include_str!("../migrations/0003_held.sql") },
    Migration { number: 4, sql: include_str!("../migrations/0004_invites.sql") },
    Migration { number: 5, sql: include_str!("../migrations/0005_wakes.sql") },
    Migration { number: 6, sql: include_str!("../migrations/0006_work.sql") },
    Migration { number: 7, sql: include_str!("../migrations/0007_names.sql") },
];

/// The version of a database: the number of its newest migration, 0 before the first.
pub(crate) fn version(connection: &Connection) -> Result<u32, OpenError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Applies what is missing of `migrations`.
///
/// # Errors
/// [`OpenError::Newer`] when the database is past the newest of them. When a migration fails, the ones before it stay applied and
/// nothing of it does.
pub(crate) fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), OpenError> {
    let found = version(connection)?;
    let supported = migrations.last().map_or(0, |newest| newest.number);
    if found > supported {
        return Err(OpenError::Newer { found, supported });
    }
    for migration in migrations.iter().filter(|migration| migration.number > found) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "user_version", migration.number)?;
        transaction.commit()?;
        tracing::debug!(version = migration.number, "store migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration = Migration { number: 1, sql: "CREATE TABLE one (x INTEGER); INSERT INTO one VALUES (7);" };

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn each_migration_runs_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[FIRST]).unwrap();
        migrate(&mut connection, &[FIRST]).unwrap();
        let second = Migration { number: 2, sql: "UPDATE one SET x = x + 1;" };
        migrate(&mut connection, &[FIRST, second]).unwrap();
        assert_eq!(connection.query_row("SELECT x FROM one", [], |row| row.get::<_, i64>(0)).unwrap(), 8);
        assert_eq!(version(&connection).unwrap(), 2);
    }

    #[test]
    fn a_failing_migration_leaves_nothing_of_itself() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = Migration { number: 2, sql: "CREATE TABLE two (x INTEGER); DELETE FROM one; INSERT INTO nowhere VALUES (1);" };
        let third = Migration { number: 3, sql: "CREATE TABLE three (x INTEGER);" };
        assert!(migrate(&mut connection, &[FIRST, broken, third]).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert_eq!(tables(&connection), ["one"]);
        assert_eq!(connection.query_row("SELECT x FROM one", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        // Put right, it goes on from where it stood.
        let mended = Migration { number: 2, sql: "CREATE TABLE two (x INTEGER);" };
        migrate(&mut connection, &[FIRST, mended]).unwrap();
        assert_eq!(tables(&connection), ["one", "two"]);
    }

    #[test]
    fn the_numbers_are_one_to_n_and_every_file_is_listed() {
        let listed: Vec<String> = MIGRATIONS.iter().map(|migration| format!("{:04}_", migration.number)).collect();
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().chars().take(5).collect())
            .collect();
        files.sort();
        assert_eq!(listed, files);
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..=u32::try_from(MIGRATIONS.len()).unwrap()).collect::<Vec<_>>());
    }
}
