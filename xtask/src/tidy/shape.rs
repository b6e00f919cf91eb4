//! Rules about files as such: their names, their first line, their length.

use super::{File, Finding, finding};

/// Longest Rust file: beyond it nobody reads it in one sitting.
const LINES_MAX: usize = 500;
/// From here on it is time to split by noun.
const LINES_LONG: usize = 300;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "handler", "misc"];

/// `foo.rs` beside `foo/`.
pub(super) fn no_mod_rs(file: &File) -> Vec<Finding> {
    let bad = file.path.ends_with("/mod.rs");
    bad.then(|| finding(file, 1, "a module's file stands beside its folder: foo.rs, not foo/mod.rs")).into_iter().collect()
}

/// Every Rust file opens with a sentence that says what it holds.
pub(super) fn opens_with_a_sentence(file: &File) -> Vec<Finding> {
    let opens = file.text.lines().next().is_some_and(|line| line.strip_prefix("//! ").is_some_and(|sentence| sentence.trim().len() > 10));
    (file.is_rust() && !opens)
        .then(|| finding(file, 1, "open with one `//!` sentence that says what this file holds"))
        .into_iter()
        .collect()
}

/// No file beyond [`LINES_MAX`].
pub(super) fn not_too_long(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let bad = file.is_rust() && lines > LINES_MAX;
    bad.then(|| finding(file, lines, format!("{lines} lines; {LINES_MAX} is the most: split it by noun"))).into_iter().collect()
}

/// A warning from [`LINES_LONG`] on.
pub(super) fn getting_long(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let long = file.is_rust() && (LINES_LONG + 1..=LINES_MAX).contains(&lines);
    long.then(|| finding(file, lines, format!("{lines} lines: time to split it by noun"))).into_iter().collect()
}

/// No file or folder with an empty name, and no module or type either.
pub(super) fn plain_names(file: &File) -> Vec<Finding> {
    let says_nothing = |name: &str| EMPTY_NAMES.contains(&name.to_lowercase().as_str());
    let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let named = parts.flat_map(|part| part.split(['_', '-'])).find(|part| says_nothing(part));
    let mut found: Vec<Finding> =
        named.map(|name| finding(file, 1, format!("`{name}` says nothing: name it after what it holds"))).into_iter().collect();
    if file.is_rust() {
        for line in file.code() {
            let declared = ["struct ", "enum ", "trait ", "mod "]
                .iter()
                .find_map(|word| line.code.trim_start().trim_start_matches("pub ").strip_prefix(word));
            let name = declared.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()).unwrap_or("");
            let ends_empty = ["Manager", "Handler", "Helper", "Util", "Utils"].iter().any(|end| name.ends_with(end));
            if ends_empty || says_nothing(name) {
                found.push(finding(file, line.number, format!("`{name}` says nothing: name it after what it does")));
            }
        }
    }
    found
}

/// Every crate takes the workspace's lints; a workspace of its own is no part of it.
pub(super) fn lints_are_inherited(file: &File) -> Vec<Finding> {
    let is_crate = file.path.ends_with("/Cargo.toml") && file.text.contains("[package]") && !file.text.contains("\n[workspace]\n");
    let bad = is_crate && !file.text.replace(' ', "").contains("[lints]\nworkspace=true");
    bad.then(|| finding(file, 1, "take the workspace's lints: `[lints] workspace = true`")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(lines: usize) -> File {
        File::new("crates/a/src/b.rs", &format!("//! What it holds.\n{}", "fn a() {}\n".repeat(lines - 1)))
    }

    #[test]
    fn mod_rs_goes_red() {
        assert_eq!(no_mod_rs(&File::new("crates/a/src/b/mod.rs", "")).len(), 1);
        assert_eq!(no_mod_rs(&File::new("crates/a/src/b.rs", "")).len(), 0);
    }

    #[test]
    fn a_file_without_a_sentence_goes_red() {
        for bad in ["", "use a;\n", "//!\n", "//! B.\n", "// A plain comment, long enough.\n"] {
            assert_eq!(opens_with_a_sentence(&File::new("a.rs", bad)).len(), 1, "{bad:?}");
        }
        assert_eq!(opens_with_a_sentence(&rust(1)).len(), 0);
        assert_eq!(opens_with_a_sentence(&File::new("a.sh", "x")).len(), 0);
    }

    #[test]
    fn a_long_file_warns_and_a_longer_one_goes_red() {
        assert_eq!((getting_long(&rust(300)).len(), not_too_long(&rust(300)).len()), (0, 0));
        assert_eq!((getting_long(&rust(301)).len(), not_too_long(&rust(301)).len()), (1, 0));
        assert_eq!((getting_long(&rust(501)).len(), not_too_long(&rust(501)).len()), (0, 1));
    }

    #[test]
    fn empty_names_go_red() {
        for bad in ["crates/a/src/util.rs", "crates/a-common/src/lib.rs", "crates/a/src/misc/b.rs", "scripts/dom_helpers.mjs"] {
            assert_eq!(plain_names(&File::new(bad, "")).len(), 1, "{bad}");
        }
        assert_eq!(plain_names(&File::new("crates/a/src/utility_pole.rs", "")).len(), 0);
        for bad in ["struct PeerManager {", "pub enum FooHelper {", "mod util;", "pub mod common {"] {
            assert_eq!(plain_names(&File::new("crates/a/src/b.rs", bad)).len(), 1, "{bad}");
        }
        assert_eq!(plain_names(&File::new("crates/a/src/b.rs", "struct Peer; // the PeerManager\nmod utility;")).len(), 0);
    }

    #[test]
    fn a_crate_without_the_lints_goes_red() {
        assert_eq!(lints_are_inherited(&File::new("crates/a/Cargo.toml", "[package]\nname = \"a\"\n")).len(), 1);
        for good in ["[package]\n[lints]\nworkspace = true\n", "[package]\nname = \"a\"\n\n[workspace]\n"] {
            assert_eq!(lints_are_inherited(&File::new("crates/a/Cargo.toml", good)).len(), 0, "{good}");
        }
    }
}
