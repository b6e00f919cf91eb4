//! `ocmesh invite`: a code that makes one other agent and this one known to each other; and the invites there are.

use std::time::Duration;

use ocmesh_api::{Client, Event, Invite, InviteRequest, NewInvite};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use time::OffsetDateTime;

use super::{Place, from_client, now};
use crate::{
    cli::{InviteArgs, InviteCommand},
    error::CliError,
    ui::{Tint, Ui, age, safe, short_key, table},
};

/// While waiting we look again at least so often, should an event be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(ui: &Ui, place: &Place, args: InviteArgs) -> Result<(), CliError> {
    let client = place.client()?;
    match args.command {
        Some(InviteCommand::List) => list(ui, &client).await,
        Some(InviteCommand::Revoke { id }) => revoke(ui, &client, &id).await,
        None => make(ui, &client, args).await,
    }
}

async fn make(ui: &Ui, client: &Client, args: InviteArgs) -> Result<(), CliError> {
    let request = InviteRequest { expires_in_seconds: Some(args.expires), petname: args.name };
    let made = client.invite(&request).await.map_err(from_client)?;
    if ui.json {
        ui.json(&made)?;
    } else {
        if ui.out_is_terminal() && !args.no_qr {
            ui.print(&qr(&made.code))?;
        }
        // Alone on its line, so that it can be piped and copied.
        ui.line(safe(&made.code))?;
        ui.note(explained(&made, now()));
    }
    if args.wait {
        let ended = settled(ui, client, &made.invite.id, None).await?;
        tell(ui, &ended.unwrap_or(made.invite))?;
    }
    Ok(())
}

fn explained(made: &NewInvite, now: OffsetDateTime) -> String {
    let until = age(&made.invite.expires_at, now);
    format!(
        "\nGive this code to one person, by a way that others cannot read. There it is used with: ocmesh join <code>\n\
         It serves once; its time is over {}. ocmesh invite list shows who joined, and the words to compare.",
        until.replace(" ahead", " from now")
    )
}

