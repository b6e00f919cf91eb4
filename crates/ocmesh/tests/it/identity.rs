//! The identity: backed up, restored, imported; never replaced by accident, never removed.

use std::{fs, io::Write as _, process::Stdio};

use crate::support::{Ended, User};

/// Secret key 1, everybody's example: no one may rely on it.
const NSEC: &str = "nsec1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsmhltgl";
const NPUB: &str = "npub10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqpkge6d";

fn with_input(user: &User, arguments: &[&str], input: &str) -> Ended {
    let mut child = user.ocmesh(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs with a passphrase on file descriptor 3.
fn with_passphrase(user: &User, arguments: &str, passphrase: &str) -> Ended {
    fs::write(user.home().join("pass"), format!("{passphrase}\n")).unwrap();
    let script = format!("exec '{}' {arguments} --passphrase-fd 3 3<pass", env!("CARGO_BIN_EXE_ocmesh"));
    Ended::of(user.command("/bin/sh").args(["-c", &script]))
}

fn npub(user: &User) -> String {
    user.run(&["identity", "show", "--json"]).expect(0).json()["npub"].as_str().unwrap().to_owned()
}

#[test]
fn a_home_without_an_identity_makes_none_by_looking() {
    let user = User::new();
    for arguments in [&["identity", "show"][..], &["identity", "backup"]] {
        assert_eq!(user.run(&[arguments, &["--json"]].concat()).expect(1).error_json()["code"], "no_identity");
    }
    assert!(!user.data().exists());
}

#[test]
fn a_key_is_imported_and_a_different_one_is_put_aside_only_when_asked() {
    let user = User::new();
    with_input(&user, &["identity", "import"], &format!("{NSEC}\n")).expect(0);
    assert_eq!(npub(&user), NPUB);
    let again = with_input(&user, &["identity", "import", "--json"], NSEC).expect(0).json();
    assert_eq!(again["kept"], serde_json::Value::Null, "the same key changes nothing");

    let other = "0000000000000000000000000000000000000000000000000000000000000002";
    let refused = with_input(&user, &["identity", "import", "--json"], other).expect(1);
    assert_eq!(refused.error_json()["code"], "other_identity");
    assert_eq!(npub(&user), NPUB);
    let replaced = with_input(&user, &["identity", "import", "--replace", "--json"], other).expect(0).json();
    let kept = std::path::PathBuf::from(replaced["kept"].as_str().unwrap());
    assert!(kept.join("ocmesh.db").is_file() && kept.join("identity.backup").is_file(), "{kept:?}");
    assert_ne!(npub(&user), NPUB);

    // What was put aside opens again when it is put back.
    for file in ["ocmesh.db", "identity.backup"] {
        fs::rename(kept.join(file), user.data().join(file)).unwrap();
    }
    assert_eq!(npub(&user), NPUB);

    for (text, word) in [(NPUB, "public key"), ("hello", "not a secret key")] {
        let refused = with_input(&user, &["identity", "import"], text).expect(1);
        assert!(refused.stderr.contains(word) && !refused.stderr.contains(text), "{}", refused.stderr);
    }
}

#[test]
fn a_backup_restores_the_identity_in_another_home() {
    let user = User::new();
    with_input(&user, &["identity", "import"], NSEC).expect(0);
    with_passphrase(&user, "identity backup key.txt", "correct horse").expect(0);
    let text = fs::read_to_string(user.home().join("key.txt")).unwrap();
    assert!(text.starts_with("ncryptsec1"));
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(user.home().join("key.txt")).unwrap()) & 0o777, 0o600);
    let refused = with_passphrase(&user, "identity backup key.txt", "correct horse").expect(1);
    assert!(refused.stderr.contains("nothing is overwritten"), "{}", refused.stderr);
    user.run(&["identity", "backup", "other.txt"]).expect(2);

    let refused = with_passphrase(&user, "--home new identity restore key.txt", "wrong").expect(1);
    assert!(refused.stderr.contains("passphrase does not open"), "{}", refused.stderr);
    with_passphrase(&user, "--home new identity restore key.txt", "correct horse").expect(0);
    let shown = user.run(&["--home", "new", "identity", "show"]).expect(0).stdout;
    assert!(shown.starts_with(NPUB), "{shown}");
}

#[test]
fn a_damaged_database_costs_the_messages_but_not_the_identity() {
    let user = User::new();
    with_input(&user, &["identity", "import"], NSEC).expect(0);
    let refused = user.run(&["identity", "restore"]).expect(1);
    assert!(refused.stderr.contains("not damaged"), "{}", refused.stderr);

    let database = user.data().join("ocmesh.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes.iter_mut().take(4096).for_each(|byte| *byte ^= 0x5a);
    fs::write(&database, &bytes).unwrap();
    let report = user.run(&["doctor"]).expect(1).stdout;
    assert!(report.contains("fail  database") && report.contains("ocmesh identity restore"), "{report}");
    user.run(&["daemon"]).expect(1);

    let restored = user.run(&["identity", "restore", "--json"]).expect(0).json();
    let kept = std::path::PathBuf::from(restored["kept"].as_str().unwrap());
    assert_eq!(fs::read(kept.join("ocmesh.db")).unwrap(), bytes, "the damaged database is kept as it was");
    assert_eq!(npub(&user), NPUB);
    let report = user.run(&["doctor"]).stdout;
    assert!(report.contains("ok    database   every page is sound"), "{report}");
}
