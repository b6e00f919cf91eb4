//! Every kept input against its target, in every test run and without a fuzzer; and the corpus gets as deep as it must, so that it cannot rot.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// All of it: it is cloned with every checkout.
const CORPUS_BYTES_MAX: u64 = 1024 * 1024;

/// How far the inputs of each target must get, at least.
const MUST_REACH: &[(&str, &[&str])] = &[
    ("announcements", &["presence", "presence with relays", "profile", "relay list", "empty list", "dated ahead", "refused"]),
    ("config", &["defaults", "changed", "no TOML", "unknown key", "no address", "bad value"]),
    ("frames", &["event", "words", "other", "malformed"]),
    (
        "messages",
        &[
            "nip17 text",
            "nip17 frame",
            "nip44 text",
            "nip44 frame",
            "nip04 text",
            "nip04 frame",
            "opened as it came",
            "wrong id",
            "wrong signature",
            "no event",
            "another author inside",
            "no seal inside",
            "no rumor inside",
            "another kind inside",
            "for somebody else",
            "not decrypted",
            "refused",
        ],
    ),
    ("nip-11", &["document", "nothing known", "no document"]),
    ("requests", &["read", "refused"]),
    ("rows", &["parcel", "read", "unreadable"]),
    ("session", &["silence", "answers", "sign-in", "events", "events and sign-in"]),
    ("terminal", &["ours", "a stranger's"]),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_kept_input_keeps_every_promise_and_all_depths_are_reached() {
    for (target, check) in ocmesh_fuzz::TARGETS {
        let mut reached = BTreeSet::new();
        for (path, bytes) in inputs(target) {
            let outcome = std::panic::catch_unwind(|| check(&bytes));
            reached.insert(outcome.unwrap_or_else(|_| panic!("{} breaks a promise", path.display())));
        }
        let (_, wanted) = MUST_REACH.iter().find(|(name, _)| *name == target).expect("every target has its depths");
        let missing: Vec<_> = wanted.iter().filter(|depth| !reached.contains(**depth)).collect();
        assert!(missing.is_empty(), "no input of {target} gets to {missing:?}");
    }
}

#[test]
fn the_corpus_is_small_and_belongs_to_the_targets() {
    let mut bytes = 0;
    for folder in fs::read_dir(corpus()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(ocmesh_fuzz::TARGETS.iter().any(|(target, _)| *target == name), "there is no target {name}");
        bytes += inputs(&name).iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}
