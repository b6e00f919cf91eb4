//! C4: power cuts. What was not synced is there, not there, or there in part, and the store opens with everything it acknowledged. And the
//! part of C6 that only a power cut shows: after a failed sync the system takes for written what is not.

use std::collections::BTreeSet;

use ocmesh_testkit::{
    dice::Dice,
    disk::{Control, Disk, Failure, Inside, Kind, Layer, Left, Op, What},
};

use super::{super::*, child, trials, workload};
use crate::DamagedLog;

/// Enough for the log to be folded in twice by itself.
const STEPS: u64 = 130;
/// Power cuts in every run.
const CUTS: u64 = 50;

/// Writes steps and notes each that was acknowledged; the log is folded in, cut and begun anew on the way.
fn record_a_life(mut inside: Inside) -> ! {
    let path = inside.watched.join("ocmesh.db");
    let mut store = Store::open(&path, &key()).unwrap();
    for step in 1..=STEPS {
        workload::write_step(&mut store, step, step - 1).unwrap();
        inside.note(&step.to_string()).unwrap();
        match step {
            30 => store.checkpoint().unwrap(),
            40 => drop(store.prune(NOW, &crate::PruneLimits::default()).unwrap()),
            50 => {
                store.close().unwrap();
                store = Store::open(&path, &key()).unwrap();
            }
            _ => {}
        }
    }
    // Gone without a word.
    std::process::exit(0)
}

fn noted(op: &Op) -> Option<u64> {
    if let What::Noted(line) = &op.what { line.trim().parse().ok() } else { None }
}

/// Cuts at seeded moments of one life; what was acknowledged by then, in order of time.
fn cuts(record: &[Op], count: u64, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut moments: Vec<(usize, u64)> = (0..count).map(|_| (dice.index(record.len() + 1), dice.next())).collect();
    moments.sort_unstable();
    let (mut disk, mut played, mut acked) = (Disk::empty(), 0, BTreeSet::new());
    let (mut unacknowledged, mut doubted) = (0, 0);
    for (number, (moment, seed)) in moments.into_iter().enumerate() {
        for op in &record[played..moment] {
            disk.play(op);
            acked.extend(noted(op));
        }
        played = moment;
        let left = Left::ALL[number % Left::ALL.len()];
        let home = Home::new();
        disk.cut_into(home.directory.path(), left, seed).unwrap();
        let place = format!("power cut at {moment} of {}, {left:?}, seed {seed}", record.len());
        let mut store = Store::open(&home.path(), &key()).unwrap_or_else(|error| panic!("{place}: {error:?}"));
        let held = workload::verify(&store, &acked, STEPS, &place);
        unacknowledged += held.difference(&acked).count();
        let logs = DamagedLog::beside(&home.path());
        assert!(logs.iter().all(|log| !log.certain), "{place}: a power cut was taken for damage: {logs:?}");
        doubted += logs.len();
        // And it goes on.
        workload::write_step(&mut store, STEPS + 1, 0).unwrap();
    }
    println!(
        "{count} power cuts in {} changes of {STEPS} steps: 0 lost, 0 torn; {unacknowledged} steps there before their ack; the start said \
         {doubted} times that something may be lost",
        record.len()
    );
}

fn power_cuts(test: &str, count: u64) {
    if let Some(inside) = Inside::of_this_process().unwrap() {
        record_a_life(inside);
    }
    let home = tempfile::tempdir().unwrap();
    let layer = Layer::over(home.path()).unwrap().recording();
    let (status, said) = child(&layer, test, &[]);
    assert!(status.success(), "{said}");
    let record = layer.record().unwrap();
    let count_of = |is: fn(&What) -> bool| record.iter().filter(|op| is(&op.what)).count();
    assert_eq!(record.iter().filter_map(noted).count() as u64, STEPS);
    let (writes, syncs) = (count_of(|what| matches!(what, What::Written { .. })), count_of(|what| matches!(what, What::Synced { .. })));
    assert!(writes > 2_000, "{writes} writes: the layer is not below the store");
    cuts(&record, count, 1);
    assert!(syncs as u64 > STEPS, "{syncs} syncs for {STEPS} steps");
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    power_cuts("power::a_power_cut_at_any_moment_loses_nothing_acknowledged", trials("OCMESH_DISK_CUTS", CUTS));
}

