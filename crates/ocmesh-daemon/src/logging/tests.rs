//! The log over days, restarts and broken disks, with a clock of our own. Root may write everywhere, so that a disk that refuses is made
//! by putting something else in the file's place.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ocmesh_proto::{
    At,
    time::{DAY, HOUR, SECOND},
};
use ocmesh_testkit::wait;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// 2026-11-23T00:00:00Z.
const MONDAY: u64 = 1_795_392_000_000;

struct World {
    dir: tempfile::TempDir,
    now: Arc<AtomicU64>,
    config: LogConfig,
}

impl World {
    fn new() -> Self {
        let config = LogConfig { level: LogLevel::Debug, keep_days: 14, keep_mb: 64 };
        Self { dir: tempfile::tempdir().unwrap(), now: Arc::new(AtomicU64::new(MONDAY)), config }
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::from_fn(move || At(now.load(Ordering::Relaxed)))
    }

    fn home(&self) -> Home {
        Home::locate(|name| (name == "OCMESH_HOME").then(|| self.dir.path().as_os_str().to_owned())).unwrap()
    }

    /// What a daemon has while it runs.
    fn file(&self) -> DayFile {
        DayFile::new(&self.home(), self.config, self.clock(), false)
    }

    fn say(&self, file: &mut DayFile, at: u64, text: &str) {
        self.now.store(at, Ordering::Relaxed);
        let mut line = line::head(At(at), tracing::Level::INFO);
        line.push_str(text);
        line.push('\n');
        file.write_all(line.as_bytes()).unwrap();
    }

    fn today(&self) -> Vec<String> {
        texts(&fs::read_to_string(self.home().log()).unwrap())
    }

    fn archive(&self, day: &str) -> PathBuf {
        self.home().old_logs().join(format!("ocmesh-{day}.log.gz"))
    }

    fn earlier(&self, day: &str) -> Vec<String> {
        texts(&unpack(&self.archive(day)))
    }

    fn archives(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.home().old_logs()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn unpack(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn texts(log: &str) -> Vec<String> {
    log.lines().map(|line| line.splitn(3, "] ").last().unwrap().to_owned()).collect()
}

fn set_modified(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at)).unwrap();
}

#[test]
fn each_day_has_its_file_and_all_are_private() {
    let world = World::new();
    let mut file = world.file();
    world.say(&mut file, MONDAY + 23 * HOUR, "mon 1");
    world.say(&mut file, MONDAY + DAY - 1, "mon 2");
    world.say(&mut file, MONDAY + DAY, "tue");
    world.say(&mut file, MONDAY + 2 * DAY, "wed");
    assert_eq!(world.earlier("2026-11-23"), ["mon 1", "mon 2"]);
    assert_eq!(world.earlier("2026-11-24"), ["tue"]);
    assert_eq!(world.today(), ["wed"]);
    assert_eq!(world.archives(), ["ocmesh-2026-11-23.log.gz", "ocmesh-2026-11-24.log.gz"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&world.home().log()), mode(&world.archive("2026-11-23")), mode(&world.home().old_logs())), (0o600, 0o600, 0o700));
}

#[test]
fn a_sleep_of_three_days_leaves_the_day_it_began() {
    let world = World::new();
    let mut file = world.file();
    world.say(&mut file, MONDAY + HOUR, "before the sleep");
    world.say(&mut file, MONDAY + 3 * DAY + HOUR, "after the sleep");
    assert_eq!(world.earlier("2026-11-23"), ["before the sleep"]);
    assert_eq!(world.archives().len(), 1);
    assert_eq!(world.today(), ["after the sleep"]);
}

#[test]
fn a_restart_goes_on_with_the_same_day_and_files_another_one_away() {
    let world = World::new();
    world.say(&mut world.file(), MONDAY + HOUR, "first run");
    world.say(&mut world.file(), MONDAY + 2 * HOUR, "second run");
    assert_eq!(world.today(), ["first run", "second run"]);
    // The last line decides, whatever the file's own time says.
    set_modified(&world.home().log(), MONDAY + 3 * DAY);
    world.say(&mut world.file(), MONDAY + 5 * DAY, "third run");
    assert_eq!(world.earlier("2026-11-23"), ["first run", "second run"]);
    assert_eq!(world.today(), ["third run"]);
}

