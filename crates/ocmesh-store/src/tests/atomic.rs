//! All of a step or nothing; readers see what is committed, the writer sees what it is writing.

use std::sync::atomic::{AtomicBool, Ordering};

use ocmesh_proto::{Change, Notice};

use super::*;
use crate::WriteError;

#[test]
fn what_was_not_committed_is_gone_after_a_crash() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW))]);
    store.begin().unwrap();
    store.apply(&add(inbound(2, 1, NOW)), NOW).unwrap();
    store.apply(&put_peer(peer(1, NOW)), NOW).unwrap();
    store.add_notice(NOW, &Notice::OwnChanged).unwrap();
    drop(store);

    let store = home.open();
    let reader = store.reader();
    assert!(reader.message(&id(1)).unwrap().is_some());
    assert!(reader.message(&id(2)).unwrap().is_none());
    assert!(reader.peer(&peer_key(1)).unwrap().is_none());
    assert_eq!(reader.newest_notice_seq().unwrap(), 0);
    assert_eq!(reader.counts().unwrap().messages, 1);
}

#[test]
fn a_copy_of_the_files_taken_at_any_commit_holds_exactly_that_commit() {
    // What a `kill -9` leaves is what the files hold at that instant: nothing is in our memory only.
    let home = Home::new();
    let mut store = home.open();
    for n in 1..=20 {
        write(&mut store, &[add(inbound(n, 1, NOW)), Change::AddSeen { id: id(1_000 + n), at: NOW }]);
        store.begin().unwrap();
        store.apply(&add(inbound(500 + n, 1, NOW)), NOW).unwrap();
        let copy = Home::new();
        for (name, content) in home.files() {
            std::fs::write(copy.directory.path().join(&name), content).unwrap();
            make_private(&copy.directory.path().join(&name));
        }
        store.rollback().unwrap();
        let copied = copy.open();
        assert_eq!(copied.reader().counts().unwrap().messages, n);
        assert!(copied.is_seen(&id(1_000 + n)).unwrap());
        assert!(!copied.is_seen(&id(500 + n)).unwrap());
    }
}

#[test]
fn a_message_and_its_history_are_of_one_moment() {
    use ocmesh_proto::HistoryEntry;
    let home = Home::new();
    let mut store = home.open();
    let reader = store.reader();
    // So long that reading it takes longer than writing a line of its history.
    write(&mut store, &[add(MessageRecord { content: "x".repeat(1_000_000), ..outbound(1, 1, NOW) })]);
    let writes = move |n: u64| {
        // Each line of the history goes with another status.
        let status = if n.is_multiple_of(2) { Status::Relayed { at: NOW, accepted: 1, of: 1 } } else { Status::Queued };
        let entry = HistoryEntry::Sent { relay: relay(1) };
        write(&mut store, &[set_status(id(1), status), Change::AddHistory { id: id(1), at: NOW, entry }]);
    };
    while_writing(60, writes, |look| {
        let (message, history) = reader.message_and_history(&id(1)).unwrap().unwrap();
        assert_eq!(message.record.status == Status::Queued, history.len().is_multiple_of(2), "look {look}: {} lines", history.len());
    });
}

#[cfg(unix)]
fn make_private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn make_private(_: &std::path::Path) {}

