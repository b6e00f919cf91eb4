//! What OpenClaw holds before we change anything, asked by its own commands. Secrets come out of them redacted.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::{
    ask::{Said, ask},
    entry::{Entry, NAME},
};
use crate::{error::CliError, ui::safe};

/// The oldest OpenClaw whose `config patch`, hooks and heartbeat targets are those we know (year, month, number).
const VERSION_MIN: [u32; 3] = [2026, 8, 1];
/// What stands where a secret is.
pub(super) const REDACTED: &str = "__OPENCLAW_REDACTED__";
/// The sections we look at. Each costs a start of OpenClaw: seconds of one processor.
const SECTIONS: [&str; 7] = ["hooks", "agents", "gateway", "channels", "commands", "bindings", "mcp"];

/// OpenClaw's version and settings.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Its settings file.
    pub(super) file: PathBuf,
    /// The sections that are set, as one object. Secrets are [`REDACTED`].
    pub(super) settings: Value,
}

impl Facts {
    /// Asks the program.
    pub(super) async fn of(program: &Path) -> Result<Self, CliError> {
        let version = ask(program, &["--version".to_owned()]).await?;
        check_version(&version.text)?;
        let file = ask(program, &["config", "file", "--json"].map(str::to_owned)).await?;
        let path = json_of(&file).and_then(|value| value.get("path")?.as_str().map(PathBuf::from));
        let file = path.filter(|path| path.is_absolute()).ok_or_else(|| not_understood("config file --json", &file))?;
        Ok(Self { file, settings: sections(program).await? })
    }

    /// A value by its path.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.settings, |value, key| value.get(key))
    }

    /// The command line that stands under our name: none, one, or something else.
    pub(super) fn entry(&self) -> Option<Option<Entry>> {
        self.get(&["mcp", "servers", NAME]).map(Entry::in_json)
    }
}

/// Every section, two at a time: more would need gigabytes.
async fn sections(program: &Path) -> Result<Value, CliError> {
    let mut settings = serde_json::Map::new();
    for pair in SECTIONS.chunks(2) {
        let [first, second] = [pair.first(), pair.get(1)];
        let (first, second) = tokio::try_join!(section(program, first), section(program, second))?;
        settings.extend(first.into_iter().chain(second));
    }
    Ok(Value::Object(settings))
}

/// One section by its name; nothing where it is not set.
async fn section(program: &Path, name: Option<&&'static str>) -> Result<Option<(String, Value)>, CliError> {
    let Some(name) = name else { return Ok(None) };
    let said = ask(program, &["config", "get", name, "--json"].map(str::to_owned)).await?;
    let value = json_of(&said).ok_or_else(|| not_understood(&format!("config get {name} --json"), &said))?;
    if said.success {
        return Ok(Some(((*name).to_owned(), value)));
    }
    let reason = value.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    if reason.contains("valid but unset") { Ok(None) } else { Err(not_understood(&format!("config get {name} --json"), &said)) }
}

fn json_of(said: &Said) -> Option<Value> {
    serde_json::from_str(&said.stdout).ok()
}

fn not_understood(command: &str, said: &Said) -> CliError {
    let first = said.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let reason = if json_of(said).is_some() { "it refused" } else { first };
    CliError::could_not("agent_refused", format!("OpenClaw did not answer openclaw {command} as expected"))
        .why(safe(reason))
        .hint("openclaw config validate shows what is wrong with its settings")
}

/// Refuses what is older than we know. A text without a version passes: a new spelling is no old program.
fn check_version(text: &str) -> Result<(), CliError> {
    let Some(found) = version_in(text) else { return Ok(()) };
    if found >= VERSION_MIN {
        return Ok(());
    }
    let dotted = |version: [u32; 3]| version.map(|part| part.to_string()).join(".");
    Err(CliError::could_not("agent_too_old", format!("OpenClaw {} is too old to be woken", dotted(found)))
        .why(format!("{} is the oldest that is known to work", dotted(VERSION_MIN)))
        .hint("openclaw update; or only the tools: ocmesh connect openclaw --no-wake"))
}

/// The first word of three numbers.
fn version_in(text: &str) -> Option<[u32; 3]> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut parts = word.split('.').map(str::parse);
        let version = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
        parts.next().is_none().then_some(version)
    })
}

impl Facts {
    /// What is registered, as a value to set.
    pub(super) fn entry_value(entry: &Entry) -> Value {
        json!({"command": entry.command, "args": entry.args})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_is_refused_and_an_unknown_spelling_is_not() {
        assert_eq!(version_in("OpenClaw 2026.9.6 (eb377ac)"), Some([2026, 9, 6]));
        assert_eq!(version_in("v2026.10.11-beta.2"), Some([2026, 10, 11]));
        assert_eq!(version_in("OpenClaw (dev) 1.2"), None);
        check_version("OpenClaw 2026.8.1").unwrap();
        check_version("OpenClaw 2027.1.0").unwrap();
        check_version("OpenClaw next").unwrap();
        let error = check_version("OpenClaw 2026.7.31 (abc)").unwrap_err().to_json().unwrap().to_string();
        assert!(error.contains("agent_too_old") && error.contains("2026.7.31") && error.contains("--no-wake"), "{error}");
    }
}
