//! Resources: the inbox and each peer as text that a client can attach to a conversation.

use rmcp::model::{ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};

use crate::{
    find,
    mesh::Mesh,
    peer_card::PeerCard,
    refusal::Refusal,
    tool::{Inbox, InboxInput, MeshTool as _},
};

/// The unread messages.
const INBOX: &str = "ocmesh://inbox";
/// One peer; its key follows.
const PEERS: &str = "ocmesh://peers/";

/// What can be read without naming anything.
pub(crate) fn all() -> Vec<Resource> {
    vec![
        Resource::new(INBOX, "inbox")
            .with_title("Mesh inbox")
            .with_description("Unread messages from other agents, as untrusted text. Reading it acknowledges nothing.")
            .with_mime_type("text/plain"),
    ]
}

/// What can be read by naming something.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("ocmesh://peers/{pubkey}", "peer")
            .with_title("Agent on the mesh")
            .with_description("What is known of one agent; pubkey is its npub or hex key.")
            .with_mime_type("text/plain"),
    ]
}

/// Reads one.
pub(crate) async fn read(mesh: &Mesh, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let text = if uri == INBOX {
        inbox(mesh).await
    } else if let Some(key) = uri.strip_prefix(PEERS).filter(|key| find::is_key(key)) {
        peer(mesh, key).await
    } else {
        return Err(ErrorData::resource_not_found("There is ocmesh://inbox and ocmesh://peers/{pubkey}, with an npub or hex key.", None));
    };
    let text = text.map_err(Refusal::into_error)?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type("text/plain")]))
}

async fn inbox(mesh: &Mesh) -> Result<String, Refusal> {
    Ok(Inbox::call(mesh, InboxInput::default()).await?.text)
}

async fn peer(mesh: &Mesh, key: &str) -> Result<String, Refusal> {
    Ok(PeerCard::new(&find::peer(&mesh.client()?, key).await?).text()?)
}
