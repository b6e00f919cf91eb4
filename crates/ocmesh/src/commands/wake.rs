//! `ocmesh wake`: who is woken when messages come, and how that went.

use ocmesh_api::{ClientError, ErrorCode, WakeStatus};
use time::OffsetDateTime;

use super::{Place, from_client, now};
use crate::{
    cli::WakeCommand,
    error::CliError,
    ui::{Ui, age, safe, table},
};

pub(crate) async fn run(ui: &Ui, place: &Place, command: Option<WakeCommand>) -> Result<(), CliError> {
    let client = place.client()?;
    match command.unwrap_or(WakeCommand::List) {
        WakeCommand::List => {
            let wakes = client.wakes().await.map_err(from_client)?;
            if ui.json {
                return ui.json(&wakes);
            }
            if wakes.is_empty() {
                return ui.line("Nobody is woken. Targets are [[wake]] blocks in config.toml; for OpenClaw: ocmesh connect openclaw");
            }
            ui.print(&render(&wakes, now()))
        }
        WakeCommand::Test { target } => {
            let tested = client.test_wake(&target).await.map_err(unknown_target)?;
            if !tested.ok {
                let why = tested.why.as_deref().unwrap_or("it gave no reason");
                return Err(CliError::could_not("not_woken", format!("{target} was not woken")).why(why).hint("ocmesh config show"));
            }
            ui.done(format!("{} took the wake.", safe(&target)), &tested)
        }
        WakeCommand::Retry { target } => {
            let done = client.retry_wake(&target).await.map_err(unknown_target)?;
            ui.done("It is woken now, if anything is unread: ocmesh wake", &done)
        }
    }
}

fn unknown_target(error: ClientError) -> CliError {
    match error {
        ClientError::Api(error) if error.code == ErrorCode::NotFound => {
            CliError::could_not(error.code.as_str(), error.message).hint("ocmesh wake lists them")
        }
        other => from_client(other),
    }
}

fn render(wakes: &[WakeStatus], now: OffsetDateTime) -> String {
    let moment = |at: &Option<String>| at.as_deref().map_or_else(|| "never".to_owned(), |at| age(at, now));
    let rows: Vec<Vec<String>> = wakes
        .iter()
        .map(|wake| {
            let state = match &wake.held {
                Some(held) => format!("held ({held})"),
                None => wake.state.replace('_', " "),
            };
            let tries = wake.wake.as_ref().map_or_else(String::new, |wake| wake.tries.to_string());
            let begun = format!("{} of {}", wake.begun_last_hour, wake.budget_per_hour);
            let why = wake.last_error.as_deref().map(safe).unwrap_or_default();
            vec![safe(&wake.id), safe(&wake.kind), safe(&state), moment(&wake.woke_at), moment(&wake.acknowledged_at), tries, begun, why]
        })
        .collect();
    table(&["ID", "KIND", "STATE", "WOKE", "ACKNOWLEDGED", "TRIES", "THIS HOUR", "WHY"], &rows)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_targets_say_how_they_stand() {
        let dead = WakeStatus {
            id: "hook".to_owned(),
            kind: "webhook".to_owned(),
            state: "dead".to_owned(),
            woke_at: None,
            last_error: Some("it answered 401".to_owned()),
            ..WakeStatus::example()
        };
        let held = WakeStatus { held: Some("quiet".to_owned()), wake: None, ..WakeStatus::example() };
        assert_eq!(
            render(&[WakeStatus::example(), dead, held], datetime!(2026-11-23 12:58:05 UTC)),
            "ID     KIND     STATE         WOKE      ACKNOWLEDGED  TRIES  THIS HOUR  WHY\n\
             agent  command  woken         just now  never         1      3 of 12\n\
             hook   webhook  dead          never     never         1      3 of 12    it answered 401\n\
             agent  command  held (quiet)  just now  never                3 of 12\n"
        );
    }
}
