//! Finds the peer a model named: by key, by petname, or by a name that no other peer has.

use ocmesh_api::{Client, ClientError, ErrorCode, LIMIT_MAX, Peer, PeersQuery};

use crate::{
    refusal::Refusal,
    untrusted::{NAME_CHARS_MAX, label},
};

/// 64 hexadecimal digits: a whole key or id.
pub(crate) fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Looks like a key in any of its spellings.
pub(crate) fn is_key(text: &str) -> bool {
    is_hex(text) || text.starts_with("npub1") || text.starts_with("nprofile1")
}

/// The one peer called so.
pub(crate) async fn peer(client: &Client, text: &str) -> Result<Peer, Refusal> {
    let text = text.trim();
    if is_key(text) {
        return match client.peer(text).await {
            Err(ClientError::Api(error)) if error.code == ErrorCode::NotFound => Err(unknown(text)),
            other => Ok(other?),
        };
    }
    let query = PeersQuery { q: Some(text.to_owned()), limit: Some(LIMIT_MAX), ..PeersQuery::default() };
    let found = client.peers(&query).await?.items;
    if let Some(peer) = found.iter().find(|peer| peer.petname.as_deref() == Some(text)) {
        return Ok(peer.clone());
    }
    let named: Vec<&Peer> = found.iter().filter(|peer| peer.name.as_deref() == Some(text)).collect();
    match named.as_slice() {
        [peer] if peer.name_warning.as_ref().is_some_and(|warning| warning.looks_like.is_some()) => Err(Refusal::new(
            ErrorCode::NameAmbiguous.as_str(),
            format!(
                "The agent that calls itself \"{}\" looks like another one that is known, and is somebody else",
                label(text, NAME_CHARS_MAX)
            ),
            "Use the npub of the one you mean; mesh_peers shows it.",
        )),
        [peer] => Ok((*peer).clone()),
        [] => Err(unknown(text)),
        several => Err(Refusal::new(
            ErrorCode::NameAmbiguous.as_str(),
            format!("{} agents call themselves \"{}\"", several.len(), label(text, NAME_CHARS_MAX)),
            "Anyone can take any name. Use the npub of the one you mean; mesh_peers shows it.",
        )),
    }
}

/// The hex key of the one peer called so.
pub(crate) async fn pubkey(client: &Client, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if is_hex(text) { Ok(text.to_ascii_lowercase()) } else { Ok(peer(client, text).await?.pubkey) }
}

fn unknown(text: &str) -> Refusal {
    Refusal::new(
        ErrorCode::PeerUnknown.as_str(),
        format!("No agent \"{}\" is known", label(text, NAME_CHARS_MAX)),
        "mesh_peers lists the agents that are known. One that your owner gave you a key (npub) of is made known with mesh_trust.",
    )
}
