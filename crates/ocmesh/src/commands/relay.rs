//! `ocmesh relay`: a small relay on this machine, until Ctrl-C.

use std::net::SocketAddr;

use ocmesh_localrelay::{LocalRelay, RelayOptions};
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
    let options = RelayOptions { bind: SocketAddr::new(args.bind, args.port), ..RelayOptions::default() };
    let relay = LocalRelay::start(options).await.map_err(|error| {
        CliError::could_not("relay_failed", "the relay could not start")
            .why(chain(&error))
            .hint("choose another port: ocmesh relay --port 0")
    })?;
    if ui.json {
        ui.json_line(&json!({"url": relay.url()}))?;
    } else {
        ui.line(safe(relay.url()))?;
        ui.note("The relay keeps events in memory and runs until Ctrl-C.");
        ui.note(format!("Use it: OCMESH_RELAYS={} ocmesh daemon", safe(relay.url())));
        if !args.bind.is_loopback() {
            ui.note("It is open to the network: anyone who reaches this address can use it.");
        }
    }
    stop.wait().await;
    relay.shutdown().await;
    Ok(())
}
