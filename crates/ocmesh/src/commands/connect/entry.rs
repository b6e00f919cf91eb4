//! How an agent program starts us: the command line that is registered, and how one that was read back compares.

use serde_json::Value;

use crate::{
    commands::{Place, service},
    error::CliError,
};

/// The name of our entry, everywhere.
pub(super) const NAME: &str = "ocmesh";

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) command: String,
    pub(super) args: Vec<String>,
}

impl Entry {
    /// The command line that starts this very program as an MCP server for this home.
    pub(super) fn ours(place: &Place) -> Result<Self, CliError> {
        // Absolute: a program started from a desktop or by a service has another PATH than this shell.
        let exe = std::env::current_exe()
            .and_then(|exe| exe.canonicalize())
            .map_err(|error| CliError::could_not("no_exe", "could not find this program's own file").why(error))?;
        let mut args = vec!["mcp".to_owned()];
        let home = place.home.path();
        // A moved home is written down: the agent program does not know the environment of this shell.
        if std::env::home_dir().is_none_or(|user_home| home != user_home.join(".ocmesh")) {
            args.extend(["--home".to_owned(), service::utf8(home.to_owned())?]);
        }
        Ok(Self { command: service::utf8(service::stable(exe))?, args })
    }

    /// The words, in order.
    pub(super) fn words(&self) -> Vec<String> {
        std::iter::once(&self.command).chain(&self.args).cloned().collect()
    }

    /// Looks for a command line in JSON, however deep: `command` is a word, with `args`, or a list of words.
    pub(super) fn in_json(value: &Value) -> Option<Self> {
        let words =
            |value: &Value| -> Option<Vec<String>> { value.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect() };
        match value {
            Value::Object(fields) => {
                let here = match fields.get("command") {
                    Some(Value::String(command)) => {
                        let args = fields.get("args").and_then(words).unwrap_or_default();
                        Some(Self { command: command.clone(), args })
                    }
                    Some(list) => words(list).and_then(|list| {
                        let (command, args) = list.split_first()?;
                        Some(Self { command: command.clone(), args: args.to_vec() })
                    }),
                    None => None,
                };
                here.or_else(|| fields.values().find_map(Self::in_json))
            }
            Value::Array(items) => items.iter().find_map(Self::in_json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_line_is_found_in_every_programs_json() {
        let wanted = Some(Entry { command: "/bin/ocmesh".to_owned(), args: vec!["mcp".to_owned()] });
        for value in [
            json!({"command": "/bin/ocmesh", "args": ["mcp"]}),
            json!({"name": "ocmesh", "transport": {"type": "stdio", "command": "/bin/ocmesh", "args": ["mcp"], "env": null}}),
            json!({"type": "local", "command": ["/bin/ocmesh", "mcp"], "enabled": true}),
        ] {
            assert_eq!(Entry::in_json(&value), wanted, "{value}");
        }
        assert_eq!(Entry::in_json(&json!({"type": "http", "url": "http://localhost"})), None);
    }
}
