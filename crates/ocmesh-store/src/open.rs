//! Opening connections: file, mode, key, settings. Never deletes, overwrites or repairs a database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    OpenError, ReadError, StoreKey,
    migrate::{self, MIGRATIONS, Migration},
    wal,
};

/// How long a connection waits for another: a checkpoint on a slow disk takes a second or two, a hang is longer than five.
const BUSY_MS: u64 = 5_000;
/// Page cache of the writer: the inner pages of every index at 1,000,000 messages, and what a batch of 4,096 presences changes. With half of both
/// more than twice as many pages of a crowd of 100,000 were read, each decrypted and authenticated.
const WRITER_CACHE_KIB: u32 = 8_192;
/// Page cache of the writer while it reads everything once: what goes by is not wanted again.
const LOADING_CACHE_KIB: u32 = 256;
/// Page cache of each reader. A page of a hundred messages of a hundred peers lies on some 250 pages of a large store, and the inner pages of
/// its indexes come on top.
const READER_CACHE_KIB: u32 = 2_048;
/// The WAL file is cut to this after a checkpoint, so that one busy hour does not keep its space for ever.
const WAL_BYTES_MAX: u32 = 16 * 1_024 * 1_024;
/// SQLCipher's page, also its smallest file.
pub(crate) const PAGE_BYTES: u64 = 4_096;
/// Distinct statements a connection keeps compiled: more than this crate has.
const STATEMENTS_MAX: usize = 96;

/// Opens the database for writing, creating it when it is absent.
pub(crate) fn writer(path: &Path, key: &StoreKey) -> Result<(Connection, PathBuf), OpenError> {
    writer_with(path, key, MIGRATIONS)
}

/// Like [`writer`], brought to the newest of `migrations`.
pub(crate) fn writer_with(path: &Path, key: &StoreKey, migrations: &[Migration]) -> Result<(Connection, PathBuf), OpenError> {
    let path = settled(path)?;
    if !present(&path)? {
        create(&path, key, migrations)?;
    }
    check(&path)?;
    keep_damaged_log(&path)?;
    let connection = writable(&path, key, migrations)?;
    wal::settle(&path, &connection)?;
    Ok((connection, path))
}

/// Opens the database for writing once more, while this process has it open: at its path as it was settled then.
pub(crate) fn again(path: &Path, key: &StoreKey) -> Result<Connection, OpenError> {
    check(path)?;
    writable(path, key, MIGRATIONS)
}

/// Where finished transactions stand behind damage in the log, SQLite would go on without them and write over them. They are put aside first.
fn keep_damaged_log(path: &Path) -> Result<(), OpenError> {
    match wal::look(path).map_err(OpenError::Io)? {
        None => Ok(()),
        Some(broken) if broken.mixed => {
            let detail = "its log is damaged, and was folded in in part behind the damage".to_owned();
            Err(OpenError::Damaged { detail })
        }
        Some(broken) => wal::put(path, &broken),
    }
}

fn writable(path: &Path, key: &StoreKey, migrations: &[Migration]) -> Result<Connection, OpenError> {
    let mut connection = connect(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)?;
    if connection.is_readonly("main")? {
        return Err(OpenError::NotWritable(io::Error::from(io::ErrorKind::PermissionDenied)));
    }
    // Before anything is written.
    if known_version(&connection, migrations)? == 0 {
        return Err(OpenError::Damaged { detail: "the file holds no ocmesh tables".to_owned() });
    }
    durable(&connection)?;
    fold_in(&connection)?;
    // The log is there by now, and stays as long as this connection does. SQLite syncs its name too, but does not look whether that failed.
    sync_directory(path)?;
    migrate::migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// The version, which must not be later than ours.
fn known_version(connection: &Connection, migrations: &[Migration]) -> Result<u32, OpenError> {
    let found = migrate::version(connection)?;
    let supported = migrations.last().map_or(0, |newest| newest.number);
    if found > supported { Err(OpenError::Newer { found, supported }) } else { Ok(found) }
}

/// Writes and syncs what an earlier process left in the log, before anything is acknowledged behind it. Its last sync may have failed:
/// then the log reads well, but is not on the disk, and no later sync of it would change that (the system takes it for written). A power
/// cut would end the log there, in front of everything that came after.
fn fold_in(connection: &Connection) -> Result<(), OpenError> {
    // The answer's first column says that another connection was in the way: then there is a process that keeps the log anyhow.
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Opens the database for reading.
pub(crate) fn reader(path: &Path, key: &StoreKey) -> Result<Connection, OpenError> {
    let path = settled(path)?;
    if !present(&path)? {
        return Err(OpenError::Io(io::Error::from(io::ErrorKind::NotFound)));
    }
    check(&path)?;
    let connection = connect(&path, key, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    known_version(&connection, MIGRATIONS)?;
    Ok(connection)
}

/// The path with every directory link followed, so that only the file itself can still be one, and that is refused.
fn settled(path: &Path) -> Result<PathBuf, OpenError> {
    if cfg!(not(unix)) {
        return Ok(path.to_owned());
    }
    let name = path.file_name().ok_or(OpenError::NotAFile)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok(directory.canonicalize().map_err(OpenError::Io)?.join(name))
}

fn present(path: &Path) -> Result<bool, OpenError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::Io(error)),
    }
}

