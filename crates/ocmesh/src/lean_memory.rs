//! Settings of Linux's usual allocator (glibc), which keeps an arena for each of many threads, and what one of them freed is no use to another;
//! and keeps big pieces, as of a page of a catch-up, for later. Half an hour of a soak cost five to seven megabytes for the one, and a quarter
//! of an hour two for the other. It reads its settings only while a process starts: the service's unit gives them, and a daemon that was
//! started without them starts once more.

const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Two arenas: with one, the thread that checks events and the one that writes them wait for each other, a tenth of the time that a crowd's
/// announcements take. A piece of 256 KiB or more goes back to the system when it is freed, and so does as much that is free at the end of
/// the heap. A page of a hundred messages is smaller: to take its memory anew each time cost a fourteenth of it.
pub(crate) const SETTINGS: [(&str, &str); 3] = [(ARENAS, "2"), ("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "262144")];

/// Starts this process once more, in its own place, where nobody set the allocator up. Set `MALLOC_ARENA_MAX` to decide otherwise.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn ensure() {
    use std::{env, os::unix::process::CommandExt as _, process::Command};
    if env::var_os(ARENAS).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    // It comes back only when it cannot be done, as after an update that replaced the file: then the process goes on as it is.
    let _ = Command::new(program).args(env::args_os().skip(1)).envs(SETTINGS).exec();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn ensure() {}