#[test]
fn a_killed_writer_loses_nothing_it_said_was_written() {
    use std::io::{BufRead, Write};
    // The writer is a child of its own: this same test, told so by its environment. It says each number once its commit returned.
    const CHILD: &str = "OCMESH_STORE_TEST_KILL_DIRECTORY";
    if let Some(directory) = std::env::var_os(CHILD) {
        let mut store = Store::open(&PathBuf::from(directory).join("ocmesh.db"), &key()).unwrap();
        for n in 1.. {
            write(&mut store, &[add(inbound(2 * n, 1, NOW)), add(inbound(2 * n + 1, 1, NOW))]);
            // Straight to the pipe: the test harness keeps what is printed.
            std::io::stderr().write_all(format!("written {n}\n").as_bytes()).unwrap();
        }
    }
    let home = Home::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::atomic::a_killed_writer_loses_nothing_it_said_was_written", "--nocapture"])
        .env(CHILD, home.directory.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let written = |line: &String| line.strip_prefix("written ").map(|n| n.parse::<u64>().unwrap());
    let mut last = said.by_ref().take(40).filter_map(|line| written(&line)).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last = said.filter_map(|line| written(&line)).last().unwrap_or(last);
    let messages = home.open().reader().counts().unwrap().messages;
    assert!(last >= 40 && messages >= 2 * last, "{messages} messages after {last} steps of two");
    assert!(messages.is_multiple_of(2), "half a step was kept");
}

#[test]
fn readers_see_only_what_is_committed_and_the_writer_sees_all() {
    let home = Home::new();
    let mut store = home.open();
    let reader = store.reader();
    store.begin().unwrap();
    store.apply(&add(inbound(1, 1, NOW)), NOW).unwrap();
    store.apply(&Change::AddSeen { id: id(2), at: NOW }, NOW).unwrap();
    assert!(store.is_seen(&id(1)).unwrap() && store.is_seen(&id(2)).unwrap());
    assert_eq!(store.thread_of(&id(1)).unwrap().map(|(thread, _)| thread), Some(id(1)));
    assert_eq!(store.unread_facts(10).unwrap().len(), 1);
    assert!(reader.message(&id(1)).unwrap().is_none());
    assert_eq!(reader.counts().unwrap().messages, 0);
    store.commit().unwrap();
    assert!(reader.message(&id(1)).unwrap().is_some());
    assert_eq!(reader.counts().unwrap().messages, 1);
}

#[test]
fn rolled_back_is_as_if_never_begun() {
    let home = Home::new();
    let mut store = home.open();
    store.begin().unwrap();
    store.apply(&add(inbound(1, 1, NOW)), NOW).unwrap();
    store.rollback().unwrap();
    store.rollback().unwrap();
    assert!(!store.is_seen(&id(1)).unwrap());
    write(&mut store, &[add(inbound(1, 1, NOW))]);
    assert!(store.is_seen(&id(1)).unwrap());
}

#[test]
fn nothing_is_written_outside_a_transaction() {
    let home = Home::new();
    let mut store = home.open();
    assert!(matches!(store.apply(&add(inbound(1, 1, NOW)), NOW), Err(WriteError::NotBegun)));
    assert!(matches!(store.add_notice(NOW, &Notice::OwnChanged), Err(WriteError::NotBegun)));
    assert!(matches!(store.commit(), Err(WriteError::NotBegun)));
    store.begin().unwrap();
    assert!(matches!(store.begin(), Err(WriteError::AlreadyBegun)));
    assert!(matches!(store.prune(NOW, &crate::PruneLimits::default()), Err(WriteError::AlreadyBegun)));
    assert!(matches!(store.checkpoint(), Err(WriteError::AlreadyBegun)));
    store.commit().unwrap();
}

#[test]
fn a_step_with_a_failed_change_cannot_be_committed() {
    let home = Home::new();
    let mut store = home.open();
    store.begin().unwrap();
    store.apply(&add(inbound(1, 1, NOW)), NOW).unwrap();
    // A trigger stands in for a disk that fails in the middle of a step.
    store.connection.execute_batch("CREATE TEMP TRIGGER fails BEFORE INSERT ON seen BEGIN SELECT RAISE(FAIL, 'no'); END").unwrap();
    assert!(store.apply(&Change::AddSeen { id: id(2), at: NOW }, NOW).is_err());
    assert!(matches!(store.commit(), Err(WriteError::Spoiled)));
    assert!(!store.is_seen(&id(1)).unwrap());
    write(&mut store, &[add(inbound(3, 1, NOW))]);
    assert!(store.is_seen(&id(3)).unwrap());
}

/// Says that the writer is through, also when it panics.
struct Through<'a>(&'a AtomicBool);

impl Drop for Through<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn many_readers_read_while_the_writer_writes() {
    let home = Home::new();
    let mut store = home.open();
    let (reader, through) = (store.reader(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let guard = Through(&through);
        let read = || {
            let mut last = 0;
            loop {
                let is_last = through.load(Ordering::SeqCst);
                let count = reader.counts().unwrap().messages;
                assert!(count >= last && count.is_multiple_of(2), "half a step was seen");
                last = count;
                if is_last {
                    return last;
                }
            }
        };
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        for n in 0..50 {
            write(&mut store, &[add(inbound(2 * n, 1, NOW)), add(inbound(2 * n + 1, 1, NOW))]);
        }
        drop(guard);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 100);
        }
    });
}

#[test]
fn store_and_reader_may_move_between_threads() {
    fn send<T: Send>() {}
    fn shared<T: Clone + Send + Sync>() {}
    send::<Store>();
    shared::<crate::Reader>();
}
