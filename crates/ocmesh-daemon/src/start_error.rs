//! Why a start cannot succeed, in one line: what, why, and what to do.

mod port_holder;

use std::{error::Error, io, path::PathBuf};

use ocmesh_store::OpenError;

pub use port_holder::PortHolder;

use crate::{
    config::ConfigError,
    home::{Home, HomeError},
    identity::{BackupProblem, DatabaseKeyError, OpenIdentityError},
    lock::LockError,
    logging::LogError,
};

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The home directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another daemon serves this home.
    #[error("ocmesh is already running for {}{}", home.display(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// The other daemon's process id, where known.
        pid: Option<u32>,
        /// The home.
        home: PathBuf,
    },
    /// The home cannot be locked, most often because it cannot be written.
    #[error("{} cannot be locked", home.display())]
    Lock {
        /// The home.
        home: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Database, key or identity.
    #[error(transparent)]
    Identity(#[from] OpenIdentityError),
    /// The port of the Local API is taken.
    #[error("port {port} on 127.0.0.1 is taken by {holder}")]
    PortTaken {
        /// The port.
        port: u16,
        /// By whom.
        holder: PortHolder,
    },
    /// The Local API cannot listen for another reason.
    #[error("the Local API cannot listen on {address}")]
    Listen {
        /// Address and port, or the socket's path.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log is set up already.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A part of the running daemon failed; what it was is in the log.
    #[error("a part of the daemon failed while it ran; the log tells which")]
    Broken,
    /// The disk failed again and again to confirm what it keeps.
    #[error("the disk does not confirm that it keeps what is written")]
    NotSynced,
    /// The system denies something that every daemon needs: signals, threads.
    #[error("the system does not allow {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// From a failed attempt to lock `home`.
    #[must_use]
    pub fn from_lock(home: &Home, error: LockError) -> Self {
        let home = home.path().to_owned();
        match error {
            LockError::Held { pid } => Self::AlreadyRunning { pid, home },
            LockError::Unusable(source) => Self::Lock { home, source },
        }
    }

    /// From a failed attempt to listen on 127.0.0.1. Looks who has the port, which may take a second: not for an async task.
    #[must_use]
    pub fn from_listen(port: u16, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { port, holder: PortHolder::find(port) },
            _ => Self::Listen { address: format!("127.0.0.1:{port}"), source },
        }
    }

    /// What and why, with every cause, in one line without control characters.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line.chars().map(|c| if ocmesh_proto::label::is_hidden(c) { ' ' } else { c }).collect()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Home(error) => home_hint(error),
            Self::AlreadyRunning { .. } => "see `ocmesh status`; for a second agent set OCMESH_HOME to another directory".to_owned(),
            Self::Lock { home, .. } => format!("make {} writable for your user, or set OCMESH_HOME to another directory", home.display()),
            Self::Config(ConfigError::Unreadable { .. }) => "make the file readable for your user, or move it away".to_owned(),
            Self::Config(ConfigError::NoAddress { .. }) => {
                "take it out; from another machine: ssh -L 7432:127.0.0.1:7432 <this machine>, then http://localhost:7432".to_owned()
            }
            Self::Config(_) => "correct it there; `ocmesh config show` lists every key with its value".to_owned(),
            Self::Identity(error) => identity_hint(error),
            Self::PortTaken { holder: PortHolder::Ocmesh { .. }, .. } => {
                "it serves another home; stop it, or give this one a port of its own with OCMESH_API_PORT=0".to_owned()
            }
            Self::PortTaken { .. } => "stop that program, or choose another port: OCMESH_API_PORT=0 takes any free one".to_owned(),
            Self::Listen { source, .. } if is_denied(source) => "choose a port of 1024 or higher with OCMESH_API_PORT".to_owned(),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                "this machine has no 127.0.0.1; give the loopback interface its address: ip address add 127.0.0.1/8 dev lo".to_owned()
            }
            Self::Listen { .. } => "choose another port with OCMESH_API_PORT, or another socket with OCMESH_API_SOCKET".to_owned(),
            Self::Broken => "start it again; nothing that was acknowledged is lost".to_owned(),
            Self::NotSynced => DISK.to_owned(),
            Self::Log(_) | Self::System { .. } => "run `ocmesh doctor`".to_owned(),
        }
    }

    /// The process's exit code: 4 when something is not allowed, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        const COULD_NOT: u8 = 1;
        const NOT_ALLOWED: u8 = 4;
        let denied = match self {
            Self::Home(HomeError::NotOurs { .. }) => true,
            Self::Identity(OpenIdentityError::Key(DatabaseKeyError::NotPrivate { .. } | DatabaseKeyError::NotOurs(_))) => true,
            Self::Identity(OpenIdentityError::Store(OpenError::NotPrivate { .. } | OpenError::NotWritable(_))) => true,
            _ => self.io_cause().is_some_and(is_denied),
        };
        if denied { NOT_ALLOWED } else { COULD_NOT }
    }

    /// What the system said, where it said something.
    fn io_cause(&self) -> Option<&io::Error> {
        let mut cause: Option<&(dyn Error + 'static)> = self.source();
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn home_hint(error: &HomeError) -> String {
    match error {
        HomeError::Unknown => "set OCMESH_HOME to the directory to use".to_owned(),
        HomeError::NotADirectory(path) => format!("move {} away, or set OCMESH_HOME to a directory", path.display()),
        HomeError::NotOurs { .. } => "run ocmesh as that user, or set OCMESH_HOME to a directory of your own".to_owned(),
        HomeError::Unusable { .. } => "make it writable for your user, or set OCMESH_HOME to another directory".to_owned(),
    }
}

fn identity_hint(error: &OpenIdentityError) -> String {
    match error {
        OpenIdentityError::Key(error) => key_hint(error),
        OpenIdentityError::Store(error) => store_hint(error),
        OpenIdentityError::Read(_) | OpenIdentityError::NotAKey(_) => RESTORE.to_owned(),
        OpenIdentityError::Write(_) => "make sure that the disk has room and that the home is writable".to_owned(),
        OpenIdentityError::Backup(BackupProblem::AnotherIdentity { .. }) => {
            "one of the two comes from another agent: move the file away to go on as the database says; a new copy is written then"
                .to_owned()
        }
        OpenIdentityError::Backup(BackupProblem::DoesNotOpen(_)) => {
            "put the db.key that belongs to it back; or, to begin as a new agent, move the file away".to_owned()
        }
        OpenIdentityError::Backup(_) => "make sure that the disk has room and that the home is writable".to_owned(),
    }
}

const RESTORE: &str =
    "`ocmesh doctor` looks closer; `ocmesh identity restore` starts a new database with the same identity and keeps the old one";

const DISK: &str = "look at the disk, its cable and its file system (the system's log tells more); nothing that was acknowledged is lost";

fn key_hint(error: &DatabaseKeyError) -> String {
    match error {
        DatabaseKeyError::Missing(sealed) => format!(
            "put db.key back from a backup (if the keychain held the key: move the home back to where it was, and on Linux set \
             keychain = \"on\"); nothing opens {} without it. To begin as a new agent, move that file away",
            sealed.display()
        ),
        DatabaseKeyError::NotPrivate { path, .. } => {
            format!("run `chmod 600 {}`; if others may have read it, the messages stored here may be known to them", path.display())
        }
        DatabaseKeyError::NotOurs(_) => "run ocmesh as the user who owns it".to_owned(),
        DatabaseKeyError::NotAFile(_) | DatabaseKeyError::NotAKey(_) => "put the right db.key back from a backup".to_owned(),
        DatabaseKeyError::Unusable { .. } => "make the home readable and writable for your user".to_owned(),
        DatabaseKeyError::Keychain(_) => "unlock the keychain (log in to the desktop) and start again".to_owned(),
        DatabaseKeyError::NoKeychain(_) => {
            "start it in a desktop session (on Linux one with a Secret Service, such as GNOME's or KDE's); or let a file hold the key: \
             remove keychain = \"on\""
                .to_owned()
        }
        DatabaseKeyError::NotTaken(_) => {
            "unlock the keychain (log in to the desktop) and start again; or let a file hold the key: remove keychain = \"on\"".to_owned()
        }
        DatabaseKeyError::NotAKeyInKeychain => "look at the entry \"ocmesh database key\" in the keychain".to_owned(),
        DatabaseKeyError::NoRandomness(_) => "the system is not ready yet; start again".to_owned(),
    }
}

fn store_hint(error: &OpenError) -> String {
    match error {
        OpenError::WrongKeyOrDamaged | OpenError::Damaged { .. } => RESTORE.to_owned(),
        OpenError::Newer { .. } => "install the newest ocmesh; an older one does not read what a newer one wrote".to_owned(),
        OpenError::NotWritable(_) => "make the home and ocmesh.db writable for your user".to_owned(),
        OpenError::Locked => "another program has ocmesh.db open; close it".to_owned(),
        OpenError::NotPrivate { .. } => "run `chmod 600` on ocmesh.db and the files beside it".to_owned(),
        OpenError::NotAFile => "put the real ocmesh.db in its place".to_owned(),
        OpenError::DiskFull => "make room on the disk".to_owned(),
        OpenError::NotSynced(_) => DISK.to_owned(),
        OpenError::Io(_) | OpenError::Sqlite(_) => "run `ocmesh doctor`".to_owned(),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
