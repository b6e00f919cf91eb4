//! The program whose instructions `cargo xtask counts` counts under callgrind: each path once, and its name when it is done. With a word, only
//! paths that have it in their name.

// A path that cannot be prepared ends the count.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod paths;

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    for (name, prepare) in paths::PATHS.iter().filter(|(name, _)| name.contains(&word)) {
        let mut work = prepare();
        counted(&mut *work);
        println!("{name}");
    }
}

/// Callgrind counts what happens in here, and writes it down at the end of each call: `xtask/src/counts.rs` names this function.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}
