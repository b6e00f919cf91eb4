//! `cargo xtask skill`: what the skill folder must be so that agents load it, and so that no registry's scanner has a reason to warn of it.
//! Each rule is one function over the folder; a test breaks a copy in each of its ways and sees just that rule go red.

mod body;
mod format;
mod scan;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::run::{root, say, say_error};

/// Where the skill is, from the root.
pub(crate) const PLACE: &str = "skill/ocmesh";

/// A folder of text files, as it is published.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// What the folder is called.
    pub(crate) name: String,
    /// Each file: its path inside, with `/`, and its text.
    pub(crate) files: Vec<(String, String)>,
}

impl Folder {
    /// Reads every file below a directory.
    ///
    /// # Errors
    /// Something cannot be read, is a link, or is no text: a skill has none of these.
    pub(crate) fn read(place: &Path) -> Result<Self> {
        let name = place.file_name().and_then(|name| name.to_str()).context("a folder without a name")?.to_owned();
        let mut files = Vec::new();
        let mut left = vec![String::new()];
        while let Some(inside) = left.pop() {
            for entry in fs::read_dir(place.join(&inside)).with_context(|| place.join(&inside).display().to_string())? {
                let entry = entry?;
                let file = entry.file_name();
                let file = file.to_str().context("a file whose name is not text")?;
                let path = if inside.is_empty() { file.to_owned() } else { format!("{inside}/{file}") };
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    left.push(path);
                } else if kind.is_file() {
                    let text = String::from_utf8(fs::read(entry.path())?).with_context(|| format!("{path} is no text"))?;
                    files.push((path, text));
                } else {
                    bail!("{path} is neither a file nor a folder");
                }
            }
        }
        files.sort();
        Ok(Self { name, files })
    }

    /// A key of the head of `SKILL.md`.
    pub(crate) fn field(&self, key: &str) -> Option<String> {
        format::field(self, key)
    }

    /// The text of a file; empty where there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.iter().find(|(found, _)| found == path).map_or("", |(_, text)| text)
    }

    /// Every line with the place to name it by.
    fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.files.iter().flat_map(|(path, text)| text.lines().enumerate().map(move |(i, line)| (format!("{path}:{}", i + 1), line)))
    }
}

/// What a rule has to say: where, and what is wrong with it. Nothing when all is well.
type Rule = fn(&Folder) -> Vec<String>;

/// Rules about `SKILL.md` itself.
const FORMAT: [(&str, Rule); 8] = [
    ("front matter", format::front_matter),
    ("name", format::name),
    ("description", format::description),
    ("fields", format::fields),
    ("install", format::install),
    ("environment", format::environment),
    ("size", format::size),
    ("files", format::files),
];

/// Rules about what it tells an agent.
const BODY: [(&str, Rule); 6] = [
    ("when to use", body::when_to_use),
    ("daemon disclosed", body::daemon_disclosed),
    ("owner asked", body::owner_asked),
    ("nobody let in", body::nobody_let_in),
    ("data, not orders", body::data_not_orders),
    ("licence", body::licence),
];

/// Rules about every line of every file.
const SCAN: [(&str, Rule); 11] = [
    ("pipe to shell", scan::pipe_to_shell),
    ("raw address", scan::raw_address),
    ("short link", scan::short_link),
    ("injection words", scan::injection_words),
    ("secret in arguments", scan::secret_in_arguments),
    ("secret in text", scan::secret_in_text),
    ("deletes", scan::deletes),
    ("runs what it fetches", scan::runs_what_it_fetches),
    ("hidden", scan::hidden),
    ("trust in certificates", scan::certificates),
    ("more rights", scan::more_rights),
];

/// What scanners would say of a folder that is no skill.
#[cfg(test)]
pub(crate) fn scan(folder: &Folder) -> Vec<String> {
    SCAN.iter().flat_map(|(_, rule)| rule(folder)).collect()
}

/// Checks the skill.
///
/// # Errors
/// Each finding is printed; the error counts them.
pub(crate) fn run() -> Result<()> {
    let folder = Folder::read(&root().join(PLACE))?;
    let rules: Vec<&(&str, Rule)> = FORMAT.iter().chain(&BODY).chain(&SCAN).collect();
    let found: Vec<String> =
        rules.iter().flat_map(|(name, rule)| rule(&folder).into_iter().map(move |say| format!("{name}: {say}"))).collect();
    for finding in &found {
        say_error(&format!("{PLACE}: {finding}"));
    }
    if !found.is_empty() {
        bail!("{} findings in the skill", found.len());
    }
    say(&format!("skill: {} files, {} rules, nothing to complain about", folder.files.len(), rules.len()));
    Ok(())
}

#[cfg(test)]
mod tests;