#[test]
fn a_file_without_our_lines_is_filed_by_its_own_time() {
    let world = World::new();
    fs::write(world.home().log(), "not a line of ours\n").unwrap();
    set_modified(&world.home().log(), MONDAY - 2 * DAY);
    world.say(&mut world.file(), MONDAY, "ours");
    assert_eq!(unpack(&world.archive("2026-11-21")), "not a line of ours\n");
}

#[test]
fn an_archive_that_is_there_is_added_to() {
    let world = World::new();
    let mut file = world.file();
    world.say(&mut file, MONDAY, "mon 1");
    world.say(&mut file, MONDAY + DAY, "tue 1");
    // Somebody sets the clock back and forth again.
    world.say(&mut file, MONDAY + HOUR, "mon 2");
    world.say(&mut file, MONDAY + DAY + HOUR, "tue 2");
    world.say(&mut file, MONDAY + 2 * DAY, "wed");
    assert_eq!(world.earlier("2026-11-23"), ["mon 1", "mon 2"]);
    assert_eq!(world.earlier("2026-11-24"), ["tue 1", "tue 2"]);
}

#[test]
fn a_noisy_day_is_packed_early_and_whole() {
    let world = World::new();
    let mut file = world.file().with_bytes_max(1_000);
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    lines.iter().for_each(|text| world.say(&mut file, MONDAY, text));
    assert!(fs::metadata(world.home().log()).unwrap().len() < 1_100);
    let mut all = world.earlier("2026-11-23");
    all.extend(world.today());
    assert_eq!(all, lines);
}

#[test]
fn old_archives_go_by_age() {
    let mut world = World::new();
    world.config.keep_days = 2;
    let mut file = world.file();
    fs::create_dir(world.home().old_logs()).unwrap();
    fs::write(world.home().old_logs().join("notes.txt"), "the owner's").unwrap();
    for day in 0..6 {
        world.say(&mut file, MONDAY + day * DAY, "line");
    }
    assert_eq!(world.archives(), ["notes.txt", "ocmesh-2026-11-26.log.gz", "ocmesh-2026-11-27.log.gz"]);
    // A restart long after the last line prunes too.
    drop(file);
    world.say(&mut world.file(), MONDAY + 60 * DAY, "line");
    assert_eq!(world.archives(), ["notes.txt"]);
}

#[test]
fn old_archives_go_by_total_size_the_oldest_first() {
    let mut world = World::new();
    world.config.keep_mb = 1;
    fs::create_dir(world.home().old_logs()).unwrap();
    for day in ["2026-11-20", "2026-11-21", "2026-11-22"] {
        fs::write(world.archive(day), vec![0; 400_000]).unwrap();
    }
    let mut file = world.file();
    world.say(&mut file, MONDAY, "mon");
    assert_eq!(world.archives(), ["ocmesh-2026-11-21.log.gz", "ocmesh-2026-11-22.log.gz"]);
}

#[test]
fn a_deleted_file_comes_back() {
    let world = World::new();
    let mut file = world.file();
    world.say(&mut file, MONDAY, "one");
    fs::remove_file(world.home().log()).unwrap();
    world.say(&mut file, MONDAY, "two");
    assert_eq!(world.today(), ["two"]);
}

#[test]
fn what_could_not_be_written_is_counted_and_said() {
    let world = World::new();
    let mut file = world.file();
    fs::create_dir(world.home().log()).unwrap(); // no file can be opened there
    world.say(&mut file, MONDAY, "lost");
    world.say(&mut file, MONDAY, "lost too");
    fs::remove_dir(world.home().log()).unwrap();
    world.say(&mut file, MONDAY + SECOND, "back");
    assert_eq!(world.today(), ["some log lines could not be written lost=2", "back"]);
}

/// A device never ends and a pipe makes its reader wait; both must be left alone.
#[test]
fn what_is_no_plain_file_is_left_alone() {
    let world = World::new();
    let mut file = world.file();
    let path = world.home().log();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, pipe, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
    world.say(&mut file, MONDAY, "lost");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    world.say(&mut file, MONDAY, "lost too");
    fs::remove_file(&path).unwrap();
    world.say(&mut file, MONDAY, "back");
    assert_eq!(world.today(), ["some log lines could not be written lost=2", "back"]);
}

