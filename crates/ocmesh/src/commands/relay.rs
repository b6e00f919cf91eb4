//! `ocmesh relay`: a small relay on this machine, until Ctrl-C.

use std::net::SocketAddr;

use ocmesh_localrelay::{LocalRelay, RelayOptions, StartError, Storage};
use serde_json::json;

use super::stop::StopSignal;
use crate::{
    cli::RelayArgs,
    error::{CliError, chain},
    ui::{Ui, safe},
};

pub(crate) async fn run(ui: &Ui, args: &RelayArgs) -> Result<(), CliError> {
    // Before anyone is told the address: whoever reads it may stop us at once.
    let mut stop = StopSignal::listen()?;
    let storage = args.file.clone().map_or(Storage::Memory, Storage::File);
    let options = RelayOptions { bind: SocketAddr::new(args.bind, args.port), storage, ..RelayOptions::default() };
    let relay = LocalRelay::start(options).await.map_err(|error| {
        let hint = match &error {
            StartError::Storage(_) => "name another file: ocmesh relay --file PATH",
            _ => "choose another port: ocmesh relay --port 0",
        };
        CliError::could_not("relay_failed", "the relay could not start").why(chain(&error)).hint(hint)
    })?;
    if ui.json {
        ui.json_line(&json!({"url": relay.url()}))?;
    } else {
        ui.line(safe(relay.url()))?;
        let place = args.file.as_ref().map_or_else(|| "memory".to_owned(), |file| safe(&file.display().to_string()));
        ui.note(format!("The relay keeps events in {place} and runs until Ctrl-C."));
        ui.note(format!("Use it: OCMESH_RELAYS={} ocmesh daemon", safe(relay.url())));
        if !args.bind.is_loopback() {
            ui.note("It is open to the network: anyone who reaches this address can use it.");
        }
    }
    stop.wait().await;
    relay.shutdown().await;
    Ok(())
}
