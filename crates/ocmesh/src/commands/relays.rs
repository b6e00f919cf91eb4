//! `ocmesh relays`: the relays this agent uses.

use ocmesh_api::RelayStatus;
use time::OffsetDateTime;

use super::{Place, from_client, now};
use crate::{
    cli::RelaysCommand,
    error::CliError,
    ui::{Ui, age, safe, table},
};

pub(crate) async fn run(ui: &Ui, place: &Place, command: Option<RelaysCommand>) -> Result<(), CliError> {
    let client = place.client()?;
    match command.unwrap_or(RelaysCommand::List) {
        RelaysCommand::List => {
            let relays = client.relays().await.map_err(from_client)?;
            if ui.json {
                return ui.json(&relays);
            }
            if relays.is_empty() {
                return ui.line("No relays. Add one: ocmesh relays add wss://…");
            }
            ui.print(&render(&relays, now()))
        }
        RelaysCommand::Add { url } => {
            let done = client.add_relay(url.trim()).await.map_err(from_client)?;
            ui.done(format!("{} is used from now on.", safe(url.trim())), &done)
        }
        RelaysCommand::Remove { url } => {
            let done = client.remove_relay(url.trim()).await.map_err(from_client)?;
            ui.done(format!("{} is not used any more.", safe(url.trim())), &done)
        }
    }
}

fn render(relays: &[RelayStatus], now: OffsetDateTime) -> String {
    let rows: Vec<Vec<String>> = relays
        .iter()
        .map(|relay| {
            let latency = relay.latency_ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
            let role = match (relay.own, relay.inbox) {
                (true, true) => "inbox",
                (true, false) => "own",
                (false, _) => "a peer's",
            };
            let remark = relay.note.as_deref().or(relay.last_error.as_deref().filter(|_| relay.state != "ready")).map(safe);
            vec![safe(&relay.url), safe(&relay.state), age(&relay.since, now), latency, role.to_owned(), remark.unwrap_or_default()]
        })
        .collect();
    table(&["RELAY", "STATE", "SINCE", "PING", "ROLE", "REMARK"], &rows)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn relays_stand_in_a_table() {
        assert_eq!(
            render(&[RelayStatus::example()], datetime!(2026-11-23 13:00:00 UTC)),
            "RELAY                    STATE  SINCE    PING   ROLE   REMARK\nwss://relay.example.com  ready  1 h ago  48 ms  inbox\n"
        );
    }
}
