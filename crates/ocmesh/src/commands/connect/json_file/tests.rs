//! Somebody's settings before, with, and after us.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn file(directory: &Path) -> JsonFile {
    JsonFile::new(directory.join("sub").join("mcp.json"), "mcpServers", json!({"command": "/bin/ocmesh", "args": ["mcp"]}))
}

/// A settings file as people write them, with everything that must survive.
const SETTINGS: &str = r#"{
    "zeta": {"keep":   "this \u0041",
             "big": 12345678901234567890123, "float": 1.0},
    "mcpServers": {
        "other": { "command": "x", "env": {"TOKEN": "t"} }
    },
    "alpha": [1,2,   3]
}"#;

#[test]
fn our_entry_is_put_in_and_nothing_else_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(file.path(), SETTINGS).unwrap();
    assert_eq!(file.current().unwrap(), None);
    file.connect().unwrap();
    assert_eq!(file.current().unwrap().as_ref(), Some(file.value()));
    let text = fs::read_to_string(file.path()).unwrap();
    let wanted = SETTINGS.replace(
        "\"TOKEN\": \"t\"} }\n",
        "\"TOKEN\": \"t\"} },\n        \"ocmesh\": {\n            \"args\": [\n                \"mcp\"\n            ],\n            \
         \"command\": \"/bin/ocmesh\"\n        }\n",
    );
    assert_eq!(text, wanted);
    assert_eq!(fs::read_to_string(file.backup()).unwrap(), SETTINGS);
    file.undo().unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), SETTINGS);
    assert!(!file.backup().exists());
}

#[test]
fn every_layout_is_given_back_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    fs::create_dir(directory.path().join("sub")).unwrap();
    for text in ["{\"a\":1,\"mcpServers\":{\"x\":{}}}", "{}", "", " \n", "{ }\r\n", "{\n\t\"a\": 1\n}\n\n", "{\"a\": 1}"] {
        fs::write(file.path(), text).unwrap();
        file.connect().unwrap();
        assert_eq!(file.current().unwrap().as_ref(), Some(file.value()), "{text:?}");
        file.undo().unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
    }
}

#[test]
fn what_the_program_wrote_meanwhile_stays() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(file.path(), SETTINGS).unwrap();
    file.connect().unwrap();
    let changed = fs::read_to_string(file.path()).unwrap().replace("[1,2,   3]", "[4]");
    fs::write(file.path(), &changed).unwrap();
    file.undo().unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), SETTINGS.replace("[1,2,   3]", "[4]"));
    assert!(!file.backup().exists());
}

#[test]
fn a_file_that_was_not_there_goes_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    file.connect().unwrap();
    assert_eq!(file.current().unwrap().as_ref(), Some(file.value()));
    file.undo().unwrap();
    assert!(!file.path().exists());
    file.undo().unwrap();
}

#[cfg(unix)]
#[test]
fn rights_and_links_stay_as_they_are() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    fs::create_dir(directory.path().join("sub")).unwrap();
    let real = directory.path().join("dotfiles.json");
    fs::write(&real, "{}").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, file.path()).unwrap();
    file.connect().unwrap();
    assert!(fs::symlink_metadata(file.path()).unwrap().is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&real).unwrap().contains("/bin/ocmesh"));
    // A new file may get tokens later: it is its owner's alone.
    let new = self::file(&directory.path().join("new"));
    new.connect().unwrap();
    assert_eq!(new.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_not_understood_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    fs::create_dir(directory.path().join("sub")).unwrap();
    for text in [
        "{ // comment\n}",
        "{\"a\": 1,}",
        "[]",
        "null",
        "{\"mcpServers\": []}",
        "{\"mcpServers\": {}, \"mcpServers\": {}}",
        "{\"mcpServers\": {\"ocmesh\": 1, \"ocmesh\": 2}}",
        "\u{feff}{}",
    ] {
        fs::write(file.path(), text).unwrap();
        let error = file.connect().unwrap_err().to_json().unwrap().to_string();
        assert!(error.contains("file_not_understood") && error.contains("by hand"), "{text}: {error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        assert!(!file.backup().exists());
    }
    fs::remove_file(file.path()).unwrap();
    fs::create_dir(file.path()).unwrap();
    assert!(file.connect().unwrap_err().to_json().unwrap().to_string().contains("odd_file"));
}

proptest! {
    #[test]
    fn any_settings_keep_their_values(keys in prop::collection::btree_map("[a-z\"\\\\é]{0,6}", any::<i32>(), 0..6), nested in any::<bool>()) {
        let mut value = json!(keys);
        if nested {
            value["mcpServers"] = json!(keys);
        }
        for text in [value.to_string(), format!("{value:#}\n")] {
            let with = put(&text, "mcpServers", "ocmesh", &json!({"command": "x"})).unwrap();
            let mut read: Value = serde_json::from_str(&with).unwrap();
            prop_assert_eq!(read["mcpServers"]["ocmesh"].clone(), json!({"command": "x"}));
            let without = take(&with, "mcpServers", "ocmesh").unwrap();
            read = serde_json::from_str(&without).unwrap();
            if !nested {
                prop_assert_eq!(read["mcpServers"].take(), json!({}));
                read.as_object_mut().unwrap().remove("mcpServers");
            }
            prop_assert_eq!(read, value.clone());
        }
    }
}
