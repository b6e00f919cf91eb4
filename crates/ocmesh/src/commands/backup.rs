//! `ocmesh backup`: a copy of the whole home, while the daemon runs or not.

use std::path::Path;

use ocmesh_daemon::identity::{CopyHomeError, OpenIdentityError, copy_home};
use serde_json::json;

use super::Place;
use crate::{
    error::{CliError, chain},
    keys::npub,
    ui::{Ui, safe},
};

pub(crate) fn run(ui: &Ui, place: &Place, directory: &Path) -> Result<(), CliError> {
    if !place.home.database().exists() {
        return Err(
            CliError::could_not("no_identity", "this home has no database yet").hint("it is made at the first start: ocmesh daemon")
        );
    }
    ui.progress("copying, and checking every page of the copy");
    let copied = copy_home(&place.home, &place.config()?, directory);
    ui.progress_done();
    let npub = npub(&copied.map_err(|error| failed(&error))?);
    let shown = safe(&directory.display().to_string());
    let text = format!(
        "{npub}\nis copied to {shown}: identity, contacts, messages, and what waits to be sent.\n\
         It holds the key in the clear (db.key): whoever can read it is this agent.\n\
         To use it: OCMESH_HOME={shown} ocmesh daemon. Stop this one first: only one of the two may run."
    );
    ui.done(text, &json!({"npub": npub, "directory": directory}))
}

fn failed(error: &CopyHomeError) -> CliError {
    let (code, hint) = match error {
        CopyHomeError::Exists(_) => ("file_exists", "choose another name; nothing is overwritten"),
        CopyHomeError::Source(OpenIdentityError::Key(_)) => ("identity_unreadable", "ocmesh doctor"),
        CopyHomeError::File { .. } | CopyHomeError::Path(_) => ("not_written", "check the path, its rights, and the disk"),
        _ => ("not_copied", "ocmesh doctor; the key alone: ocmesh identity backup"),
    };
    CliError::could_not(code, "the home was not copied").why(chain(error)).hint(hint)
}