/// The code as squares. Capitals take less room in a QR code, and mean the same.
fn qr(code: &str) -> String {
    let Ok(qr) = QrCode::with_error_correction_level(code.to_uppercase(), EcLevel::L) else { return String::new() };
    // Dark on light also where the terminal is light on dark: some readers insist.
    format!("{}\n", qr.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

async fn list(ui: &Ui, client: &Client) -> Result<(), CliError> {
    let invites = client.invites().await.map_err(from_client)?;
    if ui.json {
        return ui.json(&invites);
    }
    if invites.is_empty() {
        return ui.line("No invites. Make one: ocmesh invite");
    }
    ui.print(&render(&invites, now()))
}

fn render(invites: &[Invite], now: OffsetDateTime) -> String {
    let row = |invite: &Invite| {
        let role = if invite.role == "inviter" { "made" } else { "given" };
        let when = if invite.state == "open" { format!("ends {}", age(&invite.expires_at, now)) } else { age(&invite.changed_at, now) };
        let peer = invite.npub.as_deref().map(short_key).unwrap_or_default();
        let name = invite.petname.as_deref().map(safe).unwrap_or_default();
        vec![
            safe(&invite.id),
            role.to_owned(),
            safe(&invite.state),
            when,
            name,
            peer,
            invite.phrase.as_deref().map(safe).unwrap_or_default(),
        ]
    };
    table(&["ID", "INVITE", "STATE", "WHEN", "NAME", "KEY", "WORDS"], &invites.iter().map(row).collect::<Vec<_>>())
}

async fn revoke(ui: &Ui, client: &Client, start: &str) -> Result<(), CliError> {
    let start = start.trim().to_ascii_lowercase();
    let found = client.invites().await.map_err(from_client)?;
    let ids: Vec<&str> = found.iter().map(|invite| invite.id.as_str()).filter(|id| !start.is_empty() && id.starts_with(&start)).collect();
    let id = match ids.as_slice() {
        [id] => (*id).to_owned(),
        [] => {
            return Err(
                CliError::could_not("not_found", format!("there is no invite {}", safe(&start))).hint("ocmesh invite list shows them")
            );
        }
        several => {
            return Err(
                CliError::could_not("id_ambiguous", format!("the ids of {} invites start so", several.len())).hint("give more digits")
            );
        }
    };
    let done = client.revoke_invite(&id).await.map_err(from_client)?;
    ui.done(format!("Invite {id} is of no use any more."), &done)
}

/// Waits until an invite is not open any more; `None` when the time is up first.
pub(crate) async fn settled(ui: &Ui, client: &Client, id: &str, patience: Option<Duration>) -> Result<Option<Invite>, CliError> {
    let deadline = patience.map(|patience| tokio::time::Instant::now() + patience);
    let mut events = client.events(None).await.ok();
    loop {
        // Events only wake; the store tells.
        let found = client.invites().await.map_err(from_client)?.into_iter().find(|invite| invite.id == id);
        let Some(invite) = found else { return Ok(None) };
        if invite.state != "open" {
            ui.progress_done();
            return Ok(Some(invite));
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(tokio::time::Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            ui.progress_done();
            return Ok(None);
        }
        ui.progress("waiting for the other end (Ctrl-C stops waiting, not the invite)");
        let pause = left.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
        let woken = async {
            match &mut events {
                Some(stream) => loop {
                    match stream.next().await {
                        Ok(Some(Event::Invite(_))) => return true,
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => return false,
                    }
                },
                None => std::future::pending().await,
            }
        };
        if tokio::time::timeout(pause, woken).await == Ok(false) {
            events = None;
        }
    }
}

/// What became of an invite, with the words to compare; an error where nothing can come of it any more.
pub(crate) fn tell(ui: &Ui, invite: &Invite) -> Result<(), CliError> {
    let who = invite.npub.as_deref().map_or_else(|| "the other end".to_owned(), short_key);
    let (code, why) = match invite.state.as_str() {
        "joined" => {
            let phrase = invite.phrase.as_deref().map(safe).unwrap_or_default();
            let shown = format!(
                "{who} and you know each other now.\nWords to compare: {}\nAsk the other person for the words they see, over the phone. \
                 Where they differ, somebody stands between: ocmesh peer block {who}",
                ui.tint(Tint::Bold, phrase)
            );
            return ui.done(shown.replace(&who, invite.npub.as_deref().unwrap_or(&who)), invite);
        }
        "open" => {
            let shown = format!("{who} has not answered yet. It goes on by itself while the daemon runs: ocmesh invite list");
            return ui.done(shown, invite);
        }
        "used" => ("invite_used", "somebody else has used this invite"),
        "expired" => ("invite_expired", "the time of this invite is over"),
        "revoked" => ("invite_revoked", "this invite was taken back"),
        _ => ("invite_unknown", "this invite is of no use"),
    };
    Err(CliError::could_not(code, why).hint("ask for a new one"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn invites_stand_in_a_table() {
        let open = NewInvite::example().invite;
        assert_eq!(
            render(&[Invite::example(), open], datetime!(2026-11-23 13:00:00 UTC)),
            "ID                INVITE  STATE   WHEN              NAME  KEY                   WORDS\n\
             9b1c0f6e2d7a4385  made    joined  8 min ago         ada   npub10elfcs4f…zvjptg  acorn violin hippo magnet\n\
             9b1c0f6e2d7a4385  made    open    ends 5 min ahead  ada\n"
        );
    }

    #[test]
    fn a_qr_code_fits_a_terminal() {
        let shown = qr(&NewInvite::example().code);
        let widest = shown.lines().map(|line| line.chars().count()).max().unwrap();
        assert!((20..=80).contains(&widest) && shown.lines().count() <= 40, "{widest}\n{shown}");
    }
}
