//! The home against the ways it can be missing, open, foreign or in the way. Root may do everything, so that these tests look at modes
//! and owners, and put files in the way, where they cannot take permissions from themselves.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn at(path: &Path) -> Home {
    let path = path.as_os_str().to_owned();
    Home::locate(|name| (name == "OCMESH_HOME").then(|| path.clone())).unwrap()
}

#[test]
fn the_variable_moves_the_home_and_an_empty_one_does_not() {
    let both = |name: &str| match name {
        "OCMESH_HOME" => Some("/x/mesh".into()),
        _ => Some("/home/ada".into()),
    };
    assert_eq!(Home::locate(both).unwrap().path(), Path::new("/x/mesh"));
    let empty = |name: &str| Some(if name == "HOME" { "/home/ada".into() } else { OsString::new() });
    assert_eq!(Home::locate(empty).unwrap().path(), Path::new("/home/ada/.ocmesh"));
    let error = Home::locate(|_| None).unwrap_err();
    assert!(error.to_string().contains("HOME"), "{error}");
}

#[test]
fn a_new_home_is_closed_to_others_and_its_parents_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let opened = at(&dir.path().join("a/b/mesh")).open().unwrap();
    assert_eq!(mode(opened.home.path()), 0o700);
    assert_eq!(opened.tightened_from, None);
}

#[test]
fn an_open_home_is_closed_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let opened = at(dir.path()).open().unwrap();
    assert_eq!(opened.tightened_from, Some(0o755));
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(at(dir.path()).open().unwrap().tightened_from, None);
}

#[test]
fn a_file_in_the_way_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mesh");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(at(&path).open(), Err(HomeError::NotADirectory(_))));
    // Below a file nothing can be made, not even by root.
    assert!(matches!(at(&path.join("deeper")).open(), Err(HomeError::Unusable { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn our_own_link_is_followed_and_a_foreign_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("disk"), dir.path().join("mesh"));
    fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(at(&link).open().unwrap().home.path(), fs::canonicalize(&target).unwrap());
    // Only root can give a link away, so that this half runs where root runs it.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(&link, Some(4242), None).unwrap();
        assert!(matches!(at(&link).open(), Err(HomeError::NotOurs { owner: 4242, .. })));
    }
}

#[test]
fn a_written_file_is_private_whole_and_replaces_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(dir.path().join(".token.new"), "left by a crash").unwrap();
    write_atomically(&path, b"one").unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_link_planted_as_temporary_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::write(&outside, "theirs").unwrap();
    symlink(&outside, dir.path().join(".token.new")).unwrap();
    write_atomically(&dir.path().join("token"), b"secret").unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs");
    // And a link in the file's own place is replaced, not written through.
    symlink(&outside, dir.path().join("api.json")).unwrap();
    write_atomically(&dir.path().join("api.json"), b"{}").unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs");
}

#[test]
fn the_api_file_comes_back_as_it_was_written_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let home = at(dir.path());
    let api = ApiFile { address: "127.0.0.1".into(), port: 7432, pid: 7, socket: Some(home.socket()), version: "0.3.0".into() };
    assert_eq!(home.read_api_file(), None);
    home.write_api_file(&api).unwrap();
    assert_eq!(home.read_api_file(), Some(api));
    assert_eq!(mode(&home.api_file()), 0o600);
    home.remove_api_file().unwrap();
    home.remove_api_file().unwrap();
    assert_eq!(home.read_api_file(), None);
}
