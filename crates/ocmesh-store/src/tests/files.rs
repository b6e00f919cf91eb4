//! Files: their modes, and what may stand where the database should be.

#![cfg(unix)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::{OpenError, Reader};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_file_is_private() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW))]);
    store.reader().counts().unwrap();
    let names: Vec<String> = home.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ocmesh.db", "ocmesh.db-shm", "ocmesh.db-wal"], "nothing is left of making it");
    for name in names {
        assert_eq!(mode(&home.directory.path().join(&name)), 0o600, "{name}");
    }
}

#[test]
fn the_mode_does_not_depend_on_the_umask() {
    // A umask belongs to the whole process, so this runs in a child of its own: this same test, told so by its environment.
    const CHILD: &str = "OCMESH_STORE_TEST_UMASK_DIRECTORY";
    if let Some(directory) = std::env::var_os(CHILD) {
        let path = PathBuf::from(directory).join("ocmesh.db");
        let mut store = Store::open(&path, &key()).unwrap();
        write(&mut store, &[add(inbound(1, 1, NOW))]);
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(std::path::Path::new(&format!("{}{suffix}", path.display()))), 0o600, "{suffix:?}");
        }
        return;
    }
    let this = std::env::current_exe().unwrap();
    for umask in ["000", "022", "077", "277"] {
        let home = Home::new();
        let run = std::process::Command::new("sh")
            .args(["-c", "umask $1; shift; exec \"$@\"", "sh", umask])
            .arg(&this)
            .args(["--exact", "tests::files::the_mode_does_not_depend_on_the_umask"])
            .env(CHILD, home.directory.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "umask {umask}: {}", String::from_utf8_lossy(&run.stdout));
        assert!(home.path().exists(), "umask {umask}: the child made no store");
    }
}

#[test]
fn a_file_that_others_can_open_is_refused() {
    let home = Home::new();
    home.open().close().unwrap();
    for open in [0o640, 0o604, 0o660, 0o620, 0o610] {
        set_mode(&home.path(), open);
        assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotPrivate { mode }) if mode == open));
        assert!(matches!(Reader::open(&home.path(), &key(), 1), Err(OpenError::NotPrivate { .. })));
    }
    set_mode(&home.path(), 0o600);
    let wal = home.directory.path().join("ocmesh.db-wal");
    std::fs::write(&wal, []).unwrap();
    set_mode(&wal, 0o644);
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotPrivate { .. })));
}

#[test]
fn a_link_in_place_of_the_file_is_not_followed() {
    let (home, other) = (Home::new(), Home::new());
    other.open().close().unwrap();
    symlink(other.path(), home.path()).unwrap();
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotAFile)));
    // Nor is one that points at nothing: the store would be made somewhere else.
    let (home, target) = (Home::new(), other.directory.path().join("elsewhere"));
    symlink(&target, home.path()).unwrap();
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotAFile)));
    assert!(!target.exists());
}

#[test]
fn a_directory_in_place_of_the_file_is_named_so() {
    let home = Home::new();
    std::fs::create_dir(home.path()).unwrap();
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotAFile)));
}

#[test]
fn a_home_behind_a_link_works() {
    let home = Home::new();
    let link = home.directory.path().join("link");
    let real = home.directory.path().join("real");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    Store::open(&link.join("ocmesh.db"), &key()).unwrap().close().unwrap();
    assert!(real.join("ocmesh.db").exists());
}

#[test]
fn a_home_that_is_not_there_is_an_error() {
    let home = Home::new();
    let path = home.directory.path().join("missing").join("ocmesh.db");
    assert!(matches!(Store::open(&path, &key()), Err(OpenError::Io(_))));
}

#[test]
fn what_cannot_be_written_says_so() {
    let home = Home::new();
    home.open().close().unwrap();
    set_mode(&home.path(), 0o400);
    // The owner of the machine may write everything; then there is nothing to see here.
    if std::fs::OpenOptions::new().append(true).open(home.path()).is_ok() {
        println!("skipped: this user may write read-only files");
        return;
    }
    assert!(matches!(Store::open(&home.path(), &key()), Err(OpenError::NotWritable(_))));
}

#[test]
fn a_store_made_by_two_at_once_is_one_store() {
    let home = Home::new();
    std::thread::scope(|scope| {
        let stores: Vec<_> = (0..4).map(|_| scope.spawn(|| home.open())).collect();
        for (n, store) in stores.into_iter().enumerate() {
            write(&mut store.join().unwrap(), &[add(inbound(n as u64, 1, NOW))]);
        }
    });
    assert_eq!(home.open().reader().counts().unwrap().messages, 4);
}

#[test]
fn a_store_held_by_another_is_locked_and_stays_whole() {
    let home = Home::new();
    let first = home.open();
    first.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut second = home.open();
    second.connection.busy_timeout(std::time::Duration::from_millis(1)).unwrap();
    assert!(matches!(second.begin(), Err(crate::WriteError::Busy)));
    first.connection.execute_batch("ROLLBACK").unwrap();
    write(&mut second, &[add(inbound(1, 1, NOW))]);
}
