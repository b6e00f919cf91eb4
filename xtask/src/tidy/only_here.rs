//! The "only here" rules: things that have one place in the code, so that whoever looks for them looks once.

use super::{File, Finding, Line, finding, has_word};

/// Files that may do what one of these rules forbids, each with the reason.
type Places = &'static [(&'static str, &'static str)];

fn allowed(file: &File, places: Places) -> bool {
    file.path.starts_with(THESE_RULES)
        || places.iter().any(|(path, _)| file.path == *path || (path.ends_with('/') && file.path.starts_with(path)))
}

fn each_line(file: &File, bad: impl Fn(&Line<'_>) -> bool, say: &str) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    file.code().filter(bad).map(|line| finding(file, line.number, say)).collect()
}

/// The rules themselves name what they forbid.
const THESE_RULES: &str = "xtask/src/tidy/";

const SLEEP_PLACES: Places = &[
    ("crates/ocmesh-testkit/src/wait.rs", "the one loop that waits for a condition"),
    ("crates/ocmesh-testkit/src/misbehaving/", "a slow relay is slow on purpose"),
];
/// Marks a sleep that makes time pass on purpose, with the reason after it, on the same line or the one above.
const PACES: &str = "// paces: ";

/// Tests wait on conditions, never on luck. Two sleeps may stay: one under tokio's paused clock, where it costs nothing and proves an order,
/// and one that makes time pass on purpose and says why ([`PACES`]).
pub(super) fn sleep(file: &File) -> Vec<Finding> {
    if allowed(file, SLEEP_PLACES) || !file.is_rust() {
        return Vec::new();
    }
    let explained = |line: &str| line.split_once(PACES).is_some_and(|(_, reason)| reason.trim().len() >= 10);
    let (mut virtual_time, mut above) = (false, "");
    let mut found = Vec::new();
    for (line, whole) in file.code().zip(file.text.lines()) {
        let attribute = line.code.trim_start();
        if attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test") {
            virtual_time = attribute.contains("start_paused = true");
        }
        let sleeps = line.code.contains('(')
            && (has_word(line.code, "sleep") || has_word(line.code, "sleep_until"))
            && !is_quoted(line.code, "sleep");
        if line.in_test && sleeps && !virtual_time && !explained(whole) && !explained(above) {
            let say = "tests wait on a condition (testkit's wait::until); a sleep that makes time pass says why: `// paces: reason`";
            found.push(finding(file, line.number, say));
        }
        above = whole;
    }
    found
}

const KIND_PLACES: Places = &[
    ("crates/ocmesh-proto/src/kind.rs", "the table of kinds: the core asks relays for them"),
    ("crates/ocmesh-wire/src/kind.rs", "the same table with the types of the Nostr library"),
    ("crates/ocmesh-localrelay/", "shares no code with what it tests: NIP-01 ranges are spelled there"),
    ("bench/rust-nostr/", "shares no code with what it is measured against"),
];

/// The kinds this project names; other numbers are just numbers.
const KINDS: &[&str] = &["1059", "10050", "10002", "22242", "31337"];

/// Kind numbers stand in one table. Tests may spell them, to say what is on the wire.
pub(super) fn kind_numbers(file: &File) -> Vec<Finding> {
    if allowed(file, KIND_PLACES) {
        return Vec::new();
    }
    let bare = |code: &str| KINDS.iter().any(|kind| has_word(&code.replace('_', ""), kind));
    let built = |code: &str| {
        let after = |mark: &str| code.split(mark).skip(1).any(|rest| rest.trim_start().starts_with(|c: char| ('1'..='9').contains(&c)));
        ["Kind::from(", "Kind::from_u16(", "Kind::Custom(", "kind:", "kind ==", "kind(", "kinds: vec!["].iter().any(|mark| after(mark))
    };
    each_line(
        file,
        |line| !line.in_test && (bare(line.code) || built(line.code)),
        "kind numbers have their names in ocmesh-proto's kind.rs",
    )
}

const SQL_PLACES: Places = &[("crates/ocmesh-store/", "the store")];

/// How a statement of SQL begins inside a string.
const SQL_STARTS: &[&str] =
    &["SELECT ", "INSERT INTO ", "INSERT OR ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "CREATE INDEX ", "PRAGMA ", "DROP TABLE "];

/// SQL is written in the store. Tests of damaged stores may write it too, and say so by being tests.
pub(super) fn sql(file: &File) -> Vec<Finding> {
    if allowed(file, SQL_PLACES) {
        return Vec::new();
    }
    let starts = |line: &Line<'_>| {
        SQL_STARTS.iter().any(|start| line.code.contains(&format!("\"{start}")) || line.code.trim_start().starts_with(start))
    };
    each_line(file, |line| !line.in_test && starts(line), "SQL belongs to ocmesh-store")
}

const PRINT_PLACES: Places = &[("crates/ocmesh/src/ui.rs", "the one place that prints"), ("xtask/src/run.rs", "the tasks' output")];

/// Only `ui.rs` prints, so that colour, `--json` and escaping are decided once.
pub(super) fn printing(file: &File) -> Vec<Finding> {
    if allowed(file, PRINT_PLACES) {
        return Vec::new();
    }
    let macros = ["println!", "eprintln!", "print!", "eprint!"];
    let prints = |line: &Line<'_>| macros.iter().any(|name| line.code.contains(name)) || line.code.contains("allow(clippy::print_");
    let inside = file.path.starts_with("crates/") || file.path.starts_with("xtask/");
    each_line(
        file,
        |line| inside && (!line.in_test || file.path.starts_with("xtask/src/")) && prints(line) && !is_quoted(line.code, "print"),
        "printing is done in ocmesh's ui.rs",
    )
}

