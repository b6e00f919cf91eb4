//! Finds what a person named: a peer by any of its names, a message by the start of its id.

use ocmesh_api::{Client, ClientError, ErrorCode, MessagesQuery, Peer, PeersQuery};

use super::from_client;
use crate::{
    error::{CliError, Exit},
    ui::{is_hex, safe, short_key},
};

/// The shortest start of an id that is looked for: 24 bits tell a few thousand messages apart.
const ID_PREFIX_MIN: usize = 6;
/// Pages of 1,000 messages searched for the start of an id.
const PAGES_MAX: usize = 20;

/// The one peer called so: by key, else by petname, else by a name that no other has.
pub(crate) async fn peer(client: &Client, text: &str) -> Result<Peer, CliError> {
    let text = text.trim();
    if is_hex(text) || text.starts_with("npub1") {
        match client.peer(text).await {
            Err(ClientError::Api(error)) if matches!(error.code, ErrorCode::NotFound | ErrorCode::PeerUnknown) => {}
            other => return other.map_err(from_client),
        }
    }
    let found = search(client, text).await?;
    let key = |peer: &&Peer| peer.pubkey.eq_ignore_ascii_case(text) || peer.npub == text;
    if let Some(peer) = found.iter().find(key).or_else(|| found.iter().find(|peer| peer.petname.as_deref() == Some(text))) {
        return Ok(peer.clone());
    }
    let named: Vec<&Peer> = found.iter().filter(|peer| peer.name.as_deref() == Some(text)).collect();
    match named.as_slice() {
        [peer] => match peer.name_warning.as_ref().and_then(|warning| warning.looks_like.as_ref()) {
            None => Ok((*peer).clone()),
            Some(like) => {
                Err(CliError::could_not("name_ambiguous", format!("the agent that calls itself \"{}\" looks like another", safe(text)))
                    .why(format!("it is {}; you know {} as {}", short_key(&peer.npub), short_key(&like.npub), safe(&like.name)))
                    .hint("use the npub of the one you mean"))
            }
        },
        [] => Err(CliError::new(Exit::CouldNot, "peer_unknown", format!("no peer \"{}\" is known", safe(text)))
            .hint("ocmesh peers lists them; ocmesh peer add <npub> makes one known")),
        several => {
            let keys: Vec<String> = several.iter().take(5).map(|peer| short_key(&peer.npub)).collect();
            Err(CliError::could_not("name_ambiguous", format!("{} peers are called \"{}\"", several.len(), safe(text)))
                .why(keys.join(", "))
                .hint("use the npub, or give one a petname: ocmesh peer name <npub> <petname>"))
        }
    }
}

async fn search(client: &Client, text: &str) -> Result<Vec<Peer>, CliError> {
    let query = PeersQuery { q: Some(text.to_owned()), limit: Some(ocmesh_api::LIMIT_MAX), ..PeersQuery::default() };
    client.peers(&query).await.map(|page| page.items).map_err(from_client)
}

/// The whole id of the message whose id starts so.
pub(crate) async fn message_id(client: &Client, text: &str) -> Result<String, CliError> {
    let start = text.trim().trim_end_matches('…').to_ascii_lowercase();
    if is_hex(&start) {
        return Ok(start);
    }
    if start.len() < ID_PREFIX_MIN || !start.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(CliError::usage(format!("\"{}\" is not the id of a message", safe(text)))
            .hint(format!("give the id, or at least its first {ID_PREFIX_MIN} digits, as ocmesh inbox shows it")));
    }
    let mut found: Vec<String> = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let query = MessagesQuery {
            direction: Some("any".to_owned()),
            held: Some(true),
            limit: Some(ocmesh_api::LIMIT_MAX),
            cursor: cursor.take(),
            ..MessagesQuery::default()
        };
        let page = client.messages(&query).await.map_err(from_client)?;
        found.extend(page.items.into_iter().map(|message| message.id).filter(|id| id.starts_with(&start)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.dedup();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            Err(CliError::could_not("not_found", format!("no message's id starts with {start}"))
                .hint("take the id from: ocmesh inbox --json"))
        }
        several => {
            Err(CliError::could_not("id_ambiguous", format!("{} messages' ids start with {start}", several.len())).hint("give more digits"))
        }
    }
}
