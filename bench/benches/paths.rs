//! `cargo bench -p ocmesh-bench`: how long the paths take that `cargo xtask counts` counts, in the profile that is released.

// A path that cannot be prepared ends the measurement.
#![allow(clippy::unwrap_used)]

#[path = "../examples/counts/paths.rs"]
mod paths;

fn main() {
    divan::main();
}

#[divan::bench(args = paths::PATHS.iter().map(|(name, _)| *name))]
fn path(bencher: divan::Bencher<'_, '_>, name: &str) {
    let (_, prepare) = paths::PATHS.iter().find(|(path, _)| *path == name).unwrap();
    bencher.bench_local(prepare());
}