const CLOCK_PLACES: Places = &[
    ("crates/ocmesh-daemon/src/clock.rs", "the clock"),
    ("crates/ocmesh-relay/src/status.rs", "since when a relay is in a state: shown to people, nothing is decided by it"),
    ("crates/ocmesh/src/commands/doctor/", "asks whether this machine's clock is right"),
    ("crates/ocmesh/src/commands.rs", "how long ago something was, on a terminal"),
    ("crates/ocmesh-localrelay/", "a program of its own, with a clock of its own"),
    ("crates/ocmesh-testkit/", "fixtures are dated now"),
    ("bench/src/forge.rs", "events of the laboratory are dated now"),
    ("bench/rust-nostr/", "a program of its own, with a clock of its own"),
];

/// The wall clock is read in one place and handed to everyone else as an argument.
pub(super) fn clock(file: &File) -> Vec<Finding> {
    if allowed(file, CLOCK_PLACES) {
        return Vec::new();
    }
    let reads = |code: &str| {
        ["SystemTime::now", "Utc::now", "::now_utc", "::now_local", "Timestamp::now"]
            .iter()
            .any(|call| code.contains(call) && !is_quoted(code, call))
    };
    each_line(
        file,
        |line| !line.in_test && reads(line.code),
        "the wall clock is read in ocmesh-daemon's clock.rs; take the time as an argument",
    )
}

/// The word stands inside a string literal: then it is data, not code.
fn is_quoted(code: &str, word: &str) -> bool {
    let quotes_before = |at: usize| code.get(..at).map_or(0, |head| head.matches('"').count() - head.matches("\\\"").count());
    let mut places = code.match_indices(word).peekable();
    places.peek().is_some() && places.all(|(at, _)| quotes_before(at) % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "crates/ocmesh-daemon/src/a.rs";
    const TEST: &str = "crates/ocmesh-daemon/tests/a.rs";

    #[track_caller]
    fn red(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) {
        assert_eq!(rule(&File::new(path, text)).len(), 1, "{path}: {text} should go red");
    }

    #[track_caller]
    fn green(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) {
        assert_eq!(rule(&File::new(path, text)), [], "{path}: {text} should stay green");
    }

    #[test]
    fn a_sleeping_test_goes_red() {
        red(sleep, TEST, "tokio::time::sleep(Duration::from_secs(1)).await;");
        red(sleep, CODE, "#[cfg(test)]\nmod tests {\nstd::thread::sleep(a);\n}");
        green(sleep, CODE, "tokio::time::sleep(pause).await;");
        green(sleep, TEST, "#[tokio::test(start_paused = true)]\nasync fn a() {\nsleep(DAY).await;\n}");
        red(sleep, TEST, "#[tokio::test(start_paused = true)]\nasync fn a() {}\n#[test]\nfn b() {\nsleep(DAY);\n}");
        green(sleep, TEST, "sleep(DRIP).await; // paces: one byte every now and then\n");
        green(sleep, TEST, "// paces: one byte every now and then\nsleep(DRIP).await;\n");
        red(sleep, TEST, "sleep(DRIP).await; // paces: it\n");
        green(sleep, TEST, "assert!(text.contains(\"sleep(\"));");
        green(sleep, "crates/ocmesh-testkit/src/wait.rs", "tokio::time::sleep(PAUSE).await;");
    }

    #[test]
    fn a_stray_kind_number_goes_red() {
        red(kind_numbers, CODE, "let wrap = Kind::from(1059);");
        red(kind_numbers, CODE, "let event = Event { kind: 4, tags };");
        red(kind_numbers, CODE, "const PRESENCE: u16 = 31_337;");
        red(kind_numbers, CODE, "if event.kind == 1059 {");
        green(kind_numbers, CODE, "let event = Event { kind: kind::WRAP, tags }; // kind: 1059");
        green(kind_numbers, "crates/ocmesh-wire/src/kind.rs", "pub const WRAP: u16 = 1059;");
        green(kind_numbers, TEST, "assert_eq!(event.kind, 1059);");
    }

    #[test]
    fn sql_outside_of_the_store_goes_red() {
        red(sql, CODE, "db.query(\"SELECT id FROM message\")");
        red(sql, CODE, "db.execute(\"PRAGMA key = 1\")");
        green(sql, "crates/ocmesh-store/src/read.rs", "db.query(\"SELECT id FROM message\")");
        green(sql, CODE, "say(\"Select a peer\")");
    }

    #[test]
    fn stray_printing_goes_red() {
        red(printing, CODE, "println!(\"x\");");
        red(printing, "crates/ocmesh/src/commands/send.rs", "eprintln!(\"x\");");
        red(printing, "crates/ocmesh/src/commands/send.rs", "#[allow(clippy::print_stdout)]");
        red(printing, "xtask/src/ci.rs", "println!(\"x\");");
        green(printing, "crates/ocmesh/src/ui.rs", "println!(\"x\");");
        green(printing, TEST, "println!(\"x\");");
    }

    #[test]
    fn a_stray_clock_goes_red() {
        red(clock, CODE, "let now = SystemTime::now();");
        red(clock, "crates/ocmesh-relay/src/auth.rs", "let now = OffsetDateTime::now_utc();");
        green(clock, "crates/ocmesh-daemon/src/clock.rs", "let now = SystemTime::now();");
        green(clock, CODE, "let began = Instant::now();");
    }
}
