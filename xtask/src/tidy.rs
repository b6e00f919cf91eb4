//! `cargo xtask tidy`: the rules of this repository that no compiler knows. Each rule is one function over one file or over all of them,
//! with a test beside it that shows a bad sample going red.

mod docs;
mod only_here;
mod shape;
mod text;

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::run::{command, read, root, say, say_error};

/// A file of the repository: its path from the root, with `/`, and its text.
#[derive(Debug, Clone)]
struct File {
    path: String,
    text: String,
}

impl File {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Outside of what ships: integration tests, benches, the testkit.
    fn is_for_tests(&self) -> bool {
        let folder = |name: &str| self.path.contains(&format!("/{name}/"));
        folder("tests")
            || folder("benches")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
            || self.path.starts_with("crates/ocmesh-testkit/")
    }

    /// Lines of code with their numbers from 1; comments are blanked, `in_test` says whether a line is below `#[cfg(test)]`.
    fn code(&self) -> impl Iterator<Item = Line<'_>> {
        let mut in_test = self.is_for_tests();
        let lines: Vec<&str> = self.text.lines().collect();
        let next = |i: usize| lines.get(i + 1).map_or("", |line| line.trim_start());
        let marks: Vec<bool> =
            lines.iter().enumerate().map(|(i, line)| line.trim() == "#[cfg(test)]" && next(i).starts_with("mod ")).collect();
        lines.into_iter().zip(marks).enumerate().map(move |(i, (line, mark))| {
            in_test |= mark;
            Line { number: i + 1, code: without_comment(line), in_test }
        })
    }
}

/// One line of a Rust file.
struct Line<'a> {
    number: usize,
    code: &'a str,
    in_test: bool,
}

/// The part of a line before `//`, unless that stands in a string (as in an address).
fn without_comment(line: &str) -> &str {
    let mut in_string = false;
    let mut escaped = false;
    for (i, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'/' if !in_string && line.as_bytes().get(i + 1) == Some(&b'/') => return line.get(..i).unwrap_or(line),
            _ => {}
        }
    }
    line
}

/// True when `text` holds `word` with no letter, digit or underscore on either side.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !part(before) && !part(after)
    })
}

/// What a rule found: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    place: String,
    say: String,
}

fn finding(file: &File, line: usize, say: impl Into<String>) -> Finding {
    Finding { place: format!("{}:{line}", file.path), say: say.into() }
}

/// A rule that looks at one file.
type FileRule = fn(&File) -> Vec<Finding>;
/// A rule that looks at all files.
type TreeRule = fn(&[File]) -> Vec<Finding>;

const FILE_RULES: &[FileRule] = &[
    shape::no_mod_rs,
    shape::opens_with_a_sentence,
    shape::not_too_long,
    shape::plain_names,
    shape::lints_are_inherited,
    only_here::sleep,
    only_here::kind_numbers,
    only_here::sql,
    only_here::printing,
    only_here::clock,
    text::no_unfinished_work,
    text::ignored_tests_say_why,
    text::no_places_of_one_machine,
];

const TREE_RULES: &[TreeRule] = &[docs::flows_name_what_exists, docs::links_resolve, docs::changelog_knows_the_version];

/// Checks the whole repository.
///
/// # Errors
/// Each finding is printed; the error counts them.
pub(crate) fn run() -> Result<()> {
    let files = files()?;
    for warning in files.iter().flat_map(shape::getting_long) {
        say(&format!("warning: {}: {}", warning.place, warning.say));
    }
    let one = files.iter().flat_map(|file| FILE_RULES.iter().flat_map(move |rule| rule(file)));
    let all = TREE_RULES.iter().flat_map(|rule| rule(&files));
    let findings: Vec<Finding> = one.chain(all).collect();
    for Finding { place, say } in &findings {
        say_error(&format!("{place}: {say}"));
    }
    if !findings.is_empty() {
        bail!("{} findings; CONTRIBUTING.md has the rules", findings.len());
    }
    say(&format!("tidy: {} files, {} rules, nothing to complain about", files.len(), FILE_RULES.len() + TREE_RULES.len()));
    Ok(())
}

/// Every text file git knows or would know.
fn files() -> Result<Vec<File>> {
    let listed = read(command("git", &["ls-files", "-co", "--exclude-standard"]))?;
    let mut files = Vec::new();
    for path in listed.lines() {
        let full = root().join(path);
        if !full.is_file() {
            continue; // Deleted and not yet committed.
        }
        let bytes = fs::read(&full).with_context(|| format!("could not read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    if files.is_empty() {
        bail!("found no files: is this a git repository?");
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_not_code_but_addresses_in_strings_are() {
        assert_eq!(without_comment("let a = 1; // SELECT"), "let a = 1; ");
        assert_eq!(without_comment(r#"let a = "wss://x"; // b"#), r#"let a = "wss://x"; "#);
        assert_eq!(without_comment(r#"let a = "\"//"; b"#), r#"let a = "\"//"; b"#);
    }

    #[test]
    fn words_have_edges() {
        assert!(has_word("a sleep(1)", "sleep"));
        assert!(!has_word("a.sleepy()", "sleep"));
        assert!(!has_word("no_sleep()", "sleep"));
    }

    #[test]
    fn lines_below_cfg_test_are_tests() {
        let file = File::new("crates/a/src/b.rs", "//! B.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        let tests: Vec<_> = file.code().filter(|line| line.in_test).map(|line| line.number).collect();
        assert_eq!(tests, [3, 4, 5, 6]);
        assert!(File::new("crates/a/tests/b.rs", "x").code().all(|line| line.in_test));
    }
}
