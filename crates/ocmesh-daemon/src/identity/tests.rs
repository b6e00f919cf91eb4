//! The identity over first start, restart, loss and damage, with a keychain and without.

#[cfg(target_os = "linux")]
mod power;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use keyring_core::{api::CredentialStoreApi, mock};

use super::*;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A home as a crash leaves it: what was written last is still in the database's log.
    fn crashed() -> Self {
        let (running, crashed) = (Self::new(), Self::new());
        let opened = running.open().unwrap();
        for (name, content) in running.files() {
            fs::write(crashed.dir.path().join(&name), content).unwrap();
            fs::set_permissions(crashed.dir.path().join(&name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        drop(opened);
        assert!(!fs::read(crashed.log()).unwrap().is_empty());
        crashed
    }

    fn log(&self) -> std::path::PathBuf {
        self.dir.path().join("ocmesh.db-wal")
    }

    fn home(&self) -> Home {
        Home::locate(|name| (name == "OCMESH_HOME").then(|| self.dir.path().as_os_str().to_owned())).unwrap()
    }

    fn config(&self) -> Config {
        Config::load(&self.home(), [("OCMESH_KEYCHAIN".into(), "off".into())], &[]).unwrap()
    }

    fn open(&self) -> Result<OpenedIdentity, OpenIdentityError> {
        open_or_create(&self.home(), &self.config())
    }

    fn restore(&self) -> Result<Restored, RestoreError> {
        restore_from_backup(&self.home(), &self.config())
    }

    /// Every file with its content, to show that nothing was touched.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn the_first_start_makes_an_identity_and_later_ones_keep_it() {
    let world = World::new();
    let first = world.open().unwrap();
    assert!(first.created);
    assert_eq!(first.key_place, KeyPlace::File);
    let pubkey = first.keys.public();
    drop(first);
    for path in [world.home().database(), world.home().database_key(), world.home().identity_backup()] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let second = world.open().unwrap();
    assert!(!second.created);
    assert_eq!(second.keys.public(), pubkey);
}

#[test]
fn no_secret_is_on_the_disk_or_in_debug() {
    let world = World::new();
    let opened = world.open().unwrap();
    let secret = opened.keys.secret_bytes();
    let hex = hex::encode(*secret);
    let shown = format!("{opened:?}");
    assert!(!shown.contains(&hex) && !shown.contains(&fs::read_to_string(world.home().database_key()).unwrap()), "{shown}");
    drop(opened);
    for (name, content) in world.files() {
        assert!(!content.windows(32).any(|part| part == secret.as_slice()), "{name}");
        assert!(!String::from_utf8_lossy(&content).contains(&hex), "{name}");
    }
}

#[test]
fn a_missing_copy_is_made_again() {
    let world = World::new();
    drop(world.open().unwrap());
    fs::remove_file(world.home().identity_backup()).unwrap();
    drop(world.open().unwrap());
    assert!(world.home().identity_backup().exists());
    assert_eq!(mode(&world.home().identity_backup()), 0o600);
}

#[test]
fn a_damaged_copy_is_kept_aside_and_made_again() {
    let world = World::new();
    let pubkey = world.open().unwrap().keys.public();
    fs::write(world.home().identity_backup(), [0xff; 90]).unwrap();
    drop(world.open().unwrap());
    assert_eq!(fs::read(world.dir.path().join("identity.backup.old-1")).unwrap(), [0xff; 90]);
    fs::write(world.home().identity_backup(), "ncryptsec1qqqq").unwrap();
    drop(world.open().unwrap());
    assert_eq!(fs::read(world.dir.path().join("identity.backup.old-2")).unwrap(), b"ncryptsec1qqqq");
    fs::remove_file(world.home().database()).unwrap();
    assert_eq!(world.open().unwrap().keys.public(), pubkey);
}

#[test]
fn a_copy_of_another_identity_is_an_error_and_stays() {
    let world = World::new();
    let held = world.open().unwrap().keys.public();
    let key = database_key::find(&world.home(), None).unwrap().unwrap().0;
    let other = Keys::generate();
    fs::remove_file(world.home().identity_backup()).unwrap();
    backup::keep(&world.home(), &key, &other, &backup::Found::Nothing).unwrap();
    let before = world.files();
    let error = world.open().unwrap_err();
    assert!(
        matches!(&error, OpenIdentityError::Backup(BackupProblem::AnotherIdentity { sealed, held: own, .. })
            if *sealed == other.public() && *own == held),
        "{error}"
    );
    assert_eq!(world.files(), before);
}

#[test]
fn a_lost_database_gets_its_identity_back() {
    let world = World::new();
    let pubkey = world.open().unwrap().keys.public();
    fs::remove_file(world.home().database()).unwrap();
    let opened = world.open().unwrap();
    assert_eq!(opened.keys.public(), pubkey);
    assert!(!opened.created);
}

#[test]
fn without_a_key_nothing_is_made_or_touched() {
    let world = World::new();
    drop(world.open().unwrap());
    fs::remove_file(world.home().database_key()).unwrap();
    let before = world.files();
    assert!(matches!(world.open(), Err(OpenIdentityError::Key(DatabaseKeyError::Missing(path))) if path == world.home().database()));
    assert_eq!(world.files(), before);
    // The sealed copy alone needs its key as much.
    fs::remove_file(world.home().database()).unwrap();
    assert!(matches!(world.open(), Err(OpenIdentityError::Key(DatabaseKeyError::Missing(path))) if path == world.home().identity_backup()));
    assert_eq!(world.files().len(), 1);
}

#[test]
fn with_another_key_nothing_is_made_or_touched() {
    let world = World::new();
    drop(world.open().unwrap());
    fs::write(world.home().database_key(), "ab".repeat(32)).unwrap();
    let before = world.files();
    assert!(matches!(world.open(), Err(OpenIdentityError::Store(OpenError::WrongKeyOrDamaged))));
    assert_eq!(world.files(), before);
    // Even when the database is gone, an identity that may be in the copy is not replaced.
    fs::remove_file(world.home().database()).unwrap();
    assert!(matches!(world.open(), Err(OpenIdentityError::Backup(BackupProblem::DoesNotOpen(_)))));
}

#[test]
fn a_key_file_must_be_a_private_plain_file_with_a_key() {
    let world = World::new();
    drop(world.open().unwrap());
    let path = world.home().database_key();
    let text = fs::read_to_string(&path).unwrap();
    let problem = || match world.open() {
        Err(OpenIdentityError::Key(error)) => error,
        other => panic!("{other:?}"),
    };
    for open in [0o640, 0o604, 0o620, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        assert!(matches!(problem(), DatabaseKeyError::NotPrivate { mode, .. } if mode == open));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for content in [&b""[..], b"ab", &[0xff; 64], &[b'a'; 5_000]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(problem(), DatabaseKeyError::NotAKey(_)));
    }
    // Only root can give a file away, so that this part runs where root runs it.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
        assert!(matches!(problem(), DatabaseKeyError::NotOurs(_)));
    }
    fs::remove_file(&path).unwrap();
    let elsewhere = world.dir.path().join("elsewhere");
    fs::write(&elsewhere, text).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(problem(), DatabaseKeyError::NotAFile(_)));
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    world.open().unwrap();
}

