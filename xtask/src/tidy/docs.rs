//! Rules about the pages: what they name exists, where they link there is something, and the change log knows the version.

use std::collections::BTreeSet;

use super::{File, Finding, finding};

/// The flow pages are true: each file and each symbol they name in backticks exists.
pub(super) fn flows_name_what_exists(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for page in files.iter().filter(|file| file.path.starts_with("docs/flows/") && file.path.ends_with(".md")) {
        for (number, name) in backticked(&page.text) {
            if looks_like_a_path(&name) && !path_exists(files, &name) {
                found.push(finding(page, number, format!("there is no file `{name}`")));
            } else if looks_like_a_symbol(&name) && !symbol_exists(files, &name) {
                found.push(finding(page, number, format!("there is no `{name}`")));
            }
        }
    }
    found
}

/// What stands in single backticks outside of fenced blocks, with line numbers.
fn backticked(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut names = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            names.extend(line.split('`').skip(1).step_by(2).map(|name| (i + 1, name.trim().to_owned())));
        }
    }
    names
}

fn looks_like_a_path(name: &str) -> bool {
    let known_end = [".rs", ".sql", ".sh", ".mjs", ".toml", ".md"].iter().any(|end| name.ends_with(end));
    known_end && name.contains('/') && !name.contains(' ') && !name.starts_with(['~', '/', '$'])
}

/// A path counts from the root, or from the sources of a crate by its short name: `daemon/clock.rs`.
fn path_exists(files: &[File], name: &str) -> bool {
    let in_crate = name.split_once('/').map(|(krate, rest)| format!("crates/ocmesh-{krate}/src/{rest}"));
    let binary = name.strip_prefix("ocmesh/").map(|rest| format!("crates/ocmesh/src/{rest}"));
    files.iter().any(|file| file.path == name || Some(&file.path) == in_crate.as_ref() || Some(&file.path) == binary.as_ref())
}

fn looks_like_a_symbol(name: &str) -> bool {
    name.contains("::") && name.chars().all(|c| c.is_alphanumeric() || "_:()!".contains(c))
}

/// `crate::module::Type::function`: its last part must be declared in the crate that the first names, and where the part before it is a
/// type, in a file that declares or implements that type.
fn symbol_exists(files: &[File], name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").map(|part| part.trim_end_matches("()").trim_end_matches('!')).collect();
    let Some((last, path)) = parts.split_last() else { return false };
    let home = path.first().map(|first| first.trim_start_matches("ocmesh_")).unwrap_or_default();
    let crates: BTreeSet<&str> = files.iter().filter_map(|file| file.path.strip_prefix("crates/")?.split('/').next()).collect();
    let krate = crates.iter().find(|name| **name == format!("ocmesh-{home}") || (home == "ocmesh" && **name == "ocmesh"));
    let foreign = ["std", "tokio", "nostr", "axum", "rusqlite"].contains(&home);
    let inside = |file: &&File| file.is_rust() && krate.is_none_or(|krate| file.path.starts_with(&format!("crates/{krate}/")));
    let owner = path.last().filter(|owner| owner.starts_with(char::is_uppercase));
    foreign
        || files.iter().filter(inside).any(|file| {
            let declared = file.code().any(|line| declares(line.code, last));
            declared && owner.is_none_or(|owner| file.code().any(|line| declares(line.code, owner) || implements(line.code, owner)))
        })
}

/// The line declares `name`: a function, type, module, constant, or a variant of an enum.
fn declares(code: &str, name: &str) -> bool {
    let code = code.trim_start();
    let item = ["fn ", "struct ", "enum ", "trait ", "type ", "mod ", "const ", "static ", "macro_rules! "]
        .iter()
        .any(|word| code.split(word).skip(1).any(|rest| starts_with_name(rest, name)));
    let variant = name.starts_with(char::is_uppercase)
        && starts_with_name(code, name)
        && code
            .get(name.len()..)
            .is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with([',', '(', ' ', '{']) && !rest.contains("=>"));
    item || variant
}

fn implements(code: &str, name: &str) -> bool {
    code.trim_start().starts_with("impl") && code.split([' ', '<', '>', '{']).any(|word| word == name)
}

