//! What can be wrong with a configuration, and where a value stands.

use std::{fmt, io, path::PathBuf};

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{place} is not valid TOML: {message}")]
    Syntax {
        /// File and line.
        place: Place,
        /// What the parser said.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: there is no key `{key}`; the nearest is `{nearest}`")]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: String,
        /// Where it stands.
        place: Place,
    },
    /// A key for an address to listen on, which is missing on purpose.
    #[error(
        "{place}: there is no key `{key}` on purpose: the Local API listens on 127.0.0.1 alone, with or without a token, as plain HTTP \
         would show messages and tokens to everyone on the way"
    )]
    NoAddress {
        /// The key as written.
        key: String,
        /// Where it stands.
        place: Place,
    },
    /// A value that is not allowed.
    #[error("{place}: {key} = {value} is not allowed; it must be {allowed}")]
    BadValue {
        /// The key.
        key: String,
        /// The value as written, shortened.
        value: String,
        /// What is allowed.
        allowed: String,
        /// Where it stands.
        place: Place,
    },
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Compiled in.
    Default,
    /// The file, with the line counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A variable.
    Environment(String),
    /// A flag of the command line.
    Flag,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}