#[test]
fn an_archive_that_cannot_be_written_costs_no_line() {
    let world = World::new();
    let mut file = world.file();
    fs::write(world.home().old_logs(), "in the way").unwrap();
    world.say(&mut file, MONDAY, "mon");
    world.say(&mut file, MONDAY + DAY, "tue");
    world.say(&mut file, MONDAY + DAY + SECOND, "tue 2");
    assert_eq!(world.today(), ["mon", "tue", "tue 2"]);
    fs::remove_file(world.home().old_logs()).unwrap();
    world.say(&mut file, MONDAY + 2 * DAY, "wed");
    assert_eq!(world.earlier("2026-11-24"), ["mon", "tue", "tue 2"]);
    assert_eq!(world.today(), ["wed"]);
}

#[test]
fn a_torn_line_does_not_swallow_the_next() {
    let world = World::new();
    world.say(&mut world.file(), MONDAY, "whole");
    let mut raw = fs::OpenOptions::new().append(true).open(world.home().log()).unwrap();
    raw.write_all(b"[2026-11-23T00:0").unwrap();
    world.say(&mut world.file(), MONDAY, "next");
    assert_eq!(world.today().last().map(String::as_str), Some("next"));
}

/// Everything from `tracing` to the file, with one subscriber for this thread.
fn logged(level: LogLevel, events: impl FnOnce()) -> String {
    let world = World::new();
    world.now.store(MONDAY + 3_723_004, Ordering::Relaxed);
    let (writer, guard) = lines_to(world.file());
    let subscriber = tracing_subscriber::registry().with(LineLayer::new(writer, world.clock())).with(filter(level));
    tracing::subscriber::with_default(subscriber, events);
    drop(guard); // writes out what is waiting
    fs::read_to_string(world.home().log()).unwrap_or_default()
}

#[test]
fn a_line_has_time_level_message_and_fields() {
    let log = logged(LogLevel::Info, || {
        tracing::info!(target: "ocmesh_daemon::x", relay = "wss://nos.lol", events = 3, late = true, "caught up");
        tracing::error!(target: "ocmesh_daemon::x", error = %std::io::Error::other("no\nroom"), path = ?Path::new("/a b"), "could not write");
    });
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "[2026-11-23T01:02:03.004Z] [INFO] caught up relay=wss://nos.lol events=3 late=true");
    assert_eq!(lines[1], "[2026-11-23T01:02:03.004Z] [ERROR] could not write error=\"no\\u{a}room\" path=\"\\\"/a b\\\"\"");
}

#[test]
fn a_spans_fields_stand_in_its_lines() {
    let log = logged(LogLevel::Info, || {
        let outer = tracing::info_span!(target: "ocmesh_daemon", "send", message = "ab12", relay = tracing::field::Empty);
        outer.record("relay", "wss://x");
        outer.in_scope(|| {
            tracing::info_span!(target: "ocmesh_daemon", "try", number = 2)
                .in_scope(|| tracing::info!(target: "ocmesh_daemon", k = 2, "sent"));
        });
        tracing::info!(target: "ocmesh_daemon", "idle");
    });
    assert!(log.contains("[INFO] sent k=2 message=ab12 relay=wss://x number=2\n"), "{log}");
    assert!(log.ends_with("[INFO] idle\n"), "{log}");
}

#[test]
fn a_strangers_text_cannot_forge_a_line() {
    let log = logged(LogLevel::Info, || {
        let name = "x\n[2026-11-23T00:00:00.000Z] [ERROR] forged\u{1b}[31m\u{202e} level=error";
        tracing::info!(target: "ocmesh_daemon", name, "peer found");
        tracing::info!(target: "ocmesh_daemon", "{name}");
    });
    assert_eq!(log.lines().count(), 2);
    assert!(log.chars().all(|c| c == '\n' || !ocmesh_proto::label::is_hidden(c)), "{log:?}");
    assert!(log.lines().next().unwrap().contains("name=\"x\\u{a}["), "{log}");
}

#[test]
fn dependencies_only_warn_and_say_who_they_are() {
    let log = logged(LogLevel::Debug, || {
        tracing::debug!(target: "ocmesh_relay::dial", "ours");
        tracing::info!(target: "hyper", "theirs");
        tracing::warn!(target: "hyper::proto", "theirs, worse");
        tracing::trace!(target: "ocmesh_relay", "too much");
    });
    assert_eq!(texts(&log), ["ours", "theirs, worse target=hyper::proto"]);
    let log = logged(LogLevel::Error, || {
        tracing::warn!(target: "hyper", "theirs");
        tracing::warn!(target: "ocmesh_relay", "ours");
        tracing::error!(target: "ocmesh_relay", "ours, worse");
    });
    assert_eq!(texts(&log), ["ours, worse"]);
}

