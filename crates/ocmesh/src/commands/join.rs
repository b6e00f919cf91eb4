//! `ocmesh join`: joins by a code, and waits for the inviter's answer.

use std::{
    io::{IsTerminal as _, Read as _},
    time::Duration,
};

use ocmesh_api::JoinRequest;

use super::{
    Place, from_client,
    invite::{settled, tell},
};
use crate::{cli::JoinArgs, error::CliError, ui::Ui};

/// Standard input beyond this is no code.
const INPUT_BYTES_MAX: u64 = 4 * 1024;

pub(crate) async fn run(ui: &Ui, place: &Place, args: JoinArgs) -> Result<(), CliError> {
    let client = place.client()?;
    let code = code(args.code)?;
    let joined = client.join(&JoinRequest { code, petname: args.name }).await.map_err(from_client)?;
    if joined.state != "open" || args.timeout == 0 {
        return tell(ui, &joined);
    }
    let ended = settled(ui, &client, &joined.id, Some(Duration::from_secs(args.timeout))).await?;
    tell(ui, &ended.unwrap_or(joined))
}

fn code(text: Option<String>) -> Result<String, CliError> {
    match text {
        Some(text) if text != "-" => return Ok(text),
        None if std::io::stdin().is_terminal() => {
            return Err(CliError::usage("there is no code").hint("ocmesh join <code>; the other end makes one with ocmesh invite"));
        }
        _ => {}
    }
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| CliError::could_not("no_input", "could not read standard input").why(error))?;
    Ok(text)
}
