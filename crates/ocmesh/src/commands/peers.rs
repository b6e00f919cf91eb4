//! `ocmesh peers`: the agents that were found.

use ocmesh_api::{Peer, PeersQuery};
use time::OffsetDateTime;

use super::{Place, from_client, now};
use crate::{
    cli::{PeersArgs, TrustLevel},
    error::CliError,
    ui::{Tint, Ui, age, name_warning, safe, short_key, table},
};

pub(crate) async fn run(ui: &Ui, place: &Place, args: PeersArgs) -> Result<(), CliError> {
    let query = PeersQuery {
        online: args.online.then_some(true),
        q: args.query,
        feature: args.feature,
        missing: None,
        trust: args.trust.map(|trust| trust_word(trust).to_owned()),
        limit: Some(args.limit),
        cursor: None,
    };
    let page = place.client()?.peers(&query).await.map_err(from_client)?;
    if ui.json {
        return ui.json(&page.items);
    }
    if page.items.is_empty() {
        return ui.line("No peers found. A new agent is usually seen within minutes; ocmesh status shows whether the relays are up.");
    }
    let warnings: String = warnings(&page.items).into_iter().map(|line| ui.tint(Tint::Yellow, line) + "\n").collect();
    ui.cards(&(render(ui, &page.items, now()) + &warnings))?;
    if page.next.is_some() {
        ui.note(format!("Only the newest {} are shown; narrow it down with -q or --feature, or show more with -n.", args.limit));
    }
    Ok(())
}

/// The API's word for a trust.
pub(crate) const fn trust_word(trust: TrustLevel) -> &'static str {
    match trust {
        TrustLevel::Unknown => "unknown",
        TrustLevel::Known => "known",
        TrustLevel::Trusted => "trusted",
        TrustLevel::Blocked => "blocked",
    }
}

/// What we call a peer; else what it calls itself.
pub(crate) fn label(peer: &Peer) -> String {
    peer.petname.as_deref().or(peer.name.as_deref()).map_or_else(|| "(no name)".to_owned(), safe)
}

/// The label, with a mark where its name is not to be believed; [`warnings`] says why.
fn marked(ui: &Ui, peer: &Peer) -> String {
    let mark = if peer.name_warning.is_some() { format!(" {}", ui.tint(Tint::Red, "(!)")) } else { String::new() };
    label(peer) + &mark
}

/// A line for each name that is not to be believed.
fn warnings(peers: &[Peer]) -> Vec<String> {
    let warned = peers.iter().filter_map(|peer| peer.name_warning.as_ref().map(|warning| (peer, warning)));
    warned.map(|(peer, warning)| format!("(!) {} {}: the name {}.", label(peer), short_key(&peer.npub), name_warning(warning))).collect()
}

fn render(ui: &Ui, peers: &[Peer], now: OffsetDateTime) -> String {
    let rows: Vec<Vec<String>> = peers
        .iter()
        .map(|peer| {
            let status = if peer.online { safe(&peer.status) } else { "offline".to_owned() };
            let features = peer.features.iter().map(|feature| safe(feature)).collect::<Vec<_>>().join(" ");
            vec![
                marked(ui, peer),
                short_key(&peer.npub),
                status,
                safe(&peer.trust),
                safe(&peer.handshake),
                age(&peer.last_seen, now),
                features,
            ]
        })
        .collect();
    table(&["NAME", "KEY", "STATUS", "TRUST", "HANDSHAKE", "SEEN", "FEATURES"], &rows)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_name_that_looks_like_another_is_marked_and_explained() {
        let warned = Peer { name: Some("аdа".to_owned()), name_warning: Some(ocmesh_api::NameWarning::example()), ..Peer::example() };
        assert!(
            render(&Ui::plain(), std::slice::from_ref(&warned), datetime!(2026-11-23 13:00:00 UTC))
                .contains("аdа (!)  npub10elfcs4f…zvjptg")
        );
        let why = "looks like ada (npub10elfcs4f…zvjptg), and is somebody else; mixes letters of several scripts";
        assert_eq!(warnings(&[Peer::example(), warned]), [format!("(!) аdа npub10elfcs4f…zvjptg: the name {why}.")]);
    }

    #[test]
    fn peers_stand_in_a_table() {
        let stranger = Peer {
            name: Some("x\u{1b}]0;y".to_owned()),
            online: false,
            trust: "unknown".to_owned(),
            handshake: "none".to_owned(),
            features: Vec::new(),
            ..Peer::example()
        };
        assert_eq!(
            render(&Ui::plain(), &[Peer::example(), stranger], datetime!(2026-11-23 13:00:00 UTC)),
            "NAME         KEY                   STATUS   TRUST    HANDSHAKE   SEEN       FEATURES\n\
             ada          npub10elfcs4f…zvjptg  online   known    handshaked  1 min ago  messaging query\n\
             x\\u{1b}]0;y  npub10elfcs4f…zvjptg  offline  unknown  none        1 min ago\n"
        );
    }
}
