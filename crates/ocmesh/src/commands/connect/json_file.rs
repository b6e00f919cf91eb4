//! One entry in a JSON settings file of another program: put in and taken out without disturbing anything else in it.
//!
//! Values other than ours keep their text byte by byte, and keys their order. A file that is not plain JSON is left alone.

mod object;

use std::{
    ffi::OsString,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::object::{EditError, put, take};
use super::entry::NAME;
use crate::{
    error::{CliError, chain},
    ui::safe,
};

/// Settings are a few KiB; what is larger is something else.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Our entry in somebody's file: `section.ocmesh = value`.
#[derive(Debug, Clone)]
pub(super) struct JsonFile {
    path: PathBuf,
    section: &'static str,
    value: Value,
}

impl JsonFile {
    pub(super) const fn new(path: PathBuf, section: &'static str, value: Value) -> Self {
        Self { path, section, value }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn section(&self) -> &'static str {
        self.section
    }

    pub(super) const fn value(&self) -> &Value {
        &self.value
    }

    /// What stands under our name.
    pub(super) fn current(&self) -> Result<Option<Value>, CliError> {
        let Some(text) = self.read(&self.path)? else { return Ok(None) };
        object::get(&text, self.section, NAME).map_err(|error| self.refused(&error))
    }

    /// Puts our entry in. The file as it was is kept beside it.
    pub(super) fn connect(&self) -> Result<(), CliError> {
        let before = self.read(&self.path)?;
        let after = self.with_entry(before.as_deref())?;
        if let Some(before) = &before {
            self.write(&self.backup(), before)?;
        }
        self.write(&self.path, &after)
    }

    /// Takes our entry out. Where nothing else changed since, the file is again what it was, to the byte.
    pub(super) fn undo(&self) -> Result<(), CliError> {
        let Some(now) = self.read(&self.path)? else { return Ok(()) };
        let backup = self.read(&self.backup())?;
        match &backup {
            Some(before) if self.with_entry(Some(before)).is_ok_and(|after| after == now) => self.write(&self.path, before)?,
            None if self.with_entry(None).is_ok_and(|after| after == now) => self.remove(&self.path)?,
            _ => self.write(&self.path, &take(&now, self.section, NAME).map_err(|error| self.refused(&error))?)?,
        }
        if backup.is_some() { self.remove(&self.backup()) } else { Ok(()) }
    }

    fn with_entry(&self, before: Option<&str>) -> Result<String, CliError> {
        put(before.unwrap_or_default(), self.section, NAME, &self.value).map_err(|error| self.refused(&error))
    }

    fn backup(&self) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(".before-ocmesh");
        PathBuf::from(path)
    }

    fn read(&self, path: &Path) -> Result<Option<String>, CliError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", path, &error)),
            Ok(facts) if !facts.is_file() || facts.len() > FILE_BYTES_MAX => {
                return Err(CliError::could_not("odd_file", format!("{} is not a settings file", shown(path))).hint(self.by_hand()));
            }
            Ok(_) => {}
        }
        fs::read_to_string(path).map(Some).map_err(|error| failed("read", path, &error))
    }

    /// Writes beside and renames, so that nobody ever reads half a file; a link stays a link, and the rights stay as they are.
    fn write(&self, path: &Path, text: &str) -> Result<(), CliError> {
        replace(path, text).map_err(|error| failed("write", path, &error))
    }

    fn remove(&self, path: &Path) -> Result<(), CliError> {
        fs::remove_file(path).map_err(|error| failed("remove", path, &error))
    }

    fn refused(&self, error: &EditError) -> CliError {
        CliError::could_not("file_not_understood", format!("{} cannot be changed safely", shown(&self.path)))
            .why(chain(error))
            .hint(self.by_hand())
    }

    fn by_hand(&self) -> String {
        format!("put this in by hand, under \"{}\": \"{NAME}\": {}", self.section, self.value)
    }
}

/// Writes a whole file as it is to be, by a rename.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    // A new file is ours alone (0600): settings of agents hold tokens.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    if let Ok(facts) = fs::metadata(&target) {
        file.as_file().set_permissions(facts.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::could_not("agent_file", format!("could not {verb} {}", shown(path))).why(error).hint("check that the file is yours")
}

fn shown(path: &Path) -> String {
    safe(&path.display().to_string())
}

#[cfg(test)]
mod tests;
