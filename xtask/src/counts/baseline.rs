//! `bench/counts.toml`: what each path needed when it was last looked at, and what it was compiled with.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context as _, Result};

use super::Counts;

const HEAD: &str = "# Instructions of each path as the tests are built; `cargo xtask counts --bless` writes this file, `cargo xtask counts` holds the code to it.";

/// The file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    pub(super) compilers: String,
    pub(super) counts: Counts,
}

impl Baseline {
    /// None where there is no file yet.
    pub(super) fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).with_context(|| format!("{} is not as `--bless` writes it", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, self.text())?)
    }

    fn text(&self) -> String {
        let lines: Vec<String> = self.counts.iter().map(|(name, count)| format!("{name:?} = {count}\n")).collect();
        format!("{HEAD}\n\ncompilers = {:?}\n\n[instructions]\n{}", self.compilers, lines.concat())
    }

    /// Lines of a quoted key or a word, and a value; no more of TOML than that.
    fn parse(text: &str) -> Result<Self> {
        let mut baseline = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
            let (key, value) = line.rsplit_once(" = ").with_context(|| format!("{line:?} has no value"))?;
            if key == "compilers" {
                value.trim_matches('"').clone_into(&mut baseline.compilers);
            } else {
                baseline.counts.insert(key.trim_matches('"').to_owned(), value.parse()?);
            }
        }
        Ok(baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let counts = Counts::from([("wire: a message is opened".to_owned(), 1_234), ("b".to_owned(), 5)]);
        let baseline = Baseline { compilers: "rustc 1, cc 2 on x86_64".to_owned(), counts };
        assert_eq!(Baseline::parse(&baseline.text()).unwrap(), baseline);
        assert!(Baseline::parse("\"a\" = many\n").is_err());
    }

    #[test]
    fn the_file_of_the_repository_can_be_read() {
        let baseline = Baseline::read(&crate::run::root().join("bench").join("counts.toml")).unwrap();
        assert!(!baseline.compilers.is_empty() && !baseline.counts.is_empty(), "{baseline:?}");
    }
}