#[tokio::test]
async fn lines_that_a_slow_disk_has_no_room_for_are_dropped_counted_and_said() {
    const TOO_MANY: usize = 100;
    let world = World::new();
    let disk = Arc::new(std::sync::Mutex::new(()));
    let slow = Arc::clone(&disk);
    // The writing thread looks at the time before it writes.
    let clock = Clock::from_fn(move || {
        drop(slow.lock());
        At(MONDAY)
    });
    let (writer, _guard) = lines_to(DayFile::new(&world.home(), world.config, clock, false));
    let counter = writer.error_counter();
    let subscriber = tracing_subscriber::registry().with(LineLayer::new(writer, world.clock())).with(filter(LogLevel::Info));
    let stuck = disk.lock().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        (0..LINES_WAITING_MAX + TOO_MANY).for_each(|n| tracing::info!(target: "ocmesh_daemon", n, "line"));
    });
    let dropped = counter.dropped_lines();
    drop(stuck);
    // The thread may have had one in its hand.
    assert!((TOO_MANY - 1..=TOO_MANY).contains(&dropped), "{dropped}");
    let written = LINES_WAITING_MAX + TOO_MANY - dropped;
    let last = format!("line n={}", written - 1);
    let log = wait::until("the lines that found room", wait::PATIENCE, async || {
        let log = texts(&fs::read_to_string(world.home().log()).unwrap_or_default());
        (log.last() == Some(&last)).then_some(log)
    });
    let log = log.await.unwrap();
    let note = format!("some log lines could not be written lost={dropped}");
    assert!(log.contains(&note) && log.len() == written + 1, "{} lines", log.len());
}

/// Runs this test binary again, as the log is one for a whole process.
#[test]
fn a_whole_process_logs_its_panics_and_is_flushed() {
    let (log, stderr) = in_its_own_process("logging::tests::as_a_process");
    let lines = texts(&log);
    assert_eq!(lines.len(), 102, "{log}");
    assert!(lines[100].starts_with("a part of the daemon panicked place=") && !log.contains("secret"), "{log}");
    assert_eq!(lines[101], "from the log crate target=rustls::client");
    assert!(stderr.contains("[INFO] line n=99\n"), "{stderr}");
}

#[test]
#[ignore = "run by a_whole_process_logs_its_panics_and_is_flushed"]
fn as_a_process() {
    let home = Home::locate(|name| std::env::var_os(name)).unwrap();
    let config = LogConfig { level: LogLevel::Info, keep_days: 14, keep_mb: 64 };
    let _guard = start(&home, config, Clock::system(), true).unwrap();
    assert!(start(&home, config, Clock::system(), true).is_err());
    for n in 0..100 {
        tracing::info!(n, "line");
    }
    std::thread::spawn(|| panic!("secret")).join().unwrap_err();
    // As the bridge from the `log` crate hands them over.
    tracing::warn!(target: "log", { log.target = "rustls::client", log.line = 7 }, "from the log crate");
}

/// Runs one ignored test of this binary alone; gives its log and its standard error stream.
fn in_its_own_process(test: &str) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", test])
        .env("OCMESH_HOME", dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{stderr}");
    (fs::read_to_string(dir.path().join("ocmesh.log")).unwrap(), stderr)
}

/// A file size limit stands in for a full disk: the write stops in the middle of a line.
#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let (log, _) = in_its_own_process("logging::tests::with_no_room");
    let lines = texts(&log);
    assert_eq!(lines[0], "before");
    assert_eq!(lines[lines.len() - 2..], ["some log lines could not be written lost=3", "after"], "{log}");
    assert!(log.lines().nth(1).unwrap().len() < 40, "the torn line has a line of its own: {log}");
}

#[tokio::test]
#[ignore = "run by a_full_disk_loses_lines_and_nothing_else"]
async fn with_no_room() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Else the limit's signal would end the process.
    let _too_large =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).unwrap();
    let home = Home::locate(|name| std::env::var_os(name)).unwrap();
    let world = World::new();
    let mut file = DayFile::new(&home, world.config, world.clock(), false);
    world.say(&mut file, MONDAY, "before");
    setrlimit(Resource::Fsize, Rlimit { current: Some(60), maximum: None }).unwrap();
    for _ in 0..3 {
        world.say(&mut file, MONDAY, "lost");
    }
    setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    world.say(&mut file, MONDAY, "after");
}
