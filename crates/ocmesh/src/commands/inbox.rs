//! `ocmesh inbox`: received messages, once or as they come. What peers wrote is shown as data.

use std::{collections::BTreeSet, time::Duration};

use ocmesh_api::{Client, ClientError, Event, EventStream, Message, MessagesQuery, Peer, PeersQuery};

use super::{Place, find, from_client, now, peers::label};
use crate::{
    cli::InboxArgs,
    error::CliError,
    ui::{Tint, Ui, short_key},
};

/// How long to wait before looking for a daemon that went away.
const COME_BACK: Duration = Duration::from_secs(2);

pub(crate) async fn run(ui: &Ui, place: &Place, args: InboxArgs) -> Result<(), CliError> {
    let client = place.client()?;
    let query = query(&client, &args).await?;
    // Listening starts before listing, so that nothing falls between.
    let events = if args.follow { Some(client.events(None).await.map_err(from_client)?) } else { None };
    let page = client.messages(&query).await.map_err(from_client)?;
    match events {
        None if ui.json => {
            let values = page.items.iter().map(|message| ui.message_value(message)).collect::<Result<Vec<_>, _>>()?;
            ui.json(&values)
        }
        None => {
            list(ui, &page.items)?;
            tell_missing(ui, &client, query.from.as_deref()).await?;
            if page.next.is_some() {
                ui.note(format!("Only the newest {} are shown; -n shows more.", args.limit));
            }
            Ok(())
        }
        Some(events) => {
            let mut shown = BTreeSet::new();
            if !ui.json {
                ui.data_note()?;
            }
            for message in page.items.iter().rev() {
                show(ui, message)?;
                shown.insert(message.id.clone());
            }
            if !ui.json {
                tell_missing(ui, &client, query.from.as_deref()).await?;
            }
            follow(ui, place, &query, events, shown).await
        }
    }
}

async fn query(client: &Client, args: &InboxArgs) -> Result<MessagesQuery, CliError> {
    let from = match &args.from {
        Some(peer) => Some(find::peer(client, peer).await?.pubkey),
        None => None,
    };
    let thread = match &args.thread {
        Some(id) => Some(find::message_id(client, id).await?),
        None => None,
    };
    Ok(MessagesQuery {
        unread: args.unread.then_some(true),
        from,
        thread,
        direction: args.sent.then(|| "any".to_owned()),
        held: Some(true),
        limit: Some(args.limit),
        ..MessagesQuery::default()
    })
}

fn list(ui: &Ui, messages: &[Message]) -> Result<(), CliError> {
    if messages.is_empty() {
        return ui.line("No messages.");
    }
    ui.data_note()?;
    // The newest last, next to the prompt.
    messages.iter().rev().try_for_each(|message| show(ui, message))
}

fn show(ui: &Ui, message: &Message) -> Result<(), CliError> {
    if ui.json { ui.json_line(&ui.message_value(message)?) } else { ui.print(&format!("\n{}", ui.message(message, now())?)) }
}

/// Says once for each peer how many of its messages are missing.
async fn tell_missing(ui: &Ui, client: &Client, from: Option<&str>) -> Result<(), CliError> {
    let query = PeersQuery { missing: Some(true), limit: Some(1_000), ..PeersQuery::default() };
    let peers = client.peers(&query).await.map_err(from_client)?.items;
    let lines = peers.iter().filter(|peer| from.is_none_or(|from| peer.pubkey == from)).flat_map(missing);
    lines.into_iter().try_for_each(|line| ui.line(ui.tint(Tint::Yellow, line)))
}

/// What is missing of one peer, a line each.
fn missing(peer: &Peer) -> Vec<String> {
    let who = format!("{} ({})", label(peer), short_key(&peer.npub));
    let mut lines = Vec::new();
    if peer.missing > 0 {
        let asked = if matches!(peer.trust.as_str(), "known" | "trusted") { "asked for again" } else { "not asked for: it is a stranger" };
        lines.push(format!("{} missing from {who}; {asked}.", peer.missing));
    }
    if peer.lost > 0 {
        lines.push(format!("{} lost from {who}; it will not come any more.", peer.lost));
    }
    lines
}

