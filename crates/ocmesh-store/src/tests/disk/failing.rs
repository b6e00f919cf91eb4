//! C5 and C6: every call that the store makes of the system fails once, or from then on. Errors are clean, nothing acknowledged is lost,
//! and when the disk is well again, so is the store.

use std::{collections::BTreeSet, path::Path};

use ocmesh_testkit::disk::{Failure, Inside, Kind, Layer};

use super::{super::*, child, trials, workload};
use crate::{OpenError, ReadError, WriteError};

/// Steps before and after the log is folded in.
const STEPS: u64 = 4;
/// How often the engine tries again in these runs.
const TRIES: usize = 3;

/// One way to fail.
struct Way {
    name: &'static str,
    kinds: &'static [Kind],
    failure: Failure,
    count: u64,
}

const FOREVER: u64 = u64::MAX;

const WAYS: &[Way] = &[
    Way { name: "no space from here on", kinds: &Kind::CHANGES, failure: Failure::NoSpace, count: FOREVER },
    Way { name: "no space once", kinds: &Kind::CHANGES, failure: Failure::NoSpace, count: 1 },
    Way { name: "half a write, then no space", kinds: &[Kind::Write], failure: Failure::Half, count: FOREVER },
    Way { name: "a short write", kinds: &[Kind::Write], failure: Failure::Half, count: 1 },
    Way { name: "writes fail once", kinds: &Kind::CHANGES, failure: Failure::Io, count: 1 },
    Way { name: "a sync fails once", kinds: &[Kind::Sync], failure: Failure::Io, count: 1 },
    Way { name: "syncs fail from here on", kinds: &[Kind::Sync], failure: Failure::Io, count: FOREVER },
    Way { name: "a read fails", kinds: &[Kind::Read], failure: Failure::Io, count: 1 },
    Way { name: "a short read", kinds: &[Kind::Read], failure: Failure::Half, count: 1 },
    Way { name: "a read past the end", kinds: &[Kind::Read], failure: Failure::EndOfFile, count: 1 },
];

/// What came of a run.
#[derive(Default)]
struct Run {
    acked: BTreeSet<u64>,
    store: Option<Store>,
    errors: Vec<String>,
}

impl Run {
    fn note(&mut self, way: &Way, error: WriteError) {
        let clean = match way.failure {
            Failure::NoSpace | Failure::Half if !way.kinds.contains(&Kind::Read) => {
                matches!(error, WriteError::DiskFull | WriteError::Io(_))
            }
            _ if way.kinds.contains(&Kind::Read) => matches!(error, WriteError::Io(_) | WriteError::Corrupt(_)),
            _ if way.kinds == [Kind::Sync] => matches!(error, WriteError::NotSynced(_)),
            _ => matches!(error, WriteError::Io(_) | WriteError::NotSynced(_)),
        };
        assert!(clean, "{}: {error:?}", way.name);
        self.errors.push(format!("{error:?}"));
    }
}

fn open(path: &Path, way: &Way, run: &mut Run) -> Option<Store> {
    for _ in 0..TRIES {
        match Store::open(path, &key()) {
            Ok(store) => return Some(store),
            Err(error) => not_opened(&error, way, run),
        }
    }
    None
}

fn not_opened(error: &OpenError, way: &Way, run: &mut Run) {
    let read = way.kinds.contains(&Kind::Read);
    let clean = match error {
        OpenError::DiskFull | OpenError::Io(_) | OpenError::NotWritable(_) | OpenError::NotSynced(_) => true,
        OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. } => read,
        _ => false,
    };
    assert!(clean, "{}: {error:?}", way.name);
    run.errors.push(format!("{error:?}"));
}

/// As the engine: after an error nothing is acknowledged until what is on disk was written, synced and read anew.
fn step(store: &mut Store, number: u64, way: &Way, run: &mut Run) -> bool {
    for _ in 0..TRIES {
        let drops = run.acked.last().copied().unwrap_or(0);
        if !run.errors.is_empty()
            && let Err(error) = store.reopen()
        {
            not_opened(&error, way, run);
            continue;
        }
        match workload::write_step(store, number, drops) {
            Ok(()) => {
                run.acked.insert(number);
                return true;
            }
            Err(error) => run.note(way, error),
        }
    }
    false
}

