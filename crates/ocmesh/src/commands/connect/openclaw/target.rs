//! Our `[[wake]]` block in `config.toml`: appended as a whole, taken out as a whole, nothing else in the file touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ocmesh_daemon::home::write_atomically;

use super::{TOKEN_FILE, plan::Wake};
use crate::{commands::Place, error::CliError, ui::safe};

/// The block's first line.
const BEGIN: &str = "# Made by `ocmesh connect openclaw`; `ocmesh connect openclaw --undo` takes it out, down to its last line.";
/// The block's last line.
const END: &str = "# The end of what `ocmesh connect openclaw` made.";

/// The block, and the file it stands in.
pub(super) struct WakeBlock {
    path: PathBuf,
}

impl WakeBlock {
    pub(super) fn of(place: &Place) -> Self {
        Self { path: place.home.config() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The block for a gateway.
    pub(super) fn text(&self, wake: &Wake) -> String {
        let agent = wake.agent.as_ref().map(|agent| format!("agent = {}\n", quoted(agent))).unwrap_or_default();
        format!(
            "{BEGIN}\n[[wake]]\nid = \"openclaw\"\nkind = \"openclaw\"\nurl = {}\ntoken_file = \"{TOKEN_FILE}\"\nmode = \"{}\"\n{agent}{END}\n",
            quoted(&wake.url),
            wake.mode
        )
    }

    pub(super) fn is_there(&self) -> Result<bool, CliError> {
        Ok(self.read()?.is_some_and(|text| span(&text).is_some()))
    }

    /// Whether this block stands there; what its owner added to it does not count.
    pub(super) fn holds(&self, block: &str) -> bool {
        let text = self.read().ok().flatten().unwrap_or_default();
        let there = span(&text).and_then(|(start, end)| text.get(start..end)).unwrap_or_default();
        block.lines().all(|line| there.lines().any(|one| one == line))
    }

    /// Whether the block that stands there wakes the isolated agent.
    pub(super) fn is_isolated(&self) -> bool {
        self.holds("mode = \"isolated\"")
    }

    /// Puts the block in, in the place of an older one; says whether that changed anything. A configuration that is not good with it stays
    /// as it was.
    pub(super) fn put(&self, place: &Place, block: &str) -> Result<bool, CliError> {
        if self.holds(block) {
            return Ok(false);
        }
        let before = self.read()?;
        let text = before.as_deref().unwrap_or_default();
        let after = match span(text) {
            Some((start, end)) => [text.get(..start), Some(block), text.get(end..)].into_iter().flatten().collect(),
            // One line end stands between: a blank line, or the end that the last line lacked.
            None if text.is_empty() => block.to_owned(),
            None => format!("{text}\n{block}"),
        };
        self.write(&after)?;
        if let Err(error) = place.config() {
            match &before {
                Some(before) => self.write(before)?,
                None => self.remove()?,
            }
            return Err(error);
        }
        Ok(true)
    }

    /// Takes the block out; says whether there was one.
    pub(super) fn take(&self) -> Result<bool, CliError> {
        let Some(text) = self.read()? else { return Ok(false) };
        let Some((start, end)) = span(&text) else { return Ok(false) };
        let head = text.get(..start).unwrap_or_default();
        let head = head.strip_suffix('\n').unwrap_or(head);
        let after = format!("{head}{}", text.get(end..).unwrap_or_default());
        // A file that held nothing but the block was made for it.
        if after.is_empty() {
            self.remove()?;
        } else {
            self.write(&after)?;
        }
        Ok(true)
    }

    fn read(&self) -> Result<Option<String>, CliError> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|error| self.failed("read", &error)),
        }
    }

    fn write(&self, text: &str) -> Result<(), CliError> {
        let target = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        write_atomically(&target, text.as_bytes()).map_err(|error| self.failed("write", &error))
    }

    fn remove(&self) -> Result<(), CliError> {
        fs::remove_file(&self.path).map_err(|error| self.failed("remove", &error))
    }

    fn failed(&self, verb: &str, error: &io::Error) -> CliError {
        CliError::could_not("config_file", format!("could not {verb} {}", safe(&self.path.display().to_string()))).why(error)
    }
}

/// A basic string of TOML: JSON writes one alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// From the first byte of the block to the one after its last.
fn span(text: &str) -> Option<(usize, usize)> {
    let start = text.find(BEGIN)?;
    let end = start.checked_add(text.get(start..)?.find(END)?)?.checked_add(END.len())?;
    let line_end = usize::from(text.get(end..).is_some_and(|rest| rest.starts_with('\n')));
    Some((start, end.checked_add(line_end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(directory: &Path) -> (WakeBlock, String) {
        let block = WakeBlock { path: directory.join("config.toml") };
        let text = block.text(&Wake { url: "http://127.0.0.1:1".to_owned(), mode: "main", agent: Some("a\"b".to_owned()) });
        (block, text)
    }

    #[test]
    fn the_block_goes_in_and_comes_out_to_the_byte() {
        let directory = tempfile::tempdir().unwrap();
        let (block, text) = block(directory.path());
        assert!(text.contains("agent = \"a\\\"b\"\n"), "{text}");
        for before in ["name = \"ada\" # me\n", "# no line end", "\n", "[api]\nport = 0\n\n\n"] {
            fs::write(block.path(), format!("{before}\n{text}")).unwrap();
            assert!(block.is_there().unwrap() && block.holds(&text) && !block.is_isolated());
            fs::write(block.path(), format!("{before}\n{}", text.replace("mode", "quiet = \"22:00-07:00\"\nmode"))).unwrap();
            assert!(block.holds(&text), "what its owner added stays");
            assert!(block.take().unwrap());
            assert_eq!(fs::read_to_string(block.path()).unwrap(), before);
            assert!(!block.take().unwrap(), "once is enough");
        }
        fs::write(block.path(), &text).unwrap();
        assert!(block.take().unwrap());
        assert!(!block.path().exists(), "the file was made for the block");
        fs::write(block.path(), format!("a = 1\n\n{}b = 2\n", text.replace("http:", "https:"))).unwrap();
        assert!(block.take().unwrap(), "also when its owner changed it, or wrote behind it");
        assert_eq!(fs::read_to_string(block.path()).unwrap(), "a = 1\nb = 2\n");
    }
}
