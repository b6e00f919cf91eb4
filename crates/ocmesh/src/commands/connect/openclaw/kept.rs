//! What `--undo` needs: a record of the change in our home, and OpenClaw's settings file as it was, beside it.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use ocmesh_daemon::home::write_atomically;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{TOKEN_FILE, facts::Facts, patch::touched};
use crate::{
    commands::{Place, connect::json_file::replace},
    error::CliError,
    ui::safe,
};

/// The record's name in our home.
const FILE: &str = "connect-openclaw.json";

/// What was changed. The hook token is redacted in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// All that was merged in.
    pub(super) set: Value,
    /// What stood there before.
    pub(super) before: Option<Value>,
    /// SHA-256 of the settings file after the change, in hex.
    pub(super) hash: Option<String>,
    /// Whether a hook is ours too.
    pub(super) wake: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Self { set: json!({}), before: Some(json!({})), hash: None, wake: false }
    }
}

impl Kept {
    pub(super) fn load(place: &Place) -> Result<Option<Self>, CliError> {
        let path = place.home.path().join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed("read", &path, &error.into())),
        }
    }

    /// Without a record, only our entry among the MCP servers is known to be ours.
    pub(super) fn only_the_entry(facts: &Facts) -> Self {
        let entry = facts.get(&["mcp", "servers", "ocmesh"]);
        Self { set: entry.map_or_else(|| json!({}), |entry| json!({"mcp": {"servers": {"ocmesh": entry}}})), ..Self::default() }
    }

    /// Adds one more change; what stood somewhere before the first stays known.
    pub(super) fn add(&mut self, patch: &Value, settings: &Value) {
        let mut before = touched(patch, settings).unwrap_or_else(|| json!({}));
        keep_old(&mut before, &self.set, self.before.as_ref());
        self.before = Some(before);
        merge(&mut self.set, patch);
    }

    pub(super) fn write(&self, place: &Place) -> Result<(), CliError> {
        let path = place.home.path().join(FILE);
        place.home.open().map_err(|error| CliError::could_not("no_home", "the home cannot be used").why(error))?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed("write", &path, &error.into()))?;
        write_atomically(&path, &text).map_err(|error| failed("write", &path, &error))
    }

    /// Removes the record and the token.
    pub(super) fn forget(place: &Place) -> Result<(), CliError> {
        gone(&place.home.path().join(FILE)).and_then(|()| Self::forget_token(place))
    }

    pub(super) fn forget_token(place: &Place) -> Result<(), CliError> {
        gone(&place.home.path().join(TOKEN_FILE))
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Puts what stood before an earlier change in the place of what that change made.
fn keep_old(before: &mut Value, set: &Value, old: Option<&Value>) {
    let (Value::Object(fields), Value::Object(set)) = (&mut *before, set) else {
        *before = old.cloned().unwrap_or(Value::Null);
        return;
    };
    for (key, value) in set {
        match (fields.get_mut(key), old.and_then(|old| old.get(key))) {
            (Some(inside), old @ Some(_)) => keep_old(inside, value, old),
            (_, None) => {
                fields.remove(key);
            }
            (None, Some(old)) => {
                fields.insert(key.clone(), old.clone());
            }
        }
    }
}

/// A settings file of OpenClaw, and the copy of it beside it.
pub(super) struct Snapshot {
    file: PathBuf,
    copy: PathBuf,
}

impl Snapshot {
    pub(super) fn of(file: &Path) -> Self {
        let mut copy = OsString::from(file);
        copy.push(".before-ocmesh");
        Self { file: file.to_owned(), copy: PathBuf::from(copy) }
    }

    /// Copies the file; it may not be there yet.
    pub(super) fn take(&self) -> Result<(), CliError> {
        match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("read", &self.file, &error)),
            // It holds tokens of the owner: nobody else may read the copy.
            Ok(bytes) => write_atomically(&self.copy, &bytes).map_err(|error| failed("write", &self.copy, &error)),
        }
    }

    pub(super) fn forget(&self) -> Result<(), CliError> {
        gone(&self.copy)
    }

    pub(super) fn hash(&self) -> Result<Option<String>, CliError> {
        match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.file, &error)),
            Ok(bytes) => Ok(Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())),
        }
    }

    /// Whether the file is still what we left, and we know what it was.
    pub(super) fn unchanged_since(&self, hash: Option<&str>) -> bool {
        self.copy.is_file() && hash.is_some() && self.hash().ok().flatten().as_deref() == hash
    }

    /// The file is what it was, to the byte.
    pub(super) fn restore(&self) -> Result<(), CliError> {
        let text = fs::read_to_string(&self.copy).map_err(|error| failed("read", &self.copy, &error))?;
        replace(&self.file, &text).map_err(|error| failed("write", &self.file, &error))?;
        self.forget()
    }

    /// Removes the copy, unless it has comments that OpenClaw's own write took out; then it says where they are.
    pub(super) fn leave(&self) -> Result<Option<String>, CliError> {
        let Ok(bytes) = fs::read(&self.copy) else { return Ok(None) };
        if serde_json::from_slice::<Value>(&bytes).is_ok() {
            return self.forget().map(|()| None);
        }
        Ok(Some(format!("Its settings file as it was, with your comments, is kept: {}", safe(&self.copy.display().to_string()))))
    }
}

fn gone(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
        _ => Ok(()),
    }
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::could_not("connect_file", format!("could not {verb} {}", safe(&path.display().to_string())))
        .why(error)
        .hint("check that the file is yours")
}