#[test]
#[ignore = "5,000 power cuts take minutes; run with cargo test -p ocmesh-store thousands -- --ignored --nocapture"]
fn thousands_of_power_cuts_lose_nothing_acknowledged() {
    power_cuts("power::thousands_of_power_cuts_lose_nothing_acknowledged", 5_000);
}

/// After a failed sync: go on in the same process as the engine does, or end and be started again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    GoOn,
    EndAndStart,
}

const SYNC: &str = "OCMESH_STORE_TEST_SYNC";
const AFTER: &str = "OCMESH_STORE_TEST_AFTER";
/// The child ended because a sync failed.
const ENDED: i32 = 3;
const FEW: u64 = 6;

fn a_life_with_a_failed_sync(mut inside: Inside) -> ! {
    let nth = trials(SYNC, 0);
    inside.control.lazy().unwrap();
    inside.control.choose(&[Kind::Sync]).unwrap();
    inside.control.fail(nth, 1, Failure::Io).unwrap();
    let path = inside.watched.join("ocmesh.db");
    let goes_on = std::env::var(AFTER).unwrap() == "goes on";
    let opened = Store::open(&path, &key());
    let mut store = match opened {
        Ok(store) => store,
        Err(_) if goes_on => Store::open(&path, &key()).unwrap(),
        Err(_) => std::process::exit(ENDED),
    };
    let written = workload::held(&store, 4 * FEW).unwrap();
    let first = written.last().map_or(1, |last| last + 1);
    let mut step = first;
    let mut last = 0;
    while step < first + FEW {
        match workload::write_step(&mut store, step, last) {
            Ok(()) => {
                inside.note(&step.to_string()).unwrap();
                last = step;
            }
            Err(error) => {
                assert!(error.is_not_synced(), "{error:?}");
                if !goes_on {
                    std::process::exit(ENDED);
                }
                // What the engine does before it takes anything again.
                store.reopen().unwrap();
            }
        }
        step += 1;
        if step == first + FEW / 2
            && let Err(error) = store.checkpoint()
        {
            assert!(error.is_not_synced(), "{error:?}");
        }
    }
    std::process::exit(0)
}

/// A life in which the `nth` sync fails; `false` when there are not so many.
fn fails_a_sync(test: &str, nth: u64, after: After) -> bool {
    let home = tempfile::tempdir().unwrap();
    let layer = Layer::over(home.path()).unwrap().recording();
    let how = if after == After::GoOn { "goes on" } else { "ends" };
    let (status, said) = child(&layer, test, &[(SYNC, nth.to_string()), (AFTER, how.to_owned())]);
    let control: Control = layer.control().unwrap();
    let injected = control.injected().unwrap();
    assert!(status.success() || (after == After::EndAndStart && status.code() == Some(ENDED)), "sync {nth}, {how}: {said}");
    if !status.success() {
        // The service manager starts it again, on a disk that answers well now.
        let (status, said) = child(&layer, test, &[(SYNC, 0.to_string()), (AFTER, how.to_owned())]);
        assert!(status.success(), "sync {nth}, started again: {said}");
    }
    let record = layer.record().unwrap();
    let (mut disk, acked) = (Disk::empty(), record.iter().filter_map(noted).collect());
    record.iter().for_each(|op| disk.play(op));
    for (number, left) in Left::ALL.into_iter().enumerate() {
        let home = Home::new();
        disk.cut_into(home.directory.path(), left, nth * 10 + number as u64).unwrap();
        let place = format!("sync {nth} fails, the process {how}, then a power cut leaves {left:?}");
        let store = Store::open(&home.path(), &key()).unwrap_or_else(|error| panic!("{place}: {error:?}"));
        workload::verify(&store, &acked, 4 * FEW, &place);
        let logs = DamagedLog::beside(&home.path());
        assert!(logs.iter().all(|log| !log.certain), "{place}: taken for damage: {logs:?}");
    }
    injected > 0
}

#[test]
fn what_a_failed_sync_lost_is_written_again_before_anything_is_acknowledged() {
    let test = "power::what_a_failed_sync_lost_is_written_again_before_anything_is_acknowledged";
    if let Some(inside) = Inside::of_this_process().unwrap() {
        a_life_with_a_failed_sync(inside);
    }
    for after in [After::GoOn, After::EndAndStart] {
        let syncs = (1..).take_while(|nth| fails_a_sync(test, *nth, after)).count();
        println!("{syncs} syncs, each failed once");
        assert!(syncs > 10, "only {syncs} syncs");
    }
}
