//! Gives a home another identity. What was there before is put aside whole, never removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ocmesh_daemon::{
    config::Config,
    home::Home,
    identity::{OpenedIdentity, open_or_create},
};
use serde_json::json;

use crate::{
    error::{CliError, chain},
    keys::{Keys, npub},
    ui::{Ui, safe},
};

/// Makes `keys` the identity of the home; gives the directory that holds what was there before, if anything was.
///
/// # Errors
/// Refuses to take the place of a different identity unless `replace`.
pub(super) fn exchange(home: &Home, config: &Config, keys: &Keys, replace: bool) -> Result<Option<PathBuf>, CliError> {
    let lived_in = home.database().exists() || home.identity_backup().exists();
    let mut kept = None;
    if lived_in {
        match open_or_create(home, config) {
            Ok(opened) if opened.keys.public() == keys.public() => {
                close(opened)?;
                return Ok(None);
            }
            Ok(opened) if !replace => {
                let held = npub(&opened.keys.public());
                close(opened)?;
                return Err(CliError::could_not("other_identity", "this home has a different identity")
                    .why(held)
                    .hint("use another home (--home <dir>), or put this one aside: --replace"));
            }
            Ok(opened) => close(opened)?,
            Err(error) if !replace => {
                return Err(CliError::could_not("identity_unreadable", "what is in this home cannot be opened")
                    .why(chain(&error))
                    .hint("ocmesh identity restore brings the home's own identity back; --replace puts everything aside"));
            }
            Err(_) => {}
        }
        kept = Some(put_aside(home).map_err(|error| {
            CliError::could_not("not_put_aside", "the old database could not be put aside").why(error).hint("ocmesh doctor")
        })?);
    }
    settle(home, config, keys)?;
    Ok(kept)
}

/// A new database with this identity. It is made with a passing one first; a crash in between leaves a home that can be imported into again.
fn settle(home: &Home, config: &Config, keys: &Keys) -> Result<(), CliError> {
    let mut opened = open(home, config)?;
    fs::remove_file(home.identity_backup())
        .or_else(missing_is_fine)
        .map_err(|error| CliError::could_not("not_written", "the sealed copy could not be renewed").why(error))?;
    opened
        .store
        .replace_identity(&keys.secret_bytes())
        .map_err(|error| CliError::could_not("not_written", "the identity could not be stored").why(chain(&error)).hint("ocmesh doctor"))?;
    close(opened)?;
    // Opening it once more seals the new identity's own copy, and shows that it is there.
    let opened = open(home, config)?;
    let settled = opened.keys.public() == keys.public();
    close(opened)?;
    if settled { Ok(()) } else { Err(CliError::could_not("not_written", "the identity could not be stored").hint("ocmesh doctor")) }
}

fn open(home: &Home, config: &Config) -> Result<OpenedIdentity, CliError> {
    open_or_create(home, config)
        .map_err(|error| CliError::could_not("no_database", "no new database could be made").why(chain(&error)).hint("ocmesh doctor"))
}

fn close(opened: OpenedIdentity) -> Result<(), CliError> {
    opened.store.close().map_err(|error| CliError::could_not("store_failing", "the database could not be closed").why(chain(&error)))
}

/// Moves the database, what belongs to it and the sealed copy into a new directory in the home. The key stays: it opens both.
fn put_aside(home: &Home) -> io::Result<PathBuf> {
    let aside = free_directory(home.path())?;
    let database = home.database();
    let beside = |suffix: &str| {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    for from in [beside("-wal"), beside("-shm"), home.identity_backup(), database.clone()] {
        if let Some(name) = from.file_name() {
            fs::rename(&from, aside.join(name)).or_else(missing_is_fine)?;
        }
    }
    Ok(aside)
}

fn free_directory(home: &Path) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for number in 1..=u32::MAX {
        let path = home.join(format!("replaced-{number}"));
        match builder.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Says who this home is now.
pub(super) fn tell(ui: &Ui, npub: &str, kept: Option<&Path>) -> Result<(), CliError> {
    let value = json!({"npub": npub, "kept": kept});
    let kept = kept.map(|path| format!("\nThe old database is kept in {}", safe(&path.display().to_string()))).unwrap_or_default();
    ui.done(format!("This home is {npub} now.{kept}"), &value)
}
