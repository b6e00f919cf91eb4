//! `ocmesh peer`: one peer.

use std::fmt::Write as _;

use ocmesh_api::{AddPeerRequest, Client, Peer, PeerPatch};

use super::{
    Place, find, from_client, now,
    peers::{label, trust_word},
};
use crate::{
    cli::PeerCommand,
    error::CliError,
    ui::{Ui, age, name_warning, safe, short_key},
};

pub(crate) async fn show(ui: &Ui, place: &Place, peer: &str) -> Result<(), CliError> {
    let peer = find::peer(&place.client()?, peer).await?;
    if ui.json { ui.json(&peer) } else { ui.cards(&render(&peer)) }
}

pub(crate) async fn change(ui: &Ui, place: &Place, command: PeerCommand) -> Result<(), CliError> {
    let client = place.client()?;
    match command {
        PeerCommand::Add { key, name } => {
            let peer = client.add_peer(&AddPeerRequest { peer: key.trim().to_owned(), petname: name }).await.map_err(from_client)?;
            let shown = format!("{} ({}) is known now; its relays are being looked up.", label(&peer), short_key(&peer.npub));
            ui.done(shown, &peer)
        }
        PeerCommand::Show { peer } => show(ui, place, &peer).await,
        PeerCommand::Trust { peer, trust } => set_trust(ui, &client, &peer, trust_word(trust)).await,
        PeerCommand::Block { peer } => set_trust(ui, &client, &peer, "blocked").await,
        PeerCommand::Name { peer, petname } => {
            let patch = PeerPatch { trust: None, petname: Some(petname) };
            let peer = patched(&client, &peer, &patch).await?;
            let shown = match &peer.petname {
                Some(petname) => format!("You call {} \"{}\" now.", short_key(&peer.npub), safe(petname)),
                None => format!("{} has no name of yours any more.", short_key(&peer.npub)),
            };
            ui.done(shown, &peer)
        }
        PeerCommand::Forget { peer } => {
            let peer = find::peer(&client, &peer).await?;
            let done = client.forget_peer(&peer.pubkey).await.map_err(from_client)?;
            ui.done(format!("{} ({}) is forgotten; its messages stay.", label(&peer), short_key(&peer.npub)), &done)
        }
    }
}

async fn set_trust(ui: &Ui, client: &Client, peer: &str, trust: &str) -> Result<(), CliError> {
    let peer = patched(client, peer, &PeerPatch { trust: Some(trust.to_owned()), petname: None }).await?;
    ui.done(format!("{} ({}) is {} now.", label(&peer), short_key(&peer.npub), safe(&peer.trust)), &peer)
}

async fn patched(client: &Client, peer: &str, patch: &PeerPatch) -> Result<Peer, CliError> {
    let peer = find::peer(client, peer).await?;
    client.change_peer(&peer.pubkey, patch).await.map_err(from_client)
}

fn render(peer: &Peer) -> String {
    let now = now();
    let list = |items: &[String]| items.iter().map(|item| safe(item)).collect::<Vec<_>>().join(" ");
    let optional = |text: &Option<String>| text.as_deref().map(safe).unwrap_or_default();
    let some = |count: u64| if count == 0 { String::new() } else { count.to_string() };
    let status = if peer.online { safe(&peer.status) } else { "offline".to_owned() };
    let rows = [
        ("your name for it", optional(&peer.petname)),
        ("calls itself", optional(&peer.name)),
        ("WARNING: its name", peer.name_warning.as_ref().map(name_warning).unwrap_or_default()),
        ("says of itself", optional(&peer.about)),
        ("npub", safe(&peer.npub)),
        ("hex", safe(&peer.pubkey)),
        ("status", status),
        ("trust", safe(&peer.trust)),
        ("handshake", safe(&peer.handshake)),
        ("features", list(&peer.features)),
        ("reads messages as", list(&peer.dm)),
        ("reads messages at", list(&peer.relays)),
        ("asks of strangers", if peer.work_asked == 0 { String::new() } else { format!("{} bits of work", peer.work_asked) }),
        ("seen at", list(&peer.seen_on)),
        ("first seen", age(&peer.first_seen, now)),
        ("last seen", age(&peer.last_seen, now)),
        ("found by", safe(&peer.source)),
        ("version", optional(&peer.version)),
        ("missing messages", some(peer.missing)),
        ("lost messages", some(peer.lost)),
        ("chain breaks", some(peer.chain_breaks)),
    ];
    let mut out = String::new();
    for (key, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "{key:<18} {value}");
    }
    out
}
