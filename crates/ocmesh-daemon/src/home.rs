//! The agent's home directory: where each file lives, and how our files are written there. It does not know what is inside them.

mod private;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use private::write_atomically;
pub(crate) use private::{create_private_dir, private_file, sync_dir};

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `OCMESH_HOME` nor the user's home directory is known.
    #[error("there is no home directory: neither OCMESH_HOME nor {HOME_VARIABLE} is set")]
    Unknown,
    /// Something that is not a directory is in the way.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The directory, or the link that leads to it, belongs to another user.
    #[error("{} belongs to another user (id {owner})", path.display())]
    NotOurs {
        /// The directory or link.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
    },
    /// The directory cannot be created, read or written.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The variable that holds the user's home directory.
const HOME_VARIABLE: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// The home directory and the paths in it. Every file in it is ours alone: the directory has mode 0700, each file 0600.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// A home that is there, ours and writable.
#[derive(Debug)]
pub struct OpenedHome {
    /// The home, its path absolute and free of links.
    pub home: Home,
    /// The mode the directory had when others could look into it; it is 0700 now. Worth a line in the log.
    pub tightened_from: Option<u32>,
}

impl Home {
    /// Where the home is: `OCMESH_HOME`, else `.ocmesh` in the user's home directory. Touches nothing.
    ///
    /// # Errors
    /// [`HomeError::Unknown`] when neither is set.
    pub fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let path = match set("OCMESH_HOME") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(set(HOME_VARIABLE).ok_or(HomeError::Unknown)?).join(".ocmesh"),
        };
        let path = std::path::absolute(&path).map_err(|source| HomeError::Unusable { path, source })?;
        Ok(Self { path })
    }

    /// Creates the directory where it is missing, and makes sure that it is ours and closed to everyone else.
    ///
    /// # Errors
    /// Says what is in the way; nothing is removed.
    pub fn open(&self) -> Result<OpenedHome, HomeError> {
        let unusable = |source| HomeError::Unusable { path: self.path.clone(), source };
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(unusable)?;
        }
        match create_private_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => {
                other.map_err(unusable)?;
                // Without its own name on the disk, a power cut takes everything in it. Not every parent can be opened, as of a home that
                // an administrator made; then the file system's own order is all there is.
                let _ = self.path.parent().map(sync_dir);
            }
        }
        refuse_foreign(&self.path, &fs::symlink_metadata(&self.path).map_err(unusable)?)?;
        // From here on the path has no links in it, so that a link changed later leads nobody astray.
        let path = fs::canonicalize(&self.path).map_err(unusable)?;
        let facts = fs::metadata(&path).map_err(unusable)?;
        if !facts.is_dir() {
            return Err(HomeError::NotADirectory(path));
        }
        refuse_foreign(&path, &facts)?;
        let tightened_from = tighten(&facts, &path).map_err(unusable)?;
        Ok(OpenedHome { home: Self { path }, tightened_from })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The encrypted database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("ocmesh.db")
    }

    /// The database key, where the OS keychain does not hold it.
    #[must_use]
    pub fn database_key(&self) -> PathBuf {
        self.path.join("db.key")
    }

    /// The sealed copy of the identity.
    #[must_use]
    pub fn identity_backup(&self) -> PathBuf {
        self.path.join("identity.backup")
    }

    /// The optional configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Where the Local API listens, while it does.
    #[must_use]
    pub fn api_file(&self) -> PathBuf {
        self.path.join("api.json")
    }

    /// The Local API's token, where `api.auth = "token"`.
    #[must_use]
    pub fn token(&self) -> PathBuf {
        self.path.join("token")
    }

    /// The Local API's named tokens.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.path.join("tokens")
    }

    /// The Local API's socket, unless configured otherwise.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join("ocmesh.sock")
    }

    /// Today's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("ocmesh.log")
    }

    /// Earlier days' logs.
    #[must_use]
    pub fn old_logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The lock that one daemon holds.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.path.join("ocmesh.lock")
    }

    /// Tells other programs of this user where the Local API listens.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write_api_file(&self, api: &ApiFile) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(api)?;
        text.push(b'\n');
        write_atomically(&self.api_file(), &text)
    }

    /// What the last daemon wrote; `None` when there is nothing readable. It may be stale after a crash.
    #[must_use]
    pub fn read_api_file(&self) -> Option<ApiFile> {
        serde_json::from_slice(&fs::read(self.api_file()).ok()?).ok()
    }

    /// Takes the API file away on a clean stop.
    ///
    /// # Errors
    /// The file is there and could not be removed.
    pub fn remove_api_file(&self) -> io::Result<()> {
        match fs::remove_file(self.api_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The content of `api.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFile {
    /// Address the API listens on, e.g. `127.0.0.1`.
    pub address: String,
    /// Port.
    pub port: u16,
    /// The daemon's process id.
    pub pid: u32,
    /// The Unix socket, when there is one.
    pub socket: Option<PathBuf>,
    /// The daemon's version.
    pub version: String,
}

/// Closes what this process makes to everyone else, and keeps its memory out of core dumps and other processes' debuggers.
/// Call once, first thing.
pub fn close_process() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        umask(rustix::fs::Mode::from_raw_mode(0o077));
        // Best effort: a system that forbids this is no reason not to start.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

#[cfg(unix)]
fn refuse_foreign(path: &Path, facts: &fs::Metadata) -> Result<(), HomeError> {
    use std::os::unix::fs::MetadataExt;
    let owner = facts.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(HomeError::NotOurs { path: path.to_owned(), owner })
}

#[cfg(not(unix))]
fn refuse_foreign(_: &Path, _: &fs::Metadata) -> Result<(), HomeError> {
    Ok(())
}

/// Takes group's and others' rights away; gives the mode there was.
#[cfg(unix)]
fn tighten(facts: &fs::Metadata, path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = facts.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(None);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    Ok(Some(mode))
}

#[cfg(not(unix))]
fn tighten(_: &fs::Metadata, _: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