#[test]
fn a_keychain_holds_the_key_and_no_file_is_written() {
    let world = World::new();
    let keychain = mock::Store::new().unwrap();
    let first = open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap();
    assert_eq!(first.key_place, KeyPlace::Keychain);
    assert!(!world.home().database_key().exists());
    let pubkey = first.keys.public();
    drop(first);
    let second = open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap();
    assert_eq!((second.keys.public(), second.key_place), (pubkey, KeyPlace::Keychain));
    drop(second);
    assert!(matches!(world.open(), Err(OpenIdentityError::Key(DatabaseKeyError::Missing(_)))), "switched off, the key is out of reach");
}

#[test]
fn the_file_keeps_the_key_when_it_had_it_first() {
    let world = World::new();
    let pubkey = world.open().unwrap().keys.public();
    let keychain = mock::Store::new().unwrap();
    let opened = open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap();
    assert_eq!((opened.keys.public(), opened.key_place), (pubkey, KeyPlace::File));
    let entry = keychain.build("ocmesh database key", &world.home().path().display().to_string(), None).unwrap();
    assert!(matches!(entry.get_secret(), Err(keyring_core::Error::NoEntry)));
}

#[test]
fn an_owner_who_wants_the_keychain_used_gets_the_key_moved_into_it() {
    let world = World::new();
    let pubkey = world.open().unwrap().keys.public();
    let keychain = mock::Store::new().unwrap();
    let entry = keychain.build("ocmesh database key", &world.home().path().display().to_string(), None).unwrap();
    let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
    credential.set_error(keyring_core::Error::NoStorageAccess("locked".into()));
    let before = world.files();
    let error = open_with(&world.home(), Some(&*keychain), KeychainUse::On).unwrap_err();
    assert!(matches!(error, OpenIdentityError::Key(DatabaseKeyError::NotTaken(_))), "{error}");
    assert_eq!(world.files(), before, "the file still has the key");
    for _ in 0..2 {
        let opened = open_with(&world.home(), Some(&*keychain), KeychainUse::On).unwrap();
        assert_eq!((opened.keys.public(), opened.key_place), (pubkey, KeyPlace::Keychain));
        assert!(!world.home().database_key().exists());
    }
}

