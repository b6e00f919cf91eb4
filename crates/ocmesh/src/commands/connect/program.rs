//! The agent programs we know: where each is, how each is told of us, and how each is asked what it holds.

mod read;

use std::path::{Path, PathBuf};

use serde_json::json;

use self::read::{Shown, read_claude, read_gemini, read_json};
use super::{
    ask::{Said, ask},
    entry::{Entry, NAME},
    json_file::JsonFile,
};
use crate::{cli::AgentProgram, error::CliError};

/// An agent program, and what it should hold.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Its name on our command line.
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    /// What its program file may be called.
    pub(super) binaries: &'static [&'static str],
    pub(super) way: Way,
    entry: Entry,
}

/// How a program is told.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// By its own command; arguments only.
    Command { add: Vec<String>, remove: Vec<String>, show: Vec<String>, read: fn(&Said) -> Option<Shown> },
    /// By patches of its settings (see `openclaw.rs`).
    Patch { show: Vec<String>, read: fn(&Said) -> Option<Shown> },
    /// By its file; it has no command for it.
    File(JsonFile),
}

/// A program that is here.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its program file, or the directory of its settings.
    pub(super) path: PathBuf,
}

/// What a program holds under our name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    /// Nothing.
    None,
    /// What we would write.
    Ours,
    /// Something else; the program it starts.
    Other(String),
}

impl Program {
    /// How to deal with a program.
    pub(super) fn of(agent: AgentProgram, entry: &Entry) -> Result<Self, CliError> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let with = |start: &[&str], end: Vec<String>| words(start).into_iter().chain(end).collect::<Vec<_>>();
        let (name, title, binaries, way): (_, _, &[&str], _) = match agent {
            AgentProgram::Openclaw => {
                let way = Way::Patch { show: words(&["mcp", "show", NAME, "--json"]), read: read_json };
                ("openclaw", "OpenClaw", &["openclaw"], way)
            }
            AgentProgram::Claude => {
                let way = Way::Command {
                    add: with(&["mcp", "add", "--scope", "user", NAME, "--"], entry.words()),
                    remove: words(&["mcp", "remove", "--scope", "user", NAME]),
                    show: words(&["mcp", "get", NAME]),
                    read: read_claude,
                };
                ("claude", "Claude Code", &["claude"], way)
            }
            AgentProgram::Codex => {
                let way = Way::Command {
                    add: with(&["mcp", "add", NAME, "--"], entry.words()),
                    remove: words(&["mcp", "remove", NAME]),
                    show: words(&["mcp", "get", NAME, "--json"]),
                    read: read_json,
                };
                ("codex", "Codex CLI", &["codex"], way)
            }
            AgentProgram::Gemini => {
                let way = Way::Command {
                    add: with(&["mcp", "add", "--scope", "user", NAME], entry.words()),
                    remove: words(&["mcp", "remove", "--scope", "user", NAME]),
                    show: words(&["mcp", "list"]),
                    read: read_gemini,
                };
                ("gemini", "Gemini CLI", &["gemini"], way)
            }
            AgentProgram::Cursor => {
                let value = json!({"command": entry.command, "args": entry.args});
                let file = JsonFile::new(user_home()?.join(".cursor").join("mcp.json"), "mcpServers", value);
                ("cursor", "Cursor", &["cursor", "cursor-agent"], Way::File(file))
            }
            AgentProgram::Opencode => {
                let value = json!({"type": "local", "command": entry.words(), "enabled": true});
                ("opencode", "OpenCode", &["opencode"], Way::File(JsonFile::new(opencode_file()?, "mcp", value)))
            }
        };
        Ok(Self { name, title, binaries, way, entry: entry.clone() })
    }

    /// The program file's usual name.
    pub(super) fn binary(&self) -> String {
        self.binaries.first().copied().unwrap_or_default().to_owned()
    }

    /// The command that shows a person what the program holds.
    pub(super) fn look(&self) -> Vec<String> {
        match &self.way {
            Way::Command { show, .. } | Way::Patch { show, .. } => std::iter::once(self.binary()).chain(show.iter().cloned()).collect(),
            Way::File(file) => vec!["cat".to_owned(), file.path().display().to_string()],
        }
    }

    /// Looks for the program on the PATH; one that is told by a file counts as found by its directory too.
    pub(super) fn find(&self) -> Option<Found> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .flat_map(|directory| self.binaries.iter().flat_map(move |name| spellings(&directory, name)).collect::<Vec<_>>())
            .find(|file| is_program(file));
        let by_directory = || match &self.way {
            Way::File(file) => file.path().parent().filter(|directory| directory.is_dir()).map(Path::to_owned),
            Way::Command { .. } | Way::Patch { .. } => None,
        };
        on_path.or_else(by_directory).map(|path| Found { path })
    }

    /// What the program holds under our name now.
    pub(super) async fn connection(&self, found: &Found) -> Result<Connection, CliError> {
        let shown = match &self.way {
            Way::Command { show, read, .. } | Way::Patch { show, read } => read(&ask(&found.path, show).await?),
            Way::File(file) => match file.current()? {
                None => None,
                Some(value) if value == *file.value() => return Ok(Connection::Ours),
                Some(value) => Some(Entry::in_json(&value).map_or_else(|| Shown::Line("something else".to_owned()), Shown::Entry)),
            },
        };
        Ok(match shown {
            None => Connection::None,
            Some(Shown::Entry(entry)) if entry == self.entry && !matches!(self.way, Way::File(_)) => Connection::Ours,
            Some(Shown::Line(line)) if line == self.entry.words().join(" ") => Connection::Ours,
            // Arguments of somebody else's entry may hold a token: only the program is told.
            Some(Shown::Entry(entry)) => Connection::Other(entry.command),
            Some(Shown::Line(line)) => Connection::Other(line.split(' ').next().unwrap_or_default().to_owned()),
        })
    }
}

fn user_home() -> Result<PathBuf, CliError> {
    std::env::home_dir()
        .filter(|path| path.is_absolute())
        .ok_or_else(|| CliError::could_not("no_home", "your home directory is not known").hint("set HOME"))
}

/// OpenCode reads `opencode.json` and `opencode.jsonc`; the one that is there is the one to change.
fn opencode_file() -> Result<PathBuf, CliError> {
    let config = match std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(config) => config,
        None => user_home()?.join(".config"),
    };
    let directory = config.join("opencode");
    let [plain, commented] = ["opencode.json", "opencode.jsonc"].map(|name| directory.join(name));
    Ok(if !plain.exists() && commented.exists() { commented } else { plain })
}

/// A program's file names in a directory: on Windows with the endings that make a file a program.
fn spellings(directory: &Path, name: &str) -> Vec<PathBuf> {
    if cfg!(windows) {
        return ["exe", "cmd", "bat"].iter().map(|ending| directory.join(format!("{name}.{ending}"))).collect();
    }
    vec![directory.join(name)]
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
