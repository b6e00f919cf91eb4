//! A passphrase from the terminal or from a file descriptor; never from the command line or the environment.

use zeroize::Zeroizing;

use crate::{error::CliError, ui::Ui};

/// Wiped from memory when dropped.
pub(super) type Passphrase = Zeroizing<String>;

/// Asks for the passphrase of an existing backup.
pub(super) fn ask(ui: &Ui, descriptor: Option<u32>) -> Result<Passphrase, CliError> {
    match descriptor {
        Some(descriptor) => read(descriptor),
        None => ui.secret("Passphrase of the backup: "),
    }
}

/// Asks for a new passphrase, twice where a person types it: a typing mistake would lock the backup for ever.
pub(super) fn ask_twice(ui: &Ui, descriptor: Option<u32>) -> Result<Passphrase, CliError> {
    let passphrase = match descriptor {
        Some(descriptor) => read(descriptor)?,
        None if !ui.can_ask() => {
            return Err(CliError::usage("there is no terminal to ask for a passphrase")
                .hint("give it on a file descriptor: ocmesh identity backup --passphrase-fd 3 3<file"));
        }
        None => {
            let first = ui.secret("New passphrase for the backup: ")?;
            let second = ui.secret("The same once more: ")?;
            if *first != *second {
                return Err(CliError::could_not("passphrases_differ", "the two passphrases differ").hint("try again"));
            }
            first
        }
    };
    if passphrase.is_empty() {
        return Err(CliError::could_not("passphrase_empty", "the passphrase is empty").hint("choose one of several words"));
    }
    Ok(passphrase)
}

/// The first line that the file descriptor gives.
#[cfg(unix)]
fn read(descriptor: u32) -> Result<Passphrase, CliError> {
    use std::io::Read as _;
    /// Nobody types more; a whole file given by mistake is not read.
    const BYTES_MAX: u64 = 4 * 1024;
    let failed = |error: std::io::Error| {
        CliError::could_not("no_passphrase", format!("could not read the passphrase from file descriptor {descriptor}")).why(error)
    };
    let file = std::fs::File::open(format!("/dev/fd/{descriptor}")).map_err(failed)?;
    let mut text = Zeroizing::new(String::new());
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(not(unix))]
fn read(_: u32) -> Result<Passphrase, CliError> {
    Err(CliError::usage("file descriptors are not known on this system").hint("leave --passphrase-fd out, and type the passphrase"))
}