#[test]
fn a_locked_keychain_is_an_error_for_an_old_home_and_not_for_a_new_one() {
    let world = World::new();
    let keychain = mock::Store::new().unwrap();
    let entry = keychain.build("ocmesh database key", &world.home().path().display().to_string(), None).unwrap();
    let locked = || {
        let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
        credential.set_error(keyring_core::Error::NoStorageAccess("locked".into()));
    };
    drop(open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap());
    locked();
    let before = world.files();
    let error = open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap_err();
    assert!(matches!(error, OpenIdentityError::Key(DatabaseKeyError::Keychain(_))), "{error}");
    assert_eq!(world.files(), before);
    drop(open_with(&world.home(), Some(&*keychain), KeychainUse::Auto).unwrap());
}

#[test]
fn a_damaged_database_costs_neither_the_identity_nor_itself() {
    let world = World::new();
    let pubkey = world.open().unwrap().keys.public();
    let mut damaged = fs::read(world.home().database()).unwrap();
    damaged[..512].fill(7);
    fs::write(world.home().database(), &damaged).unwrap();
    assert!(matches!(world.open(), Err(OpenIdentityError::Store(_))));
    let restored = world.restore().unwrap();
    assert_eq!(restored.pubkey, pubkey);
    let kept = restored.kept.unwrap();
    assert_eq!(fs::read(kept.join("ocmesh.db")).unwrap(), damaged);
    let opened = world.open().unwrap();
    assert_eq!(opened.keys.public(), pubkey);
    assert!(!opened.created);
}

#[test]
fn a_database_is_put_aside_with_its_log_and_never_over_another() {
    let world = World::new();
    for round in ["one", "two"] {
        fs::write(world.log(), round).unwrap();
        fs::write(world.home().database(), round).unwrap();
        let kept = restore::put_aside(&world.home()).unwrap().unwrap();
        assert!(world.files().is_empty());
        assert_eq!(fs::read_to_string(kept.join("ocmesh.db-wal")).unwrap(), round);
        assert_eq!(fs::read_to_string(kept.join("ocmesh.db")).unwrap(), round);
        assert_eq!(mode(&kept), 0o700);
    }
    assert_eq!(restore::put_aside(&world.home()).unwrap(), None);
    assert_eq!(fs::read_dir(world.dir.path()).unwrap().count(), 2);
}

#[test]
fn a_healthy_database_is_not_replaced() {
    let world = World::new();
    drop(world.open().unwrap());
    assert!(matches!(world.restore(), Err(RestoreError::NotNeeded)));
    fs::set_permissions(world.home().database(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(world.restore(), Err(RestoreError::Database(OpenError::NotPrivate { .. }))));
}

#[test]
fn after_a_crash_a_wrong_key_costs_nothing_that_was_written() {
    let world = World::crashed();
    let key = fs::read(world.home().database_key()).unwrap();
    fs::write(world.home().database_key(), "ab".repeat(32)).unwrap();
    assert!(matches!(world.open(), Err(OpenIdentityError::Store(_))));
    fs::write(world.home().database_key(), key).unwrap();
    fs::remove_file(world.home().identity_backup()).unwrap();
    assert!(!world.open().unwrap().created, "the identity is still in the database's log");
}

#[test]
fn a_restore_that_cannot_work_touches_nothing() {
    let world = World::new();
    drop(world.open().unwrap());
    let mut damaged = fs::read(world.home().database()).unwrap();
    damaged[..512].fill(7);
    fs::write(world.home().database(), &damaged).unwrap();
    let copy = fs::read(world.home().identity_backup()).unwrap();
    fs::remove_file(world.home().identity_backup()).unwrap();
    let before = world.files();
    assert!(matches!(world.restore(), Err(RestoreError::NoBackup(_))));
    assert_eq!(world.files(), before);
    fs::write(world.home().identity_backup(), copy).unwrap();
    fs::write(world.home().database_key(), "ab".repeat(32)).unwrap();
    let before = world.files();
    assert!(matches!(world.restore(), Err(RestoreError::Backup(BackupProblem::DoesNotOpen(_)))));
    fs::remove_file(world.home().database_key()).unwrap();
    assert!(matches!(world.restore(), Err(RestoreError::Key(DatabaseKeyError::Missing(_)))));
    assert_eq!(world.files()[..], before.into_iter().filter(|(name, _)| name != "db.key").collect::<Vec<_>>()[..]);
}