fn starts_with_name(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Links between our pages lead somewhere, down to the heading.
pub(super) fn links_resolve(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, target) in links(&page.text) {
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let full = if path.is_empty() { page.path.clone() } else { join(&page.path, path) };
            let there = files.iter().find(|file| file.path == full);
            let folder = files.iter().any(|file| file.path.starts_with(&format!("{}/", full.trim_end_matches('/'))));
            let heading_there =
                there.is_some_and(|file| heading.is_empty() || !full.ends_with(".md") || headings(&file.text).contains(heading));
            if !(heading_there || (folder && heading.is_empty())) {
                found.push(finding(page, number, format!("the link `{target}` leads nowhere")));
            }
        }
    }
    if !files.iter().any(|file| file.path == "README.md") {
        found.push(Finding { place: "README.md:1".to_owned(), say: "there is no README".to_owned() });
    }
    found
}

/// Targets of Markdown links that stay in the repository, with line numbers.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in plain.split("](").skip(1).filter(|_| !fenced) {
            let target = rest.split([')', ' ']).next().unwrap_or(rest);
            if !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty() {
                targets.push((i + 1, target.to_owned()));
            }
        }
    }
    targets
}

/// `target` seen from the folder of `page`.
fn join(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { page.split('/').collect() };
    parts.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// A page's headings, spelled as links to them are.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |title: &str| -> String {
        let kept = title.to_lowercase();
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(slug).collect()
}

/// The change log has an entry for the version in the manifest.
pub(super) fn changelog_knows_the_version(files: &[File]) -> Vec<Finding> {
    let manifest = files.iter().find(|file| file.path == "Cargo.toml").map_or("", |file| file.text.as_str());
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"')).unwrap_or("?");
    let log = files.iter().find(|file| file.path == "CHANGELOG.md").map_or("", |file| file.text.as_str());
    let known = log.lines().any(|line| line.starts_with('#') && line.contains(version));
    let bad = Finding { place: "CHANGELOG.md:1".to_owned(), say: format!("has no heading for version {version}") };
    if known { Vec::new() } else { vec![bad] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(page: &str) -> Vec<File> {
        vec![
            File::new("docs/flows/send.md", page),
            File::new(
                "crates/ocmesh-proto/src/mesh.rs",
                "pub struct Mesh {}\nimpl Mesh {\n    pub fn handle(&mut self) {}\n}\npub enum Effect {\n    Publish {\n    },\n}\n",
            ),
            File::new("crates/ocmesh-daemon/src/clock.rs", "pub fn now() {}\n"),
        ]
    }

    #[test]
    fn a_flow_page_that_names_what_is_gone_goes_red() {
        let bad = [
            "`proto::mesh::Mesh::forget`",
            "`ocmesh_proto::Gone`",
            "`daemon/gone.rs`",
            "`crates/ocmesh-proto/src/gone.rs`",
            "`Effect::Vanish`",
            "`daemon::handle`",
            "`Effect::now()`",
        ];
        for name in bad {
            assert_eq!(flows_name_what_exists(&tree(&format!("1. first {name} then\n"))).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_flow_page_that_names_what_is_there_stays_green() {
        let good = [
            "`proto::mesh::Mesh::handle`",
            "`Mesh::handle()`",
            "`Effect::Publish`",
            "`daemon/clock.rs`",
            "`crates/ocmesh-proto/src/mesh.rs`",
            "`daemon::clock::now`",
        ];
        for name in good.iter().chain(&["`~/.ocmesh/ocmesh.db`", "`POST /send`", "`std::fs::rename`"]) {
            assert_eq!(flows_name_what_exists(&tree(&format!("1. first {name} then\n"))), [], "{name}");
        }
    }

    #[test]
    fn a_link_to_nowhere_goes_red() {
        let page = |text: &str| vec![File::new("README.md", text), File::new("docs/nips.md", "# NIPs\n## What we do\n")];
        for bad in ["[a](docs/gone.md)", "[a](docs/nips.md#gone)", "[a](#gone)", "[a](../docs/nips.md/x)"] {
            assert_eq!(links_resolve(&page(bad)).len(), 1, "{bad}");
        }
        for good in ["[a](docs/nips.md)", "[a](docs/nips.md#what-we-do)", "[a](https://example.com/x)", "[a](docs)", "`[a](x)`"] {
            assert_eq!(links_resolve(&page(good)), [], "{good}");
        }
        assert_eq!(links_resolve(&[File::new("docs/a.md", "")]).len(), 1, "a repository without a README");
    }

    #[test]
    fn a_change_log_without_the_version_goes_red() {
        let files = |log: &str| vec![File::new("Cargo.toml", "[workspace.package]\nversion = \"0.3.0\"\n"), File::new("CHANGELOG.md", log)];
        assert_eq!(changelog_knows_the_version(&files("## 0.2.0\nfixes 0.3.0\n")).len(), 1);
        assert_eq!(changelog_knows_the_version(&files("## 0.3.0 (2026-11-23)\n")), []);
    }
}
