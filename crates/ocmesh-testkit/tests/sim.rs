//! The simulator over its seeds: nothing lost, nothing twice, nothing made up, nothing torn.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ocmesh_testkit::sim::{self, Report, Totals};

/// Seeds of every run of this test; `cargo xtask sim` goes further.
const SEEDS: u64 = 200;
/// Seeds that go wrong again when what they found comes back, two for each mistake.
const FOUND: [u64; 12] = [
    223, 358, // After a restart, a peer's own relay was not dialled for what waited for it.
    388, 490, // A peer's list, looked up once, counted for ever against its presence.
    359, 390, // After a sleep of days, a timer counted relays as good before their sockets were found dead.
    36, 1054, // A kind 4 event that waited three days for a relay was older than its reader looked back.
    103, 345, // A message to a peer whose presence was not seen yet was not sent again.
    676, 1202, // A relay that left a message's route stayed connected.
];

/// Runs all of them on every processor; panics with the story of the first that went wrong.
fn all_go_well<T: Copy + Send + Sync>(runs: &[T], run: impl Fn(T, usize) -> Report + Sync) -> Totals {
    let (next, done) = (AtomicUsize::new(0), Mutex::new((Totals::default(), None::<(usize, String)>)));
    let jobs = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(what) = runs.get(index) else { return };
                    let report = run(*what, 0);
                    let mut done = done.lock().unwrap();
                    done.0.add(&report);
                    if !report.is_good() && done.1.as_ref().is_none_or(|(first, _)| index < *first) {
                        done.1 = Some((index, run(*what, 60).to_string()));
                    }
                }
            });
        }
    });
    let (totals, bad) = done.into_inner().unwrap();
    if let Some((_, story)) = bad {
        panic!("{totals}\n{story}");
    }
    totals
}

#[test]
fn two_hundred_seeds_go_well() {
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let totals = all_go_well(&seeds, sim::run);
    assert_eq!(totals.runs, SEEDS);
    assert!(totals.messages > 20 * SEEDS && totals.crashes > SEEDS && totals.lies > SEEDS, "there was trouble enough: {totals}");
    assert!(totals.withheld > SEEDS && totals.healed > SEEDS / 4, "messages were missed and came: {totals}");
}

#[test]
fn seeds_that_once_found_something_go_well() {
    all_go_well(&FOUND, sim::run);
}

#[test]
fn a_crash_at_any_step_boundary_loses_nothing() {
    let boundaries = sim::run_calm(5, None, 0).boundaries;
    let crashes: Vec<(usize, u64)> = boundaries.iter().enumerate().flat_map(|(a, count)| (0..*count).map(move |b| (a, b))).collect();
    assert!(crashes.len() > 200, "{boundaries:?}");
    let totals = all_go_well(&crashes, |crash, lines| sim::run_calm(5, Some(crash), lines));
    assert_eq!(totals.crashes, totals.runs, "each of them happened");
}

#[test]
fn a_seed_makes_the_same_run_again() {
    assert_eq!(sim::run(11, 500), sim::run(11, 500));
    assert_ne!(sim::run(11, 500).trace, sim::run(12, 500).trace);
}
