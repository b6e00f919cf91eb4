//! `ocmesh requests`: strangers who wait for consent, without their words.

use ocmesh_api::{Client, PeerPatch, Request};
use time::OffsetDateTime;

use super::{Place, from_client, now};
use crate::{
    cli::RequestsCommand,
    error::{CliError, Exit},
    ui::{Tint, Ui, age, name_warning, safe, short_key, table},
};

pub(crate) async fn run(ui: &Ui, place: &Place, command: Option<RequestsCommand>) -> Result<(), CliError> {
    let client = place.client()?;
    match command.unwrap_or(RequestsCommand::List) {
        RequestsCommand::List => list(ui, &client).await,
        RequestsCommand::Accept { peer } => {
            let request = find(&client, &peer).await?;
            let peer = client.accept_request(&request.pubkey).await.map_err(from_client)?;
            ui.done(format!("{} ({}) is known now; its messages are in the inbox.", label(&request), short_key(&peer.npub)), &peer)
        }
        RequestsCommand::Refuse { peer, block } => {
            let request = find(&client, &peer).await?;
            let done = client.refuse_request(&request.pubkey).await.map_err(from_client)?;
            if block {
                let patch = PeerPatch { trust: Some("blocked".to_owned()), petname: None };
                client.change_peer(&request.pubkey, &patch).await.map_err(from_client)?;
            }
            let end = if block { ", and it is blocked" } else { "; it may ask again" };
            ui.done(format!("The request of {} ({}) is dropped{end}.", label(&request), short_key(&request.npub)), &done)
        }
    }
}

async fn list(ui: &Ui, client: &Client) -> Result<(), CliError> {
    let requests = client.requests().await.map_err(from_client)?;
    if ui.json {
        return ui.json(&requests);
    }
    if requests.is_empty() {
        return ui.line("Nobody waits for consent.");
    }
    let warnings: String = warnings(&requests).into_iter().map(|line| ui.tint(Tint::Yellow, line) + "\n").collect();
    ui.cards(&(render(&requests, now()) + &warnings))
}

fn label(request: &Request) -> String {
    request.petname.as_deref().or(request.name.as_deref()).map_or_else(|| "(no name)".to_owned(), safe)
}

fn render(requests: &[Request], now: OffsetDateTime) -> String {
    let row = |request: &Request| {
        let name = if request.name_warning.is_some() { format!("{} (!)", label(request)) } else { label(request) };
        let (count, size) = (request.messages.to_string(), format!("{} B", request.size));
        vec![name, short_key(&request.npub), count, size, age(&request.since, now)]
    };
    table(&["NAME", "KEY", "MESSAGES", "SIZE", "SINCE"], &requests.iter().map(row).collect::<Vec<_>>())
}

fn warnings(requests: &[Request]) -> Vec<String> {
    let warned = requests.iter().filter_map(|request| request.name_warning.as_ref().map(|warning| (request, warning)));
    warned.map(|(request, why)| format!("(!) {} {}: the name {}.", label(request), short_key(&request.npub), name_warning(why))).collect()
}

/// The one request meant: by key, else by a name that only one has and that looks like nobody else's.
async fn find(client: &Client, text: &str) -> Result<Request, CliError> {
    let requests = client.requests().await.map_err(from_client)?;
    pick(&requests, text.trim())
}

fn pick(requests: &[Request], text: &str) -> Result<Request, CliError> {
    if let Some(request) = requests.iter().find(|request| request.npub == text || request.pubkey.eq_ignore_ascii_case(text)) {
        return Ok(request.clone());
    }
    let is_named = |request: &&Request| request.petname.as_deref().or(request.name.as_deref()) == Some(text);
    let named: Vec<&Request> = requests.iter().filter(is_named).collect();
    match named.as_slice() {
        [request] if request.name_warning.is_none() => Ok((*request).clone()),
        [] => Err(CliError::new(Exit::CouldNot, "not_found", format!("nobody called \"{}\" waits for consent", safe(text)))
            .hint("ocmesh requests lists them")),
        several => {
            let keys: Vec<String> = several.iter().take(5).map(|request| short_key(&request.npub)).collect();
            Err(CliError::could_not("name_ambiguous", format!("\"{}\" does not say which one", safe(text)))
                .why(format!("several are called so, or look like somebody you know: {}", keys.join(", ")))
                .hint("use the npub, as ocmesh requests --json shows it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use ocmesh_api::NameWarning;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_request_shows_who_and_how_much() {
        let bold = Request { name: Some("a\u{1b}[1mda".to_owned()), ..Request::example() };
        assert_eq!(
            render(&[bold], datetime!(2026-11-23 13:00:00 UTC)),
            "NAME          KEY                   MESSAGES  SIZE  SINCE\n\
             a\\u{1b}[1mda  npub10elfcs4f…zvjptg  1         31 B  2 min ago\n"
        );
    }

    #[test]
    fn a_request_is_named_by_its_key_or_by_a_name_that_fools_nobody() {
        let one = Request::example();
        let other = Request { pubkey: "b".repeat(64), npub: "npub1b".to_owned(), ..Request::example() };
        let twin = Request { name_warning: Some(NameWarning::example()), ..other.clone() };
        let picked =
            |requests: &[Request], text: &str| pick(requests, text).map(|request| request.npub).map_err(|error| format!("{error:?}"));
        let both = [one.clone(), other];
        assert_eq!(picked(&both, &one.npub).unwrap(), one.npub);
        assert_eq!(picked(&both, &"B".repeat(64)).unwrap(), "npub1b");
        assert_eq!(picked(std::slice::from_ref(&one), "ada").unwrap(), one.npub);
        assert!(picked(&both, "ada").unwrap_err().contains("which one"), "two of one name");
        assert!(picked(&[twin], "ada").unwrap_err().contains("which one"), "a name that looks like another's");
        assert!(picked(&both, "eve").unwrap_err().contains("nobody"));
    }
}
