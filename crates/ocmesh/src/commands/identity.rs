//! `ocmesh identity`: shows who we are; backs up, restores and imports the secret key. The secret is never shown in the clear.

mod exchange;
mod passphrase;

use std::{fs, io::Write as _, path::Path};

use ocmesh_daemon::{
    identity::{OpenedIdentity, RestoreError, open_or_create, read_sealed_copy, restore_from_backup},
    lock::{HomeLock, LockError},
};
use serde_json::json;
use zeroize::Zeroizing;

use self::passphrase::{Passphrase, ask, ask_twice};
use super::Place;
use crate::{
    cli::IdentityCommand,
    error::{CliError, chain},
    keys::{Keys, backup, npub},
    ui::{Ui, safe},
};

/// An `ncryptsec1…` has 162 characters; a file far longer is something else.
const BACKUP_BYTES_MAX: u64 = 4 * 1024;

/// By the daemon where it runs; else from the database, which must be free.
pub(crate) fn show(ui: &Ui, place: &Place) -> Result<(), CliError> {
    let asked = place.client().ok().map(|client| super::block_on(async { client.identity().await.map_err(super::from_client) }));
    if let Some(Ok(identity)) = asked {
        if ui.json {
            return ui.json(&identity);
        }
        let about = if identity.about.is_empty() { String::new() } else { format!("\n{}", safe(&identity.about)) };
        return ui.line(format!("{}{about}\n{}\n{}", safe(&identity.name), safe(&identity.npub), safe(&identity.pubkey)));
    }
    let lock = lock(place)?;
    let opened = open_existing(place)?;
    let (hex, npub) = (opened.keys.public().to_hex(), npub(&opened.keys.public()));
    close(opened)?;
    drop(lock);
    ui.done(format!("{npub}\n{hex}"), &json!({"pubkey": hex, "npub": npub}))
}

pub(crate) fn change(ui: &Ui, place: &Place, command: IdentityCommand) -> Result<(), CliError> {
    match command {
        IdentityCommand::Show => show(ui, place),
        IdentityCommand::Backup { file, passphrase } => back_up(ui, place, file.as_deref(), passphrase.passphrase_fd),
        IdentityCommand::Restore { file: None, .. } => restore_own_copy(ui, place),
        IdentityCommand::Restore { file: Some(file), replace, passphrase } => {
            let text = read_backup(&file)?;
            let keys = open_backup(ui, &text, passphrase.passphrase_fd)?;
            take_on(ui, place, &keys, replace)
        }
        IdentityCommand::Import { replace, passphrase } => {
            let text = ui.secret("Secret key (nsec1… or ncryptsec1…, not shown): ")?;
            let keys = if text.trim().starts_with("ncryptsec1") {
                open_backup(ui, &text, passphrase.passphrase_fd)?
            } else {
                Keys::parse_secret(&text).map_err(|error| CliError::could_not("bad_key", "this key cannot be used").why(error))?
            };
            take_on(ui, place, &keys, replace)
        }
    }
}

fn back_up(ui: &Ui, place: &Place, file: Option<&Path>, passphrase_fd: Option<u32>) -> Result<(), CliError> {
    if let Some(file) = file.filter(|file| fs::symlink_metadata(file).is_ok()) {
        return Err(CliError::could_not("file_exists", format!("{} is there already", file.display()))
            .hint("choose another name; nothing is overwritten"));
    }
    let keys = own_keys(place)?;
    let passphrase = ask_twice(ui, passphrase_fd)?;
    ui.progress("locking the key; this takes a second or two on purpose");
    let sealed = backup::encrypt(&keys, &passphrase, backup::LOG_N_DEFAULT);
    ui.progress_done();
    let text = sealed.map_err(|error| CliError::could_not("not_sealed", "the backup could not be made").why(error))?;
    let npub = npub(&keys.public());
    let Some(file) = file else {
        return ui.done(&text, &json!({"npub": npub, "ncryptsec": text}));
    };
    write_private(file, &text)
        .map_err(|error| CliError::could_not("not_written", format!("could not write {}", file.display())).why(error))?;
    let shown = format!(
        "The key of {npub}\nis in {}, locked with your passphrase. Without the passphrase nobody can open it, you included.",
        safe(&file.display().to_string())
    );
    ui.done(shown, &json!({"npub": npub, "file": file}))
}