/// A plain file with something in it, which nobody else may open; so are the files beside it.
fn check(path: &Path) -> Result<(), OpenError> {
    let metadata = fs::symlink_metadata(path).map_err(OpenError::Io)?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile);
    }
    // A database is made elsewhere and moved here complete, so one that is empty or nearly so has lost what it held. SQLite would take
    // it for a new one and fill it.
    // Half a page at the end is what a crash in the middle of folding in the log leaves: fine as long as that log is there.
    let log_bytes = fs::symlink_metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    if metadata.len() < PAGE_BYTES || (metadata.len() % PAGE_BYTES != 0 && log_bytes == 0) {
        return Err(OpenError::Damaged { detail: "the file is cut short".to_owned() });
    }
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::symlink_metadata(&file) {
            Ok(metadata) => check_private(&metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Io(error)),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn check_private(metadata: &fs::Metadata) -> Result<(), OpenError> {
    use std::os::unix::fs::MetadataExt;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile);
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 { Err(OpenError::NotPrivate { mode }) } else { Ok(()) }
}

#[cfg(not(unix))]
fn check_private(metadata: &fs::Metadata) -> Result<(), OpenError> {
    if metadata.is_file() { Ok(()) } else { Err(OpenError::NotAFile) }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a complete database under another name and moves it to its place, so that a crash leaves either none or a whole one.
fn create(path: &Path, key: &StoreKey, migrations: &[Migration]) -> Result<(), OpenError> {
    let mut tag = [0u8; 8];
    getrandom::fill(&mut tag).map_err(|error| OpenError::Io(io::Error::other(error)))?;
    let unborn = beside(path, &format!(".new-{}", hex::encode(tag)));
    let made = fill(&unborn, key, migrations).and_then(|()| publish(&unborn, path));
    // Only what this very call made is removed; after `publish` it is the second name of the finished file, or gone.
    for leftover in [unborn.clone(), beside(&unborn, "-wal"), beside(&unborn, "-shm"), beside(&unborn, "-journal")] {
        if let Err(error) = fs::remove_file(&leftover)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "unfinished database file left behind");
        }
    }
    // Its name is synced by whoever opens it, before anything is acknowledged.
    made
}

/// Writes the tables into a new private file and closes it again, WAL folded in.
fn fill(unborn: &Path, key: &StoreKey, migrations: &[Migration]) -> Result<(), OpenError> {
    new_private_file(unborn).map_err(unwritable)?;
    let mut connection = connect(unborn, key, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)?;
    durable(&connection)?;
    migrate::migrate(&mut connection, migrations)?;
    // Closing does this too, but says nothing when it fails; the file would be published without its content.
    fold_in(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    fs::File::open(unborn).and_then(|file| file.sync_all()).map_err(unwritable)
}

/// A keyed connection to a new, empty and private file.
pub(crate) fn unborn(path: &Path, key: &StoreKey) -> Result<Connection, OpenError> {
    new_private_file(path).map_err(unwritable)?;
    connect(path, key, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE_KIB)
}

/// Creates a file that must not exist yet; a symbolic link in its place is an error too (`O_EXCL`).
pub(crate) fn new_private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // The mode once more on the open file: the umask may have taken bits away that SQLite needs, and copies to -wal and -shm.
        let file = options.mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
    #[cfg(not(unix))]
    {
        options.open(path)
    }
}

/// Gives the finished file its real name, never in place of another file.
fn publish(unborn: &Path, path: &Path) -> Result<(), OpenError> {
    match fs::hard_link(unborn, path) {
        Ok(()) => Ok(()),
        // Somebody was faster: theirs is opened.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links.
        Err(_) if !present(path)? => fs::rename(unborn, path).map_err(unwritable),
        Err(error) => Err(unwritable(error)),
    }
}

pub(crate) fn unwritable(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenError::NotWritable(error),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull,
        _ => OpenError::Io(error),
    }
}

/// A new name is durable only when its directory is synced.
pub(crate) fn sync_directory(path: &Path) -> Result<(), OpenError> {
    match path.parent() {
        Some(directory) if cfg!(unix) => fs::File::open(directory).and_then(|file| file.sync_all()).map_err(OpenError::NotSynced),
        _ => Ok(()),
    }
}

/// A keyed connection with our settings; the first page has been read, so the key fits.
fn connect(path: &Path, key: &StoreKey, access: OpenFlags, cache_kib: u32) -> Result<Connection, OpenError> {
    let mut flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if cfg!(unix) {
        flags |= OpenFlags::SQLITE_OPEN_NOFOLLOW;
    }
    let connection = Connection::open_with_flags(path, flags)?;
    // SQLCipher writes its findings to stderr; ours go out as errors.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    connection.execute_batch(&key.pragma())?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // The file is only trusted to hold data, not to bring functions or to reshape its schema.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // A plan depends on no parameter's value. Without it a page's statement is compiled anew for every call, as its LIMIT is a parameter.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // No auto_vacuum, ever: with it SQLCipher takes a page of zeros, as a crashed file system may leave one, for a good page.
    // Sorting and temporary tables must not reach the disk in the clear.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    cache(&connection, cache_kib)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn cache(connection: &Connection, kib: u32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -i64::from(kib))
}

/// Reads everything once with the writer, which then has not kept what went by: megabytes, for as long as it lives.
pub(crate) fn once<T>(writer: &Connection, read: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, ReadError> {
    cache(writer, LOADING_CACHE_KIB)?;
    let answer = read(writer);
    cache(writer, WRITER_CACHE_KIB)?;
    answer
}

/// Every commit is on the disk when it returns.
fn durable(connection: &Connection) -> Result<(), OpenError> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Io(io::Error::new(io::ErrorKind::Unsupported, "the file system has no shared memory for a WAL")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS: without this, fsync returns before the drive has written. Nothing elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    Ok(())
}
