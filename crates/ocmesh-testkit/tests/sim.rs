//! The simulator over its seeds: nothing lost, nothing twice, nothing made up, nothing torn.

use ocmesh_testkit::sim::{self, Totals};

/// Seeds of every run of this test; `cargo xtask sim` goes further.
const SEEDS: u64 = 10;

#[test]
fn two_hundred_seeds_go_well() {
    let mut totals = Totals::default();
    let mut bad = Vec::new();
    for seed in 0..SEEDS {
        let report = sim::run(seed, 0);
        totals.add(&report);
        if !report.is_good() {
            bad.push(seed);
            println!("{}", sim::run(seed, 60));
        }
    }
    println!("{totals}");
    assert_eq!(bad, Vec::<u64>::new(), "{totals}");
}