/// From the database; from the sealed copy beside it while the daemon has the database.
fn own_keys(place: &Place) -> Result<Keys, CliError> {
    if place.home.path().is_dir() && matches!(HomeLock::take(&place.home), Err(LockError::Held { .. })) {
        return read_sealed_copy(&place.home, &place.config()?).map_err(|error| {
            CliError::could_not("identity_unreadable", "the identity could not be read while the daemon runs")
                .why(chain(&error))
                .hint("stop it first: ocmesh service stop")
        });
    }
    let _lock = lock(place)?;
    let OpenedIdentity { keys, store, .. } = open_existing(place)?;
    store.close().map_err(|error| CliError::could_not("store_failing", "the database could not be closed").why(chain(&error)))?;
    Ok(keys)
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file)?;
    writeln!(out, "{text}")?;
    out.sync_all()
}

/// The home's own sealed copy, for a database that is lost or damaged.
fn restore_own_copy(ui: &Ui, place: &Place) -> Result<(), CliError> {
    let _lock = lock(place)?;
    let restored = restore_from_backup(&place.home, &place.config()?).map_err(|error| {
        let hint = match &error {
            RestoreError::NotNeeded => "nothing to do; to take another identity: ocmesh identity restore <file>",
            RestoreError::Database(_) => "ocmesh doctor; a database of a later version needs a later ocmesh",
            _ => "restore from a file made by \"ocmesh identity backup\": ocmesh identity restore <file>",
        };
        CliError::could_not("not_restored", "the identity was not restored").why(chain(&error)).hint(hint)
    })?;
    exchange::tell(ui, &npub(&restored.pubkey), restored.kept.as_deref())
}

/// Makes `keys` the identity of this home.
fn take_on(ui: &Ui, place: &Place, keys: &Keys, replace: bool) -> Result<(), CliError> {
    place.home.open().map_err(|error| super::from_start("home_unusable", "the home cannot be used", &error.into()))?;
    let _lock = lock(place)?;
    let kept = exchange::exchange(&place.home, &place.config()?, keys, replace)?;
    exchange::tell(ui, &npub(&keys.public()), kept.as_deref())
}

fn read_backup(file: &Path) -> Result<Zeroizing<String>, CliError> {
    use std::io::Read as _;
    let unreadable =
        |error: std::io::Error| CliError::could_not("file_unreadable", format!("could not read {}", file.display())).why(error);
    let mut text = Zeroizing::new(String::new());
    fs::File::open(file).map_err(unreadable)?.take(BACKUP_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn open_backup(ui: &Ui, text: &str, passphrase_fd: Option<u32>) -> Result<Keys, CliError> {
    let passphrase: Passphrase = ask(ui, passphrase_fd)?;
    ui.progress("opening the backup; this takes a second or two on purpose");
    let opened = backup::decrypt(text, &passphrase);
    ui.progress_done();
    opened.map_err(|error| CliError::could_not("not_opened", "the backup could not be opened").why(error))
}

/// One process at a time: the daemon must be stopped.
fn lock(place: &Place) -> Result<HomeLock, CliError> {
    if !place.home.path().is_dir() {
        return Err(no_identity());
    }
    HomeLock::take(&place.home).map_err(|error| {
        let hint = if matches!(error, LockError::Held { .. }) { "stop it first: ocmesh service stop" } else { "ocmesh doctor" };
        CliError::could_not("home_locked", "the home is in use").why(chain(&error)).hint(hint)
    })
}

/// The identity of a home that has one; a new one is made by the daemon alone.
fn open_existing(place: &Place) -> Result<OpenedIdentity, CliError> {
    if !place.home.database().exists() && !place.home.identity_backup().exists() {
        return Err(no_identity());
    }
    open_or_create(&place.home, &place.config()?)
        .map_err(|error| super::from_start("identity_unreadable", "the identity could not be opened", &error.into()))
}

fn close(opened: OpenedIdentity) -> Result<(), CliError> {
    opened.store.close().map_err(|error| CliError::could_not("store_failing", "the database could not be closed").why(chain(&error)))
}

fn no_identity() -> CliError {
    CliError::could_not("no_identity", "this home has no identity yet")
        .hint("it is made at the first start (ocmesh daemon); or bring your own: ocmesh identity import")
}
