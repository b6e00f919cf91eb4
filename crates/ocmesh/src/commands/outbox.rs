//! `ocmesh outbox`: what is waiting to be sent, and why.

use ocmesh_api::{OutboxEntry, OutboxQuery};
use time::OffsetDateTime;

use super::{Place, find, from_client, now};
use crate::{
    cli::OutboxCommand,
    error::CliError,
    ui::{Ui, age, safe, short_id, short_key, table},
};

pub(crate) async fn run(ui: &Ui, place: &Place, command: Option<OutboxCommand>) -> Result<(), CliError> {
    let client = place.client()?;
    match command.unwrap_or(OutboxCommand::List) {
        OutboxCommand::List => {
            let page = client.outbox(&OutboxQuery::default()).await.map_err(from_client)?;
            if ui.json {
                return ui.json(&page.items);
            }
            if page.items.is_empty() {
                return ui.line("Nothing is waiting.");
            }
            ui.print(&render(&page.items, now()))?;
            if page.next.is_some() {
                ui.note("There are more.");
            }
            Ok(())
        }
        OutboxCommand::Cancel { id } => {
            let id = find::message_id(&client, &id).await?;
            let done = client.cancel(&id).await.map_err(from_client)?;
            ui.done("Given up. What a relay already has cannot be taken back.", &done)
        }
        OutboxCommand::Retry { id } => {
            let id = find::message_id(&client, &id).await?;
            let done = client.retry(&id).await.map_err(from_client)?;
            ui.done("Trying again now.", &done)
        }
    }
}

fn render(entries: &[OutboxEntry], now: OffsetDateTime) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let to =
                entry.to_name.as_deref().map_or_else(|| short_key(&entry.to), |name| format!("{} ({})", safe(name), short_key(&entry.to)));
            let count = |state: &str| entry.route.iter().filter(|hop| hop.state == state).count();
            let relays = format!("{} of {}", count("accepted"), entry.route.iter().filter(|hop| hop.state != "reserve").count());
            let why = match (entry.status.as_str(), &entry.last_error) {
                (_, Some(error)) => safe(error),
                ("relayed", None) => "no receipt yet".to_owned(),
                (_, None) => String::new(),
            };
            let next = entry.next_try_at.as_deref().map(|at| until(at, now)).unwrap_or_default();
            vec![short_id(&entry.id), to, age(&entry.timestamp, now), safe(&entry.status), relays, next, why]
        })
        .collect();
    table(&["ID", "TO", "SENT", "STATUS", "RELAYS", "NEXT TRY", "WHY"], &rows)
}

/// When something planned comes.
fn until(at: &str, now: OffsetDateTime) -> String {
    let text = age(at, now);
    text.strip_suffix(" ahead").map_or_else(|| "now".to_owned(), |span| format!("in {span}"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_outbox_says_why_it_waits() {
        assert_eq!(
            render(&[OutboxEntry::example()], datetime!(2026-11-23 12:58:05 UTC)),
            "ID            TO                           SENT     STATUS  RELAYS  NEXT TRY  WHY\n\
             9f2d6a0c1be0  ada (npub10elfcs4f…zvjptg)  5 s ago  queued  0 of 1  now       no answer in time\n"
                .replace("TO                           SENT", "TO                          SENT")
        );
        assert_eq!(until("2026-11-23T13:00:00Z", datetime!(2026-11-23 12:58:00 UTC)), "in 2 min");
    }
}
