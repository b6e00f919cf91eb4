//! The configuration: defaults, then config.toml, then the environment, then flags, checked key by key.

mod check;
mod error;
mod layer;
mod span;
mod wake;

use std::{ffi::OsString, fs, io, path::PathBuf};

use ocmesh_proto::{Policy, PubKey};

pub use error::{ConfigError, Place};

use crate::{home::Home, identity::friendly_name, wake::WakeConfig};
use layer::Layers;

/// The defaults, with a comment on each key. This text is the documentation of the configuration.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// A config.toml beyond this is a mistake: the defaults with all their comments have 4 KB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The owner's wishes, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    policy: Policy,
    /// The Local API.
    pub api: ApiConfig,
    /// The log.
    pub log: LogConfig,
    /// Where the database key may live.
    pub keychain: KeychainUse,
    /// Who is woken, and how.
    pub wakes: Vec<WakeConfig>,
    /// Things that look like mistakes but are none of our keys, one line each, for the log and `config check`.
    pub warnings: Vec<String>,
    explained: Vec<Explained>,
}

/// `api.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// The TCP port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Who may call.
    pub auth: ApiAuth,
    /// The Unix socket, when wanted.
    pub socket: Option<PathBuf>,
    /// Requests a second that the owner's programs may make, all together; twice as many at once.
    pub requests_per_second: u32,
}

/// `api.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiAuth {
    /// Programs of the daemon's own user.
    SameUser,
    /// Whoever shows the token.
    Token,
}

/// `log.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The least level written.
    pub level: LogLevel,
    /// Days to keep earlier logs.
    pub keep_days: u16,
    /// Megabytes (10^6 bytes) of earlier logs to keep.
    pub keep_mb: u32,
}

/// `log.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What looks wrong.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
}

/// `keychain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeychainUse {
    /// The system's keychain where it is there for every program, also without a desktop: on macOS and Windows.
    Auto,
    /// The system's keychain and nothing else; on Linux that is the Secret Service.
    On,
    /// The file `db.key`.
    Off,
}

/// One key, for `ocmesh config show`. The configuration holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Its path, e.g. `api.port`.
    pub key: String,
    /// Its value as TOML.
    pub value: String,
    /// Where the value came from.
    pub source: Place,
}

impl Config {
    /// Reads and checks everything. `environment` is all of it; `flags` are keys with values spelled as in the environment.
    ///
    /// # Errors
    /// Names the key or line, what is wrong with it, what is allowed, and where it stands.
    pub fn load(
        home: &Home,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::with_defaults()?;
        let path = home.config();
        if let Some(text) = read_file(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })? {
            layers.add_file(&path, &text)?;
        }
        let warnings = layers.add_environment(environment)?;
        layers.add_flags(flags)?;
        let checked = check::check(&layers, home)?;
        Ok(Self {
            policy: checked.policy,
            api: checked.api,
            log: checked.log,
            keychain: checked.keychain,
            wakes: checked.wakes,
            warnings,
            explained: layers.explain(),
        })
    }

    /// What the core takes from the configuration, with the friendly name of `own` where none is configured.
    #[must_use]
    pub fn policy_for(&self, own: &PubKey) -> Policy {
        let mut policy = self.policy.clone();
        if policy.name.is_empty() {
            policy.name = friendly_name(own);
        }
        policy
    }

    /// Every key with its value and where that came from, in the order of the defaults.
    #[must_use]
    pub fn explain(&self) -> &[Explained] {
        &self.explained
    }
}

/// The file's text; `None` when there is no file.
fn read_file(path: &std::path::Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => {
            if other?.len() > FILE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
            }
        }
    }
    fs::read_to_string(path).map(Some)
}

#[cfg(test)]
mod tests;
