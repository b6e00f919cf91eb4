//! What the engine writes, step by step, so that a store shows by itself which steps it holds, and whether each is whole.

use std::{collections::BTreeSet, path::Path};

use ocmesh_proto::{Change, HistoryEntry, Notice};

use super::super::*;
use crate::{ReadError, WriteError};

const OUT: u64 = 0;
const IN: u64 = 1;
const WRAP: u64 = 2;
const EVENT: u64 = 3;

fn number(step: u64, what: u64) -> u64 {
    1_000 + step * 10 + what
}

/// Tells itself apart from every other, and is of many lengths.
fn text(step: u64, drops: u64, what: u64) -> String {
    let filler = format!("{step}.{what} ").repeat(usize::try_from((step * 397 + what * 131) % 900).unwrap());
    format!("step {step} drops {drops} as {what}: {filler}")
}

/// A step: a message out with all that belongs to it, a message in, and the parcel of step `drops` done with (0: none).
pub(super) fn changes(step: u64, drops: u64) -> Vec<Change> {
    let out = MessageRecord { content: text(step, drops, OUT), ..outbound(number(step, OUT), 1, NOW.plus(step)) };
    let inn = MessageRecord { content: text(step, drops, IN), ..inbound(number(step, IN), step % 7, NOW.plus(step)) };
    let mut changes = vec![
        add(out),
        Change::AddHistory { id: id(number(step, OUT)), at: NOW, entry: HistoryEntry::Sent { relay: relay(1) } },
        rumor(number(step, OUT)),
        sealed(number(step, OUT), number(step, EVENT)),
        put_parcel(parcel(number(step, OUT), ParcelClass::Message, number(step, EVENT))),
        add(inn),
        Change::AddSeen { id: id(number(step, WRAP)), at: NOW },
        put_peer(peer(step % 7, NOW.plus(step))),
    ];
    if drops > 0 {
        changes.push(drop_parcel(number(drops, OUT), ParcelClass::Message));
    }
    changes
}

/// Writes a step as the engine does: one transaction, rolled back when any of it fails.
pub(super) fn write_step(store: &mut Store, step: u64, drops: u64) -> Result<(), WriteError> {
    let written = begin_to_commit(store, step, drops);
    if written.is_err() {
        store.rollback()?;
    }
    written
}

fn begin_to_commit(store: &mut Store, step: u64, drops: u64) -> Result<(), WriteError> {
    store.begin()?;
    for change in changes(step, drops) {
        store.apply(&change, NOW)?;
    }
    store.add_notice(NOW, &Notice::OwnChanged)?;
    store.commit()
}

/// The steps that a store holds. Fails the test when one is not whole, or holds anything that was not written.
pub(super) fn held(store: &Store, tried: u64) -> Result<BTreeSet<u64>, ReadError> {
    let reader = store.reader();
    let (mut held, mut dropped) = (BTreeSet::new(), BTreeSet::new());
    for step in 1..=tried {
        let messages = [reader.message(&id(number(step, OUT)))?, reader.message(&id(number(step, IN)))?];
        let rest = [
            store.is_seen(&id(number(step, WRAP)))?,
            store.rumor(&id(number(step, OUT)))?.is_some(),
            store.sealed(&id(number(step, EVENT)))?.is_some(),
            reader.history(&id(number(step, OUT)))?.len() == 1,
        ];
        let [Some(out), Some(inn)] = messages else {
            assert!(messages.iter().all(Option::is_none) && rest == [false; 4], "step {step} is torn: {rest:?}");
            continue;
        };
        assert!(rest == [true; 4], "step {step} is torn: {rest:?}");
        let drops: u64 = out.record.content.split(' ').nth(3).unwrap().parse().unwrap();
        assert!(out.record.content == text(step, drops, OUT) && inn.record.content == text(step, drops, IN), "step {step} was altered");
        held.insert(step);
        dropped.insert(drops);
    }
    let parcels: BTreeSet<MessageId> = store.load()?.parcels.into_iter().map(|parcel| parcel.message).collect();
    let expected = held.difference(&dropped).map(|step| id(number(*step, OUT))).collect();
    assert_eq!(parcels, expected, "the outbox is not that of the steps {held:?}");
    assert_eq!(reader.counts()?.messages, 2 * held.len() as u64, "there is something that nobody wrote");
    Ok(held)
}

/// A store after trouble: every acknowledged step is there, each step is whole, every page is sound.
pub(super) fn verify(store: &Store, acked: &BTreeSet<u64>, tried: u64, place: &str) -> BTreeSet<u64> {
    let held = held(store, tried).unwrap_or_else(|error| panic!("{place}: {error:?}"));
    let lost: Vec<_> = acked.difference(&held).collect();
    assert!(lost.is_empty(), "{place}: acknowledged and lost: {lost:?}");
    assert_eq!(store.integrity_check().unwrap(), Vec::<String>::new(), "{place}");
    held
}

/// The database and what belongs to it, copied as `kill -9` would leave it now.
pub(super) fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // The log's index is shared memory, and made anew after a crash.
        if !name.ends_with("-shm") {
            std::fs::write(to.join(&name), std::fs::read(entry.path()).unwrap()).unwrap();
            std::fs::set_permissions(to.join(&name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}