/// Shows what comes, until Ctrl-C; waits for a daemon that restarts.
async fn follow(
    ui: &Ui,
    place: &Place,
    query: &MessagesQuery,
    mut events: EventStream,
    mut shown: BTreeSet<String>,
) -> Result<(), CliError> {
    loop {
        match events.next().await {
            Ok(Some(Event::Message(message))) => {
                if fits(query, &message) && shown.insert(message.id.clone()) {
                    show(ui, &message)?;
                }
            }
            Ok(Some(Event::Gap(gap) | Event::GapLost(gap))) if !ui.json => {
                if let Ok(client) = place.client()
                    && query.from.as_ref().is_none_or(|from| *from == gap.pubkey)
                {
                    tell_missing(ui, &client, Some(&gap.pubkey)).await?;
                }
            }
            Ok(Some(Event::Resync(_))) => {
                // What the stream cannot tell any more, the store knows.
                let page = place.client()?.messages(query).await.map_err(from_client)?;
                for message in page.items.iter().rev() {
                    if shown.insert(message.id.clone()) {
                        show(ui, message)?;
                    }
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(ClientError::Io(_) | ClientError::NotRunning) => {
                events = reopen(ui, place, events.last_id()).await?;
            }
            Err(error) => return Err(from_client(error)),
        }
    }
}

async fn reopen(ui: &Ui, place: &Place, after: Option<u64>) -> Result<EventStream, CliError> {
    ui.progress("the daemon is gone; waiting for it to come back");
    loop {
        tokio::time::sleep(COME_BACK).await;
        let Ok(client) = Client::from_home(place.home.path()) else { continue };
        match client.events(after).await {
            Ok(events) => {
                ui.progress_done();
                return Ok(events);
            }
            Err(ClientError::Api(error)) if error.code != ocmesh_api::ErrorCode::Stopping => {
                return Err(from_client(ClientError::Api(error)));
            }
            Err(_) => {}
        }
    }
}

/// The event stream brings everything; this is the query's choice.
fn fits(query: &MessagesQuery, message: &Message) -> bool {
    let direction = query.direction.as_deref() == Some("any") || message.direction == "in";
    let from = query.from.as_deref().is_none_or(|from| message.from == from || message.to == from);
    let thread = query.thread.as_deref().is_none_or(|thread| message.thread == thread);
    direction && from && thread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_once_a_peer() {
        assert_eq!(missing(&Peer::example()), Vec::<String>::new());
        let peer = Peer { name: Some("a\u{1b}da".to_owned()), missing: 1, lost: 2, ..Peer::example() };
        assert_eq!(
            missing(&peer),
            [
                "1 missing from a\\u{1b}da (npub10elfcs4f…zvjptg); asked for again.",
                "2 lost from a\\u{1b}da (npub10elfcs4f…zvjptg); it will not come any more."
            ]
        );
        let stranger = Peer { trust: "unknown".to_owned(), missing: 3, ..Peer::example() };
        assert_eq!(missing(&stranger), ["3 missing from ada (npub10elfcs4f…zvjptg); not asked for: it is a stranger."]);
    }

    #[test]
    fn following_keeps_to_what_was_asked() {
        let message = Message::example();
        let everything = MessagesQuery::default();
        assert!(fits(&everything, &message));
        assert!(!fits(&MessagesQuery { from: Some("other".to_owned()), ..everything.clone() }, &message));
        assert!(!fits(&MessagesQuery { thread: Some("other".to_owned()), ..everything.clone() }, &message));
        let ours = Message { direction: "out".to_owned(), ..message };
        assert!(!fits(&everything, &ours));
        assert!(fits(&MessagesQuery { direction: Some("any".to_owned()), ..everything }, &ours));
    }
}