fn run(path: &Path, way: &Way) -> Run {
    let mut run = Run::default();
    let Some(mut store) = open(path, way, &mut run) else { return run };
    for number in 1..=STEPS {
        if !step(&mut store, number, way, &mut run) {
            run.store = Some(store);
            return run;
        }
    }
    read(&store, way, &mut run);
    if let Err(error) = store.checkpoint() {
        run.note(way, error);
    }
    step(&mut store, STEPS + 1, way, &mut run);
    if let Err(error) = store.close() {
        run.note(way, error);
    }
    let Some(mut store) = open(path, way, &mut run) else { return run };
    step(&mut store, STEPS + 2, way, &mut run);
    run.store = Some(store);
    run
}

/// What is read in the middle of it is right, or an error.
fn read(store: &Store, way: &Way, run: &mut Run) {
    match workload::held(store, STEPS + 2) {
        Ok(held) => assert_eq!(held, run.acked, "{}", way.name),
        Err(ReadError::Io(_) | ReadError::Corrupt(_) | ReadError::Open(_)) => run.errors.push("read".to_owned()),
        Err(error) => panic!("{}: {error:?}", way.name),
    }
}

/// One way at every call, or every `stride`th, until a run passes untouched. The number of calls, and of runs that saw an error.
fn every_call(inside: &Inside, way: &Way, first: u64, stride: u64) -> (u64, u64) {
    let (mut nth, mut told) = (first, 0);
    inside.control.choose(way.kinds).unwrap();
    loop {
        let place = format!("{} at call {nth}", way.name);
        let (home, crashed) = (tempfile::tempdir_in(&inside.watched).unwrap(), tempfile::tempdir().unwrap());
        let path = home.path().join("ocmesh.db");
        inside.control.fail(nth, way.count, way.failure).unwrap();
        let run = run(&path, way);
        let (injected, calls) = (inside.control.injected().unwrap(), inside.control.calls().unwrap());
        inside.control.heal().unwrap();
        if injected == 0 {
            assert!(run.errors.is_empty() && run.acked.len() as u64 == STEPS + 2, "{place}: {:?}", run.errors);
            assert!(calls < nth, "{place}: {calls} calls, and the one to fail did not");
            return (calls, told);
        }
        told += u64::from(!run.errors.is_empty());
        // Killed now, and started again on a disk that is well.
        workload::copy(home.path(), crashed.path());
        workload::verify(&Store::open(&crashed.path().join("ocmesh.db"), &key()).unwrap(), &run.acked, STEPS + 3, &place);
        // Not killed: the same process goes on.
        let mut acked = run.acked;
        let mut store = run.store.unwrap_or_else(|| Store::open(&path, &key()).unwrap());
        store.reopen().unwrap_or_else(|error| panic!("{place}: {error:?}"));
        workload::write_step(&mut store, STEPS + 3, 0).unwrap_or_else(|error| panic!("{place}: {error:?}"));
        acked.insert(STEPS + 3);
        workload::verify(&store, &acked, STEPS + 3, &place);
        store.close().unwrap();
        workload::verify(&Store::open(&path, &key()).unwrap(), &acked, STEPS + 3, &place);
        nth += stride;
    }
}

const STRIDE: &str = "OCMESH_STORE_TEST_STRIDE";

fn failing_disk(test: &str, stride: u64) {
    if let Some(inside) = Inside::of_this_process().unwrap() {
        inside.control.lazy().unwrap();
        let stride = trials(STRIDE, 1);
        for (number, way) in (0_u64..).zip(WAYS) {
            // Syncs are few, and each is another; of the others a stride takes another part for each way.
            let stride = if way.kinds == [Kind::Sync] { 1 } else { stride };
            let (calls, told) = every_call(&inside, way, 1 + number % stride, stride);
            println!("{}: {calls} calls, one of {stride} failed; {told} runs told of an error", way.name);
            assert!(calls > 20, "{}: only {calls} calls were seen", way.name);
        }
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let layer = Layer::over(home.path()).unwrap();
    let (status, said) = child(&layer, test, &[(STRIDE, stride.to_string())]);
    println!("{said}");
    assert!(status.success(), "{said}");
    let seen = layer.control().unwrap().seen(Kind::Write).unwrap();
    assert!(seen > 1_000, "the layer saw {seen} writes: it is not below the store");
}

#[test]
fn a_call_fails_in_any_way_and_nothing_acknowledged_is_lost() {
    failing_disk("failing::a_call_fails_in_any_way_and_nothing_acknowledged_is_lost", 31);
}

#[test]
#[ignore = "every single call takes many minutes; run with cargo test -p ocmesh-store every_call_fails -- --ignored --nocapture"]
fn every_call_fails_in_every_way_and_nothing_acknowledged_is_lost() {
    failing_disk("failing::every_call_fails_in_every_way_and_nothing_acknowledged_is_lost", 1);
}
